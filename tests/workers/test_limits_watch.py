"""The watch over resting orders: no limit that holds is missed, whoever dies, hangs or stops."""

import asyncio
import itertools
import random
from pathlib import Path

import msgspec
import pytest
from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.orders import resting
from fairlead.orders.model import NEVER_MS, Change, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.triggers.price import MAX_CANDIDATES
from tests.workers.market import Holding, check_floors, limit, move, walk
from tests.workers.scenario import in_world, live
from tests.workers.test_limits import FIRED
from tests.workers.virtual_time import run
from tests.workers.world import SETTINGS, STILL, Process, World, faults, open_world

LEASE_S = SETTINGS.lease_ms / 1000
SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
MANY = msgspec.structs.replace(SETTINGS, concurrency=64)
NOTICED_S = 0.2 + 0.4
"""A poll, and the same again for what is on its way."""


def watching(*processes: Process) -> list[Process]:
    return [each for each in processes if each.worker.watcher.resting]


# --- restarts and take-overs


@in_world()
async def test_resting_orders_of_the_last_process_are_watched_by_the_next(world: World):
    first = world.process()
    order_ids = [await limit(world, 1.03, amount=f"{n}") for n in range(1, 6)]
    await world.clock.sleep(2)
    await first.stop()
    move(world, 1.05)
    await world.clock.sleep(3)
    world.process()
    orders = await world.ends(*order_ids, within_s=20)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    await check_floors(world)


def test_resting_orders_are_watched_after_a_restart_of_everything(tmp_path: Path):
    file = tmp_path / "orders.sqlite3"
    order_ids: list[str] = []

    async def before() -> None:
        async with open_world(file=file) as world:
            world.process()
            order_ids.append(await limit(world, 1.03))
            await world.clock.sleep(2)

    async def after(world: World) -> None:
        world.clock._count = itertools.count(1_000)
        world.orders += order_ids
        world.events += await world.store.feed(0, 100)
        # The chain is another one.
        order = await world.order(order_ids[0])
        await world.paper.fund(Pubkey.from_string(order.terms.wallet))
        world.process()
        await world.clock.sleep(2)
        move(world, 1.05)
        await world.ends(*order_ids, within_s=20)
        assert FIRED == await world.history(order_ids[0])

    run(before())
    live(after, file=file)


@in_world()
async def test_one_of_several_workers_watches_and_another_when_it_stops(world: World):
    first, second = world.process(), world.process()
    await limit(world, 1.03)
    await world.clock.sleep(1)
    (watcher,) = watching(first, second)
    other = second if watcher is first else first
    await watcher.stop()
    stopped_s = world.loop.time()
    while not watching(other):
        await world.clock.sleep(0.05)
    assert world.loop.time() - stopped_s <= 1
    move(world, 1.05)
    await world.ends(*world.orders, within_s=20)


@in_world()
async def test_watch_of_a_killed_worker_is_taken_over_with_its_lease(world: World):
    first = world.process()
    await limit(world, 1.03)
    await world.clock.sleep(1)
    second = world.process()
    await world.clock.sleep(1)
    assert [first] == watching(first, second)
    move(world, 1.05)
    await first.crash()
    killed_s = world.loop.time()
    await world.reaches(world.orders[0], E.CLAIMED, within_s=60)
    # As soon as it is known to be dead: with PostgreSQL at once, here when its lease is over.
    assert world.loop.time() - killed_s <= LEASE_S + 1
    await world.ends(*world.orders)


@in_world(profile=SLOW)
async def test_watcher_that_hung_and_wakes_beside_its_successor_does_no_harm(world: World):
    zombie = world.process(MANY)
    order_ids = [await limit(world, 1.03, amount=f"{n / 10}") for n in range(10, 30)]
    await world.clock.sleep(1)
    zombie.hang()
    world.process(MANY)
    await world.clock.sleep(LEASE_S + 2)
    move(world, 1.05)
    await world.clock.sleep(0.55)
    zombie.wake()
    orders = await world.ends(*order_ids)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    assert 20 == len({sent.signature for sent in world.sends})
    await check_floors(world)


@in_world(profile=SLOW)
async def test_firing_by_two_at_once_is_one_firing(world: World):
    world.process(msgspec.structs.replace(SETTINGS, concurrency=0))
    order_id = await limit(world, 0.9)
    row = await world.order(order_id)
    for _ in range(3):
        await world.store.apply(resting.fired(order_id, row.sequence, world.clock.now_ms()))
    world.process()
    await world.ends(order_id)
    assert FIRED == await world.history(order_id)


@in_world()
async def test_worker_declared_dead_watches_again_under_its_new_name(world: World):
    process = world.process()
    order_id = await limit(world, 1.03)
    await world.clock.sleep(1)
    for _ in range(3):
        await world.store.release_worker(process.worker.owner, world.clock.now_ms())
        await world.clock.sleep(3)
    assert [process] == watching(process)
    move(world, 1.05)
    await world.ends(order_id, within_s=20)


# --- crashes


async def _three_orders(world: World, crash_after: int) -> Process:
    """Three limit orders over a price that comes and goes, by a process that dies after its n-th
    commit or send, and by one that comes after it."""
    first = world.process(SETTINGS, crash_after)
    order_ids = [await limit(world, 1.03, slippage_bps=5_000), await limit(world, 1.04)]
    order_ids.append(await limit(world, 0.97, sell=False, amount="100"))
    cancelled = await limit(world, 1.03, amount="2", expires_at_ms=world.clock.now_ms() + 30_000)
    prices = asyncio.ensure_future(_come_and_go(world))
    cancelling = asyncio.ensure_future(_cancel_later(world, cancelled))
    ending = asyncio.ensure_future(world.ends(*order_ids, cancelled))
    dying = asyncio.ensure_future(first.crashed.wait())
    await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
    if first.crashed.is_set():
        await first.crash()
        world.process()
    dying.cancel()
    await ending
    await cancelling
    prices.cancel()
    await asyncio.wait({prices})
    for order_id in order_ids:
        assert OrderStatus.CONFIRMED is (await world.order(order_id)).status
    await check_floors(world)
    return first


async def _cancel_later(world: World, order_id: str) -> None:
    await world.clock.sleep(2.0)
    await world.cancel(order_id)


async def _come_and_go(world: World) -> None:
    while True:
        for price in (1.0, 1.05, 1.0, 0.95):
            move(world, price)
            # Long enough to fire and land in.
            await world.clock.sleep(5.3)


@pytest.mark.parametrize(
    "profile", [STILL, SLOW, faults("slippage_moved", 6_000)], ids=["smooth", "slow", "moved"]
)
def test_crash_after_any_commit_or_send_loses_no_limit(profile):
    seen: list[Process] = []

    async def body(world: World, crash_after: int) -> None:
        seen.append(await _three_orders(world, crash_after))

    live(body, 0, profile=profile)
    points = list(seen[0].points)
    for crash_after in range(1, len(points) + 1):
        live(body, crash_after, profile=profile)
        assert seen[-1].crashed.is_set(), f"point {crash_after} was not reached"


# --- parts that do not answer


@in_world()
async def test_store_that_does_not_answer_loses_no_firing(world: World):
    process = world.process()
    lost = iter(["lost", "unheard", "lost", "unheard"])

    def write_as(change: Change) -> str:
        fires = change.status_before is change.status is OrderStatus.OPEN
        return next(lost, "") if fires else ""

    process.store.write_as = write_as
    order_ids = [await limit(world, 1.03, amount=f"{n}") for n in range(1, 4)]
    await world.clock.sleep(1)
    process.store.is_down = True
    move(world, 1.05)
    await world.clock.sleep(5)
    process.store.is_down = False
    await world.ends(*order_ids, within_s=30)
    await check_floors(world)


@in_world()
async def test_expiry_whose_write_is_not_heard_of_is_written_again(world: World):
    process = world.process()
    answers = iter(["lost", "unheard"])
    process.store.write_as = lambda change: next(answers, "")
    order_id = await limit(world, 1.03, expires_at_ms=world.clock.now_ms() + 1_000)
    (order,) = await world.ends(order_id, within_s=20)
    assert OrderStatus.EXPIRED is order.status


@in_world()
async def test_chain_that_does_not_answer_is_asked_again(world: World):
    process = world.process()
    order_id = await limit(world, 1.03)
    process.chain.is_down = True
    move(world, 1.05)
    await world.clock.sleep(5)
    assert ["accepted", "rested"] == await world.history(order_id)
    process.chain.is_down = False
    await world.ends(order_id, within_s=20)


@in_world()
async def test_book_that_breaks_off_while_it_is_built_is_built_on(world: World):
    order_ids = [await limit(world, 1.03, amount=f"1.{n + 10}") for n in range(40)]
    # A page is five orders.
    from fairlead.workers import watcher

    page, watcher.PAGE = watcher.PAGE, 5
    try:
        process = world.process(MANY)
        asked = 0
        inner = world.store.triggers

        async def triggers(after: int, limit: int, *, resting_only: bool):
            nonlocal asked
            asked += 1
            if asked % 3 == 0:
                raise Unavailable("store", "scripted")
            return await inner(after, limit, resting_only=resting_only)

        world.store.triggers = triggers  # type: ignore[method-assign]
        await world.clock.sleep(5)
        assert 40 == process.worker.watcher.resting
        move(world, 1.05)
        await world.ends(*order_ids)
    finally:
        watcher.PAGE = page


# --- none is missed, none fires below its limit


@in_world()
async def test_burst_larger_than_a_decision_fires_whole(world: World):
    world.process(msgspec.structs.replace(SETTINGS, concurrency=0))
    count = MAX_CANDIDATES * 2 + 50
    for n in range(count):
        await limit(world, 1.03, amount=f"0.{n + 1000}")
    await world.clock.sleep(1)
    move(world, 1.05)
    await world.clock.sleep(1)
    rows = [await world.order(order_id) for order_id in world.orders]
    assert all(row.due_at_ms < NEVER_MS for row in rows)
    for row in rows:
        assert "cancelled" == await world.cancel(row.order_id)


async def wander(world: World, seed: int, workers: int) -> None:
    """Orders around a price that wanders; some cancelled, some expiring; one process is killed."""
    dice = random.Random(seed)
    processes = [world.process(MANY) for _ in range(workers)]
    await world.clock.sleep(1)
    holding = Holding(world, within_s=NOTICED_S if workers == 1 else LEASE_S + 1.5)
    looking = asyncio.ensure_future(holding.run())
    walking = asyncio.ensure_future(walk(world, dice, 60))
    for n in range(60):
        sell = dice.random() < 0.5
        away = dice.uniform(-0.005, 0.03)
        await limit(
            world,
            1 + away if sell else 1 - away,
            sell=sell,
            amount=str(dice.choice((1, 5, 100))) if sell else str(dice.choice((150, 9_000))),
            wallet=dice.choice((None, "9" * 43, "8" * 43)),
            slippage_bps=dice.choice((0, 100, 5_000)),
            priority=dice.choice((0, 0, 9)),
            venues=dice.choice((None, None, ("raydium",), ("meteora",))),
            max_price_impact_bps=dice.choice((None, None, 1, 50)),
            expires_at_ms=(
                world.clock.now_ms() + dice.randrange(1_000, 40_000)
                if dice.random() < 0.3
                else None
            ),
        )
        await world.clock.sleep(dice.expovariate(2))
        if n == 30 and workers > 1:
            await processes[0].crash()
    await walking
    await world.clock.sleep(2)
    looking.cancel()
    await asyncio.wait({looking})
    assert not holding.missed
    for order_id in world.orders:
        await world.cancel(order_id)
    await world.ends(*world.orders)
    await check_floors(world)


@pytest.mark.parametrize("profile", [STILL, SLOW], ids=["quick", "slow"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_no_limit_that_holds_is_missed_while_prices_wander(seed: int, workers: int, profile):
    ended: list[OrderStatus] = []

    async def body(world: World) -> None:
        await wander(world, seed, workers)
        ended.extend([(await world.order(order_id)).status for order_id in world.orders])

    live(body, seed=seed, profile=profile)
    assert 6 < ended.count(OrderStatus.CONFIRMED)
