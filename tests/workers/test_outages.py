"""A chain or a store that does not answer: nothing is decided, nothing is lost."""

import msgspec

from fairlead.errors import Overloaded, WriteOutcomeUnknown
from fairlead.orders.model import Change, Claimed, OrderStatus
from fairlead.orders.model import EventType as E
from tests.workers.scenario import in_world
from tests.workers.world import EXECUTION, SETTINGS, World

ALARM_S = EXECUTION.landing.tell_unknown_after_ms / 1000


@in_world()
async def test_outage_before_any_attempt_uses_up_no_round(world: World):
    process = world.process()
    # It has found no orders of before: those that come wait for no wallet's history.
    await world.clock.sleep(1)
    process.chain.is_down = True
    order_id = await world.submit()
    await world.clock.sleep(60)
    order = await world.order(order_id)
    assert (OrderStatus.ROUTING, 1) == (order.status, order.round)
    assert ["accepted", "claimed"] == await world.history(order_id)
    assert process.worker.places.free == process.worker.places.size
    process.chain.is_down = False
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)


@in_world()
async def test_each_failed_read_on_the_way_to_an_attempt_is_an_outage(world: World):
    process = world.process()
    failed: set[str] = set()

    def once(method: str) -> bool:
        is_new = method not in failed
        failed.add(method)
        return is_new

    process.chain.fails = once
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)
    assert {"accounts", "latest_blockhash", "rent_minimum", "simulate"} <= failed


@in_world()
async def test_outage_in_flight_is_told_after_the_alarm_and_holds_the_funds(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    held = await world.store.reserved((await world.order(order_id)).terms.wallet)
    process.chain.is_down = True
    began_s = world.loop.time()
    await world.reaches(order_id, E.STILL_PROVING)
    assert -1 <= world.loop.time() - began_s - ALARM_S <= 1
    assert process.worker.places.free == process.worker.places.size
    await world.clock.sleep(2 * ALARM_S)
    order = await world.order(order_id)
    assert OrderStatus.SUBMITTED is order.status
    assert held == await world.store.reserved(order.terms.wallet)
    assert any(held.values())
    assert 3 == (await world.history(order_id)).count("still_proving")
    process.chain.is_down = False
    process.chain.send_as = lambda sent: "pass"
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)


@in_world()
async def test_chain_that_halts_is_told_too(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    # It answers, and no block comes.
    await world.paper.stop()
    await world.reaches(order_id, E.STILL_PROVING)
    process.chain.send_as = lambda sent: "pass"
    await world.paper.start()


@in_world()
async def test_alarm_rings_for_an_order_whose_cancel_is_not_proven(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    assert "cancelling" == await world.cancel(order_id)
    process.chain.is_down = True
    await world.reaches(order_id, E.STILL_PROVING, within_s=ALARM_S + 5)
    process.chain.is_down = False
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status


@in_world()
async def test_storm_of_refusals_while_landing_ends_in_one_fill(world: World):
    process = world.process()
    process.chain.fails = lambda method: round(world.loop.time() * 10) % 3 != 0
    orders = await world.ends(*[await world.submit() for _ in range(6)])
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    assert {1} == {order.round for order in orders}


@in_world()
async def test_confirmed_order_waits_out_an_outage_for_its_finality(world: World):
    process = world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    process.chain.is_down = True
    await world.clock.sleep(300)
    assert "finalized" not in await world.history(order_id)
    process.chain.is_down = False
    await world.ends(order_id)


@in_world()
async def test_store_that_goes_away_stops_nothing_for_good(world: World):
    process = world.process()
    order_ids = [await world.submit() for _ in range(6)]
    for _ in range(5):
        await world.clock.sleep(0.3)
        process.store.is_down = True
        await world.clock.sleep(3)
        process.store.is_down = False
    orders = await world.ends(*order_ids)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}


@in_world()
async def test_write_of_unknown_outcome_is_looked_up_and_not_repeated(world: World):
    process = world.process()
    writes: list[Change] = []

    def unsure(change: Change) -> str:
        writes.append(change)
        return ("unheard", "lost", "")[len(writes) % 3]

    process.store.write_as = unsure
    orders = await world.ends(*[await world.submit() for _ in range(9)])
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}


@in_world()
async def test_fork_whose_commit_was_not_answered_is_landed_again(world: World):
    process = world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    dropped = E.DROPPED
    process.store.write_as = lambda change: (
        "unheard" if any(e.type is dropped for e in change.events) else ""
    )
    world.paper.bank.drop_unrooted()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status


@in_world()
async def test_overloaded_store_is_asked_again_later(world: World):
    process = world.process()
    refused = 0

    def full(change: Change) -> str:
        nonlocal refused
        if world.loop.time() < 5:
            refused += 1
            raise Overloaded(20_000, 1)
        return ""

    process.store.write_as = full
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert 0 < refused < 20


@in_world()
async def test_order_that_nobody_can_drive_keeps_no_place_from_the_others(world: World):
    process = world.process(msgspec.structs.replace(SETTINGS, concurrency=1))
    sign = world.wallet.sign
    first = await world.submit()

    def broken(address: str, message: bytes) -> bytes:
        if world.loop.time() < 30:
            raise RuntimeError("scripted: a bug")
        return sign(address, message)

    world.wallet.sign = broken  # type: ignore[method-assign]
    await world.clock.sleep(6)
    assert process.worker.bench.bugs >= 1
    assert process.worker.places.free == 1
    (order,) = await world.ends(first)
    assert OrderStatus.CONFIRMED is order.status
    process.worker.bench.bugs = 0


@in_world()
async def test_orders_of_a_claim_whose_outcome_is_unknown_are_not_left_with_nobody(world: World):
    process = world.process()
    await world.clock.sleep(1)
    first, claim = process.worker.owner, world.store.claim
    unheard: list[int] = []

    async def made_but_unheard(owner: str, places: int, now_ms: int) -> tuple[Claimed, ...]:
        claimed = await claim(owner, places, now_ms)
        if not claimed or unheard:
            return claimed
        unheard.append(len(claimed))
        raise WriteOutcomeUnknown("scripted: it was made")

    process.store.claim = made_but_unheard  # type: ignore[attr-defined]
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert [1] == unheard
    assert OrderStatus.CONFIRMED is order.status
    assert first != process.worker.owner
