import asyncio
import random
from typing import Any

import pytest

from fairlead.errors import Fenced
from fairlead.orders.model import EventType, OrderStatus
from fairlead.ports import QueueState, RateLimit
from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS, change, new_attempt, new_order, stored, submitted

LEASE_MS = T0_MS + 10_000


async def test_a_claim_begins_the_first_round(store: Any) -> None:
    order = new_order()
    await store.accept(order)
    (claimed,) = await store.claim("w", 5, T0_MS + 3)
    row = await stored(store, order.order_id)
    assert row == claimed.order
    assert () == claimed.attempts
    assert ("w", OrderStatus.ROUTING, 1, 2) == (row.owner, row.status, row.round, row.sequence)
    event = (await store.events(order.order_id, 1, 5))[0]
    assert (EventType.CLAIMED, T0_MS + 3) == (event.type, event.at_ms)
    assert () == await store.claim("other", 5, T0_MS + 3)


async def test_claims_go_by_priority_then_due_time_then_id(store: Any) -> None:
    random.seed(4)
    orders = [
        new_order(priority=random.randrange(10), at_ms=T0_MS + random.randrange(5))
        for _ in range(60)
    ]
    await asyncio.gather(*(store.accept(order) for order in random.sample(orders, len(orders))))
    expected = sorted(orders, key=lambda o: (-o.terms.priority, o.created_at_ms, o.order_id))
    got = []
    while claimed := await store.claim("w", 7, T0_MS + 9):
        assert len(claimed) <= 7
        got += [one.order.order_id for one in claimed]
    assert [order.order_id for order in expected] == got


async def test_what_is_not_due_waits(store: Any) -> None:
    await store.accept(new_order(at_ms=T0_MS + 100))
    assert () == await store.claim("w", 1, T0_MS + 99)
    assert T0_MS + 100 == await store.next_due_ms()
    assert 1 == len(await store.claim("w", 1, T0_MS + 100))
    assert await store.next_due_ms() is None


async def test_a_released_order_is_claimed_again_in_its_status_and_round(store: Any) -> None:
    await store.accept(new_order())
    (claimed,) = await store.claim("w", 1, T0_MS)
    order = await submitted(store, claimed)
    await store.apply(
        change(order, EventType.ROUND_FAILED, round=2, due_at_ms=T0_MS + 40, release=True)
    )
    assert () == await store.claim("v", 1, T0_MS + 39)
    (again,) = await store.claim("v", 1, T0_MS + 40)
    assert (OrderStatus.ROUTING, 2, 5, "v") == (
        again.order.status,
        again.order.round,
        again.order.sequence,
        again.order.owner,
    )
    assert (new_attempt(claimed.order),) == again.attempts


async def test_concurrent_claims_share_nothing(store: Any) -> None:
    orders = [new_order() for _ in range(50)]
    await asyncio.gather(*map(store.accept, orders))
    claims = await asyncio.gather(*(store.claim(f"w{i}", 10, T0_MS) for i in range(8)))
    ids = [one.order.order_id for claim in claims for one in claim]
    assert sorted(ids) == sorted(order.order_id for order in orders)


async def test_the_rate_limit_holds_in_every_window_over_all_stores(world: World) -> None:
    limit = RateLimit(5, 1_000)
    stores = [await world.open(limit)]
    if world.kind == "postgres":
        stores += [await world.open(limit), await world.open(limit)]
    await asyncio.gather(*(stores[0].accept(new_order()) for _ in range(40)))
    begun: list[int] = []
    for now_ms in range(T0_MS, T0_MS + 4_000, 130):
        claims = await asyncio.gather(
            *(store.claim(f"w{i}", 3, now_ms) for i, store in enumerate(stores))
        )
        begun += [now_ms] * sum(map(len, claims))
    assert len(begun) >= 15
    for at_ms in begun:
        assert sum(at_ms <= other < at_ms + 1_000 for other in begun) <= 5


async def test_the_rate_limit_says_when_it_opens_and_spares_orders_under_way(world: World) -> None:
    store = await world.open(RateLimit(1, 1_000))
    await asyncio.gather(store.accept(new_order()), store.accept(new_order()))
    (claimed,) = await store.claim("w", 2, T0_MS)
    assert T0_MS + 1_000 == await store.next_due_ms()
    assert () == await store.claim("w", 2, T0_MS + 999)
    await store.apply(change(claimed.order, due_at_ms=T0_MS + 500, release=True))
    assert T0_MS + 500 == await store.next_due_ms()
    assert 1 == len(await store.claim("w", 2, T0_MS + 999))
    assert 1 == len(await store.claim("w", 2, T0_MS + 1_000))


async def test_adopted_are_those_in_flight_with_their_attempts(store: Any) -> None:
    await asyncio.gather(*(store.accept(new_order()) for _ in range(4)))
    claimed = await store.claim("w", 3, T0_MS)
    first = await submitted(store, claimed[0])
    second = await submitted(store, claimed[1])
    await store.apply(change(second, EventType.CONFIRMED))
    await store.register_worker("w", LEASE_MS)
    assert () == await store.adopt("v", 10, T0_MS)
    await store.release_worker("w", T0_MS + 5)
    adopted = await store.adopt("v", 10, T0_MS + 5)
    assert {first.order_id, second.order_id} == {one.order.order_id for one in adopted}
    for one in adopted:
        assert "v" == one.order.owner
        assert (new_attempt(claimed[0].order).number,) == tuple(a.number for a in one.attempts)
        assert one.order == await stored(store, one.order.order_id)
    # The one that was routing is nobody's and routing again.
    (left,) = [o for o in await store.claim("v", 10, T0_MS + 5) if o.order.sequence == 3]
    assert (claimed[2].order.order_id, 1) == (left.order.order_id, left.order.round)
    assert "taken_over" == (await store.events(left.order.order_id, 2, 1))[0].type


async def test_a_lease_that_ran_out_frees_the_orders(store: Any) -> None:
    await store.accept(new_order())
    await store.register_worker("w", LEASE_MS)
    (claimed,) = await store.claim("w", 1, T0_MS)
    assert () == await store.release_dead_workers(LEASE_MS - 1)
    assert await store.renew_lease("w", LEASE_MS + 5_000)
    assert () == await store.release_dead_workers(LEASE_MS + 1)
    assert ("w",) == await store.release_dead_workers(LEASE_MS + 5_000)
    assert not await store.renew_lease("w", LEASE_MS + 9_000)
    with pytest.raises(Fenced):
        await store.apply(change(claimed.order, EventType.ROUTED))
    row = await stored(store, claimed.order.order_id)
    assert (None, OrderStatus.ROUTING, 3, 1) == (row.owner, row.status, row.sequence, row.round)
    (event,) = await store.events(row.order_id, 2, 5)
    assert (EventType.TAKEN_OVER, b'{"reason":"taken_over"}') == (event.type, event.data)
    (again,) = await store.claim("v", 1, LEASE_MS + 5_000)
    assert 1 == again.order.round


async def test_what_a_dead_worker_claims_unaware_is_freed_too(store: Any) -> None:
    await store.accept(new_order())
    await store.register_worker("w", LEASE_MS)
    assert ("w",) == await store.release_dead_workers(LEASE_MS)
    assert 1 == len(await store.claim("w", 1, LEASE_MS))
    assert ("w",) == await store.release_dead_workers(LEASE_MS)
    assert 1 == len(await store.claim("v", 1, LEASE_MS))


async def test_building_goes_back_to_routing(store: Any) -> None:
    await store.accept(new_order())
    (claimed,) = await store.claim("w", 1, T0_MS)
    await store.apply(change(claimed.order, EventType.ROUTED))
    await store.release_worker("w", T0_MS)
    assert OrderStatus.ROUTING is (await stored(store, claimed.order.order_id)).status
    assert {OrderStatus.ROUTING: 1} == (await store.counts("local")).by_status


async def dead_soon(store: Any) -> tuple[str, ...]:
    """PostgreSQL notices a closed socket in its own time."""
    for _ in range(2_000):
        gone: tuple[str, ...] = await store.release_dead_workers(T0_MS)
        if gone:
            break
    return gone


async def test_workers_of_an_earlier_opening_are_dead_at_once(world: World) -> None:
    store = await world.open()
    await store.accept(new_order())
    await store.register_worker("w", LEASE_MS)
    await store.claim("w", 1, T0_MS)
    await world.close(store)
    store = await world.open()
    assert ("w",) == await dead_soon(store)
    assert 1 == len(await store.claim("v", 1, T0_MS))


async def test_a_worker_of_another_store_lives_as_long_as_its_session(postgres: World) -> None:
    one, other = await postgres.open(), await postgres.open()
    await one.register_worker("w", LEASE_MS)
    assert () == await other.release_dead_workers(T0_MS)
    assert 1 == (await other.queue(T0_MS)).workers
    await postgres.close(one)
    assert ("w",) == await dead_soon(other)


async def test_the_queue_tells_length_age_and_workers(store: Any) -> None:
    assert QueueState(0, None, 0) == await store.queue(T0_MS)
    await store.accept(new_order(at_ms=T0_MS + 5, priority=9))
    await store.accept(new_order(at_ms=T0_MS + 3))
    await store.register_worker("w", LEASE_MS)
    assert QueueState(2, T0_MS + 3, 1) == await store.queue(T0_MS + 10)
    await store.claim("w", 1, T0_MS + 10)
    assert QueueState(1, T0_MS + 3, 0) == await store.queue(LEASE_MS)
