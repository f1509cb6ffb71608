"""Rounds: what ends one, when the next begins, and when none does."""

from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.faults import NO_FAULTS
from fairlead.orders.model import AttemptState, OrderStatus, StoredEvent
from fairlead.orders.model import EventType as E
from fairlead.orders.retry import RetryPolicy
from fairlead.orders.round_ends import MAX_LATCH_GENERATIONS
from tests.workers.scenario import in_world
from tests.workers.strangers import latch_of, pay
from tests.workers.world import EXECUTION, SETTINGS, Sent, World, faults

MOVED = faults("slippage_moved")


def event_of(world: World, order_id: str, type: E) -> StoredEvent:
    return next(e for e in world.events if e.order_id == order_id and e.type is type)


@in_world(profile=MOVED)
async def test_moved_price_lands_with_an_error_and_the_next_round_succeeds(world: World):
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.ROUND_FAILED)
    (failed,) = await world.attempts(order_id)
    assert AttemptState.ERRORED is failed.state
    assert ("finalized", False) == world.status_of(failed.signature)
    assert "stale_price" == (await world.data(order_id, E.ROUND_FAILED))["failureCode"]
    calm(world)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert 2 == order.round
    first, second = await world.attempts(order_id)
    assert (1, 2) == (first.round, second.round)
    assert [
        "accepted", "claimed", "routed", "submitted", "round_failed",
        "routed", "submitted", "confirmed", "finalized",
    ] == await world.history(order_id)  # fmt: skip


@in_world(profile=MOVED)
async def test_place_is_free_while_an_error_waits_to_be_final(world: World):
    places = world.process().worker.places
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    waited = False
    while "round_failed" not in await world.history(order_id):
        await world.clock.sleep(0.1)
        waited = waited or places.free == places.size
    assert waited
    calm(world)


@in_world(profile=MOVED)
async def test_next_round_begins_when_it_is_due_and_not_before(world: World):
    policy = RetryPolicy(max_rounds=3, base_ms=5_000)
    execution = msgspec.structs.replace(EXECUTION, retry=policy)
    world.process(msgspec.structs.replace(SETTINGS, execution=execution))
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.FAILED is order.status
    events = [e for e in world.events if e.order_id == order_id]
    over = [e.at_ms for e in events if e.type is E.ROUND_FAILED]
    begun = [e.at_ms for e in events if e.type is E.ROUTED][1:]
    waits = [after - before for before, after in zip(over, begun, strict=True)]
    assert [5_000, 10_000] == [wait // 100 * 100 for wait in waits]


@in_world(profile=MOVED)
async def test_after_the_last_round_the_order_fails_with_the_reason(world: World):
    world.process()
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "stale_price") == (order.status, order.failure_code)
    assert order.failure_reason
    assert [AttemptState.ERRORED] * 3 == [a.state for a in await world.attempts(order_id)]


@in_world(profile=MOVED)
async def test_no_round_lowers_the_minimum_of_the_first(world: World):
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.ROUND_FAILED)
    minimum = (await world.order(order_id)).minimum_out_atoms
    # Somebody else sells so much that what is offered now is below the minimum.
    calm(world)
    await world.submit(amount="4000", wallet="9" * 43, slippage_bps=5_000, priority=9)
    (order,) = await world.ends(order_id)
    assert OrderStatus.FAILED is order.status
    assert "stale_price" == order.failure_code
    assert minimum == order.minimum_out_atoms
    assert 1 == len(await world.attempts(order_id))


@in_world(profile=MOVED)
async def test_failed_transaction_whose_logs_come_late_is_not_judged_without_them(world: World):
    process = world.process()
    inner = world.paper.transaction
    asks: list[str] = []

    async def late(signature: str, commitment: str):
        if commitment == "finalized":
            asks.append(signature)
        return await inner(signature, commitment) if len(asks) > 5 else None

    world.paper.transaction = late  # type: ignore[method-assign]
    order_id = await world.submit()
    await world.reaches(order_id, E.ROUND_FAILED)
    assert "stale_price" == (await world.data(order_id, E.ROUND_FAILED))["failureCode"]
    calm(world)
    del process


@in_world()
async def test_latch_taken_by_a_stranger_before_the_attempt_opens_a_new_one(world: World):
    order_id = await world.submit()
    order = await world.order(order_id)
    await pay(world, latch_of(order.secret, order.terms.wallet, 0))
    world.process()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert (1, 2) == (order.latch_generation, order.round)
    # The simulation met it: nothing was signed under the taken one.
    (attempt,) = await world.attempts(order_id)
    assert 1 == attempt.latch_generation


@in_world()
async def test_while_nobody_shows_who_took_the_latch_nothing_is_signed_and_no_new_one_opened(
    world: World,
):
    order_id = await world.submit()
    order = await world.order(order_id)
    latch = latch_of(order.secret, order.terms.wallet, 0)
    await pay(world, latch)
    inner = world.paper.signatures_for_address

    async def forgetful(address: Pubkey, **asked: Any):
        return () if address == latch else await inner(address, **asked)

    world.paper.signatures_for_address = forgetful  # type: ignore[method-assign]
    world.process()
    await world.clock.sleep(10)
    # It may have been a swap of the order's own, of which the store does not know.
    order = await world.order(order_id)
    assert (0, 1, ()) == (order.latch_generation, order.round, await world.attempts(order_id))
    world.paper.signatures_for_address = inner  # type: ignore[method-assign]
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.latch_generation)


@in_world()
async def test_latch_taken_by_a_stranger_in_flight_fails_the_attempt_safely(world: World):
    process = world.process()

    async def front_run(sent: Sent) -> None:
        if len(world.sends) == 0:
            order = await world.order(world.orders[0])
            await pay(world, latch_of(order.secret, order.terms.wallet, 0))

    world.on_send.append(front_run)
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    first, second = await world.attempts(order_id)
    assert (AttemptState.ERRORED, 0) == (first.state, first.latch_generation)
    assert (AttemptState.SUCCEEDED, 1) == (second.state, second.latch_generation)
    assert "latch_taken" == (await world.data(order_id, E.ROUND_FAILED))["failureCode"]
    del process


@in_world()
async def test_stranger_at_the_latch_of_a_lost_attempt_lets_it_be_proven_dead(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if sent.at_s < 10 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    order = await world.order(order_id)
    await pay(world, latch_of(order.secret, order.terms.wallet, 0))
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert 1 == order.latch_generation


@in_world()
async def test_strangers_who_take_every_latch_end_the_order(world: World):
    policy = RetryPolicy(max_rounds=MAX_LATCH_GENERATIONS + 1)
    execution = msgspec.structs.replace(EXECUTION, retry=policy)
    order_id = await world.submit()
    order = await world.order(order_id)
    for generation in range(MAX_LATCH_GENERATIONS):
        await pay(world, latch_of(order.secret, order.terms.wallet, generation))
    world.process(msgspec.structs.replace(SETTINGS, execution=execution))
    (order,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "latch_taken") == (order.status, order.failure_code)


@in_world(profile=MOVED)
async def test_without_latches_the_rules_still_hold(world: World):
    execution = msgspec.structs.replace(EXECUTION, latch=False)
    world.process(msgspec.structs.replace(SETTINGS, execution=execution))
    moved = await world.submit()
    await world.reaches(moved, E.ROUND_FAILED)
    calm(world)
    world.processes[0].chain.send_as = lambda sent: "lost" if sent.at_s < 20 else "pass"
    orders = await world.ends(moved, await world.submit())
    assert [OrderStatus.CONFIRMED] * 2 == [order.status for order in orders]
    assert not [a for o in orders for a in await world.attempts(o.order_id) if a.latch_address]


def calm(world: World) -> None:
    """No send meets a fault from now on."""
    profile = world.paper.profile
    quiet = msgspec.structs.replace(profile, raydium=NO_FAULTS, meteora=NO_FAULTS)
    world.paper._arrivals._profile = quiet
