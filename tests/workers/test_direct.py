"""Orders that the API of a worker's own process hands over at once, with their accept."""

from typing import Any

import msgspec

from fairlead.orders.model import EventType as E
from fairlead.orders.model import NewOrder, OrderStatus
from fairlead.orders.routes import RoutingPolicy
from fairlead.ports import Hand
from tests.workers.scenario import in_world
from tests.workers.world import EXECUTION, SETTINGS, STILL, Process, World

SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
HAPPY = ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"]
TAKEN_OVER = ["accepted", "claimed", "taken_over", "routed", "submitted", "confirmed", "finalized"]
LEASE_S = SETTINGS.lease_ms / 1000
ONE = msgspec.structs.replace(SETTINGS, concurrency=1)
# Nothing around a pair is looked for: a first order need not wait for it.
DIRECT = msgspec.structs.replace(
    SETTINGS,
    execution=msgspec.structs.replace(EXECUTION, routing=RoutingPolicy(two_hop=False)),
)


async def idle(world: World, settings: Any = SETTINGS) -> Process:
    """A worker that has looked and found nothing."""
    process = world.process(settings)
    await world.clock.sleep(0.1)
    return process


async def begun(world: World, process: Process) -> tuple[NewOrder, Hand]:
    """An order that the worker has begun and nobody has accepted yet."""
    order = await world.new_order()
    hand = process.worker.begin(order)
    assert hand is not None
    return order, hand


@in_world()
async def test_order_is_accepted_with_its_first_attempt_in_one_commit(world: World):
    process = await idle(world, DIRECT)
    order_id = await world.submit(through=process)
    order = await world.order(order_id)
    assert (OrderStatus.SUBMITTED, process.worker.owner) == (order.status, order.owner)
    assert ["accepted", "claimed", "routed", "submitted"] == await world.history(order_id)
    assert [] == world.sends
    assert process.worker.places.size - 1 == process.worker.places.free
    await world.ends(order_id)
    assert HAPPY == await world.history(order_id)
    assert 1 == len(world.sends)


@in_world()
async def test_pools_around_a_pair_are_looked_for_once_and_then_hold_up_no_accept(world: World):
    process = await idle(world)
    await world.ends(await world.submit(through=process))
    order_id = await world.submit(through=process)
    assert OrderStatus.SUBMITTED is (await world.order(order_id)).status
    await world.ends(order_id)


@in_world(quote_s=0.2)
async def test_accept_does_not_wait_for_pools_that_take_their_time(world: World):
    process = await idle(world)
    began = world.clock.monotonic()
    order_id = await world.submit(through=process)
    assert began == world.clock.monotonic()
    assert OrderStatus.ROUTING is (await world.order(order_id)).status
    await world.ends(order_id)
    assert HAPPY == await world.history(order_id)


@in_world()
async def test_crash_right_after_the_accept_loses_nothing_and_executes_once(world: World):
    process = world.process(DIRECT, crash_after=1)
    await world.clock.sleep(0.1)
    order_id = await world.submit(through=process)
    assert process.crashed.is_set()
    assert [] == world.sends
    world.process()
    await world.ends(order_id)
    history = await world.history(order_id)
    assert (HAPPY[:4], HAPPY[4:]) == (history[:4], history[-2:])


@in_world(quote_s=0.2)
async def test_crash_before_the_first_attempt_is_made_loses_nothing_and_executes_once(
    world: World,
):
    process = world.process(SETTINGS, crash_after=1)
    await world.clock.sleep(0.1)
    order_id = await world.submit(through=process)
    assert process.crashed.is_set()
    world.process()
    await world.ends(order_id)
    assert TAKEN_OVER == await world.history(order_id)
    assert 1 == len(world.sends)


@in_world()
async def test_what_is_not_accepted_is_never_sent_and_gives_its_place_back(world: World):
    process = await idle(world)
    order, hand = await begun(world, process)
    hand.put_back()
    other, doubtful = await begun(world, process)
    # Its first attempt is made, and refused: there is no such order.
    await world.clock.sleep(1)
    doubtful.put_back()
    await world.clock.sleep(100)
    assert [] == world.sends
    assert 0 == process.worker.driving
    assert process.worker.places.size == process.worker.places.free
    for each in (order, other):
        assert await world.store.order(each.order_id) is None
        world.orders.remove(each.order_id)


@in_world(quote_s=0.5)
async def test_order_begun_by_a_worker_declared_dead_meanwhile_is_not_driven_by_it(world: World):
    process = await idle(world)
    order, hand = await begun(world, process)
    name = process.worker.owner
    assert name == hand.owner
    await world.store.release_worker(name, world.clock.now_ms())
    process.hang()
    await world.clock.sleep(LEASE_S)
    process.wake()
    await world.clock.sleep(LEASE_S)
    assert name != process.worker.owner
    accepted = await world.store.accept(order, hand.owner)
    assert accepted.claimed is not None
    assert 0 == process.worker.driving
    assert process.worker.places.size == process.worker.places.free
    await world.ends(order.order_id)
    assert TAKEN_OVER == await world.history(order.order_id)


@in_world()
async def test_nothing_is_begun_before_the_worker_is_known_or_after_it_is_told_to_stop(
    world: World,
):
    order = await world.new_order()
    process = world.process()
    assert process.worker.begin(order) is None
    await world.clock.sleep(0.1)
    hand = process.worker.begin(order)
    assert hand is not None
    hand.put_back()
    process.worker.stop()
    assert process.worker.begin(order) is None
    none = await idle(world, msgspec.structs.replace(SETTINGS, concurrency=0))
    assert none.worker.begin(order) is None
    world.orders.clear()


@in_world()
async def test_nothing_is_begun_by_a_worker_whose_lease_ran_out(world: World):
    process = await idle(world)
    process.hang()
    await world.clock.sleep(LEASE_S + 1)
    order = await world.new_order()
    assert process.worker.begin(order) is None
    process.wake()
    # Not in the moment of its poll.
    await world.clock.sleep(LEASE_S + 0.05)
    hand = process.worker.begin(order)
    assert hand is not None
    hand.put_back()
    world.orders.clear()


@in_world(profile=SLOW)
async def test_new_order_does_not_overtake_those_that_wait(world: World):
    process = await idle(world, ONE)
    never, hand = await begun(world, process)
    waiting = [await world.submit() for _ in range(3)]
    hand.put_back()
    world.orders.remove(never.order_id)
    # A place is free and the queue has not been looked at.
    last = await world.submit(through=process)
    await world.ends(*world.orders)
    claimed = [event.order_id for event in world.events if event.type is E.CLAIMED]
    assert [*waiting, last] == claimed


@in_world(profile=SLOW, quote_s=0.2)
async def test_concurrency_holds_for_both_ways_in(world: World):
    process = await idle(world, msgspec.structs.replace(SETTINGS, concurrency=3))
    for number in range(16):
        await world.submit(through=process if number % 3 else None)
        await world.clock.sleep(0.9 if number % 2 else 0.0)
    await world.ends(*world.orders)
    under_way: set[str] = set()
    most = 0
    for event in world.events:
        if event.type is E.CLAIMED:
            under_way.add(event.order_id)
        elif event.type is E.CONFIRMED:
            under_way.remove(event.order_id)
        most = max(most, len(under_way))
    assert 3 == most
    assert process.worker.places.size == process.worker.places.free


@in_world(profile=SLOW)
async def test_graceful_stop_waits_for_the_order_that_was_begun(world: World):
    process = await idle(world)
    order_id = await world.submit(through=process)
    await process.stop()
    assert OrderStatus.CONFIRMED is (await world.order(order_id)).status
    world.process()
    await world.ends(order_id)


@in_world(quote_s=5.0)
async def test_order_accepted_after_the_stop_is_left_to_others(world: World):
    process = await idle(world, msgspec.structs.replace(SETTINGS, stop_grace_s=1.0))
    order, hand = await begun(world, process)
    process.worker.stop()
    await world.clock.sleep(3)
    accepted = await world.store.accept(order, hand.owner)
    assert accepted.claimed is not None
    await process.stop()
    world.process()
    await world.ends(order.order_id)
    assert TAKEN_OVER == await world.history(order.order_id)


@in_world()
async def test_order_whose_accept_was_not_answered_is_found_and_driven(world: World):
    process = await idle(world)
    (stored, first), (late, second), (never, third) = [
        await begun(world, process) for _ in range(3)
    ]
    await world.store.accept(stored, first.owner)
    for hand in (first, second, third):
        hand.doubt()
    await world.ends(stored.order_id)
    assert process.worker.places.size == process.worker.places.free
    await world.store.accept(late, second.owner)
    await world.ends(late.order_id)
    assert HAPPY == await world.history(stored.order_id) == await world.history(late.order_id)
    world.orders.remove(never.order_id)
    await world.clock.sleep(3_000)
