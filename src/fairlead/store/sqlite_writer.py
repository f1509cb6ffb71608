"""One SQLite transaction over many writes, in the order they came.

Each write looks first and changes only what it may, so that a refused one leaves nothing behind
and its neighbours are untouched. What many writes share (counts, reserved sums, events) is
gathered here and written once, at the end.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, assert_never

import msgspec

from fairlead.errors import Fenced, IdempotencyConflict, InsufficientFunds
from fairlead.orders.acceptance import CLAIMED_EVENT, begun
from fairlead.orders.model import (
    Change,
    Claimed,
    EventType,
    NewOrder,
    Order,
    OrderStatus,
)
from fairlead.ports import Accepted, Committed, RateLimit
from fairlead.store.batch import Write
from fairlead.store.rows import (
    attempt_of,
    attempt_row,
    decode_reservations,
    encode_reservations,
    order_of,
    settled_row,
    status_of,
    terms_row,
    trigger_row,
)
from fairlead.store.sqlite_gathered import Gathered
from fairlead.store.sqlite_reclaims import ReclaimWrite, run_reclaim_write
from fairlead.store.sqlite_statements import Statements, known_columns
from fairlead.store.writes import (
    ADOPTABLE,
    CLAIMABLE,
    TAKEN_OVER_DATA,
    AbsentLatches,
    Accept,
    BeginReclaim,
    Claim,
    KnowToSlot,
    Lease,
    NoteLatches,
    Release,
    SettleReclaim,
    Watch,
    begins,
    makes_work,
)

# Left behind in these, an order goes back to routing: nothing of its round was stored.
BACK_TO_ROUTING = (OrderStatus.ROUTING, OrderStatus.BUILDING)


class SqliteFlush:
    """Runs the statements of one flush; the caller begins and commits the transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        statements: Statements,
        position: int,
        session: int,
        rate_limit: RateLimit | None,
    ) -> None:
        self._execute: Callable[..., sqlite3.Cursor] = connection.execute
        self._statements = statements
        self._queries = statements.queries
        self._session = session
        # The last event before this flush.
        self._head = position
        self._rate_limit = rate_limit
        self._gathered = Gathered(connection, statements.queries, position)
        self._work = False

    def run(self, writes: Sequence[Write]) -> Committed:
        """Do every write and set its result; what it returns holds once the transaction commits."""
        for write in writes:
            write.result = self._one(write.value)
        self._gathered.write()
        return Committed(tuple(self._gathered.events), self._work)

    def _one(
        self, value: Accept | Change | Claim | Release | Lease | Watch | KnowToSlot | ReclaimWrite
    ) -> Any:
        match value:
            case Change():
                return self._change(value)
            case Accept():
                return self._accept(value)
            case Claim():
                return self._claim(value)
            case Release():
                return self._release(value)
            case Lease():
                return self._lease(value)
            case Watch():
                return self._watch(value)
            case KnowToSlot(slot):
                self._execute(self._queries["know_to_slot"], (slot,))
                return None
            case NoteLatches() | BeginReclaim() | SettleReclaim() | AbsentLatches():
                return run_reclaim_write(self._execute, self._queries, value, self._head)
            case _:
                assert_never(value)

    def _accept(self, accept: Accept) -> Accepted | Exception:
        order, owner = accept.order, accept.owner
        queries = self._queries
        if order.idempotency_key is not None:
            key = (order.principal, order.idempotency_key)
            for order_id, request_hash in self._execute(queries["by_idempotency_key"], key):
                if request_hash == order.request_hash:
                    return Accepted(order_id, True)
                return IdempotencyConflict(order_id)
        refused = self._reserve(order)
        if refused is not None:
            return refused
        events = order.events if owner is None else (*order.events, CLAIMED_EVENT)
        at_ms, status = order.created_at_ms, events[-1].status
        self._execute(queries["insert_terms"], terms_row(order, encode_reservations(order)))
        self._execute(
            queries["insert_order"],
            (
                order.order_id,
                order.principal,
                status,
                len(events),
                order.terms.priority,
                order.due_at_ms,
                at_ms,
                owner,
                0 if owner is None else 1,
            ),
        )
        order_id, principal = order.order_id, order.principal
        for sequence, e in enumerate(events, 1):
            self._gathered.tell(order_id, sequence, principal, at_ms, e.type, e.status, e.data)
        self._gathered.move(order.principal, None, status)
        if order.trigger is not None:
            row = (*trigger_row(order.trigger), self._gathered.position, len(events))
            self._execute(queries["insert_trigger"], row)
        self._statements.principals.remember(order.order_id, order.principal)
        self._work = self._work or makes_work(accept)
        return Accepted(order.order_id, False, None if owner is None else begun(order, owner))

    def _reserve(self, order: NewOrder) -> InsufficientFunds | None:
        sums = []
        for wanted in order.reservations:
            reserved = self._reserved_of(wanted.wallet, wanted.asset)
            if reserved + wanted.atoms > wanted.balance_atoms:
                return InsufficientFunds(wanted.asset, wanted.atoms, wanted.balance_atoms, reserved)
            sums.append(((wanted.wallet, wanted.asset), reserved + wanted.atoms))
        assert len(sums) == len(dict(sums)), "one reservation for each wallet and asset"
        self._gathered.reserved.update(sums)
        return None

    def _reserved_of(self, wallet: str, asset: str) -> int:
        key = (wallet, asset)
        known = self._gathered.reserved.get(key)
        if known is None:
            row = self._execute(self._queries["reserved_of"], key).fetchone()
            known = self._gathered.reserved[key] = int(row[0]) if row else 0
        return known

    def _change(self, change: Change) -> int | Fenced:
        order_id = change.order_id
        columns, values = known_columns(change)
        statement = self._statements.change_order(columns)
        fence = (order_id, change.sequence, change.status_before, change.owner, not change.end)
        if self._execute(statement, (*values, *fence)).rowcount == 0:
            return Fenced(order_id)
        principal = self._principal_of(order_id)
        self._work = self._work or makes_work(change)
        if change.end:
            self._give_back(order_id)
        for settled in change.settled:
            done = self._execute(
                self._queries["settle_attempt"],
                (order_id, *settled_row(settled)),
            )
            assert done.rowcount == 1, f"{order_id} has no attempt {settled.signature}"
        if change.latch_generation is not None:
            # Rule 4: none of the old generation may live on.
            left = self._execute(self._queries["left_live"], (order_id, change.latch_generation))
            assert not left.fetchall(), f"{order_id} opens a latch beside attempts of another"
        if change.new_attempt is not None:
            assert change.new_attempt.order_id == order_id
            self._execute(self._queries["insert_attempt"], attempt_row(change.new_attempt))
        sequence = change.sequence
        for event in change.events:
            sequence += 1
            self._gathered.tell(
                order_id, sequence, principal, change.at_ms, event.type, event.status, event.data
            )
        self._gathered.move(principal, change.status_before, change.status)
        if change.events and OrderStatus.OPEN in (change.status_before, change.status):
            resting = change.status is OrderStatus.OPEN
            self._gathered.move_trigger(order_id, sequence, resting)
        return sequence

    def _principal_of(self, order_id: str) -> str:
        known = self._statements.principals.of(order_id)
        if known is None:
            ((known,),) = self._execute(self._queries["principal_of"], (order_id,))
            self._statements.principals.remember(order_id, known)
        return known

    def _give_back(self, order_id: str) -> None:
        ((text,),) = self._execute(self._queries["reservations_of"], (order_id,))
        for wallet, asset, atoms in decode_reservations(text):
            left = self._reserved_of(wallet, asset) - atoms
            assert left >= 0, f"{wallet} gave back more {asset} than it held"
            self._gathered.reserved[wallet, asset] = left

    def _claim(self, claim: Claim) -> tuple[Claimed, ...]:
        rows: list[Any] = []
        for status in ADOPTABLE if claim.adopt else CLAIMABLE:
            places = claim.places
            if status is OrderStatus.PENDING and self._rate_limit is not None:
                places = min(places, self._left_in_window(self._rate_limit, claim.now_ms))
            rows += self._execute(
                self._queries["waiting_in"], (status, claim.now_ms, places)
            ).fetchall()
        orders = [order_of(row) for row in rows]
        orders.sort(key=lambda o: (-o.terms.priority, o.due_at_ms, o.order_id))
        orders = orders[: claim.places]
        new = sum(begins(order.status) is not None for order in orders)
        if new and self._rate_limit is not None:
            self._execute(self._queries["note_claims"], (claim.now_ms, new))
        # A new order has no attempts.
        return tuple(
            Claimed(
                self._take(claim, one), self._attempts_of(one.order_id) if one.sequence > 1 else ()
            )
            for one in orders
        )

    def _take(self, claim: Claim, order: Order) -> Order:
        order_id, before, sequence = order.order_id, order.status, order.sequence
        status, round, updated_at_ms = before, order.round, order.updated_at_ms
        event = begins(before)
        if event is not None:
            status, sequence, round = event.status, sequence + 1, round + 1
            updated_at_ms = claim.now_ms
            self._gathered.tell(
                order_id, sequence, order.principal, claim.now_ms, event.type, status, event.data
            )
            self._gathered.move(order.principal, before, status)
            if before is OrderStatus.OPEN:
                self._gathered.move_trigger(order_id, sequence, False)
        self._execute(
            self._queries["take_order"],
            (order_id, claim.owner, claim.token, status, sequence, round, updated_at_ms),
        )
        return msgspec.structs.replace(
            order,
            owner=claim.owner,
            status=status,
            sequence=sequence,
            round=round,
            updated_at_ms=updated_at_ms,
        )

    def _attempts_of(self, order_id: str) -> tuple[Any, ...]:
        return tuple(map(attempt_of, self._execute(self._queries["attempts_of"], (order_id,))))

    def _left_in_window(self, limit: RateLimit, now_ms: int) -> int:
        since_ms = now_ms - limit.window_ms
        self._execute(self._queries["forget_claims"], (since_ms,))
        ((claims, _),) = self._execute(self._queries["claims_in_window"], (since_ms,))
        return max(0, limit.orders - int(claims))

    def _release(self, release: Release) -> tuple[str, ...]:
        gone = []
        for owner, lease_until_ms in release.workers:
            self._execute(self._queries["remove_worker"], (owner, lease_until_ms))
            if self._execute(self._queries["is_worker"], (owner,)).fetchone():
                continue  # it has renewed its lease meanwhile
            gone.append(owner)
            for row in self._execute(self._queries["owned_by"], (owner,)).fetchall():
                self._free(release.now_ms, *row)
        return tuple(gone)

    def _free(
        self, now_ms: int, order_id: str, principal: str, name: str, sequence: int, due_at_ms: int
    ) -> None:
        status = before = status_of(name)
        if before in BACK_TO_ROUTING:
            status, sequence = OrderStatus.ROUTING, sequence + 1
            self._gathered.tell(
                order_id, sequence, principal, now_ms, EventType.TAKEN_OVER, status, TAKEN_OVER_DATA
            )
            self._gathered.move(principal, before, status)
        due_at_ms = min(due_at_ms, now_ms)
        self._execute(self._queries["free_order"], (order_id, status, sequence, due_at_ms, now_ms))
        self._work = True

    def _lease(self, lease: Lease) -> bool:
        row = (lease.owner, lease.until_ms, self._session)
        query = "renew_lease" if lease.renew else "register_worker"
        return self._execute(self._queries[query], row).rowcount == 1

    def _watch(self, watch: Watch) -> bool:
        ((holder, alive, known),) = self._execute(self._queries["watcher"], (watch.owner,))
        if not known or (alive and holder != watch.owner):
            return False
        self._execute(self._queries["set_watch"], (watch.owner,))
        return True
