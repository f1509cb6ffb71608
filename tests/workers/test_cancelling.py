"""Cancel and expiry in every status: one end, with proof."""

import msgspec
import pytest

from fairlead.orders.model import AttemptKind, AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from tests.workers.scenario import in_world
from tests.workers.strangers import latch_of, pay
from tests.workers.virtual_time import T0_MS
from tests.workers.world import EXECUTION, PARAMS, SETTINGS, STILL, Sent, World, faults

NO_LATCH = msgspec.structs.replace(
    SETTINGS, execution=msgspec.structs.replace(EXECUTION, latch=False)
)
SLOW = msgspec.structs.replace(STILL, land_min_ms=2_000, land_max_ms=3_000)


@in_world()
async def test_pending_order_is_cancelled_at_once(world: World):
    order_id = await world.submit()
    assert "cancelled" == await world.cancel(order_id)
    world.process()
    await world.clock.sleep(10)
    assert not world.sends
    assert ["accepted", "cancelled"] == await world.history(order_id)


@in_world(quote_s=0.5)
async def test_order_is_cancelled_while_its_quotes_are_fetched(world: World):
    process = world.process()
    order_id = await world.submit()
    await world.clock.sleep(0.25)
    assert "cancelled" == await world.cancel(order_id)
    await world.clock.sleep(5)
    assert not world.sends
    assert process.worker.driving == 0
    assert ["accepted", "claimed", "cancelled"] == await world.history(order_id)


@in_world(profile=faults("slippage_moved"))
async def test_order_is_cancelled_between_two_rounds(world: World):
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.ROUND_FAILED)
    assert "cancelled" == await world.cancel(order_id)
    await world.clock.sleep(20)
    assert 1 == len(await world.attempts(order_id))


@in_world(profile=SLOW)
async def test_swap_that_lands_wins_against_its_cancel(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if len(world.sends) > 1 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    assert "cancelling" == await world.cancel(order_id)
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    history = await world.history(order_id)
    assert ["cancel_sent", "confirmed", "finalized"] == history[-3:]
    swap, cancel = await world.attempts(order_id)
    assert (AttemptState.SUCCEEDED, AttemptState.EXCLUDED) == (swap.state, cancel.state)
    assert order.signature == swap.signature


@in_world()
async def test_cancel_that_takes_the_latch_ends_the_order_long_before_the_swap_is_dead(
    world: World,
):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if sent.at_s < 3 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(3)
    began_s = world.loop.time()
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status
    # Finality, and not the window of a blockhash (20 blocks here, 150 on the clusters).
    assert world.loop.time() - began_s <= (PARAMS.finality_depth + 3) * PARAMS.slot_ms / 1000
    swap, cancel = await world.attempts(order_id)
    assert (AttemptKind.SWAP, AttemptState.EXCLUDED) == (swap.kind, swap.state)
    assert (AttemptKind.CANCEL, AttemptState.SUCCEEDED) == (cancel.kind, cancel.state)
    assert (order.signature, order.amount_out_atoms) == (swap.signature, None)
    told = await world.data(order_id, E.CANCEL_SENT)
    assert ("cancel", cancel.signature) == (told["attempt"]["kind"], told["attempt"]["txSignature"])
    assert "txSignature" not in told, "the order's own signature stays that of its swap"


@in_world()
async def test_swap_that_arrives_after_its_cancel_fails_and_is_not_read_as_executed(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if len(world.sends) == 1 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.cancel(order_id)
    await world.reaches(order_id, E.CANCEL_SENT)
    await world.clock.sleep(0.5)
    # What was lost comes out late: the node takes it, and the latch is held.
    await world.paper.send(world.sends[0].raw)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status
    swap, _ = await world.attempts(order_id)
    found = world.status_of(swap.signature)
    assert found is not None
    assert (False, AttemptState.EXCLUDED) == (found[1], swap.state)


@in_world()
async def test_lost_cancels_are_as_many_as_a_round_has_attempts_and_then_proof_ends_it(
    world: World,
):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(3)
    assert "cancelling" == await world.cancel(order_id)
    await world.clock.sleep(0.5)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status
    swap, *cancels = await world.attempts(order_id)
    assert {AttemptKind.CANCEL} == {each.kind for each in cancels}
    assert 1 <= len(cancels) <= EXECUTION.retry.max_attempts_per_round
    assert {AttemptState.DEAD} == {each.state for each in (swap, *cancels)}
    assert max(s.at_s for s in world.sends if s.signature == swap.signature) < 3.5
    assert world.info("finalized").block_height > cancels[-1].last_valid_block_height


@in_world()
async def test_without_a_latch_a_cancel_in_flight_stops_sending_and_waits_for_proof(world: World):
    process = world.process(NO_LATCH)
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(3)
    assert "cancelling" == await world.cancel(order_id)
    await world.clock.sleep(0.5)
    sends = len(world.sends)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status
    assert sends == len(world.sends)
    (attempt,) = await world.attempts(order_id)
    assert world.info("finalized").block_height > attempt.last_valid_block_height


@in_world()
async def test_stranger_in_the_latch_of_a_cancelling_order_delays_its_end_and_changes_nothing(
    world: World,
):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    order = await world.order(order_id)
    await world.clock.sleep(1)
    await pay(world, latch_of(order.secret, order.terms.wallet, 0))
    await world.clock.sleep(1)
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status
    # The simulation met the latch: no cancel was signed that could only fail.
    assert [AttemptState.DEAD] == [each.state for each in await world.attempts(order_id)]


@in_world()
async def test_stranger_who_overtakes_a_cancel_lets_both_fail_and_the_order_end(world: World):
    process = world.process()

    async def front_run(sent: Sent) -> None:
        if len(world.sends) == 1:
            order = await world.order(world.orders[0])
            await pay(world, latch_of(order.secret, order.terms.wallet, 0))

    world.on_send.append(front_run)
    process.chain.send_as = lambda sent: "lost" if len(world.sends) == 1 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status
    states = [each.state for each in await world.attempts(order_id)]
    assert [AttemptState.DEAD, AttemptState.ERRORED] == states


@in_world()
async def test_cancel_that_another_process_wrote_is_found_without_a_wake_up(world: World):
    process = world.process(NO_LATCH)
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    world.bus.publish = lambda committed: None  # type: ignore[method-assign]
    assert "cancelling" == await world.cancel(order_id)
    await world.clock.sleep(1)
    sends = len(world.sends)
    await world.clock.sleep(4)
    assert sends == len(world.sends)


@in_world(profile=faults("slippage_moved"))
async def test_cancel_while_an_error_waits_to_be_final_ends_cancelled(world: World):
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(0.5)
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status


@in_world()
async def test_confirmed_order_cannot_be_cancelled(world: World):
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    assert "already_confirmed" == await world.cancel(order_id)
    await world.ends(order_id)
    assert "already_confirmed" == await world.cancel(order_id)


@in_world()
async def test_order_that_waits_for_the_chain_is_cancelled_at_once(world: World):
    world.process().chain.is_down = True
    order_id = await world.submit()
    await world.clock.sleep(5)
    assert "cancelled" == await world.cancel(order_id)


@in_world()
async def test_order_that_waits_to_be_replaced_is_cancelled_with_proof(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    # The quotes of the replacement fail: the order waits in submitted, and nobody's.
    process.chain.fails = lambda method: method == "latest_blockhash" and len(world.sends) > 2
    order_id = await world.submit()
    await world.clock.sleep(20)
    assert OrderStatus.SUBMITTED is (await world.order(order_id)).status
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id, within_s=10)
    assert OrderStatus.CANCELLED is order.status


@in_world()
async def test_expiry_before_the_claim_ends_the_order_unsent(world: World):
    order_id = await world.submit(expires_at_ms=T0_MS + 1_000)
    await world.clock.sleep(2)
    world.process()
    (order,) = await world.ends(order_id)
    assert OrderStatus.EXPIRED is order.status
    assert not world.sends


@in_world(profile=SLOW)
async def test_expiry_in_flight_waits_for_what_the_chain_says(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if len(world.sends) > 1 else "pass"
    order_id = await world.submit(expires_at_ms=T0_MS + 1_000)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert "expiry_reached" in await world.history(order_id)


@in_world()
async def test_expiry_in_flight_of_what_never_lands_is_proven(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit(expires_at_ms=T0_MS + 2_500)
    (order,) = await world.ends(order_id)
    assert OrderStatus.EXPIRED is order.status
    swap = (await world.attempts(order_id))[0]
    assert max(s.at_s for s in world.sends if s.signature == swap.signature) < 2.5


@in_world(profile=faults("slippage_moved"))
async def test_round_that_could_not_begin_before_the_expiry_is_not_awaited(world: World):
    world.process()
    order_id = await world.submit(expires_at_ms=T0_MS + 2_500)
    (order,) = await world.ends(order_id)
    assert OrderStatus.EXPIRED is order.status
    assert 1 == len(await world.attempts(order_id))
    told = await world.data(order_id, E.EXPIRED)
    assert "expired before the next round" == told["reason"]


@pytest.mark.parametrize("after_ms", range(0, 5_000, 150))
@in_world(profile=SLOW, quote_s=0.3)
async def test_cancel_at_any_moment_ends_in_one_status(world: World, after_ms: int):
    world.process()
    order_id = await world.submit()
    await world.clock.sleep(after_ms / 1000)
    said = await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    if said == "cancelling":
        # Two attempts race for one latch; the books say which won.
        assert order.status in (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
    else:
        expected = OrderStatus.CANCELLED if said == "cancelled" else OrderStatus.CONFIRMED
        assert expected is order.status
