"""Bugs about orders: who has one, what it promised, and how it ends. Their first lines say what the
engine then does."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.errors import CannotCancel
from fairlead.orders import changes, exact_out, lifecycle, narration, resting
from fairlead.orders.model import (
    AttemptSettled,
    AttemptState,
    Change,
    Claimed,
    EventType,
    NewOrder,
    Order,
    OrderStatus,
    OrderTerms,
)
from fairlead.sim import clients
from fairlead.sim.planted_proofs import Planting
from fairlead.store import sqlite, sqlite_reader, sqlite_writer
from fairlead.store.sqlite_statements import Statements
from fairlead.store.writes import QueuedWrites
from fairlead.triggers import price
from fairlead.workers import executor, worker
from fairlead.workers.places import Place
from fairlead.workers.work import Work, Workbench

_FENCE = "sequence = ? AND status = ? AND owner IS coalesce(?, owner) AND ended <= ?"
_NO_FENCE = "? IS NOT NULL AND ? IS NOT NULL AND coalesce(?, '') IS NOT NULL AND ? IS NOT NULL"


def no_fence(planting: Planting) -> None:
    """Writes whether or not the order is still this worker's."""

    def change_order(self: Any, columns: str) -> str:
        statement: str = real(self, columns)
        assert _FENCE in statement
        return statement.replace(_FENCE, _NO_FENCE)

    real = planting.replace(Statements, "change_order", change_order)


def forget_secret(planting: Planting) -> None:
    """Has another secret for the latch each time the order is read."""

    def order_of(row: Any) -> Order:
        order: Order = real(row)
        other = hashlib.sha256(order.secret + b"%d" % order.sequence).digest()
        return msgspec.structs.replace(order, secret=other)

    real = planting.replace(sqlite_reader, "order_of", order_of)
    planting.replace(sqlite_writer, "order_of", order_of)


def double_claim(planting: Planting) -> None:
    """Gives an order to whoever asks, also while another worker has it."""

    def load_queries(folder: str) -> dict[str, str]:
        queries: dict[str, str] = dict(real(folder))
        waiting = "(o.waits_as = ?1 OR (o.owner IS NOT NULL AND o.ended = 0 AND o.status = ?1))"
        assert "o.waits_as = ? AND o.due_at_ms <= ?" in queries["waiting_in"]
        queries["waiting_in"] = (
            queries["waiting_in"]
            .replace("o.waits_as = ? AND o.due_at_ms <= ?", f"{waiting} AND o.due_at_ms <= ?2")
            .replace("LIMIT ?", "LIMIT ?3")
        )
        return queries

    real = planting.replace(sqlite, "load_queries", load_queries)


def adopt_nothing(planting: Planting) -> None:
    """Leaves alone what a dead worker had in flight."""

    async def adopt(self: Any) -> None:
        return

    planting.replace(worker.Worker, "_adopt", adopt)


def take_over_anew(planting: Planting) -> None:
    """Signs anew for an order that it takes over in flight."""

    async def drive(bench: Workbench, claimed: Claimed, place: Place) -> Any:
        live = [a for a in claimed.attempts if a.state is AttemptState.LIVE]
        if live and claimed.order.status is OrderStatus.SUBMITTED:
            work = Work(claimed.order, claimed.attempts, place)
            dead = tuple([AttemptSettled(each.signature, AttemptState.DEAD) for each in live])
            change = changes.settled(work.order, dead, bench.now_ms())
            await bench.commit(work, change)
            claimed = Claimed(work.order, work.attempts)
        return await real(bench, claimed, place)

    real = planting.replace(executor, "drive", drive)


def lower_minimum(planting: Planting) -> None:
    """Lets a later round ask for less than the first one promised."""

    def floor_of(order: Order) -> int | None:
        return order.terms.limit_out_atoms

    planting.replace(resting, "floor_of", floor_of)


def raise_maximum(planting: Planting) -> None:
    """Lets a later attempt of an exact output take more than the first one would have."""

    def ceiling_of(terms: OrderTerms, earlier: Any) -> int:
        return terms.amount_in_atoms

    planting.replace(exact_out, "ceiling_of", ceiling_of)


def fire_at_any_price(planting: Planting) -> None:
    """Fires resting orders without a look at the price, and forgets their limit."""

    def group(self: Any, key: Any, tree: Any, after: Any) -> Any:
        while (order := tree.find(after, float("inf"))) is not None:
            self.fired.append(order)
            after = order
        return None

    def minimum_for(order: Order, quoted_atoms: int) -> int:
        return narration.minimum_out_atoms(quoted_atoms, order.terms.slippage_bps)

    def floor_of(order: Order) -> int | None:
        return None

    planting.replace(price._Walk, "group", group)
    planting.replace(changes, "minimum_for", minimum_for)
    planting.replace(resting, "floor_of", floor_of)


def cancel_at_once(planting: Planting) -> None:
    """Calls an order in flight cancelled as soon as that is asked for."""

    def cancel(order: Order, attempts: Any, now_ms: int) -> Change | None:
        if order.status is OrderStatus.CONFIRMED or order.status in lifecycle.ENDED:
            raise CannotCancel(order.order_id, order.status.value)
        event = lifecycle.event(order.status, EventType.CANCELLED)
        return Change(
            order.order_id, None, order.sequence, order.status, event.status, now_ms, (event,),
            cancel_requested=True, release=True, end=True,
        )  # fmt: skip

    key = OrderStatus.SUBMITTED, EventType.CANCELLED
    planting.put(lifecycle.TRANSITIONS, key, OrderStatus.CANCELLED)
    planting.replace(clients, "cancel", cancel)


def keep_reservations(planting: Planting) -> None:
    """Never gives back what an order held back."""

    def give_back(self: Any, order_id: str) -> None:
        return

    planting.replace(sqlite_writer.SqliteFlush, "_give_back", give_back)


def end_at_confirmed(planting: Planting) -> None:
    """Ends an order, and gives back its funds, once it is confirmed."""

    def confirmed(*values: Any) -> Change:
        change: Change = real(*values)
        return msgspec.structs.replace(change, end=True)

    real = planting.replace(changes, "confirmed", confirmed)


def forget_key(planting: Planting) -> None:
    """Stores orders without their idempotency keys."""

    async def accept(self: Any, order: NewOrder, owner: str | None = None) -> Any:
        return await real(self, msgspec.structs.replace(order, idempotency_key=None), owner)

    real = planting.replace(QueuedWrites, "accept", accept)


BUGS: Sequence[Any] = (
    no_fence,
    forget_secret,
    double_claim,
    adopt_nothing,
    take_over_anew,
    lower_minimum,
    raise_maximum,
    fire_at_any_price,
    cancel_at_once,
    keep_reservations,
    end_at_confirmed,
    forget_key,
)
