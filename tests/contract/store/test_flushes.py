"""Writes of every kind in one flush, some of them refused: the others are as if they were alone."""

import asyncio
import random
from typing import Any

import msgspec
import pytest

from fairlead.errors import Fenced, IdempotencyConflict, InsufficientFunds
from fairlead.orders.acceptance import begun
from fairlead.orders.model import (
    Change,
    EventType,
    NewOrder,
    OrderFilter,
    OrderStatus,
    Reservation,
)
from fairlead.ports import Accepted
from fairlead.store import principals
from tests.contract.store.conftest import World
from tests.contract.store.making import SOL, T0_MS, WALLET, change, firing, new_order, stored
from tests.contract.store.test_triggers import from_feed, states


def some_order(chance: random.Random) -> NewOrder:
    """One that may be refused: its key used, or the funds short."""
    return new_order(
        principal=chance.choice(["a", "b"]),
        key=chance.choice([None, None, "k1", "k2"]),
        body=chance.choice(["one", "two"]),
        rests=chance.random() < 0.4,
        reservations=(Reservation(WALLET, SOL, chance.choice([0, 1, 40]), 300),),
    )


async def some_changes(store: Any, ids: list[str], chance: random.Random) -> list[Any]:
    """One for each order, half of them of a version that is not the row's."""
    made = []
    for order_id in ids:
        row = await stored(store, order_id)
        sequence = row.sequence + chance.choice([0, 0, 1])
        if row.status is OrderStatus.OPEN:
            cancelled = change(row, EventType.CANCELLED, owner=None, end=True, sequence=sequence)
            made.append(chance.choice([cancelled, firing(row)]))
        elif row.status is OrderStatus.ROUTING:
            types = chance.choice(
                [(), (EventType.ROUTED,), (EventType.ROUTED, EventType.SUBMITTED)]
            )
            made.append(change(row, *types, owner=None, sequence=sequence))
        elif row.status is OrderStatus.SUBMITTED:
            made.append(change(row, EventType.FAILED, end=True, owner=None, sequence=sequence))
    return made


def some_first_change(order: NewOrder, chance: random.Random) -> Change:
    """What "w" writes of an order that it has begun before it is accepted."""
    row = msgspec.structs.replace(begun(order, "w").order, sequence=chance.choice([2, 2, 2, 3]))
    types = chance.choice([(EventType.ROUTED,), (EventType.ROUTED, EventType.SUBMITTED)])
    return change(row, *types, minimum_out_atoms=chance.choice([None, 7]))


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_refused_leaves_its_neighbours_as_they_are(world: World, seed: int) -> None:
    chance = random.Random(seed)
    store = await world.open()
    ids: list[str] = []
    flushes: list[int] = []
    store.observe_flushes(lambda writes, _: flushes.append(writes))
    for step in range(8):
        new = [some_order(chance) for _ in range(12)]
        owners = [chance.choice([None, "w"]) for _ in new]
        changes = await some_changes(store, chance.sample(ids, len(ids) // 2), chance)
        changes += [some_first_change(order, chance) for order in chance.sample(new, 6)]
        results: list[Any] = await asyncio.gather(
            *map(store.accept, new, owners),
            *map(store.apply, changes),
            store.claim("v", 2, T0_MS + step),
            return_exceptions=True,
        )
        for order, result in zip(new, results, strict=False):
            assert isinstance(result, Accepted | IdempotencyConflict | InsufficientFunds), result
            if isinstance(result, Accepted) and result.order_id == order.order_id:
                ids.append(order.order_id)
        for one, result in zip(changes, results[len(new) :], strict=False):
            assert isinstance(result, Fenced) or one.sequence + len(one.events) == result
        # Nothing was refused by an error of the database, which is found out by halving the flush.
        assert [len(results)] == flushes[step:]
    await check_books(world, store)


async def check_books(world: World, store: Any) -> None:
    """Feed, rows, counts, sums and triggers tell the same story."""
    feed = await store.feed(0, 100_000)
    told = sorted((e for c in world.committed for e in c.events), key=lambda e: e.position)
    assert list(range(1, len(feed) + 1)) == [event.position for event in feed]
    assert tuple(told) == feed
    recount: dict[str, dict[OrderStatus, int]] = {"a": {}, "b": {}}
    for principal, counts in recount.items():
        for row in (await store.orders(OrderFilter(principal), 1_000, None)).orders:
            events = await store.events(row.order_id, 0, 100)
            assert list(range(1, row.sequence + 1)) == [event.sequence for event in events]
            assert (row.status, row.principal) == (events[-1].status, events[-1].principal)
            counts[row.status] = counts.get(row.status, 0) + 1
        assert counts == (await store.counts(principal)).by_status
    assert await from_feed(store) == await states(store)
    reserved = (await store.reserved(WALLET)).get(SOL, 0)
    assert 0 < reserved <= 300


async def test_an_order_that_nobody_remembers_is_changed_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principals, "MAX_KNOWN", 1)
    store = await world.open()
    orders = [new_order(principal=f"p{number}") for number in range(5)]
    await asyncio.gather(*map(store.accept, orders))
    rows = [await stored(store, order.order_id) for order in orders]
    await asyncio.gather(
        *(store.apply(change(row, EventType.CANCELLED, owner=None, end=True)) for row in rows)
    )
    for order in orders:
        counts = await store.counts(order.principal)
        assert {OrderStatus.CANCELLED: 1} == counts.by_status
        (_, event) = await store.events(order.order_id, 0, 5)
        assert order.principal == event.principal
    told = [event for committed in world.committed for event in committed.events]
    assert await store.feed(0, 100) == tuple(told)


async def test_another_process_changes_an_order_it_has_never_seen(postgres: World) -> None:
    one, other = await postgres.open(), await postgres.open()
    order = new_order(principal="p")
    await one.accept(order)
    row = await stored(one, order.order_id)
    await other.apply(change(row, EventType.CANCELLED, owner=None, end=True))
    assert {OrderStatus.CANCELLED: 1} == (await one.counts("p")).by_status
    assert "p" == (await one.feed(1, 1))[0].principal


async def test_postgres_keeps_the_columns_its_indexes_look_at(postgres: World) -> None:
    store = await postgres.open()
    chance = random.Random(9)
    ids: list[str] = []
    await store.register_worker("v", T0_MS + 10)
    for step in range(10):
        new = [new_order(rests=chance.random() < 0.5) for _ in range(6)]
        await asyncio.gather(*map(store.accept, new, [chance.choice([None, "v"]) for _ in new]))
        ids += [order.order_id for order in new]
        changes = await some_changes(store, chance.sample(ids, len(ids) // 2), chance)
        await asyncio.gather(*map(store.apply, changes), return_exceptions=True)
        await store.claim("v", 2, T0_MS + step)
        if step == 7:
            await store.release_worker("v", T0_MS + step)
        wrong = await store._connections.read(
            "SELECT * FROM fairlead.orders"
            " WHERE listed_as <> fairlead.listed_as(status, ended) OR waits_as"
            " IS DISTINCT FROM fairlead.waits_as(status, owner, ended, due_at_ms)"
        )
        assert [] == wrong
