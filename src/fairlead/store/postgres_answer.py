"""What the answer of `fairlead.flush()` means for each write, and the events it numbered."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.errors import Fenced, IdempotencyConflict, InsufficientFunds
from fairlead.orders.acceptance import CLAIMED_EVENT, begun
from fairlead.orders.model import Attempt, Change, Claimed, EventType, NewEvent, StoredEvent
from fairlead.ports import Accepted
from fairlead.store.batch import Write
from fairlead.store.principals import Principals
from fairlead.store.rows import attempt_of, order_of, status_of
from fairlead.store.writes import (
    TAKEN_OVER_DATA,
    Accept,
    begins,
)


class PostgresAnswer:
    """Read in this order, as flush() numbers: accepts, changes, claims, releases."""

    def __init__(self, writes: Sequence[Write], principals: Principals, answer: Any) -> None:
        self._writes = writes
        self._principals = principals
        self._answer = answer
        self._position: int = answer["floor"] or 0
        self.events: list[StoredEvent] = []
        for n in answer["alive"] or ():
            writes[n].result = True

    def _tell(
        self, order_id: str, after: int, principal: str, at_ms: int, events: tuple[NewEvent, ...]
    ) -> int:
        """The next events of the feed, an order's own after one; the last one's sequence."""
        position, sequence = self._position, after
        for event in events:
            position += 1
            sequence += 1
            type, status, data = event.type, event.status, event.data
            self.events.append(
                StoredEvent(position, order_id, sequence, principal, at_ms, type, status, data)
            )
        self._position = position
        return sequence

    def read_accepts(
        self, accepts: Sequence[tuple[int, Accept]], first: Mapping[int, tuple[int, Change]]
    ) -> list[tuple[int, Change]]:
        """With those changes that were stored with their orders; the others of them."""
        refused = {row[0]: row for row in self._answer["refused"] or ()}
        left: list[tuple[int, Change]] = []
        for n, accept in accepts:
            order, owner = accept.order, accept.owner
            order_id, principal = order.order_id, order.principal
            begins = first.get(n)
            if n in refused:
                self._writes[n].result = _refusal(accept, *refused[n][1:])
                if begins is not None:
                    left.append(begins)
                continue
            events = order.events if owner is None else (*order.events, CLAIMED_EVENT)
            sequence = self._tell(order_id, 0, principal, order.created_at_ms, events)
            if begins is not None:
                m, change = begins
                self._writes[m].result = self._tell(
                    order_id, sequence, principal, change.at_ms, change.events
                )
            self._principals.remember(order_id, principal)
            claimed = None if owner is None else begun(order, owner)
            self._writes[n].result = Accepted(order_id, False, claimed)
        return left

    def read_changes(self, changes: Sequence[tuple[int, Change]], whose: Mapping[str, str]) -> None:
        fenced = frozenset(self._answer["fenced"] or ())
        for n, change in changes:
            order_id = change.order_id
            if n in fenced:
                self._writes[n].result = Fenced(order_id)
                continue
            self._writes[n].result = self._tell(
                order_id, change.sequence, whose[order_id], change.at_ms, change.events
            )
            if change.end:
                self._principals.forget(order_id)

    def read_claims(self) -> None:
        attempts: dict[str, tuple[Attempt, ...]] = {}
        for attempt in map(attempt_of, self._answer["tried"] or ()):
            attempts[attempt.order_id] = (*attempts.get(attempt.order_id, ()), attempt)
        for n, before, *columns in self._answer["claimed"] or ():
            order = order_of(columns)
            event = None if before is None else begins(status_of(before))
            if event is not None:
                self._tell(
                    order.order_id,
                    order.sequence - 1,
                    order.principal,
                    order.updated_at_ms,
                    (event,),
                )
            self._principals.remember(order.order_id, order.principal)
            self._writes[n].result += (Claimed(order, attempts.get(order.order_id, ())),)

    def read_releases(self) -> None:
        for n, owner, _, _ in self._answer["gone"] or ():
            self._writes[n].result += (owner,)
        for order_id, sequence, principal, at_ms, _, _, status, _ in self._answer["freed"] or ():
            event = NewEvent(EventType.TAKEN_OVER, status_of(status), TAKEN_OVER_DATA)
            self._tell(str(order_id), sequence - 1, principal, at_ms, (event,))


def _refusal(
    accept: Accept, found_id: Any, found_hash: Any, mine: bool, asset: str | None, *funds: Any
) -> Accepted | Exception:
    """What became of an accept that stored nothing."""
    order, owner = accept.order, accept.owner
    if asset is not None:
        return InsufficientFunds(asset, *map(int, funds))
    if str(found_id) == order.order_id:
        # This very order: an earlier flush, whose answer was lost, had stored it.
        # Unless it is as that one left it, others have it by now.
        claimed = begun(order, owner) if mine and owner is not None else None
        return Accepted(order.order_id, False, claimed)
    if found_hash == order.request_hash:
        return Accepted(str(found_id), True)
    return IdempotencyConflict(str(found_id))
