"""One order, and many, with nothing going wrong: what happens, in which order, in which place."""

import asyncio

import msgspec

from fairlead.orders.model import AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from tests.workers.scenario import in_world
from tests.workers.world import PARAMS, SETTINGS, STILL, World

SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
HAPPY = ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"]


@in_world()
async def test_order_is_claimed_routed_submitted_confirmed_and_finalized(world: World):
    world.process()
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert HAPPY == await world.history(order_id)
    assert OrderStatus.CONFIRMED is order.status
    (attempt,) = await world.attempts(order_id)
    assert AttemptState.SUCCEEDED is attempt.state
    assert ("finalized", True) == world.status_of(attempt.signature)
    assert [attempt.raw] == [sent.raw for sent in world.sends]
    told = await world.data(order_id, E.FINALIZED)
    assert attempt.signature == told["txSignature"]


@in_world(profile=SLOW, quote_s=0.2)
async def test_place_is_held_from_claim_to_confirmed_and_not_longer(world: World):
    process = world.process()
    places = process.worker.places
    order_id = await world.submit()
    await world.reaches(order_id, E.CLAIMED)
    await asyncio.sleep(0.01)
    assert places.size - 1 == places.free
    await world.reaches(order_id, E.SUBMITTED)
    assert places.size - 1 == places.free
    await world.reaches(order_id, E.CONFIRMED)
    await asyncio.sleep(0.01)
    assert places.size == places.free
    assert "finalized" not in await world.history(order_id)


@in_world(profile=SLOW, quote_s=0.2)
async def test_no_more_orders_than_places_are_between_claim_and_confirmed(world: World):
    order_ids = [await world.submit() for _ in range(11)]
    world.process(msgspec.structs.replace(SETTINGS, concurrency=3))
    await world.ends(*order_ids)
    under_way: set[str] = set()
    most = 0
    for event in world.events:
        if event.type is E.CLAIMED:
            under_way.add(event.order_id)
        elif event.type is E.CONFIRMED:
            under_way.remove(event.order_id)
        most = max(most, len(under_way))
    assert 3 == most


@in_world(profile=SLOW)
async def test_orders_begin_by_priority_and_among_equals_in_the_order_they_came(world: World):
    submitted = [(9 - p, await world.submit(priority=p)) for p in (0, 5, 0, 9, 5, 0, 9)]
    world.process(msgspec.structs.replace(SETTINGS, concurrency=1))
    await world.ends(*world.orders)
    begun = [event.order_id for event in world.events if event.type is E.CLAIMED]
    assert [order_id for _, order_id in sorted(submitted)] == begun


@in_world()
async def test_idle_worker_begins_a_new_order_at_once(world: World):
    world.process()
    await asyncio.sleep(60)
    at_s = world.loop.time()
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    assert world.loop.time() - at_s <= 2 * PARAMS.slot_ms / 1000


@in_world()
async def test_worker_that_hears_nothing_still_finds_its_work(world: World):
    world.process()
    await asyncio.sleep(1)
    world.bus.publish = lambda committed: None  # type: ignore[method-assign]
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED, within_s=3)


@in_world(profile=msgspec.structs.replace(STILL, moves_market=True))
async def test_every_pair_both_ways_reaches_the_wallet_to_the_atom(world: World):
    world.process()
    for pair in (("SOL", "USDC"), ("USDC", "SOL"), ("JUP", "USDC"), ("BONK", "SOL")):
        await world.submit(*pair, amount="20")
    orders = await world.ends(*world.orders)
    assert [OrderStatus.CONFIRMED] * 4 == [order.status for order in orders]


@in_world()
async def test_order_that_no_pool_can_serve_fails_with_the_reason(world: World):
    world.process()
    order_id = await world.submit(max_price_impact_bps=0, amount="4000")
    (order,) = await world.ends(order_id)
    assert OrderStatus.FAILED is order.status
    assert order.failure_code
    assert not world.sends
