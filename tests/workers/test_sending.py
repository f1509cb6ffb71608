"""From the first byte of an attempt to its proven end: what is sent, when, and when no more."""

import asyncio
import contextlib
import itertools
import sqlite3
from pathlib import Path

from fairlead.orders.model import AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.ports import SendOutcome, SignatureStatus
from tests.workers.scenario import in_world, live
from tests.workers.world import EXECUTION, PARAMS, STILL, Sent, World, faults

RESEND_S = EXECUTION.landing.resend_ms / 1000
POLL_S = EXECUTION.landing.poll_ms / 1000


def test_attempt_is_on_disk_before_its_first_byte_leaves(tmp_path: Path):
    file = tmp_path / "orders.sqlite3"

    async def body(world: World) -> None:
        seen: list[tuple[bytes, str]] = []

        async def look(sent: Sent) -> None:
            # Another reader of the file, which sees what is committed and nothing else.
            with contextlib.closing(sqlite3.connect(file)) as reader:
                (row,) = reader.execute(
                    "SELECT raw, o.status FROM attempts JOIN orders o USING (order_id)"
                    " WHERE attempts.signature = ?",
                    (sent.signature,),
                )
            seen.append(row)

        world.on_send.append(look)
        world.process()
        await world.ends(await world.submit(), await world.submit())
        assert [(sent.raw, "submitted") for sent in world.sends] == seen

    live(body, file=file)


@in_world()
async def test_what_is_lost_on_its_way_is_sent_again_with_the_same_bytes(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if len(world.sends) <= 3 else "pass"
    order_id = await world.submit()
    await world.ends(order_id)
    assert 1 == len({sent.raw for sent in world.sends})
    times = [sent.at_s for sent in world.sends]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert 4 == len(times)
    assert all(RESEND_S <= gap <= RESEND_S + POLL_S for gap in gaps), gaps


@in_world()
async def test_nothing_is_sent_again_once_it_was_seen(world: World):
    world.process()
    await world.ends(await world.submit())
    assert 1 == len(world.sends)


@in_world()
async def test_send_answered_with_an_error_though_taken_is_not_signed_again(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "unheard"
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert 1 == len(await world.attempts(order_id))
    assert 1 == (await world.history(order_id)).count("confirmed")


@in_world(profile=faults("rpc_error"))
async def test_send_answered_with_an_error_is_unknown_until_the_chain_says(world: World):
    world.process()
    orders = await world.ends(*[await world.submit() for _ in range(8)])
    # Taken or not is drawn per signature; either way only proof let another one be signed.
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    attempts = [len(await world.attempts(order.order_id)) for order in orders]
    assert {1} < set(attempts)


@in_world(profile=faults("late"))
async def test_what_lands_in_the_last_block_that_may_hold_it_counts(world: World):
    world.process()
    await asyncio.sleep(2)
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    (attempt,) = await world.attempts(order_id)
    told = await world.data(order_id, E.FINALIZED)
    block = world.paper.bank.block(told["slot"])
    assert block is not None
    assert attempt.last_valid_block_height + 1 == block.height


@in_world()
async def test_already_processed_says_nothing_about_success(world: World):
    process = world.process()
    hidden_until_s = 5.0
    process.chain.hides = lambda signature: world.loop.time() < hidden_until_s
    answers: list[SendOutcome] = []
    send = world.paper.send

    async def noted(transaction: bytes) -> SendOutcome:
        answers.append(await send(transaction))
        return answers[-1]

    world.paper.send = noted  # type: ignore[method-assign]
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert [False, True, True] == [answer.already_processed for answer in answers][:3]
    assert OrderStatus.CONFIRMED is order.status
    assert 1 == len(await world.attempts(order_id))


@in_world()
async def test_order_whose_sends_are_all_lost_is_proven_dead_before_each_new_signature(
    world: World,
):
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.FAILED is order.status
    assert "expired_blockhash" == order.failure_code
    attempts = await world.attempts(order_id)
    assert [AttemptState.DEAD] * 9 == [attempt.state for attempt in attempts]
    assert [1, 1, 1, 2, 2, 2, 3, 3, 3] == [attempt.round for attempt in attempts]
    assert 9 == len({attempt.blockhash for attempt in attempts})
    round = ["routed", "submitted", "attempt_replaced", "attempt_replaced"]
    again = [*round, "round_failed"]
    assert ["accepted", "claimed", *again, *again, *round, "failed"] == await world.history(
        order_id
    )
    assert 3 == (await world.data(order_id, E.ROUND_FAILED))["retryCount"] + 1


@in_world(profile=faults("dropped"))
async def test_dropped_transaction_is_replaced_within_its_round(world: World):
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.ATTEMPT_REPLACED)
    first, second = (await world.attempts(order_id))[:2]
    assert (1, 1) == (first.round, second.round)
    assert second.blockhash_height >= first.last_valid_block_height
    order = await world.order(order_id)
    assert first.minimum_out_atoms <= second.minimum_out_atoms
    assert first.minimum_out_atoms == order.minimum_out_atoms


@in_world()
async def test_endpoint_that_lags_behind_delays_proof_and_changes_nothing_else(world: World):
    process = world.process()
    process.chain.lag_s = 15.0
    process.chain.send_as = lambda sent: "lost" if sent.at_s < 8 else "pass"
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert 1 == len({sent.signature for sent in world.sends if sent.at_s < 8})


@in_world()
async def test_null_for_what_has_landed_is_no_proof(world: World):
    process = world.process()
    process.chain.hides = lambda signature: world.loop.time() < 40
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    # The latch is there at finalized: something won, whatever the endpoint does not tell.
    assert OrderStatus.CONFIRMED is order.status
    assert 1 == len(await world.attempts(order_id))


@in_world()
async def test_status_with_an_error_that_the_transaction_contradicts_settles_nothing(world: World):
    world.process()
    inner = world.paper.signature_statuses

    async def wrong(signatures: list[str], *, search_history: bool = False):
        found = await inner(signatures, search_history=search_history)
        if world.loop.time() > 4:
            return found
        error = '{"InstructionError":[5,{"Custom":6005}]}'
        return tuple(s and SignatureStatus(s.slot, error, "finalized") for s in found)

    world.paper.signature_statuses = wrong  # type: ignore[method-assign,assignment]
    order_id = await world.submit()
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)


@in_world(params=PARAMS, profile=STILL)
async def test_wall_clock_that_is_set_back_stops_no_resend(world: World):
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if len(world.sends) <= 2 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    world.clock.wall_ms = -3_600_000
    await world.reaches(order_id, E.CONFIRMED, within_s=10)
