"""Limit orders: they fire when their limit holds at their own size, never fill below it, and rest
again when it does not hold any more."""

import asyncio

import msgspec
import pytest

from fairlead.orders.model import NEVER_MS, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.orders.retry import RetryPolicy
from fairlead.proofcheck import check
from fairlead.venues.venue import Venue
from tests.workers.market import check_floors, limit, move, paid
from tests.workers.proofs import bundle_of
from tests.workers.scenario import in_world
from tests.workers.test_rounds import calm
from tests.workers.virtual_time import T0_MS
from tests.workers.world import EXECUTION, SETTINGS, STILL, World, faults

FIRED = ["accepted", "rested", "claimed", "routed", "submitted", "confirmed", "finalized"]
SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
MANY = msgspec.structs.replace(SETTINGS, concurrency=64)


def fired_after_s(world: World, order_id: str, since_s: float) -> float:
    """From a moment to the claim."""
    (at_ms,) = [e.at_ms for e in world.events if e.order_id == order_id and e.type is E.CLAIMED]
    return (at_ms - T0_MS) / 1000 - since_s


@in_world()
async def test_order_rests_until_its_price_is_there_and_then_fires_at_once(world: World):
    world.process()
    order_id = await limit(world, 1.03)
    await world.clock.sleep(10)
    assert ["accepted", "rested"] == await world.history(order_id)
    move(world, 1.05)
    moved_s = world.loop.time()
    (order,) = await world.ends(order_id)
    assert FIRED == await world.history(order_id)
    # A slot until quotes see it, and a poll.
    assert fired_after_s(world, order_id, moved_s) <= 0.4 + 0.2 + 0.05
    assert (1, 0) == (order.round, order.earlier_rounds)
    await check_floors(world)


@in_world()
async def test_order_whose_limit_holds_already_fires_within_a_poll(world: World):
    world.process()
    await world.clock.sleep(1)
    order_id = await limit(world, 0.9)
    began_s = world.loop.time()
    await world.ends(order_id)
    assert FIRED == await world.history(order_id)
    assert fired_after_s(world, order_id, began_s) <= 0.25


@in_world()
async def test_both_directions_of_a_pair_fire_on_their_own_side(world: World):
    world.process()
    sell, buy = await limit(world, 1.1), await limit(world, 0.9, sell=False, amount="100")
    move(world, 1.12)
    await world.ends(sell)
    assert ["accepted", "rested"] == await world.history(buy)
    move(world, 0.88)
    await world.ends(buy)
    await check_floors(world)


@in_world()
async def test_large_order_waits_for_the_price_of_its_own_size(world: World):
    world.process()
    # Its own swap moves the price by more than a percent.
    small, large = await limit(world, 1.0), await limit(world, 1.0, amount="4500", wallet="9" * 43)
    move(world, 1.01)
    await world.ends(small)
    await world.clock.sleep(5)
    assert ["accepted", "rested"] == await world.history(large)
    move(world, 1.03)
    await world.ends(large)
    await check_floors(world)


@in_world()
async def test_allow_list_holds_for_the_firing_too(world: World):
    world.process()
    order_id = await limit(world, 1.05, venues=("meteora",))
    move(world, 1.2, venue=Venue.RAYDIUM_CPMM)
    await world.clock.sleep(5)
    assert ["accepted", "rested"] == await world.history(order_id)
    move(world, 1.06, venue=Venue.METEORA_DAMM_V2)
    await world.ends(order_id)
    assert "meteora_damm_v2" == (await world.data(order_id, E.ROUTED))["venue"]
    await check_floors(world)


@in_world()
async def test_price_impact_limit_holds_for_the_firing_too(world: World):
    world.process()
    order_id = await limit(world, 0.9, amount="4000", max_price_impact_bps=50)
    await world.clock.sleep(5)
    assert ["accepted", "rested"] == await world.history(order_id)
    assert 0 == await paid(world, await world.order(order_id))
    assert "cancelled" == await world.cancel(order_id)


@in_world()
async def test_burst_of_orders_crosses_at_once_and_priority_goes_first(world: World):
    world.process(MANY)
    await world.clock.sleep(1)
    usual = [await limit(world, 1.02, amount=f"{1 + n / 1000}") for n in range(60)]
    urgent = [await limit(world, 1.02, amount=f"{2 + n / 1000}", priority=9) for n in range(30)]
    await world.clock.sleep(1)
    move(world, 1.05)
    orders = await world.ends(*usual, *urgent)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    begun = [event.order_id for event in world.events if event.type is E.CLAIMED]
    assert set(urgent) == set(begun[:30])
    await check_floors(world)


# --- rest again


@in_world(quote_s=0.3)
async def test_order_rests_again_when_the_price_is_gone_before_it_is_routed(world: World):
    world.process()
    order_id = await limit(world, 1.03)
    await world.clock.sleep(2)
    move(world, 1.05)
    await world.reaches(order_id, E.CLAIMED)
    move(world, 1.0)
    # Quotes are of the slot that is confirmed: let it pass.
    await world.reaches(order_id, E.REOPENED, E.SUBMITTED)
    await world.clock.sleep(3)
    row = await world.order(order_id)
    assert (OrderStatus.OPEN, None) == (row.status, row.owner)
    assert (NEVER_MS, 1, 1) == (row.due_at_ms, row.round, row.earlier_rounds)
    told = await world.data(order_id, E.REOPENED)
    assert "stale_price" == told["failureCode"]
    assert told["reason"]
    assert not await world.attempts(order_id)
    move(world, 1.05)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert (2, 1) == (order.round, order.earlier_rounds)
    await check_floors(world)


@in_world(profile=faults("slippage_moved"))
async def test_refused_on_chain_at_the_floor_it_rests_again_and_fires_with_all_rounds(
    world: World,
):
    retry = RetryPolicy(max_rounds=2)
    settings = msgspec.structs.replace(EXECUTION, retry=retry)
    world.process(msgspec.structs.replace(SETTINGS, execution=settings))
    # The most slippage there is: what it insists on is its floor.
    order_id = await limit(world, 1.0, slippage_bps=5_000)
    move(world, 1.03)
    firings = 3
    for firing in range(1, firings + 1):
        await world.reaches(order_id, E.REOPENED)
        while (await world.history(order_id)).count("reopened") < firing:
            await world.clock.sleep(0.1)
    calm(world)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert order.round == order.earlier_rounds + 1
    assert order.round > retry.max_rounds
    await check_floors(world)


@in_world(profile=faults("slippage_moved"))
async def test_refused_above_the_floor_is_a_failed_round_like_any_other(world: World):
    world.process()
    # The price is far above the limit, and so is what the attempt insists on.
    order_id = await limit(world, 0.8, slippage_bps=10)
    (order,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "stale_price") == (order.status, order.failure_code)
    assert 3 == order.round
    assert "reopened" not in await world.history(order_id)


@in_world(profile=faults("slippage_moved"))
async def test_firing_again_and_again_never_spends_more_than_the_fee_cap(world: World):
    world.process()
    # Ten base fees and nothing else.
    order_id = await limit(world, 1.0, slippage_bps=5_000, max_priority_fee_lamports=0)
    move(world, 1.03)
    (order,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "fee_cap_spent") == (order.status, order.failure_code)
    attempts = await world.attempts(order_id)
    assert order.terms.fee_cap_lamports == sum(a.fee_lamports for a in attempts)


@in_world()
async def test_near_a_tie_the_pool_that_reaches_the_floor_is_taken(world: World):
    world.process()
    move(world, 1.0)
    order_id = await limit(world, 0.5, amount="1")
    order = await world.order(order_id)
    await world.ends(order_id)
    # What the better pool pays, to the atom: the one that would cost less to use falls short.
    best = await paid(world, order)
    exact = await limit(world, best / 10**6 / 150, amount="1")
    (order,) = await world.ends(exact)
    assert OrderStatus.CONFIRMED is order.status
    assert "reopened" not in await world.history(exact)
    await check_floors(world)


# --- ends


@in_world()
async def test_resting_order_is_cancelled_at_once(world: World):
    world.process()
    order_id = await limit(world, 1.03)
    await world.clock.sleep(2)
    assert "cancelled" == await world.cancel(order_id)
    move(world, 1.1)
    await world.clock.sleep(5)
    assert ["accepted", "rested", "cancelled"] == await world.history(order_id)


@in_world()
async def test_resting_orders_expire_within_a_poll_of_their_time(world: World):
    world.process()
    expiries = {
        await limit(world, 1.03, amount="0.1", expires_at_ms=T0_MS + 3_000 + n * 37): n * 37
        for n in range(20)
    }
    orders = await world.ends(*expiries)
    assert {OrderStatus.EXPIRED} == {order.status for order in orders}
    for order in orders:
        assert 0 <= order.updated_at_ms - T0_MS - 3_000 - expiries[order.order_id] <= 200
        assert ["accepted", "rested", "expired"] == await world.history(order.order_id)


@pytest.mark.parametrize("end", [OrderStatus.EXPIRED, OrderStatus.CANCELLED])
@in_world(profile=faults("slippage_moved"))
async def test_end_at_rest_after_a_firing_that_failed_is_proven_by_the_failure(
    world: World, end: OrderStatus
):
    world.process()
    order_id = await limit(world, 1.0, slippage_bps=5_000, expires_at_ms=T0_MS + 20_000)
    move(world, 1.03)
    await world.reaches(order_id, E.SUBMITTED)
    move(world, 0.9)
    await world.reaches(order_id, E.REOPENED)
    if end is OrderStatus.CANCELLED:
        await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert end is order.status
    verdict, why = check(await bundle_of(world, order_id))
    assert "proven (single-source)" == verdict, why


@in_world()
async def test_expiry_does_not_wait_for_a_chain_that_does_not_answer(world: World):
    process = world.process()
    order_id = await limit(world, 1.03, expires_at_ms=T0_MS + 3_000)
    await world.clock.sleep(1)
    process.chain.is_down = True
    await world.clock.sleep(2.3)
    assert OrderStatus.EXPIRED is (await world.order(order_id)).status


@in_world()
async def test_fired_order_without_a_place_expires_too(world: World):
    world.process(msgspec.structs.replace(SETTINGS, concurrency=0))
    order_id = await limit(world, 0.9, expires_at_ms=T0_MS + 3_000)
    await world.clock.sleep(2)
    row = await world.order(order_id)
    assert OrderStatus.OPEN is row.status
    assert row.due_at_ms < NEVER_MS
    await world.clock.sleep(1.3)
    assert OrderStatus.EXPIRED is (await world.order(order_id)).status


@in_world(profile=faults("slippage_moved"))
async def test_order_past_its_expiry_ends_expired_and_does_not_rest_again(world: World):
    world.process()
    order_id = await limit(world, 1.0, slippage_bps=5_000, expires_at_ms=T0_MS + 2_500)
    move(world, 1.03)
    (order,) = await world.ends(order_id)
    assert OrderStatus.EXPIRED is order.status
    reopened = [e.at_ms for e in world.events if e.type is E.REOPENED]
    assert all(at_ms < T0_MS + 2_500 for at_ms in reopened)


@pytest.mark.parametrize("after_ms", range(0, 3_000, 100))
@in_world(profile=SLOW, quote_s=0.1)
async def test_cancel_at_any_moment_of_a_firing_ends_in_one_status(world: World, after_ms: int):
    world.process()
    order_id = await limit(world, 1.03)
    await world.clock.sleep(1)
    move(world, 1.05)
    await world.clock.sleep(after_ms / 1000)
    said = await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert order.status in (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
    assert OrderStatus.CANCELLED is order.status or said != "cancelled"
    await check_floors(world)


@pytest.mark.parametrize("after_ms", range(1_300, 4_600, 100))
@in_world(profile=SLOW, quote_s=0.1)
async def test_expiry_at_any_moment_of_a_firing_ends_in_one_status(world: World, after_ms: int):
    world.process()
    order_id = await limit(world, 1.03, expires_at_ms=T0_MS + after_ms)
    await world.clock.sleep(1)
    move(world, 1.05)
    (order,) = await world.ends(order_id)
    history = await world.history(order_id)
    # Stored and not sent yet, it is proven dead.
    assert order.status in (OrderStatus.CONFIRMED, OrderStatus.EXPIRED)
    assert order.status is OrderStatus.EXPIRED or "submitted" in history
    await check_floors(world)


@in_world()
async def test_order_that_came_to_rest_without_a_wake_up_is_found_by_the_poll(world: World):
    world.process()
    await world.clock.sleep(1)
    world.bus.publish = lambda committed: None  # type: ignore[method-assign]
    order_id = await limit(world, 0.9)
    began_s = asyncio.get_running_loop().time()
    await world.reaches(order_id, E.CLAIMED)
    assert asyncio.get_running_loop().time() - began_s <= 3
