"""What was only confirmed may vanish; what is final never does."""

import pytest

from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus
from tests.workers.scenario import in_world
from tests.workers.virtual_time import T0_MS
from tests.workers.world import World


@in_world()
async def test_dropped_transaction_is_landed_again_with_the_same_bytes(world: World):
    world.process()
    await world.clock.sleep(3)
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    assert 1 == len(world.paper.bank.drop_unrooted(2))
    await world.reaches(order_id, E.DROPPED)
    order = await world.order(order_id)
    assert OrderStatus.SUBMITTED is order.status
    assert order.amount_out_atoms is None
    (order,) = await world.ends(order_id)
    assert 1 == len({sent.raw for sent in world.sends})
    assert [
        "accepted", "claimed", "routed", "submitted", "confirmed",
        "dropped", "confirmed", "finalized",
    ] == await world.history(order_id)  # fmt: skip


@in_world()
async def test_fork_that_takes_the_blockhash_too_ends_in_proof_and_a_new_attempt(world: World):
    world.process()
    await world.clock.sleep(3)
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    world.paper.bank.drop_unrooted()
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)
    first, second = await world.attempts(order_id)
    assert world.status_of(first.signature) is None
    assert first.blockhash != second.blockhash


@in_world()
async def test_short_fork_that_the_transaction_outlives_is_not_told(world: World):
    world.process()
    await world.clock.sleep(3)
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    await world.clock.sleep(0.8)
    world.paper.bank.drop_unrooted(1)
    await world.ends(order_id)
    assert "dropped" not in await world.history(order_id)


@in_world()
async def test_final_fill_outlives_every_fork(world: World):
    world.process()
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    for _ in range(5):
        world.paper.bank.drop_unrooted()
        await world.clock.sleep(1)
    assert order == await world.order(order_id)
    assert ("finalized", True) == world.status_of(str(order.signature))


@in_world()
async def test_fork_after_the_expiry_sends_no_swap_again(world: World):
    world.process()
    await world.clock.sleep(3)
    order_id = await world.submit(expires_at_ms=T0_MS + 3_900)
    await world.reaches(order_id, E.CONFIRMED)
    await world.clock.sleep(0.6)
    (swap,) = await world.attempts(order_id)
    sends = len(world.sends)
    world.paper.bank.drop_unrooted()
    (order,) = await world.ends(order_id)
    assert OrderStatus.EXPIRED is order.status
    assert swap.signature not in {sent.signature for sent in world.sends[sends:]}
    assert "expiry_reached" in await world.history(order_id)


@pytest.mark.parametrize("after_ms", range(0, 3_000, 250))
@in_world()
async def test_fork_at_any_moment_ends_in_one_fill(world: World, after_ms: int):
    world.process()
    await world.clock.sleep(3)
    order_ids = [await world.submit() for _ in range(3)]
    await world.clock.sleep(after_ms / 1000)
    world.paper.bank.drop_unrooted()
    orders = await world.ends(*order_ids)
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
