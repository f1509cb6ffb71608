"""Several live attempts of one order under its latch: higher fees, new blockhashes, one swap."""

import msgspec
import pytest

from fairlead.ledger.blocks import LedgerParams
from fairlead.orders.model import Attempt, AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.ports import Blockhash
from fairlead.venues.venue import Venue
from fairlead.workers.worker import WorkerSettings
from tests.workers.market import move
from tests.workers.scenario import in_world
from tests.workers.strangers import latch_of, pay
from tests.workers.test_rounds import calm
from tests.workers.world import EXECUTION, PARAMS, SETTINGS, STILL, Sent, World, faults

SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)
VERY_SLOW = msgspec.structs.replace(STILL, land_min_ms=3_500, land_max_ms=5_000)
CLUSTER = LedgerParams(slot_ms=400, blockhash_window=150, confirmed_depth=1, finality_depth=32)
"""As the clusters are."""
WORST_WINDOW = 300
"""What their blockhashes' life is taken for where it must not be taken too short (rule 13)."""


def settings(
    bump_after_ms: int | None = 1_000,
    *,
    latch: bool = True,
    window: int = PARAMS.blockhash_window,
    attempts: int = 3,
) -> WorkerSettings:
    landing = msgspec.structs.replace(
        EXECUTION.landing, bump_after_ms=bump_after_ms, max_blockhash_window=window
    )
    retry = msgspec.structs.replace(EXECUTION.retry, max_attempts_per_round=attempts)
    execution = msgspec.structs.replace(EXECUTION, landing=landing, retry=retry, latch=latch)
    return msgspec.structs.replace(SETTINGS, execution=execution)


def lose_first(world: World, attempts: int = 1) -> None:
    """No send of an order's first attempts is ever seen: their fee is too low, or their way bad."""
    first: list[str] = []

    def send_as(sent: Sent) -> str:
        if sent.signature not in first and len(first) < attempts:
            first.append(sent.signature)
        return "lost" if sent.signature in first else "pass"

    world.processes[0].chain.send_as = send_as


async def landed_after_s(world: World, order_id: str) -> float:
    """From the first send to `confirmed`."""
    await world.reaches(order_id, E.CONFIRMED)
    return world.loop.time() - world.sends[0].at_s


def states(attempts: tuple[Attempt, ...]) -> list[AttemptState]:
    return [attempt.state for attempt in attempts]


@in_world(params=CLUSTER)
async def test_stuck_order_lands_by_a_higher_fee_within_seconds(world: World):
    world.process(settings(4_000, window=WORST_WINDOW))
    lose_first(world)
    order_id = await world.submit()
    assert 4 <= await landed_after_s(world, order_id) <= 6  # measured: 4.9
    (order,) = await world.ends(order_id)
    first, second = await world.attempts(order_id)
    assert [AttemptState.EXCLUDED, AttemptState.SUCCEEDED] == states((first, second))
    assert (1, 1) == (order.round, second.round)
    assert second.compute_unit_price_micro_lamports > first.compute_unit_price_micro_lamports
    assert second.latch_address == first.latch_address


@in_world(params=CLUSTER)
async def test_without_raises_it_lands_by_a_new_blockhash_as_soon_as_the_first_has_died(
    world: World,
):
    world.process(settings(None, window=WORST_WINDOW))
    lose_first(world)
    order_id = await world.submit()
    assert 60 <= await landed_after_s(world, order_id) <= 64  # measured: 61.3
    (order,) = await world.ends(order_id)
    assert "attempt_replaced" in await world.history(order_id)
    assert 1 == order.round


@in_world(params=CLUSTER)
async def test_without_a_latch_it_waits_for_the_proof(world: World):
    world.process(settings(4_000, latch=False, window=WORST_WINDOW))
    lose_first(world)
    order_id = await world.submit()
    assert 130 <= await landed_after_s(world, order_id) <= 140  # measured: 135.3
    await world.ends(order_id)
    first, second = await world.attempts(order_id)
    assert [AttemptState.DEAD, AttemptState.SUCCEEDED] == states((first, second))
    assert second.blockhash_height > first.blockhash_height + WORST_WINDOW


@in_world()
async def test_a_raise_is_told_with_its_attempt_its_fee_and_the_reason(world: World):
    world.process(settings())
    lose_first(world)
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert [
        "accepted", "claimed", "routed", "submitted", "fee_raised", "confirmed", "finalized",
    ] == await world.history(order_id)  # fmt: skip
    first, second = await world.attempts(order_id)
    told = await world.data(order_id, E.FEE_RAISED)
    assert second.signature == told["txSignature"] == told["attempt"]["txSignature"]
    assert second.fee_lamports - 5_000 == told["attempt"]["priorityFeeLamports"]
    assert second.fee_lamports > first.fee_lamports
    assert told["reason"]
    assert order.signature == second.signature


@pytest.mark.parametrize("bump_after_ms", [500, 1_000, 2_000, 3_000])
@in_world(profile=VERY_SLOW)
async def test_attempts_that_race_swap_once_and_the_books_name_the_one_that_won(
    world: World, bump_after_ms: int
):
    world.process(settings(bump_after_ms))
    orders = await world.ends(*[await world.submit() for _ in range(6)])
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    raced = [await world.attempts(order.order_id) for order in orders]
    assert all(len(attempts) > 1 for attempts in raced)
    for order, attempts in zip(orders, raced, strict=True):
        won = [a.signature for a in attempts if a.state is AttemptState.SUCCEEDED]
        assert [order.signature] == won
    # Not always the last: what was sent first may land first.
    assert any(a[-1].state is not AttemptState.SUCCEEDED for a in raced)


@in_world(profile=VERY_SLOW)
async def test_loser_that_lands_pays_its_fee_and_is_told_with_its_error(world: World):
    world.process(settings(500))
    order_id = await world.submit()
    await world.ends(order_id)
    losers = [a for a in await world.attempts(order_id) if a.state is AttemptState.EXCLUDED]
    assert losers
    landed = [a for a in losers if world.status_of(a.signature) is not None]
    assert landed
    for attempt in landed:
        seen = world.status_of(attempt.signature)
        assert seen is not None
        assert not seen[1]
        assert attempt.slot is None or (attempt.error and "Custom" in attempt.error)


@in_world()
async def test_order_whose_sends_are_all_lost_has_so_many_attempts_in_each_round(world: World):
    process = world.process(settings(500, attempts=4))
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "expired_blockhash") == (order.status, order.failure_code)
    attempts = await world.attempts(order_id)
    assert [1] * 4 + [2] * 4 + [3] * 4 == [attempt.round for attempt in attempts]
    assert {AttemptState.DEAD} == set(states(attempts))
    # Each round begins anew with what others pay; in it every attempt offers more.
    prices = [a.compute_unit_price_micro_lamports for a in attempts]
    assert prices[:4] == sorted(set(prices[:4]))
    assert prices[:4] == prices[4:8] == prices[8:]


@pytest.mark.parametrize("cap", [10_000, 15_000, 30_000, 100_000])
@in_world()
async def test_fees_of_all_that_may_land_stay_within_the_cap(world: World, cap: int):
    process = world.process(settings(300, attempts=20))
    process.chain.send_as = lambda sent: "lost"
    stored = await world.new_order()
    terms = msgspec.structs.replace(stored.terms, fee_cap_lamports=cap)
    await world.store.accept(msgspec.structs.replace(stored, terms=terms))
    await world.reaches(stored.order_id, E.SUBMITTED)
    await world.clock.sleep(7)
    attempts = await world.attempts(stored.order_id)
    assert {AttemptState.LIVE} == set(states(attempts))
    spent = sum(attempt.fee_lamports for attempt in attempts)
    assert spent <= cap
    # No more than the next raise would cost is left.
    assert cap - spent < 2 * attempts[-1].fee_lamports + 5_000
    process.chain.send_as = lambda sent: "pass"


@in_world()
async def test_raise_quotes_anew_and_keeps_the_minimum(world: World):
    world.process(settings(1_000))
    lose_first(world)
    order_id = await world.submit(slippage_bps=600)
    await world.reaches(order_id, E.SUBMITTED)
    (first,) = await world.attempts(order_id)
    chosen = Venue(first.legs[0].venue)
    move(world, 0.9, venue=chosen)
    (order,) = await world.ends(order_id)
    _, second = await world.attempts(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert chosen.value != second.legs[0].venue
    assert second.minimum_out_atoms >= first.minimum_out_atoms == order.minimum_out_atoms
    assert order.dex == second.legs[0].venue.partition("_")[0]


@in_world()
async def test_no_raise_is_signed_below_the_minimum_and_the_round_goes_on(world: World):
    world.process(settings(1_000))
    lose_first(world, attempts=9)
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    move(world, 0.9)
    await world.clock.sleep(6)
    assert 1 == len(await world.attempts(order_id))
    assert OrderStatus.SUBMITTED is (await world.order(order_id)).status
    move(world, 1.0)
    world.processes[0].chain.send_as = lambda sent: "pass"
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)


@in_world(profile=SLOW)
async def test_raised_order_whose_confirmed_attempt_a_fork_drops_still_swaps_once(world: World):
    world.process(settings(700))
    await world.clock.sleep(3)
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    world.paper.bank.drop_unrooted(2)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status


@pytest.mark.parametrize("after_ms", range(200, 4_200, 400))
@in_world(profile=SLOW)
async def test_stranger_who_takes_the_latch_amid_raises_costs_a_round_and_no_swap(
    world: World, after_ms: int
):
    world.process(settings(700))
    order_id = await world.submit()
    await world.clock.sleep(after_ms / 1000)
    order = await world.order(order_id)
    await pay(world, latch_of(order.secret, order.terms.wallet, 0))
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    for attempt in await world.attempts(order_id):
        if attempt.latch_generation < order.latch_generation:
            assert attempt.state in (AttemptState.ERRORED, AttemptState.DEAD)


@pytest.mark.parametrize("after_ms", range(0, 6_000, 250))
@in_world(profile=SLOW, quote_s=0.2)
async def test_cancel_at_any_moment_amid_raises_ends_in_what_the_latch_says(
    world: World, after_ms: int
):
    world.process(settings(600))
    order_id = await world.submit()
    await world.clock.sleep(after_ms / 1000)
    said = await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    if said == "cancelling":
        assert order.status in (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
    else:
        expected = OrderStatus.CANCELLED if said == "cancelled" else OrderStatus.CONFIRMED
        assert expected is order.status


@in_world(profile=SLOW)
async def test_without_a_latch_nothing_is_signed_beside_a_live_attempt(world: World):
    process = world.process(settings(300, latch=False))
    process.chain.send_as = lambda sent: "lost" if sent.at_s < 20 else "pass"
    orders = await world.ends(*[await world.submit() for _ in range(4)])
    # The checker holds each send to rule 17 (a) and (b).
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    for order in orders:
        assert not {"fee_raised"} & set(await world.history(order.order_id))


@in_world()
async def test_endpoint_that_does_not_answer_raises_nothing(world: World):
    process = world.process(settings(1_000))
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    process.chain.is_down = True
    await world.clock.sleep(6)
    assert 1 == len(await world.attempts(order_id))
    process.chain.is_down = False
    process.chain.send_as = lambda sent: "pass"


@in_world()
async def test_worker_that_takes_over_knows_no_time_of_sending_and_raises_later(world: World):
    first = world.process(msgspec.structs.replace(settings(2_000), stop_grace_s=0.0))
    first.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(1.5)
    await first.stop()
    second = world.process(settings(2_000))
    second.chain.send_as = lambda sent: "lost"
    await world.clock.sleep(1.5)
    assert 1 == len(await world.attempts(order_id))
    await world.reaches(order_id, E.FEE_RAISED, within_s=3)
    second.chain.send_as = lambda sent: "pass"


def repeat_first_blockhash(world: World, until_s: float) -> None:
    """An endpoint behind which a replica lags tells the first blockhash again, and as its end what
    the cluster's window now says."""
    chain, told = world.processes[0].chain, []

    async def latest(commitment: str = "confirmed") -> Blockhash:
        newest = await world.paper.latest_blockhash(commitment)
        told.append(newest)
        if world.loop.time() >= until_s:
            return newest
        end = newest.last_valid_block_height
        return msgspec.structs.replace(told[0], last_valid_block_height=end)

    chain.latest_blockhash = latest  # type: ignore[attr-defined]


@in_world()
async def test_blockhash_whose_end_has_moved_is_no_new_one(world: World):
    longer = 3 * PARAMS.blockhash_window
    process = world.process(settings(None, window=longer))
    lose_first(world)
    died_s = world.loop.time() + PARAMS.blockhash_window * PARAMS.slot_ms / 1_000
    repeat_first_blockhash(world, until_s=died_s + 3)
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    world.paper.bank.set_params(msgspec.structs.replace(PARAMS, blockhash_window=longer))
    await world.ends(order_id)
    first, second = await world.attempts(order_id)
    assert first.blockhash != second.blockhash
    assert 0 == process.worker.bench.bugs


@in_world(profile=faults("slippage_moved"))
async def test_round_that_would_sign_the_same_bytes_again_waits_for_another_blockhash(world: World):
    """Both sides are tokens: nothing in the bytes says which attempt it is."""
    process = world.process()
    repeat_first_blockhash(world, until_s=world.loop.time() + 6)
    order_id = await world.submit("USDC", "JUP", "100")
    await world.reaches(order_id, E.ROUND_FAILED)
    calm(world)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert len({attempt.signature for attempt in await world.attempts(order_id)}) > 1
    assert 0 == process.worker.bench.bugs


@in_world(profile=SLOW)
async def test_what_failed_ends_the_round_once_the_lost_attempt_beside_it_is_proven_dead(
    world: World,
):
    process = world.process(settings(500, attempts=2))
    first: list[str] = []

    def send_as(sent: Sent) -> str:
        first.append(sent.signature)
        return "pass" if sent.signature == first[0] else "lost"

    process.chain.send_as = send_as
    order_id = await world.submit()
    while 2 > len(await world.attempts(order_id)):
        await world.clock.sleep(0.1)
    # Before what was sent first has landed: it meets a price below its minimum.
    move(world, 0.9)
    await world.reaches(order_id, E.ROUND_FAILED)
    # By the words of what failed, though what died was proven last.
    assert "stale_price" == (await world.data(order_id, E.ROUND_FAILED))["failureCode"]
    failed, lost = await world.attempts(order_id)
    assert [AttemptState.ERRORED, AttemptState.DEAD] == states((failed, lost))
    assert world.info("finalized").block_height > lost.last_valid_block_height
    process.chain.send_as = lambda sent: "pass"
    move(world, 1.0)
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 2) == (order.status, order.round)
