"""Orders that the API of a worker's own process hands over at once, with their accept."""

import asyncio
from typing import Any

import msgspec

from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus
from fairlead.ports import Hand
from tests.workers.scenario import in_world
from tests.workers.world import SETTINGS, STILL, Process, World

SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
HAPPY = ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"]
TAKEN_OVER = ["accepted", "claimed", "taken_over", "routed", "submitted", "confirmed", "finalized"]
LEASE_S = SETTINGS.lease_ms / 1000
ONE = msgspec.structs.replace(SETTINGS, concurrency=1)


async def idle(world: World, settings: Any = SETTINGS) -> Process:
    """A worker that has looked and found nothing."""
    process = world.process(settings)
    await world.clock.sleep(0.1)
    return process


def hand_of(process: Process) -> Hand:
    hand = process.worker.take()
    assert hand is not None
    return hand


@in_world()
async def test_order_begins_with_its_accept(world: World):
    process = await idle(world)
    order_id = await world.submit(through=process)
    order = await world.order(order_id)
    assert (OrderStatus.ROUTING, process.worker.owner) == (order.status, order.owner)
    assert process.worker.places.size - 1 == process.worker.places.free
    await world.ends(order_id)
    assert HAPPY == await world.history(order_id)
    assert 1 == len(world.sends)


@in_world()
async def test_crash_right_after_the_accept_loses_nothing_and_executes_once(world: World):
    process = world.process(SETTINGS, crash_after=1)
    await world.clock.sleep(0.1)
    order_id = await world.submit(through=process)
    assert process.crashed.is_set()
    world.process()
    await world.ends(order_id)
    assert TAKEN_OVER == await world.history(order_id)
    assert 1 == len(world.sends)


@in_world()
async def test_order_taken_by_a_worker_declared_dead_meanwhile_is_not_driven_by_it(world: World):
    process = await idle(world)
    hand = hand_of(process)
    name = process.worker.owner
    await world.store.release_worker(name, world.clock.now_ms())
    await world.clock.sleep(LEASE_S)
    assert name != process.worker.owner
    order = await world.new_order()
    accepted = await world.store.accept(order, hand.owner)
    assert accepted.claimed is not None
    hand.begin(accepted.claimed)
    assert 0 == process.worker.driving
    assert process.worker.places.size == process.worker.places.free
    await world.ends(order.order_id)
    assert TAKEN_OVER == await world.history(order.order_id)


@in_world()
async def test_no_place_is_lent_before_the_worker_is_known_or_after_it_is_told_to_stop(
    world: World,
):
    process = world.process()
    assert process.worker.take() is None
    await world.clock.sleep(0.1)
    hand_of(process).put_back()
    process.worker.stop()
    assert process.worker.take() is None
    none = await idle(world, msgspec.structs.replace(SETTINGS, concurrency=0))
    assert none.worker.take() is None


@in_world()
async def test_no_place_is_lent_by_a_worker_whose_lease_ran_out(world: World):
    process = await idle(world)
    process.hang()
    await world.clock.sleep(LEASE_S + 1)
    assert process.worker.take() is None
    process.wake()
    # Not in the moment of its poll.
    await world.clock.sleep(LEASE_S + 0.05)
    hand_of(process).put_back()


@in_world(profile=SLOW)
async def test_new_order_does_not_overtake_those_that_wait(world: World):
    process = await idle(world, ONE)
    lent = hand_of(process)
    waiting = [await world.submit() for _ in range(3)]
    lent.put_back()
    # A place is free and the queue has not been looked at.
    last = await world.submit(through=process)
    await world.ends(*world.orders)
    begun = [event.order_id for event in world.events if event.type is E.CLAIMED]
    assert [*waiting, last] == begun


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
async def test_graceful_stop_waits_for_the_order_of_a_lent_place(world: World):
    process = await idle(world)
    hand = hand_of(process)
    order = await world.new_order()
    accepted = await world.store.accept(order, hand.owner)
    stopping = asyncio.ensure_future(process.stop())
    await world.clock.sleep(0.1)
    assert accepted.claimed is not None
    hand.begin(accepted.claimed)
    await stopping
    assert OrderStatus.CONFIRMED is (await world.order(order.order_id)).status
    world.process()
    await world.ends(order.order_id)


@in_world()
async def test_place_that_comes_back_after_the_stop_leaves_its_order_to_others(world: World):
    process = await idle(world, msgspec.structs.replace(SETTINGS, stop_grace_s=1.0))
    hand = hand_of(process)
    process.worker.stop()
    await world.clock.sleep(5)
    order = await world.new_order()
    accepted = await world.store.accept(order, hand.owner)
    assert accepted.claimed is not None
    hand.begin(accepted.claimed)
    await process.stop()
    world.process()
    await world.ends(order.order_id)
    assert TAKEN_OVER == await world.history(order.order_id)


@in_world()
async def test_order_whose_accept_was_not_answered_is_found_and_begun(world: World):
    process = await idle(world)
    stored, late, never = [await world.new_order() for _ in range(3)]
    hands = [hand_of(process) for _ in range(3)]
    await world.store.accept(stored, hands[0].owner)
    for hand, order in zip(hands, (stored, late, never), strict=True):
        hand.doubt(order.order_id)
    assert process.worker.places.size == process.worker.places.free
    await world.ends(stored.order_id)
    await world.store.accept(late, hands[1].owner)
    await world.ends(late.order_id)
    assert HAPPY == await world.history(stored.order_id) == await world.history(late.order_id)
    world.orders.remove(never.order_id)
    await world.clock.sleep(3_000)
