"""Between queued writes and the arrays of `fairlead.flush()`: one statement for all of them."""

from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from fairlead.errors import Fenced, IdempotencyConflict, InsufficientFunds
from fairlead.orders.model import (
    Attempt,
    Change,
    Claimed,
    EventType,
    NewEvent,
    NewOrder,
    OrderStatus,
    StoredEvent,
)
from fairlead.ports import Accepted, Committed, RateLimit
from fairlead.store.batch import Write
from fairlead.store.rows import (
    attempt_of,
    attempt_row,
    order_of,
    status_of,
    terms_row,
    trigger_row,
    u64_text,
)
from fairlead.store.writes import (
    CLAIMED_EVENT,
    TAKEN_OVER_DATA,
    Accept,
    Claim,
    Lease,
    Release,
    begins,
    begun,
    makes_work,
)

# An event without its position: order_id, sequence, principal, at_ms, type, status, data.
Entry = tuple[str, int, str, int, EventType, OrderStatus, bytes]


class PostgresFlush:
    """The arguments of one flush and what its answer means. `n` is a write's place in the flush."""

    def __init__(self, writes: Sequence[Write]) -> None:
        self._writes = writes
        self._accepts: list[tuple[Any, ...]] = []
        self._wanted: list[tuple[Any, ...]] = []
        self._changes: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._settled: list[tuple[Any, ...]] = []
        self._claims: list[tuple[Any, ...]] = []
        self._releases: list[tuple[Any, ...]] = []
        self._leases: list[tuple[Any, ...]] = []
        self._triggers: list[tuple[Any, ...]] = []
        self._work = False
        for n, write in enumerate(writes):
            self._add(n, write)
        # Rows are locked in the order of their ids, so that two processes never wait in a circle.
        self._changes.sort(key=lambda row: row[1])

    def arguments(
        self, shard: int, rate_limit: RateLimit | None, channel: str | None
    ) -> tuple[Any, ...]:
        """The parameters of the statement `flush`."""
        rate = (rate_limit.orders, rate_limit.window_ms) if rate_limit else (None, None)
        # NULL for what there is nothing of: an empty array of rows costs as much as a row.
        return (
            self._accepts or None,
            self._wanted or None,
            self._changes or None,
            self._events or None,
            self._attempts or None,
            self._settled or None,
            self._claims or None,
            self._releases or None,
            self._leases or None,
            self._triggers or None,
            shard,
            *rate,
            channel,
            self._work,
        )

    def _add(self, n: int, write: Write) -> None:
        value: Accept | Change | Claim | Release | Lease = write.value
        match value:
            case Change():
                self._add_change(n, value)
                self._work = self._work or makes_work(value)
            case Accept():
                self._add_accept(n, value)
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

    def _add_accept(self, n: int, accept: Accept) -> None:
        order = accept.order
        event, *further = order.events
        self._accepts.append(
            (
                n,
                *terms_row(order),
                event.status,
                order.terms.priority,
                event.type,
                event.data.decode(),
                accept.owner,
                len(order.events),
                order.status,
                order.due_at_ms,
            )
        )
        self._add_events(n, 2, event.status, further)
        if order.trigger is not None:
            self._triggers.append((n, *trigger_row(order.trigger)))
        self._wanted += [
            (n, r.wallet, r.asset, str(r.atoms), str(r.balance_atoms)) for r in order.reservations
        ]

    def _add_change(self, n: int, change: Change) -> None:
        self._changes.append(
            (
                n,
                change.order_id,
                change.owner,
                change.sequence,
                change.status_before,
                change.status,
                change.at_ms,
                len(change.events),
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
        )
        before = self._add_events(n, 1, change.status_before, change.events)
        assert before is change.status, "the status of a change is that of its last event"
        if change.new_attempt is not None:
            assert change.new_attempt.order_id == change.order_id
            self._attempts.append((n, *attempt_row(change.new_attempt)))
        self._settled += [
            (n, change.order_id, s.signature, s.state, s.slot, s.error) for s in change.settled
        ]

    def _add_events(
        self, n: int, step: int, before: OrderStatus, events: Sequence[NewEvent]
    ) -> OrderStatus:
        for event in events:
            self._events.append((n, step, event.type, before, event.status, event.data.decode()))
            step, before = step + 1, event.status
        return before

    def read(self, answer: Any) -> Committed:
        """Give each write its result; the events in the order in which flush() numbered them."""
        for write in self._writes:
            match write.value:
                case Claim() | Release():
                    write.result = ()
                case Change():
                    write.result = Fenced(write.value.order_id)
                case _:
                    write.result = False
        events = [
            *self._read_accepted(answer["accepted"] or ()),
            *self._read_changed(answer["changed"] or ()),
            *self._read_claimed(answer["claimed"] or (), answer["tried"] or ()),
            *self._read_released(answer["gone"] or (), answer["freed"] or ()),
        ]
        for n in answer["alive"] or ():
            self._writes[n].result = True
        first = (answer["last_position"] or 0) - len(events) + 1
        numbered = tuple(StoredEvent(first + index, *event) for index, event in enumerate(events))
        return Committed(numbered, self._work)

    def _read_accepted(self, accepted: Sequence[Any]) -> Iterator[Entry]:
        taken: list[NewOrder] = []
        rested: list[NewOrder] = []
        for n, fresh, found_id, found_hash, mine, asset, *funds in sorted(accepted):
            accept: Accept = self._writes[n].value
            order, owner = accept.order, accept.owner
            result: Accepted | Exception
            if fresh:
                yield _entry(order, 1, order.events[0])
                if order.trigger is not None:
                    rested.append(order)
                if owner is None:
                    result = Accepted(order.order_id, False)
                else:
                    taken.append(order)
                    result = Accepted(order.order_id, False, begun(order, owner))
            elif asset is not None:
                result = InsufficientFunds(asset, *map(int, funds))
            elif str(found_id) == order.order_id:
                # This very order: an earlier flush, whose answer was lost, had stored it.
                # Unless it is as that one left it, others have it by now.
                claimed = begun(order, owner) if mine and owner is not None else None
                result = Accepted(order.order_id, False, claimed)
            elif found_hash == order.request_hash:
                result = Accepted(str(found_id), True)
            else:
                result = IdempotencyConflict(str(found_id))
            self._writes[n].result = result
        for order in taken:
            yield _entry(order, 2, CLAIMED_EVENT)
        for order in rested:
            for sequence, event in enumerate(order.events[1:], 2):
                yield _entry(order, sequence, event)

    def _read_changed(self, changed: Sequence[Any]) -> Iterator[Entry]:
        for n, principal in changed:
            change: Change = self._writes[n].value
            sequence = change.sequence
            for event in change.events:
                sequence += 1
                yield (
                    change.order_id,
                    sequence,
                    principal,
                    change.at_ms,
                    event.type,
                    event.status,
                    event.data,
                )
            self._writes[n].result = sequence

    def _read_claimed(self, rows: Sequence[Any], tried: Sequence[Any]) -> Iterator[Entry]:
        attempts: dict[str, tuple[Attempt, ...]] = {}
        for attempt in map(attempt_of, tried):
            attempts[attempt.order_id] = (*attempts.get(attempt.order_id, ()), attempt)
        for n, before, *columns in rows:
            order = order_of(columns)
            event = None if before is None else begins(status_of(before))
            if event is not None:
                yield (
                    order.order_id,
                    order.sequence,
                    order.principal,
                    order.updated_at_ms,
                    event.type,
                    event.status,
                    event.data,
                )
            self._writes[n].result += (Claimed(order, attempts.get(order.order_id, ())),)

    def _read_released(self, gone: Sequence[Any], freed: Sequence[Any]) -> Iterator[Entry]:
        for n, owner, _, _ in gone:
            self._writes[n].result += (owner,)
        for order_id, sequence, principal, at_ms, _, _, status, _ in freed:
            yield (
                str(order_id),
                sequence,
                principal,
                at_ms,
                EventType.TAKEN_OVER,
                status_of(status),
                TAKEN_OVER_DATA,
            )


def _entry(order: NewOrder, sequence: int, event: NewEvent) -> Entry:
    return (
        order.order_id,
        sequence,
        order.principal,
        order.created_at_ms,
        event.type,
        event.status,
        event.data,
    )
