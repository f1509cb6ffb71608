"""Processes that die, hang, stop and work side by side: every order ends, and once."""

import asyncio

import msgspec
import pytest

from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus
from fairlead.workers.worker import WorkerSettings
from tests.workers.scenario import in_world, live
from tests.workers.world import EXECUTION, SETTINGS, STILL, Process, World, faults

SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
VERY_SLOW = msgspec.structs.replace(STILL, land_min_ms=3_500, land_max_ms=5_000)
RAISING = msgspec.structs.replace(
    SETTINGS,
    execution=msgspec.structs.replace(
        EXECUTION, landing=msgspec.structs.replace(EXECUTION.landing, bump_after_ms=700)
    ),
)
LEASE_S = SETTINGS.lease_ms / 1000
MANY = msgspec.structs.replace(SETTINGS, concurrency=64)


async def _three_orders(
    world: World, crash_after: int, settings: WorkerSettings = SETTINGS
) -> Process:
    """Three orders of which one is cancelled, by a process that dies after its n-th commit or
    send, and by one that comes after it."""
    first = world.process(settings, crash_after)
    order_ids = [await world.submit(), await world.submit("USDC", "SOL", "100")]
    order_ids.append(await world.submit())
    cancelling = asyncio.ensure_future(_cancel_later(world, order_ids[2]))
    ending = asyncio.ensure_future(world.ends(*order_ids))
    dying = asyncio.ensure_future(first.crashed.wait())
    await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
    if first.crashed.is_set():
        await first.crash()
        world.process(settings)
    dying.cancel()
    await ending
    await cancelling
    return first


async def _cancel_later(world: World, order_id: str) -> None:
    await world.clock.sleep(1.5)
    await world.cancel(order_id)


@pytest.mark.parametrize(
    "profile", [STILL, SLOW, faults("slippage_moved", 6_000), faults("dropped", 6_000)],
    ids=["smooth", "slow", "moved", "dropped"],
)  # fmt: skip
def test_crash_after_any_commit_or_send_is_made_good_by_the_next_process(profile):
    seen: list[Process] = []

    async def body(world: World, crash_after: int) -> None:
        seen.append(await _three_orders(world, crash_after))

    live(body, 0, profile=profile)
    points = list(seen[0].points)
    assert {"commit", "send"} == set(points)
    for crash_after in range(1, len(points) + 1):
        live(body, crash_after, profile=profile)
        assert seen[-1].crashed.is_set(), f"point {crash_after} was not reached"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (SLOW, {E.FEE_RAISED, E.CANCEL_SENT}),
        (VERY_SLOW, {E.FEE_RAISED, E.CANCEL_SENT}),
        (faults("dropped", 6_000), {E.FEE_RAISED}),
    ],
    ids=["slow", "very slow", "dropped"],
)
def test_crash_amid_raises_and_cancels_is_made_good_by_the_next_process(profile, expected):
    """After each commit and each send while several attempts of an order live."""
    seen: list[Process] = []

    async def body(world: World, crash_after: int) -> None:
        seen.append(await _three_orders(world, crash_after, RAISING))
        told = {event.type for event in world.events}
        assert crash_after or expected <= told

    live(body, 0, profile=profile)
    for crash_after in range(1, len(seen[0].points) + 1):
        live(body, crash_after, profile=profile)
        assert seen[-1].crashed.is_set(), f"point {crash_after} was not reached"


@in_world(profile=SLOW)
async def test_crash_after_every_few_steps_until_all_is_done(world: World):
    order_ids = [await world.submit() for _ in range(5)]
    ending = asyncio.ensure_future(world.ends(*order_ids, within_s=6_000))
    for life in range(100):
        # A take-over begins with a send for each order: fewer steps than that would get nowhere.
        process = world.process(SETTINGS, crash_after=6 + life % 5)
        dying = asyncio.ensure_future(process.crashed.wait())
        await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        await process.crash()
        if ending.done():
            break
    orders = await ending
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    assert {1} == {order.round for order in orders}, "a take-over uses up no round"


@in_world(quote_s=0.5)
async def test_order_of_a_dead_worker_is_taken_over_in_the_same_round(world: World):
    first = world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.CLAIMED)
    await first.crash()
    world.process()
    at_s = world.loop.time()
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)
    assert ["accepted", "claimed", "taken_over", "routed"] == (await world.history(order_id))[:4]
    taken_at_s = next(e.at_ms for e in world.events if e.type is E.TAKEN_OVER) / 1000
    now_s = world.clock.now_ms() / 1000
    assert taken_at_s - (now_s - (world.loop.time() - at_s)) <= LEASE_S + 1


@in_world(profile=SLOW)
async def test_two_workers_share_the_orders_and_do_none_twice(world: World):
    world.process()
    world.process()
    orders = await world.ends(*[await world.submit() for _ in range(20)])
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    assert 2 == len({sent.process for sent in world.sends})
    assert 20 == len({sent.signature for sent in world.sends})


@pytest.mark.parametrize("after_ms", range(0, 3_600, 200))
@in_world(profile=SLOW, quote_s=0.3)
async def test_worker_that_hung_past_its_lease_changes_nothing_when_it_wakes(
    world: World, after_ms: int
):
    zombie = world.process()
    order_ids = [await world.submit() for _ in range(6)]
    await world.clock.sleep(after_ms / 1000)
    zombie.hang()
    world.process()
    await world.clock.sleep(LEASE_S + 2)
    zombie.wake()
    later = [await world.submit() for _ in range(6)]
    orders = await world.ends(*order_ids, *later)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    # It goes on under a new name.
    await world.clock.sleep(5)
    assert 2 == (await world.store.queue(world.clock.now_ms())).workers


@in_world(profile=SLOW, quote_s=0.3)
async def test_worker_that_hung_alone_takes_its_own_orders_over(world: World):
    process = world.process()
    order_ids = [await world.submit() for _ in range(6)]
    for pause_s in (0.2, 1.0, 2.0, 0.1):
        await world.clock.sleep(pause_s)
        process.hang()
        await world.clock.sleep(LEASE_S + 2)
        process.wake()
    orders = await world.ends(*order_ids)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}


@in_world(profile=SLOW)
async def test_worker_that_others_took_for_dead_drops_what_it_has_and_goes_on(world: World):
    process = world.process()
    order_ids = [await world.submit() for _ in range(8)]
    for _ in range(6):
        await world.clock.sleep(0.7)
        await world.store.release_worker(process.worker.owner, world.clock.now_ms())
    orders = await world.ends(*order_ids)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    await world.clock.sleep(3)
    assert process.worker.places.free == process.worker.places.size


@in_world(profile=SLOW, quote_s=0.3)
async def test_graceful_stop_finishes_what_holds_a_place(world: World):
    process = world.process()
    order_ids = [await world.submit() for _ in range(10)]
    await world.clock.sleep(1)
    begun = [each for each in order_ids if "claimed" in await world.history(each)]
    await process.stop()
    assert 4 == len(begun)
    assert {OrderStatus.CONFIRMED} == {(await world.order(each)).status for each in begun}
    assert {None} == {(await world.order(each)).owner for each in order_ids}
    rest = set(order_ids) - set(begun)
    assert {OrderStatus.PENDING} == {(await world.order(each)).status for each in rest}
    world.process()
    await world.ends(*order_ids)


@in_world()
async def test_graceful_stop_hands_over_what_the_grace_is_too_short_for(world: World):
    settings = msgspec.structs.replace(MANY, stop_grace_s=2.0)
    process = world.process(settings)
    process.chain.send_as = lambda sent: "lost"
    order_ids = [await world.submit() for _ in range(3)]
    await world.reaches(order_ids[2], E.SUBMITTED)
    at_s = world.loop.time()
    await process.stop()
    assert 1.99 <= world.loop.time() - at_s <= 2.1
    # Nobody waits for a lease to run out.
    world.process()
    sends = len(world.sends)
    await world.clock.sleep(0.5)
    assert sends + 3 <= len(world.sends)
    orders = await world.ends(*order_ids)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    assert {1} == {len(await world.attempts(each)) for each in order_ids}


@in_world(profile=faults("slippage_moved"))
async def test_stop_does_not_wait_for_orders_that_only_wait(world: World):
    process = world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.ROUND_FAILED)
    at_s = world.loop.time()
    await process.stop()
    assert world.loop.time() - at_s < 1
    world.process()


@in_world()
async def test_confirmed_order_of_a_dead_worker_is_finalized_by_another(world: World):
    first = world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    await first.crash()
    world.process()
    await world.ends(order_id)
    assert 1 == len(world.sends)
