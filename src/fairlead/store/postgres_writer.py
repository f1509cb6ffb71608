"""Between queued writes and the arrays of `fairlead.flush()`: one statement for all of them.

Beside each write goes what it will do unless it is refused: its place among the events of the
flush, and how it moves the counts. The server need then only look at what it refuses.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from fairlead.orders.acceptance import CLAIMED_EVENT
from fairlead.orders.model import Change, NewEvent, OrderStatus
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

# Of an order that was accepted and claimed, and nothing else.
CLAIMED_SEQUENCE = 2


class PostgresFlush:
    """The arguments of one flush. `n` is a write's number in it."""

    def __init__(self, writes: Sequence[Write], principals: Principals) -> None:
        self._writes = writes
        self._principals = principals
        # Whose the orders of the changes are; nobody's if there is no such order.
        self._whose: dict[str, str] = {}
        self._accepts: list[tuple[int, Accept]] = []
        # The orders that are accepted for an owner, with the accept's number; by that number what
        # their owners write of them.
        self._claimed: dict[str, tuple[int, str]] = {}
        self._begun: dict[int, tuple[int, Change]] = {}
        self._changes: list[tuple[int, Change]] = []
        self._claims: list[Row] = []
        self._releases: list[Row] = []
        self._leases: list[Row] = []
        # Events of the accepts and changes so far.
        self._placed = 0
        # How many orders of whom go from which status to which; from none when they are new.
        self._moves: dict[tuple[str, OrderStatus | None, OrderStatus], int] = {}
        self._resting = self._work = False
        for n, write in enumerate(writes):
            self._add(n, write)
        # Rows are locked in the order of their ids, so that two processes never wait in a circle.
        self._changes.sort(key=_order_of_change)

    def _add(self, n: int, write: Write) -> None:
        value: Accept | Change | Claim | Release | Lease = write.value
        match value:
            case Change():
                self._add_change(n, value)
            case Accept(order):
                self._accepts.append((n, value))
                # Its first change may come in the same flush.
                self._whose[order.order_id] = order.principal
                if value.owner is not None:
                    self._claimed.setdefault(order.order_id, (n, value.owner))
                self._work = self._work or makes_work(value)
            case Claim():
                again = write.uncertain > 0
                self._claims.append(
                    (n, value.owner, value.places, value.now_ms, value.adopt, value.token, again)
                )
                write.result = ()
            case Release():
                self._releases += [(n, *worker, value.now_ms) for worker in value.workers]
                self._work = True
                write.result = ()
            case Lease():
                self._leases.append(
                    (n, value.owner, value.until_ms, value.renew, value.session_key)
                )
                write.result = False
            case _:
                assert_never(value)

    def _add_change(self, n: int, change: Change) -> None:
        order_id = change.order_id
        claimed = self._claimed.get(order_id)
        if claimed is not None and claimed[0] not in self._begun and _begins(change, claimed[1]):
            self._begun[claimed[0]] = (n, change)
            return
        self._changes.append((n, change))
        principal = self._principals.of(order_id)
        if principal is not None:
            self._whose[order_id] = principal
        self._work = self._work or makes_work(change)

    def unknown_orders(self) -> list[str]:
        """Orders whose principals must be learnt before the arguments are made."""
        whose = self._whose
        return [change.order_id for _, change in self._changes if change.order_id not in whose]

    def learn(self, principals: Sequence[tuple[str, str]]) -> None:
        for order_id, principal in principals:
            self._whose[order_id] = principal
            self._principals.remember(order_id, principal)

    def arguments(self, shard: int, rate_limit: RateLimit | None, channel: str | None) -> Row:
        """The parameters of the statement `flush`."""
        rate = (rate_limit.orders, rate_limit.window_ms) if rate_limit else (None, None)
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        settled: list[Row] = []
        trying = several = ending = False
        accepts = [self._accept_row(n, accept, sums) for n, accept in self._accepts]
        changes = [self._change_row(n, change) for n, change in self._changes]
        for n, change in self._changes:
            trying = trying or change.new_attempt is not None
            several = several or len(change.events) > 1
            ending = ending or change.end
            if change.settled:
                settled += [(n, change.order_id, *settled_row(s)) for s in change.settled]
        # NULL for what there is nothing of: an empty array of rows costs as much as a row.
        return (
            accepts or None,
            [(*key, str(atoms), str(balance)) for key, (atoms, balance) in sorted(sums.items())]
            or None,
            changes or None,
            settled or None,
            self._moved() or None,
            self._claims or None,
            self._releases or None,
            self._leases or None,
            self._placed,
            bool(self._begun),
            trying,
            several,
            ending,
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
        assert len(order.events) == (1 if trigger is None else 2), order.events
        assert owner is None or trigger is None, "who is to rest is not claimed"
        if order.reservations:
            wanted = []
            for r in order.reservations:
                key = (r.wallet, r.asset)
                atoms, balance = sums.get(key, (0, r.balance_atoms))
                sums[key] = (atoms + r.atoms, min(balance, r.balance_atoms))
                wanted.append((r.wallet, r.asset, str(r.atoms), str(r.balance_atoms)))
            reservations = encode_json(wanted)
        place = self._placed
        status = order.status
        begun = rested = waits_for = None
        if owner is not None:
            status = CLAIMED_EVENT.status
            self._placed += 2
        elif trigger is not None:
            rested, waits_for = order.events[1].data.decode(), trigger_row(trigger)[1:]
            self._placed += 2
            self._resting = True
        else:
            self._placed += 1
        self._move(order.principal, None, status)
        if n in self._begun:
            begun = self._change_row(*self._begun[n])
        return (
            n,
            place,
            *terms_row(order, reservations),
            order.terms.priority,
            _data(order.events[0]),
            owner,
            rested,
            waits_for,
            begun,
        )

    def _change_row(self, n: int, change: Change) -> Row:
        order_id, events, status = change.order_id, change.events, change.status
        principal, before = self._whose.get(order_id, ""), change.status_before
        place, steps = self._placed, len(events)
        self._placed += steps
        type = data = first = between = attempt = None
        if events:
            last = events[-1]
            type, data = last.type, _data(last)
            assert last.status is status, "the status of a change is that of its last event"
            if steps > 1:
                first = _event_row(events[0])
            if steps > 2:
                between = [_event_row(event) for event in events[1:-1]]
            if before is OrderStatus.OPEN or status is OrderStatus.OPEN:
                self._resting = True
        if status is not before:
            assert events, "an event tells of each change of status"
            self._move(principal, before, status)
        if change.new_attempt is not None:
            assert change.new_attempt.order_id == order_id
            attempt = attempt_row(change.new_attempt)
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
            first,
            between,
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
            attempt,
        )

    def _move(self, principal: str, before: OrderStatus | None, after: OrderStatus) -> None:
        key = (principal, before, after)
        self._moves[key] = self._moves.get(key, 0) + 1

    def _moved(self) -> list[Row]:
        """How the counts move, in the order in which every process writes them."""
        sums: dict[tuple[str, str], int] = {}
        for (principal, before, after), orders in self._moves.items():
            sums[principal, after] = sums.get((principal, after), 0) + orders
            if before is not None:
                sums[principal, before] = sums.get((principal, before), 0) - orders
        return [(*key, moved) for key, moved in sorted(sums.items()) if moved]

    def read(self, answer: Any) -> Committed:
        """Give each write its result; the events as flush() numbered them."""
        told = PostgresAnswer(self._writes, self._principals, answer)
        fenced = told.read_accepts(self._accepts, self._begun)
        told.read_changes(fenced + self._changes, self._whose)
        told.read_claims()
        told.read_releases()
        return Committed(tuple(told.events), self._work)


def _begins(change: Change, owner: str) -> bool:
    """Whether a change is the first of an order that the same flush accepts for this owner, and
    leaves it with its owner: the order is then stored as the change leaves it."""
    return (
        change.owner == owner
        and change.sequence == CLAIMED_SEQUENCE
        and change.status_before is CLAIMED_EVENT.status
        and change.status is not OrderStatus.OPEN
        and 1 <= len(change.events) <= 2
        and not change.settled
        and not change.release
        and not change.end
    )


def _order_of_change(numbered: tuple[int, Change]) -> str:
    return numbered[1].order_id


def _event_row(event: NewEvent) -> Row:
    return event.type, event.status, _data(event)


def _data(event: NewEvent) -> str | None:
    return None if event.data == b"{}" else event.data.decode()
