"""A store restored to an earlier moment beside a chain that went on: no order is executed again,
and each ends with what the chain says (EXACTLY-ONCE 23)."""

import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.errors import Unavailable
from fairlead.orders.model import Attempt, AttemptState, Order, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.workers import latches
from fairlead.workers.proving import Proven, prove_failure
from fairlead.workers.worker import WorkerSettings
from tests.workers.market import limit, move
from tests.workers.restoring import Copy, swaps_of
from tests.workers.scenario import live
from tests.workers.strangers import latch_of, pay
from tests.workers.test_rounds import calm
from tests.workers.virtual_time import run
from tests.workers.world import EXECUTION, SETTINGS, STILL, Process, World, faults, open_world

MOMENTS = (E.ACCEPTED, E.CLAIMED, E.SUBMITTED, E.CONFIRMED, E.FINALIZED)
PAIRS = (
    ("SOL", "USDC", "1.5"),
    ("USDC", "SOL", "100"),
    ("USDC", "JUP", "100"),
    # By two hops.
    ("JUP", "USDT", "200"),
    ("RAY", "WIF", "40"),
)
UNLATCHED = msgspec.structs.replace(
    SETTINGS, execution=msgspec.structs.replace(EXECUTION, latch=False)
)
OTHER_WALLET = "9" * 43


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "store.db")


async def lived(
    world: World,
    copy: Copy,
    moment: E,
    settings: WorkerSettings = SETTINGS,
    what: tuple[str, ...] = PAIRS[0],
) -> Order:
    """An order that came to its end; the copy is of an earlier moment of its life."""
    if moment is E.ACCEPTED:
        order_id = await world.submit(*what)
        copy.take()
        world.process(settings)
    else:
        world.process(settings)
        order_id = await world.submit(*what)
        await world.reaches(order_id, moment)
        copy.take()
    (order,) = await world.ends(order_id)
    return order


async def is_as_before(world: World, before: Order) -> None:
    """Its end is the chain's truth, and nothing was swapped since."""
    (after,) = await world.ends(before.order_id)
    assert OrderStatus.CONFIRMED is after.status
    assert before.signature == after.signature
    assert before.amount_out_atoms == after.amount_out_atoms
    assert [before.signature] == swaps_of(world, before.terms.wallet)


@pytest.mark.parametrize("what", PAIRS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("settings", [SETTINGS, UNLATCHED], ids=["latch", "no latch"])
def test_restored_order_ends_as_the_chain_says(
    copy: Copy, moment: E, settings: WorkerSettings, what: tuple[str, ...]
):
    async def body(world: World) -> None:
        before = await lived(world, copy, moment, settings, what)
        await copy.restore(world)
        at_s = world.loop.time()
        world.process(settings)
        await is_as_before(world, before)
        # Seen at once: there is no proof of death to be waited for.
        assert world.loop.time() - at_s <= 3

    live(body, file=copy.file)


@pytest.mark.parametrize("moment", MOMENTS[:3])
def test_latch_alone_keeps_an_order_from_a_second_swap(copy: Copy, moment: E, monkeypatch: Any):
    """Of the wallet's history nothing is known: who took the latch is asked all the same."""

    async def body(world: World) -> None:
        before = await lived(world, copy, moment)
        await copy.restore(world)
        process = world.process()
        process.worker.bench.gate.close = lambda: None  # type: ignore[method-assign]
        process.worker.reconciler.begin = lambda: None  # type: ignore[method-assign]
        await is_as_before(world, before)

    live(body, file=copy.file)


@pytest.mark.parametrize("moment", [E.ACCEPTED, E.SUBMITTED, E.ROUND_FAILED])
def test_failed_transactions_that_were_lost_are_known_again(copy: Copy, moment: E):
    async def body(world: World) -> None:
        process = world.process()
        if moment is E.ACCEPTED:
            process.hang()
        order_id = await world.submit()
        await world.reaches(order_id, moment)
        copy.take()
        process.wake()
        await world.reaches(order_id, E.ROUND_FAILED)
        calm(world)
        (before,) = await world.ends(order_id)
        known = {each.signature for each in await world.attempts(order_id)}
        await copy.restore(world)
        world.process()
        await is_as_before(world, before)
        attempts = await world.attempts(order_id)
        assert known == {each.signature for each in attempts}
        assert [AttemptState.ERRORED, AttemptState.SUCCEEDED] == [a.state for a in attempts]
        # With what proves it, for whoever checks the order from outside: `check_books` does.
        assert all(each.evidence for each in attempts)

    live(body, file=copy.file, profile=faults("slippage_moved"))


def test_found_failure_is_asked_about_again_until_it_is_proven(copy: Copy, monkeypatch: Any):
    asked: list[str] = []

    async def prove_late(chain: Any, attempt: Attempt) -> Proven | None:
        asked.append(attempt.signature)
        return await prove_failure(chain, attempt) if len(asked) > 3 else None

    async def body(world: World) -> None:
        process = world.process()
        process.hang()
        order_id = await world.submit()
        copy.take()
        process.wake()
        await world.reaches(order_id, E.ROUND_FAILED)
        calm(world)
        (before,) = await world.ends(order_id)
        await copy.restore(world)
        monkeypatch.setattr(latches, "prove_failure", prove_late)
        world.process()
        await is_as_before(world, before)
        (failed, _) = await world.attempts(order_id)
        assert [failed.signature] * 4 == asked
        assert failed.evidence is not None

    live(body, file=copy.file, profile=faults("slippage_moved"))


def test_attempt_replaced_since_is_settled_and_its_successor_adopted(copy: Copy):
    async def body(world: World) -> None:
        process = world.process()
        process.chain.send_as = lambda sent: "lost" if sent.at_s < 20 else "pass"
        order_id = await world.submit()
        await world.reaches(order_id, E.SUBMITTED)
        copy.take()
        (before,) = await world.ends(order_id)
        assert 2 <= len(await world.attempts(order_id))
        await copy.restore(world)
        assert "cancelling" == await world.cancel(order_id)
        world.process()
        await is_as_before(world, before)
        history = await world.history(order_id)
        assert "cancel_requested" in history
        assert "cancelled" not in history

    live(body, file=copy.file)


def test_latch_of_the_next_generation_is_found_too(copy: Copy):
    async def body(world: World) -> None:
        order = await world.order(await world.submit())
        copy.take()
        await pay(world, latch_of(order.secret, order.terms.wallet, 0))
        world.process()
        (before,) = await world.ends(order.order_id)
        assert 1 == before.latch_generation
        await copy.restore(world)
        world.process()
        await is_as_before(world, before)

    live(body, file=copy.file)


def test_stranger_alone_still_opens_the_next_generation(copy: Copy):
    async def body(world: World) -> None:
        order = await world.order(await world.submit())
        copy.take()
        await pay(world, latch_of(order.secret, order.terms.wallet, 0))
        await copy.restore(world)
        world.process()
        (after,) = await world.ends(order.order_id)
        assert (OrderStatus.CONFIRMED, 1) == (after.status, after.latch_generation)

    live(body, file=copy.file)


def test_resting_order_that_was_filled_neither_expires_nor_fires_again(copy: Copy):
    async def body(world: World) -> None:
        world.process()
        expires_at_ms = world.clock.now_ms() + 60_000
        order_id = await limit(world, 1.03, expires_at_ms=expires_at_ms)
        await world.clock.sleep(1)
        copy.take()
        move(world, 1.05)
        (before,) = await world.ends(order_id)
        await world.clock.sleep(60)
        await copy.restore(world)
        world.process()
        await is_as_before(world, before)

    live(body, file=copy.file)


def test_order_that_a_client_cancels_before_its_swap_is_adopted_is_told_to_the_operator(copy: Copy):
    async def body() -> None:
        async with open_world(file=copy.file) as world:
            world.process()
            rests = await limit(world, 1.03)
            await world.clock.sleep(1)
            copy.take()
            move(world, 1.05)
            (filled,) = await world.ends(rests)
            assert OrderStatus.CONFIRMED is filled.status
            await copy.restore(world)
            process = world.process()
            told: list[int] = []
            process.worker.reconciler.on_unknown = told.append
            # The order is not fired yet, to be adopted, when its client cancels it.
            process.store.write_as = lambda change: "lost"
            await world.clock.sleep(2)
            assert [rests] == list(process.worker.bench.gate.lost)
            assert OrderStatus.CANCELLED.value == await world.cancel(rests)
            process.store.write_as = lambda change: ""
            await world.clock.sleep(2)
            assert process.worker.bench.gate.is_open
            (order,) = await world.ends(rests)
            assert (OrderStatus.CANCELLED, [1]) == (order.status, told)
            assert [filled.signature] == swaps_of(world, order.terms.wallet)

    # The books have no place for what it did: only the chain knows it.
    run(body(), 600.0)


def test_transaction_of_a_lost_order_is_told_and_holds_up_nobody(copy: Copy):
    async def body(world: World) -> None:
        process = world.process()
        kept = await world.submit(wallet=OTHER_WALLET)
        await world.reaches(kept, E.CLAIMED)
        copy.take()
        lost_id = await world.submit()
        kept_order, lost_order = await world.ends(kept, lost_id)
        assert [lost_id] == await copy.restore(world)
        assert lost_order.signature is not None
        world.strangers.add(lost_order.signature)
        told: list[int] = []
        process = world.process()
        process.worker.reconciler.on_unknown = told.append
        (after,) = await world.ends(kept)
        assert kept_order.signature == after.signature
        await world.clock.sleep(2)
        assert [1] == told
        assert process.worker.bench.gate.is_open

    live(body, file=copy.file)


def test_wallet_that_is_not_known_waits_visibly_and_others_go_on(copy: Copy):
    async def body(world: World) -> None:
        copy.take()
        mine = await world.submit()
        order = await world.order(mine)
        copy.take()
        process = world.process()
        inner, silent = process.chain.signatures_for_address, [True]

        async def scripted(address: Pubkey, **named: Any) -> Any:
            if silent[0] and str(address) == order.terms.wallet:
                raise Unavailable("chain", "HTTP 429 (scripted)")
            return await inner(address, **named)

        process.chain.signatures_for_address = scripted  # type: ignore[attr-defined]
        # Beside it: 64 more of the silent wallet, and then one of another.
        same = [await world.submit("USDC", "SOL", "1") for _ in range(64)]
        await world.clock.sleep(5)
        at_s = world.loop.time()
        other = await world.submit(wallet=OTHER_WALLET)
        await world.reaches(other, E.SUBMITTED, within_s=10)
        assert world.loop.time() - at_s <= 1
        await world.reaches(mine, E.STILL_PROVING, within_s=30)
        told = (await world.data(mine, E.STILL_PROVING))["reason"]
        assert "transactions are not yet known" in told
        assert {order.order_id} | set(same) >= {s for s in same if await world.attempts(s)}
        assert not await world.attempts(mine)
        silent[0] = False
        await world.ends(mine, other, *same)

    live(body, file=copy.file)


async def pruned(
    world: World, copy: Copy, settings: WorkerSettings, since: E = E.CLAIMED
) -> tuple[Order, Process]:
    """An order that ended since the copy was taken, which is restored beside a provider that has
    forgotten its swap; the process that asks this one. `since`: after what it is taken."""
    world.process(settings)
    while await world.store.known_to_slot() is None:
        await world.clock.sleep(1)
    order_id = await world.submit(*TO_TOKENS)
    await world.reaches(order_id, since)
    copy.take()
    (order,) = await world.ends(order_id)
    await world.clock.sleep(5)
    await copy.restore(world)
    first_slot = (await world.paper.epoch_info("finalized")).slot
    process = world.process(settings)
    inner = process.chain.signatures_for_address

    async def not_forgotten(address: Pubkey, **named: Any) -> Any:
        return tuple([each for each in await inner(address, **named) if each.slot >= first_slot])

    async def first() -> int:
        return first_slot

    process.chain.signatures_for_address = not_forgotten  # type: ignore[attr-defined]
    process.chain.first_available_block = first  # type: ignore[attr-defined]
    return order, process


TO_TOKENS = ("USDC", "JUP", "100")


def test_wallet_whose_history_has_a_gap_signs_nothing_until_another_provider_tells(copy: Copy):
    async def body(world: World) -> None:
        order, process = await pruned(world, copy, UNLATCHED)
        await world.clock.sleep(20)
        assert not process.worker.bench.gate.is_open
        assert [order.signature] == swaps_of(world, order.terms.wallet)
        known_to = await world.store.known_to_slot()
        await process.crash()
        # Nobody has said meanwhile that all is known.
        assert known_to == await world.store.known_to_slot()
        world.process(UNLATCHED)
        await is_as_before(world, order)

    live(body, file=copy.file)


def test_gap_is_accepted_where_the_operator_says_that_nothing_was_restored(copy: Copy):
    accepting = msgspec.structs.replace(
        SETTINGS, execution=msgspec.structs.replace(EXECUTION, accepts_history_gap=True)
    )

    async def body(world: World) -> None:
        # Of an attempt that is stored the status tells, whoever has forgotten who took the latch.
        order, process = await pruned(world, copy, accepting, since=E.SUBMITTED)
        await world.ends(order.order_id)
        assert process.worker.bench.gate.is_open

    live(body, file=copy.file)


def test_slot_up_to_which_all_is_known_is_stored_while_a_worker_runs(copy: Copy):
    async def body(world: World) -> None:
        process = world.process()
        await world.clock.sleep(12)
        known_to = await world.store.known_to_slot()
        final = (await world.paper.epoch_info("finalized")).slot
        assert known_to is not None
        assert 0 <= final - known_to <= 5_000 // world.paper.bank.params.slot_ms + 1
        process.worker.bench.gate.close()
        await world.clock.sleep(6)
        closed = await world.store.known_to_slot()
        await world.clock.sleep(12)
        assert closed == await world.store.known_to_slot()

    live(body, file=copy.file)


PROFILES = ("still", "moved", "dropped")
SEEDS = int(os.environ.get("FAIRLEAD_RESTORE_SEEDS", "30"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_restores_at_any_moment_swap_nothing_twice(copy: Copy, seed: int):
    """Several orders in trouble, a copy at any moment, and now and then a second restore of it."""
    dice = random.Random(seed)
    kind = dice.choice(PROFILES)
    profile = STILL if kind == "still" else faults(kind.replace("moved", "slippage_moved"), 4_000)
    settings = UNLATCHED if dice.random() < 0.3 else SETTINGS

    async def body(world: World) -> None:
        await several(world, dice)
        copy.take()
        world.process(settings)
        world.process(settings)
        for _ in range(4):
            await several(world, dice)
            await world.clock.sleep(dice.uniform(0, 3))
            if dice.random() < 0.3:
                await world.cancel(dice.choice(world.orders))
            if dice.random() < 0.2:
                await pay_into_a_latch(world, dice)
        # All accepted; time goes on.
        before_s = dice.uniform(0, 20)
        await world.clock.sleep(before_s)
        copy.take()
        move(world, dice.uniform(0.97, 1.06))
        for _ in range(dice.choice((1, 1, 2))):
            orders = {order.order_id: order for order in await world.ends(*world.orders)}
            assert [] == await copy.restore(world)
            for _ in range(dice.choice((1, 2))):
                world.process(settings)
            after = await world.ends(*world.orders)
            check_ends(world, orders, after)
            # What failed of an order that ended before it was known is of no more use.
            world.strangers |= await failed_and_unknown(world)

    live(body, file=copy.file, profile=profile, seed=seed)


async def failed_and_unknown(world: World) -> set[str]:
    failed = {
        str(Signature.from_bytes(record.signature))
        for block in world.paper.bank.blocks_backwards("processed")
        for record in block.records
        if record.err is not None
    }
    return failed - await world.store.known_attempts(sorted(failed))


async def several(world: World, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 2)):
        wallet = dice.choice((None, OTHER_WALLET))
        if dice.random() < 0.3:
            expires = world.clock.now_ms() + dice.choice((15_000, 600_000))
            await limit(world, dice.uniform(0.98, 1.03), expires_at_ms=expires, wallet=wallet)
        else:
            token_in, token_out, _ = dice.choice(PAIRS)
            # Without a latch and a wrap, two equal orders would be one transaction.
            amount = f"{1 + len(world.orders) / 100}"
            await world.submit(token_in, token_out, amount, wallet=wallet)


async def pay_into_a_latch(world: World, dice: random.Random) -> None:
    order = await world.order(dice.choice(world.orders))
    await pay(world, latch_of(order.secret, order.terms.wallet, order.latch_generation))


def check_ends(world: World, before: dict[str, Order], after: list[Order]) -> None:
    """What was filled stays filled by the same transaction; nothing is filled twice."""
    swaps = [
        signature
        for wallet in {order.terms.wallet for order in after}
        for signature in swaps_of(world, wallet)
    ]
    assert len(swaps) == len(set(swaps))
    assert sorted(swaps) == sorted(
        order.signature or "" for order in after if order.status is OrderStatus.CONFIRMED
    )
    for order in after:
        known = before[order.order_id]
        if known.status is OrderStatus.CONFIRMED:
            assert OrderStatus.CONFIRMED is order.status
            assert known.signature == order.signature
            assert known.amount_out_atoms == order.amount_out_atoms
