"""One seed: a world lived through, from the first order to the last proof."""

import asyncio
import time
from collections import Counter

import msgspec

from fairlead.orders.model import OrderStatus
from fairlead.sim.audit import Violation
from fairlead.sim.books import Books
from fairlead.sim.clients import WALLETS, Clients
from fairlead.sim.faults import Dice
from fairlead.sim.loop import run
from fairlead.sim.quiet import quiet_logs
from fairlead.sim.trouble import Trouble
from fairlead.sim.world import Told, World

ORDERS_PER_S = (6.0, 12.0, 12.0, 24.0)
"""At which clients come, of virtual time, drawn for each world: the fewer, the more goes wrong for
each order, and the longer each takes."""

TROUBLE_AFTER_S = 90.0
"""The longest that it goes on after the last order came: through finality, expiry and reclaims."""

LONGEST_S = 100_000.0
CALM_S = 900.0
"""Once nothing goes wrong any more, every order has ended after so much virtual time."""

LOST = "lost"
"""The end of an order that a restore took from the store."""

LOOK_EVERY_S = 0.5
CANCEL_EVERY_S = 10.0


class Plan(msgspec.Struct, frozen=True):
    """What is to be lived through with each seed."""

    orders: int = 300
    # Rates by kind of fault.
    faults: dict[str, float] = {}
    # The bug planted into the process, if any.
    planted: str | None = None


class Lived(msgspec.Struct):
    """What came of a seed."""

    seed: int
    # Accepted ones, and by the status they ended with.
    orders: int
    ended: dict[str, int]
    violations: list[Violation]
    faults: dict[str, int]
    points: dict[str, int]
    # Over all that happened.
    trace: str
    virtual_s: float
    cpu_s: float
    story: list[Told] = []


def live(seed: int, plan: Plan, *, keeps_story: bool = False) -> Lived:
    """Live through a seed. The same seed and plan give the same trace, always."""
    began_s = time.process_time()
    dice = Dice(seed, plan.faults)
    worlds: list[World] = []

    async def main() -> float:
        worlds.append(World(seed, dice, keeps_story=keeps_story))
        try:
            await _live(worlds[0], plan.orders)
        finally:
            await worlds[0].close()
        return worlds[0].clock.monotonic()

    virtual_s, broken = 0.0, ""
    with quiet_logs() as logged:
        try:
            virtual_s = run(main(), LONGEST_S)
        except AssertionError as error:
            broken = f"{type(error).__name__}: {error}"
    world = worlds[0]
    violations = world.auditor.violations
    if broken:
        violations.append(Violation("the simulation ends in order", broken))
    if violations and logged:
        last = violations[-1]
        told = "\n".join([last.text, *logged[:3]])
        violations[-1] = msgspec.structs.replace(last, text=told)
    memory = world.auditor.memory
    ended = Counter(known.status.value for known in memory.orders.values())
    if memory.lost_orders:
        ended[LOST] = len(memory.lost_orders)
    cpu_s = time.process_time() - began_s
    return Lived(
        seed,
        len(memory.ever),
        dict(sorted(ended.items())),
        violations,
        dict(dice.fired),
        dict(world.points),
        world.trace.hexdigest(),
        virtual_s,
        cpu_s,
        world.story,
    )


async def _live(world: World, orders: int) -> None:
    await world.open(WALLETS)
    clients, trouble = Clients(world), Trouble(world)
    watching = asyncio.ensure_future(world.watch_over_processes())
    troubling = asyncio.ensure_future(trouble.run())
    playing: set[asyncio.Task[None]] = set()
    per_s = world.dice.random.choice(ORDERS_PER_S)
    for _ in range(orders):
        await asyncio.sleep(world.dice.random.expovariate(per_s))
        task = asyncio.ensure_future(clients.send_one())
        playing.add(task)
        if world.auditor.violations:
            break
    if not world.auditor.violations:
        await asyncio.sleep(world.dice.random.uniform(0.0, TROUBLE_AFTER_S))
    troubling.cancel()
    await asyncio.wait([troubling])
    await trouble.over()
    _calm(world)
    await trouble.operators.over()
    await asyncio.wait(playing)
    await _end(world, clients)
    if not world.auditor.violations:
        await _all_taken_back(world)
    watching.cancel()
    await asyncio.wait([watching])
    for done in (*playing, watching, troubling):
        if not done.cancelled() and done.exception() is not None:
            raise AssertionError(
                f"the simulator itself: {done.exception()!r}"
            ) from done.exception()
    if not world.auditor.violations:
        await _check_books(world)


def _calm(world: World) -> None:
    """From now on nothing goes wrong."""
    world.dice.is_over = True
    world.tell("world", "all works from now on")
    world.cluster.heal()
    world.wire.heal()
    for process in world.processes:
        process.heal()
        if any(provider.history_slots is not None for provider in process.providers):
            # What it forgot it never knows again: another endpoint has to be asked.
            process.crashed.set()


async def _end(world: World, clients: Clients) -> None:
    """Every order ends by itself; one that rests without an expiry is cancelled."""
    auditor = world.auditor
    deadline_s = world.clock.monotonic() + CALM_S
    next_cancel_s = 0.0
    while not auditor.is_over() and world.clock.monotonic() < deadline_s:
        if world.clock.monotonic() >= next_cancel_s:
            # Again and again: a fork may bring one back to its rest that could not be cancelled.
            await _cancel_resting(world, clients)
            next_cancel_s = world.clock.monotonic() + CANCEL_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
    if not auditor.violations:
        for order_id in auditor.open:
            known = auditor.orders[order_id]
            text = f"{known.status.value} still, {CALM_S:g} s after the last fault"
            world.fail("every order ends", text, order_id)


async def _cancel_resting(world: World, clients: Clients) -> None:
    for order_id in list(world.auditor.open):
        known = world.auditor.orders[order_id]
        if known.status is OrderStatus.OPEN and known.order.terms.expires_at_ms is None:
            await clients.cancel(order_id)


async def _all_taken_back(world: World) -> None:
    """What was lent comes back by itself."""
    deadline_s = world.clock.monotonic() + CALM_S
    while await _is_lent(world):
        if world.clock.monotonic() >= deadline_s:
            lent = await world.store.lent()
            world.fail("rent comes back (rule 12)", f"{lent}, {CALM_S:g} s after the last order")
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _is_lent(world: World) -> bool:
    """Whether a latch may still hold something, or its return is not final."""
    ((noted, latches),) = world.store.rows("SELECT position, latches FROM lent")
    if latches or noted < await world.store.feed_head():
        return True
    return bool(await world.store.live_reclaims(1))


async def _check_books(world: World) -> None:
    for process in world.processes:
        await process.store.quiet()
    await world.cluster.settled()
    Books(world.cluster, world.store, world.auditor, world.strangers).check()
