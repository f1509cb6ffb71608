"""Triggers and pools to decide about: values with sensible defaults."""

from collections.abc import Sequence
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders.model import (
    OrderType,
    PriceSource,
    Trigger,
    TriggerSide,
    TriggerState,
)
from fairlead.ports import PoolSnapshot
from fairlead.triggers.price import Book, Decision, Pair
from fairlead.venues.venue import LoadedPool, VenueError
from tests.unit.venues.pools import MINTS, NOW

A, B = (str(mint) for mint in MINTS)
PAIR: Pair = (A, B) if A < B else (B, A)


def resting(number: int, amount: int, threshold: int, **given: Any) -> TriggerState:
    """An order that came to rest at position `number`."""
    where = {name: given.pop(name) for name in ("position", "sequence") if name in given}
    plain = Trigger(
        f"order-{number}", OrderType.LIMIT, TriggerSide.AT_LEAST, PriceSource.ROUTE, 0, A, B,
        amount, threshold,
    )  # fmt: skip
    trigger = msgspec.structs.replace(plain, **given)
    return TriggerState(trigger, where.get("position", number), where.get("sequence", 2), True)


def snapshot(*pools: LoadedPool) -> PoolSnapshot:
    return PoolSnapshot(NOW.slot, NOW, pools)


def fires(trigger: Trigger, pools: Sequence[LoadedPool]) -> bool:
    """Whether some pool gives what the order asks for, by asking each for exactly that."""
    for pool in pools:
        if trigger.venues is not None and pool.venue.value not in trigger.venues:
            continue
        try:
            quote = pool.quote_exact_in(
                Pubkey.from_string(trigger.token_in), trigger.amount_in_atoms, NOW
            )
        except VenueError:
            continue
        limit = trigger.max_price_impact_bps
        if limit is not None and quote.price_impact_bps > limit:
            continue
        if quote.amount_out_atoms >= trigger.threshold_out_atoms:
            return True
    return False


def decide_all(book: Book, seen: PoolSnapshot, pair: Pair = PAIR) -> list[Decision]:
    """Decisions until every order was looked at."""
    decisions = [book.decide(pair, seen)]
    while not decisions[-1].is_complete:
        decisions.append(book.decide(pair, seen))
        assert len(decisions) < 10_000
    return decisions


def fired(book: Book, seen: PoolSnapshot, pair: Pair = PAIR) -> set[str]:
    return {order.order_id for each in decide_all(book, seen, pair) for order in each.fired}
