"""Who follows the triggers sees each that moved, and none is skipped."""

import asyncio
import random
from typing import Any

from fairlead.errors import Fenced
from fairlead.orders.model import (
    NEVER_MS,
    Change,
    EventType,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    StoredEvent,
    TriggerState,
)
from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS, change, firing, new_order, stored


async def states(store: Any) -> list[tuple[str, int, int, bool]]:
    """All triggers, in their order."""
    return [
        (one.trigger.order_id, one.position, one.sequence, one.resting)
        for one in await store.triggers(0, 1_000, resting_only=False)
    ]


async def test_triggers_go_on_from_any_position(store: Any) -> None:
    orders = [new_order(rests=number % 2 == 0) for number in range(24)]
    await asyncio.gather(*map(store.accept, orders))
    for order in orders[::4]:
        row = await stored(store, order.order_id)
        await store.apply(change(row, EventType.CANCELLED, owner=None, end=True))
    everything = await store.triggers(0, 100, resting_only=False)
    assert (12, 6) == (len(everything), sum(one.resting for one in everything))
    for resting_only in (False, True):
        wanted = [one for one in everything if one.resting or not resting_only]
        got: list[TriggerState] = []
        while page := await store.triggers(
            got[-1].position if got else 0, 5, resting_only=resting_only
        ):
            got += page
        assert wanted == got


async def from_feed(store: Any) -> list[tuple[str, int, int, bool]]:
    """What the triggers must be by what the feed tells."""
    last: dict[str, StoredEvent] = {}
    moved: dict[str, tuple[str, int, int, bool]] = {}
    for event in await store.feed(0, 100_000):
        before = last.get(event.order_id)
        is_open = event.status is OrderStatus.OPEN
        if is_open or (before is not None and before.status is OrderStatus.OPEN):
            moved[event.order_id] = (event.order_id, event.position, event.sequence, is_open)
        last[event.order_id] = event
    return sorted(moved.values(), key=lambda one: one[1])


def next_change(order: Order, chance: random.Random) -> Change:
    """Something that happens to an order in hand."""
    choices = [change(order, EventType.FAILED, end=True), change(order)]
    if order.terms.type is OrderType.LIMIT:
        choices.append(change(order, EventType.REOPENED, due_at_ms=NEVER_MS, release=True))
    return chance.choice(choices)


async def one_step(store: Any, owner: str, chance: random.Random, now_ms: int) -> None:
    """Accepts, ends, fires, claims and puts back some orders, all at once."""
    rests = await store.triggers(0, 100, resting_only=True)
    rows = [
        await stored(store, one.trigger.order_id) for one in chance.sample(rests, len(rests) // 2)
    ]
    new: list[NewOrder] = [new_order(rests=chance.random() < 0.8) for _ in range(4)]
    changes = [
        change(row, EventType.EXPIRED, owner=None, end=True)
        if chance.random() < 0.3
        else firing(row, now_ms)
        for row in rows
        if row.status is OrderStatus.OPEN
    ]
    results: list[Any] = await asyncio.gather(
        *map(store.accept, new),
        *map(store.apply, changes),
        store.claim(owner, 5, now_ms),
        return_exceptions=True,
    )
    assert all(isinstance(one, Fenced) or not isinstance(one, Exception) for one in results)
    ours = [next_change(one.order, chance) for one in results[-1]]
    await asyncio.gather(*map(store.apply, ours))


async def test_triggers_are_what_the_feed_tells(store: Any) -> None:
    chance = random.Random(5)
    for step in range(15):
        await one_step(store, "w", chance, T0_MS + step)
    told = await from_feed(store)
    assert told == await states(store)
    assert {True, False} == {one[3] for one in told}
    counts = await store.counts("local")
    assert sum(one[3] for one in told) == counts.of(OrderStatus.OPEN)


async def test_triggers_skip_nothing_while_three_processes_write(postgres: World) -> None:
    stores = [await postgres.open() for _ in range(3)]
    reader = await postgres.open()
    writing = True

    async def write(number: int) -> None:
        chance = random.Random(number)
        for step in range(12):
            await one_step(stores[number], f"w{number}", chance, T0_MS + step)

    async def follow() -> dict[str, TriggerState]:
        seen: dict[str, TriggerState] = {}
        after = 0
        while True:
            over = not writing
            page = await reader.triggers(after, 20, resting_only=False)
            seen |= {one.trigger.order_id: one for one in page}
            if page:
                after = page[-1].position
            elif over:
                return seen

    following = asyncio.ensure_future(follow())
    await asyncio.gather(*map(write, range(3)))
    writing = False
    seen = sorted((await following).values(), key=lambda one: one.position)
    assert seen == list(await reader.triggers(0, 10_000, resting_only=False))
    assert await from_feed(reader) == await states(reader)
