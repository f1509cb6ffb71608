"""The rent of latches comes back, to the lamport, and never while an attempt might still land
(EXACTLY-ONCE 12)."""

from pathlib import Path

import msgspec
import pytest
from solders.pubkey import Pubkey

from fairlead.ledger.account import rent_minimum
from fairlead.orders.model import AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.workers import reclaiming
from fairlead.workers.reclaiming import ReclaimerSettings
from fairlead.workers.worker import WorkerSettings
from tests.workers import reclaims
from tests.workers.reclaims import taken_back
from tests.workers.restoring import Copy, swaps_of
from tests.workers.scenario import in_world, live
from tests.workers.strangers import latch_of, pay
from tests.workers.virtual_time import until
from tests.workers.world import EXECUTION, SETTINGS, Sent, World, faults

RENT = rent_minimum(0)
MARGIN = 10


def settings(margin: int = MARGIN, **reclaimer: object) -> WorkerSettings:
    """Takes back as soon as may be."""
    landing = msgspec.structs.replace(EXECUTION.landing, reclaim_margin=margin)
    execution = msgspec.structs.replace(EXECUTION, landing=landing)
    chosen = msgspec.structs.replace(ReclaimerSettings(patience_blocks=0), **reclaimer)
    return msgspec.structs.replace(SETTINGS, execution=execution, reclaims=chosen)


def states(world: World) -> list[str]:
    return [state for (state,) in world.store._rows("SELECT state FROM latches ORDER BY address")]


def ended_reclaims(world: World) -> list[str]:
    rows = world.store._rows("SELECT state FROM reclaims ORDER BY created_at_ms, signature")
    return [state for (state,) in rows]


@in_world()
async def test_rent_of_every_latch_comes_back(world: World):
    world.process(settings())
    orders = [await world.submit() for _ in range(9)]
    await world.ends(*orders)
    await until(lambda: taken_back(world))
    assert ["reclaimed"] * 9 == states(world)
    assert 9 * RENT == (await world.store.lent()).reclaimed_lamports


def test_more_than_one_read_takes_are_on_their_way_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reclaiming, "READ_AT_A_TIME", 8)

    async def body(world: World) -> None:
        world.process(settings(patience_blocks=50))
        await world.ends(*[await world.submit() for _ in range(24)])

        async def begun() -> bool:
            return bool(await world.store.live_reclaims(9))

        await until(begun)
        await world.clock.sleep(0.2)
        assert 3 == len(await world.store.live_reclaims(9))
        await until(lambda: taken_back(world))

    live(body)


@in_world()
async def test_latches_wait_for_each_other_as_long_as_patience_lasts(world: World):
    world.process(settings(patience_blocks=100))
    orders = [await world.submit() for _ in range(9)]
    await world.ends(*orders)

    async def first() -> bool:
        return (await world.store.lent()).reclaimed_lamports > 0

    await until(first)
    assert 8 * RENT == (await world.store.lent()).reclaimed_lamports
    await until(lambda: taken_back(world))
    assert ["succeeded", "succeeded"] == ended_reclaims(world)


@in_world()
async def test_nothing_is_taken_back_before_death_and_margin(world: World):
    """`checks.watch` holds each reclaim to the ledger; here the margin is on top."""
    height: list[int] = []

    async def look(sent: Sent) -> None:
        if sent.signature in reclaims.stored(world):
            height.append(world.info("finalized").block_height)

    world.on_send.append(look)
    world.process(settings(margin=50))
    order_id = await world.submit()
    await world.ends(order_id)
    (attempt,) = await world.attempts(order_id)
    await until(lambda: taken_back(world))
    window = EXECUTION.landing.max_blockhash_window
    assert attempt.blockhash_height + window + 1 + 50 <= height[0]


@in_world()
async def test_switched_off_nothing_is_taken_back(world: World):
    world.process(settings(is_on=False))
    await world.ends(await world.submit())
    await world.clock.sleep(120)
    assert [] == states(world) == ended_reclaims(world)


@in_world()
async def test_cancelled_order_whose_cancel_took_the_latch_gets_it_back(world: World):
    process = world.process(settings())
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    process.chain.send_as = lambda sent: "pass"
    await world.cancel(order_id)
    (order,) = await world.ends(order_id)
    await until(lambda: taken_back(world))
    assert ["reclaimed"] == states(world)
    if order.status is OrderStatus.CANCELLED:
        assert AttemptState.EXCLUDED in {each.state for each in await world.attempts(order_id)}


@in_world()
async def test_latch_that_nothing_won_is_absent_and_of_a_stranger_is_ours(world: World):
    process = world.process(settings())
    process.chain.send_as = lambda sent: "lost"
    failed, blocked = await world.submit(), await world.submit("USDC", "SOL", "100")
    await world.reaches(blocked, E.SUBMITTED)
    order = await world.order(blocked)
    await pay(world, latch_of(order.secret, order.terms.wallet, 0))
    await world.ends(failed, blocked)
    process.chain.send_as = lambda sent: "pass"
    await until(lambda: taken_back(world))
    assert {"absent", "reclaimed"} == set(states(world))
    assert 1_000_000 == (await world.store.lent()).reclaimed_lamports


@in_world()
async def test_stray_lamport_makes_only_its_own_latch_go_alone(world: World):
    """Paid in between the read and the landing: the transfer of what was read must fail."""
    process = world.process(settings(patience_blocks=50))
    orders = [await world.submit() for _ in range(3)]
    await world.ends(*orders)
    order = await world.order(orders[0])
    paid: list[str] = []

    async def look(sent: Sent) -> None:
        if not paid and sent.signature in reclaims.stored(world):
            paid.append(sent.signature)
            await pay(world, latch_of(order.secret, order.terms.wallet, 0), 1)

    world.on_send.append(look)
    await until(lambda: taken_back(world))
    assert ["errored", "succeeded", "succeeded", "succeeded"] == sorted(ended_reclaims(world))
    assert 3 * RENT + 1 == (await world.store.lent()).reclaimed_lamports
    assert process.worker.bench.bugs == 0


@pytest.mark.parametrize("fate", ["lost", "unheard", "refused"])
def test_reclaim_whose_answer_is_lost_is_brought_to_its_end(fate: str):
    async def body(world: World) -> None:
        process = world.process(settings())
        await world.ends(await world.submit())
        times = 0

        def send_as(sent: Sent) -> str:
            nonlocal times
            times += 1
            return fate if times <= 20 else "pass"

        process.chain.send_as = send_as
        await until(lambda: taken_back(world))
        assert ["reclaimed"] == states(world)

    live(body)


@pytest.mark.parametrize("what", ["stored", "sent"])
def test_what_a_dead_worker_began_is_ended_before_anything_anew(what: str):
    async def body(world: World) -> None:
        first = world.process(settings())
        await world.ends(await world.submit())

        async def look(sent: Sent) -> None:
            if sent.process is first and what == "stored":
                first.crashed.set()
                await first.gate()

        async def begun() -> bool:
            return bool(reclaims.stored(world))

        world.on_send.append(look)
        await until(begun)
        await first.crash()
        world.process(settings())
        await until(lambda: taken_back(world))
        # The lease outlives the blockhash of what was stored and never sent.
        assert (["dead"] if what == "stored" else []) + ["succeeded"] == ended_reclaims(world)

    live(body)


@in_world()
async def test_two_workers_take_back_each_latch_once(world: World):
    for _ in range(2):
        world.process(settings())
    await world.ends(*[await world.submit() for _ in range(5)])
    await until(lambda: taken_back(world))
    assert {"succeeded"} == set(ended_reclaims(world))
    assert 5 * RENT == (await world.store.lent()).reclaimed_lamports


@pytest.mark.parametrize("moment", [E.ACCEPTED, E.SUBMITTED, E.CONFIRMED, E.FINALIZED])
def test_store_restored_to_before_a_reclaim_executes_nothing_again(tmp_path: Path, moment: E):
    """Its latch is gone: only the history says that the order was filled (rules 14 and 23)."""
    copy = Copy(tmp_path / "store.db")

    async def body(world: World) -> None:
        if moment is E.ACCEPTED:
            order_id = await world.submit()
            copy.take()
        world.process(settings())
        if moment is not E.ACCEPTED:
            order_id = await world.submit()
            await world.reaches(order_id, moment)
            copy.take()
        (before,) = await world.ends(order_id)
        await until(lambda: taken_back(world))
        latch = latch_of(before.secret, before.terms.wallet, 0)
        assert world.paper.bank.account(bytes(latch)) is None
        world.strangers |= set(reclaims.stored(world))
        await copy.restore(world)
        world.process(settings())
        (after,) = await world.ends(order_id)
        assert OrderStatus.CONFIRMED is after.status
        assert before.signature == after.signature
        assert [before.signature] == swaps_of(world, before.terms.wallet)

        async def noted() -> bool:
            return states(world) == ["absent"]

        await until(noted)

    live(body, file=copy.file)


@in_world()
async def test_other_wallets_have_transactions_of_their_own(world: World):
    world.process(settings())
    mine, other = await world.submit(), await world.submit(wallet="9" * 43)
    await world.ends(mine, other)
    await until(lambda: taken_back(world))
    wallets = {wallet for (wallet,) in world.store._rows("SELECT wallet FROM reclaims")}
    assert 2 == len(wallets)
    assert all(world.paper.bank.account(bytes(Pubkey.from_string(each))) for each in wallets)


def test_faulty_sends_lose_no_lamport():
    async def body(world: World) -> None:
        world.process(settings())
        orders = [await world.submit() for _ in range(12)]
        await world.ends(*orders)
        await until(lambda: taken_back(world))

    live(body, profile=faults("dropped", 5_000))
