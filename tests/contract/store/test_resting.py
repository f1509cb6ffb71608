"""Orders that rest: stored with their triggers, fired, claimed, put back, ended."""

import asyncio
import random
from typing import Any

import pytest

from fairlead.errors import Fenced
from fairlead.orders.model import (
    NEVER_MS,
    EventType,
    Order,
    OrderFilter,
    OrderStatus,
    Reservation,
    TriggerState,
)
from fairlead.ports import Accepted, QueueState, RateLimit
from tests.contract.store.conftest import World
from tests.contract.store.making import (
    SOL,
    T0_MS,
    WALLET,
    change,
    firing,
    new_attempt,
    new_order,
    stored,
    submitted,
)
from tests.contract.store.test_triggers import from_feed, states


async def resting(store: Any, **terms: Any) -> Order:
    """A new order that rests."""
    order = new_order(rests=True, **terms)
    await store.accept(order)
    return await stored(store, order.order_id)


async def fire(store: Any, order: Order, at_ms: int = T0_MS) -> None:
    await store.apply(firing(await stored(store, order.order_id), at_ms))


async def test_a_resting_order_is_stored_with_its_trigger(world: World) -> None:
    store = await world.open()
    order = new_order(
        rests=True,
        priority=7,
        amount_in_atoms=2**64 - 1,
        limit_out_atoms=2**64 - 2,
        venues=("raydium-cpmm", "meteora-damm-v2"),
        max_price_impact_bps=50,
        expires_at_ms=T0_MS + 99,
    )
    assert order.trigger is not None
    await store.accept(new_order())
    assert Accepted(order.order_id, False) == await store.accept(order)
    row = await stored(store, order.order_id)
    assert (OrderStatus.OPEN, 2, 0) == (row.status, row.sequence, row.round)
    assert (NEVER_MS, None) == (row.due_at_ms, row.owner)
    assert order.terms == row.terms
    events = await store.events(order.order_id, 0, 10)
    assert [EventType.ACCEPTED, EventType.RESTED] == [event.type for event in events]
    assert [OrderStatus.PENDING, OrderStatus.OPEN] == [event.status for event in events]
    assert [2, 3] == [event.position for event in events]
    expected = (TriggerState(order.trigger, 3, 2, True),)
    assert expected == await store.triggers(0, 10, resting_only=True)
    assert expected == await store.triggers(2, 10, resting_only=False)
    assert () == await store.triggers(3, 10, resting_only=False)
    counts = {OrderStatus.OPEN: 1, OrderStatus.PENDING: 1}
    assert counts == (await store.counts("local")).by_status
    assert not world.committed[-1].work
    assert events == world.committed[-1].events


async def test_resting_orders_are_not_claimed(store: Any) -> None:
    await resting(store)
    assert () == await store.claim("w", 1, T0_MS + 10**12)
    assert await store.next_due_ms() is None
    assert QueueState(0, None, 0) == await store.queue(T0_MS)
    assert {} == await store.active_orders()


async def test_accepts_of_all_kinds_share_a_flush(world: World) -> None:
    store = await world.open()
    orders = [new_order(rests=number % 3 == 0) for number in range(30)]
    owners = ["w" if number % 3 == 1 else None for number in range(30)]
    answers = await asyncio.gather(*map(store.accept, orders, owners))
    for order, owner, answer in zip(orders, owners, answers, strict=True):
        assert (owner is not None) == (answer.claimed is not None)
        row = await stored(store, order.order_id)
        events = await store.events(order.order_id, 0, 10)
        assert list(range(1, row.sequence + 1)) == [event.sequence for event in events]
        assert events[-1].status is row.status
    told = [event for committed in world.committed for event in committed.events]
    assert await store.feed(0, 100) == tuple(told)
    assert 10 == (await store.counts("local")).of(OrderStatus.OPEN)
    assert await from_feed(store) == await states(store)


async def test_a_replay_and_a_refusal_leave_no_trigger(store: Any) -> None:
    first = new_order(rests=True, key="k")
    await store.accept(first)
    assert Accepted(first.order_id, True) == await store.accept(new_order(rests=True, key="k"))
    short = (Reservation(WALLET, SOL, 60, 100),)
    orders = [new_order(rests=True, reservations=short) for _ in range(3)]
    answers = await asyncio.gather(*map(store.accept, orders), return_exceptions=True)
    assert [True, False, False] == [isinstance(answer, Accepted) for answer in answers]
    expected = [(first.order_id, 2, 2, True), (orders[0].order_id, 4, 2, True)]
    assert expected == await states(store)
    same = [new_order(rests=True, key="twice") for _ in range(5)]
    assert 1 == len({one.order_id for one in await asyncio.gather(*map(store.accept, same))})
    assert 3 == len(await states(store))
    assert 3 == (await store.counts("local")).of(OrderStatus.OPEN)


async def test_what_has_fired_is_claimed_like_a_pending_order(world: World) -> None:
    store = await world.open()
    first, second = await resting(store), await resting(store)
    world.committed.clear()
    assert 2 == await store.apply(firing(second, T0_MS + 7))
    (committed,) = world.committed
    assert (True, ()) == (committed.work, committed.events)
    assert T0_MS + 7 == await store.next_due_ms()
    assert QueueState(0, T0_MS + 7, 0) == await store.queue(T0_MS + 9)
    assert {} == await store.active_orders()
    assert [(first.order_id, 2, 2, True), (second.order_id, 4, 2, True)] == await states(store)
    assert () == await store.claim("w", 5, T0_MS + 6)
    (claimed,) = await store.claim("w", 5, T0_MS + 8)
    row = await stored(store, second.order_id)
    assert row == claimed.order
    assert ("w", OrderStatus.ROUTING, 1, 3) == (row.owner, row.status, row.round, row.sequence)
    assert (T0_MS + 7, T0_MS + 8) == (row.due_at_ms, row.updated_at_ms)
    (event,) = await store.events(second.order_id, 2, 5)
    assert (EventType.CLAIMED, b'{"reason":"triggered"}', 5) == (
        event.type,
        event.data,
        event.position,
    )
    assert (event,) == world.committed[-1].events
    assert await store.next_due_ms() is None
    counts = {OrderStatus.OPEN: 1, OrderStatus.ROUTING: 1}
    assert counts == (await store.counts("local")).by_status
    assert [(first.order_id, 2, 2, True), (second.order_id, 5, 3, False)] == await states(store)
    still = await store.triggers(0, 10, resting_only=True)
    assert [first.order_id] == [one.trigger.order_id for one in still]
    assert {second.order_id: "routing"} == await store.active_orders()


async def test_fired_and_pending_orders_are_claimed_by_priority_then_due_time(store: Any) -> None:
    random.seed(3)
    due: dict[str, tuple[int, int, str]] = {}
    for _ in range(40):
        priority, at_ms = random.randrange(3), T0_MS + random.randrange(5)
        if random.random() < 0.5:
            rested = await resting(store, priority=priority)
            await fire(store, rested, at_ms)
            order_id = rested.order_id
        else:
            order = new_order(priority=priority, at_ms=at_ms)
            await store.accept(order)
            order_id = order.order_id
        due[order_id] = (-priority, at_ms, order_id)
        await resting(store, priority=9)
    got = []
    while claimed := await store.claim("w", 7, T0_MS + 9):
        got += [one.order.order_id for one in claimed]
    assert sorted(due, key=due.__getitem__) == got


async def test_a_firing_is_fenced_by_the_sequence(store: Any) -> None:
    order = await resting(store)
    await fire(store, order)
    # Twice does no harm; after a claim it is too late.
    assert 2 == await store.apply(firing(order))
    await store.claim("w", 1, T0_MS)
    with pytest.raises(Fenced):
        await store.apply(firing(order))
    other = await resting(store)
    await store.apply(change(other, EventType.CANCELLED, owner=None, end=True))
    with pytest.raises(Fenced):
        await store.apply(firing(other))


async def test_the_rate_limit_counts_pending_and_fired_orders(world: World) -> None:
    store = await world.open(RateLimit(3, 1_000))
    for _ in range(3):
        await store.accept(new_order())
        await fire(store, await resting(store))
    assert 3 == len(await store.claim("w", 6, T0_MS))
    assert T0_MS + 1_000 == await store.next_due_ms()
    assert () == await store.claim("w", 6, T0_MS + 999)
    assert 3 == len(await store.claim("w", 6, T0_MS + 1_000))


async def test_a_reopened_order_rests_and_is_claimed_in_the_next_round(world: World) -> None:
    store = await world.open()
    await fire(store, await resting(store))
    (claimed,) = await store.claim("w", 1, T0_MS)
    order = await submitted(store, claimed)
    world.committed.clear()
    reopened = change(
        order, EventType.REOPENED, due_at_ms=NEVER_MS, release=True, earlier_rounds=order.round
    )
    await store.apply(reopened)
    assert not world.committed[0].work
    row = await stored(store, order.order_id)
    assert (OrderStatus.OPEN, NEVER_MS, None) == (row.status, row.due_at_ms, row.owner)
    assert (1, 1) == (row.round, row.earlier_rounds)
    assert [(row.order_id, 6, row.sequence, True)] == await states(store)
    assert () == await store.claim("w", 1, T0_MS + 10**12)
    assert () == await store.adopt("w", 1, T0_MS + 10**12)
    assert await store.next_due_ms() is None
    await fire(store, row, T0_MS + 5)
    (again,) = await store.claim("v", 1, T0_MS + 5)
    assert await stored(store, order.order_id) == again.order
    assert (2, 1) == (again.order.round, again.order.earlier_rounds)
    assert (new_attempt(claimed.order),) == again.attempts
    page = await store.orders(OrderFilter("local"), 10, None)
    assert (again.order,) == page.orders


@pytest.mark.parametrize("ended_by", [EventType.CANCELLED, EventType.EXPIRED])
@pytest.mark.parametrize("fired", [False, True])
async def test_an_end_of_an_open_order_gives_back_and_is_final(
    store: Any, ended_by: EventType, fired: bool
) -> None:
    order = await resting(store, reservations=(Reservation(WALLET, SOL, 60, 100),))
    if fired:
        await fire(store, order)
    assert {SOL: 60} == await store.reserved(WALLET)
    assert 3 == await store.apply(change(order, ended_by, owner=None, end=True))
    assert {} == await store.reserved(WALLET)
    assert [(order.order_id, 3, 3, False)] == await states(store)
    assert () == await store.triggers(0, 10, resting_only=True)
    assert () == await store.claim("w", 1, T0_MS + 10**12)
    assert await store.next_due_ms() is None
    assert 1 == (await store.counts("local")).total
    with pytest.raises(Fenced):
        await store.apply(change(order, ended_by, owner=None, end=True))


async def test_a_fired_order_is_freed_with_its_dead_owner(store: Any) -> None:
    await store.register_worker("w", T0_MS + 10)
    order = await resting(store)
    await fire(store, order)
    await store.claim("w", 1, T0_MS)
    before = await states(store)
    assert ("w",) == await store.release_dead_workers(T0_MS + 10)
    assert before == await states(store)
    (again,) = await store.claim("v", 1, T0_MS + 10)
    assert (OrderStatus.ROUTING, 1, 4) == (
        again.order.status,
        again.order.round,
        again.order.sequence,
    )
