"""Between queued writes and the arrays of `fairlead.flush()`: one statement for all of them.

Beside each write goes what it will do unless it is refused: its place among the events of the
flush, and how it moves the counts. The server need then only look at what it refuses.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from fairlead.orders.acceptance import CLAIMED_EVENT
from fairlead.orders.model import Change, EventType, NewEvent, OrderStatus
from fairlead.ports import Committed, RateLimit
from fairlead.store.batch import Write
from fairlead.store.postgres_answer import PostgresAnswer
from fairlead.store.principals import Principals
from fairlead.store.rows import (
    attempt_row,
    encode_json,
    settled_row,
    terms_row,
    trigger_row,
    u64_text,
)
from fairlead.store.writes import (
    Accept,
    Claim,
    Lease,
    Release,
    makes_work,
)

Row = tuple[Any, ...]

_AT_ONCE = [EventType.ACCEPTED]
_RESTING = [EventType.ACCEPTED, EventType.RESTED]


class PostgresFlush:
    """The arguments of one flush. `n` is a write's number in it."""

    def __init__(self, writes: Sequence[Write], principals: Principals) -> None:
        self._writes = writes
        self._principals = principals
        # Whose the orders of the changes are; nobody's if there is no such order.
        self._whose: dict[str, str] = {}
        self._accepts: list[tuple[int, Accept]] = []
        self._changes: list[tuple[int, Change]] = []
        self._claims: list[Row] = []
        self._releases: list[Row] = []
        self._leases: list[Row] = []
        # Events of the accepts and changes so far.
        self._placed = 0
        self._moves: dict[tuple[str, OrderStatus], int] = {}
        self._several = self._ending = self._resting = self._work = False
        for n, write in enumerate(writes):
            self._add(n, write)
        # Rows are locked in the order of their ids, so that two processes never wait in a circle.
        self._changes.sort(key=_order_of_change)

    def _add(self, n: int, write: Write) -> None:
        value: Accept | Change | Claim | Release | Lease = write.value
        match value:
            case Change():
                self._changes.append((n, value))
                principal = self._principals.of(value.order_id)
                if principal is not None:
                    self._whose[value.order_id] = principal
                self._work = self._work or makes_work(value)
            case Accept(order):
                self._accepts.append((n, value))
                # Its first change may come in the same flush.
                self._whose[order.order_id] = order.principal
                self._work = self._work or makes_work(value)
            case Claim():
                again = write.uncertain > 0
                self._claims.append(
                    (n, value.owner, value.places, value.now_ms, value.adopt, value.token, again)
                )
            case Release():
                self._releases += [(n, *worker, value.now_ms) for worker in value.workers]
                self._work = True
            case Lease():
                self._leases.append(
                    (n, value.owner, value.until_ms, value.renew, value.session_key)
                )
            case _:
                assert_never(value)

    def unknown_orders(self) -> list[str]:
        """Orders whose principals must be learnt before the arguments are made."""
        whose = self._whose
        return [change.order_id for _, change in self._changes if change.order_id not in whose]

    def learn(self, principals: Sequence[tuple[str, str]]) -> None:
        self._whose.update(principals)

    def arguments(self, shard: int, rate_limit: RateLimit | None, channel: str | None) -> Row:
        """The parameters of the statement `flush`."""
        rate = (rate_limit.orders, rate_limit.window_ms) if rate_limit else (None, None)
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        attempts: list[Row] = []
        settled: list[Row] = []
        accepts = [self._accept_row(n, accept, sums) for n, accept in self._accepts]
        changes = [self._change_row(n, change) for n, change in self._changes]
        for n, change in self._changes:
            if change.new_attempt is not None:
                assert change.new_attempt.order_id == change.order_id
                attempts.append((n, *attempt_row(change.new_attempt)))
            settled += [(n, change.order_id, *settled_row(s)) for s in change.settled]
        # NULL for what there is nothing of: an empty array of rows costs as much as a row.
        return (
            accepts or None,
            [(*key, str(atoms), str(balance)) for key, (atoms, balance) in sorted(sums.items())]
            or None,
            changes or None,
            attempts or None,
            settled or None,
            [(*key, moved) for key, moved in sorted(self._moves.items()) if moved] or None,
            self._claims or None,
            self._releases or None,
            self._leases or None,
            self._placed,
            self._several,
            self._ending,
            self._resting,
            self._work,
            shard,
            *rate,
            channel,
        )

    def _accept_row(
        self, n: int, accept: Accept, sums: dict[tuple[str, str], tuple[int, int]]
    ) -> Row:
        order, owner, trigger, reservations = accept.order, accept.owner, accept.order.trigger, None
        types = [event.type for event in order.events]
        assert types == (_AT_ONCE if trigger is None else _RESTING), types
        if order.reservations:
            wanted = []
            for r in order.reservations:
                key = (r.wallet, r.asset)
                atoms, balance = sums.get(key, (0, r.balance_atoms))
                sums[key] = (atoms + r.atoms, min(balance, r.balance_atoms))
                wanted.append((r.wallet, r.asset, str(r.atoms), str(r.balance_atoms)))
            reservations = encode_json(wanted)
        place = self._placed
        self._placed += len(types) + (owner is not None)
        self._move(order.principal, order.status if owner is None else CLAIMED_EVENT.status, 1)
        self._resting = self._resting or trigger is not None
        return (
            n,
            place,
            *terms_row(order, reservations),
            order.terms.priority,
            _data(order.events[0]),
            owner,
            None if trigger is None else order.events[1].data.decode(),
            None if trigger is None else trigger_row(trigger)[1:],
        )

    def _change_row(self, n: int, change: Change) -> Row:
        order_id, events, status = change.order_id, change.events, change.status
        principal, before = self._whose.get(order_id, ""), change.status_before
        place, steps = self._placed, len(events)
        self._placed += steps
        type = data = earlier = None
        if events:
            last = events[-1]
            type, data = last.type, _data(last)
            assert last.status is status, "the status of a change is that of its last event"
            if steps > 1:
                earlier = [(e.type, e.status, _data(e)) for e in events[:-1]]
                self._several = True
            if OrderStatus.OPEN in (before, status):
                self._resting = True
        if status is not before:
            assert events, "an event tells of each change of status"
            self._move(principal, before, -1)
            self._move(principal, status, 1)
        if change.end:
            self._ending = True
        return (
            n,
            place,
            order_id,
            principal,
            change.owner,
            change.sequence,
            before,
            status,
            change.at_ms,
            steps,
            type,
            data,
            earlier,
            change.round,
            change.due_at_ms,
            u64_text(change.minimum_out_atoms),
            change.latch_generation,
            change.cancel_requested,
            change.signature,
            change.dex,
            u64_text(change.amount_out_atoms),
            change.failure_code,
            change.failure_reason,
            change.finalized_at_ms,
            change.clear_fill,
            change.release,
            change.end,
            change.earlier_rounds,
        )

    def _move(self, principal: str, status: OrderStatus, by: int) -> None:
        key = (principal, status)
        self._moves[key] = self._moves.get(key, 0) + by

    def read(self, answer: Any) -> Committed:
        """Give each write its result; the events as flush() numbered them."""
        told = PostgresAnswer(self._writes, self._principals, answer)
        told.read_accepts(self._accepts)
        told.read_changes(self._changes, self._whose)
        told.read_claims()
        told.read_releases()
        return Committed(tuple(told.events), self._work)


def _order_of_change(numbered: tuple[int, Change]) -> str:
    return numbered[1].order_id


def _data(event: NewEvent) -> str | None:
    return None if event.data == b"{}" else event.data.decode()
