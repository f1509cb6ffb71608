"""The paper chain on its bad days: delay, drops, errors, late arrivals, prices that moved."""

import asyncio
import json
from itertools import count

from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.faults import FaultRates, PaperProfile
from tests.contract.chain.worlds import PARAMS, SOL_MINT, World, paper_world, signature_of

ALL = 10_000


def profile(**rates: int) -> PaperProfile:
    faults = FaultRates(**rates)
    return PaperProfile(
        land_min_ms=400, land_max_ms=1_200, raydium=faults, meteora=faults, other=faults
    )


async def level(world: World, raw: bytes) -> str | None:
    status = (await world.chain.signature_statuses([signature_of(raw)]))[0]
    return None if status is None else status.commitment


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_send_lands_after_its_delay_once_however_often_it_is_sent():
    async with paper_world(profile()) as world:
        await world.faucet.fund(world.payer)
        world.tick()
        raw = await world.cancel(1)
        for _ in range(3):
            assert (await world.chain.send(raw)).accepted
            await settle()
        assert await level(world, raw) is None
        for _ in range(4):
            world.tick()
            await settle()
        assert await level(world, raw) in ("processed", "confirmed")
        assert (await world.chain.send(raw)).already_processed


async def test_a_dropped_send_never_lands():
    async with paper_world(profile(dropped_bps=ALL)) as world:
        await world.faucet.fund(world.payer)
        world.tick()
        raw = await world.cancel(1)
        for _ in range(PARAMS.blockhash_window):
            assert (await world.chain.send(raw)).accepted
            await settle()
            world.tick()
        assert await level(world, raw) is None


async def test_an_error_answer_says_nothing_about_what_happens():
    async with paper_world(profile(rpc_error_bps=ALL)) as world:
        await world.faucet.fund(world.payer)
        world.tick()
        raws = [await world.cancel(number) for number in range(24)]
        outcomes = [await world.chain.send(raw) for raw in raws]
        await settle()
        for _ in range(4):
            world.tick()
            await settle()
        landed = [await level(world, raw) is not None for raw in raws]
        assert not any(outcome.accepted for outcome in outcomes)
        assert {True, False} == set(landed)


async def test_a_late_send_lands_in_the_last_block_that_may_hold_it():
    async with paper_world(profile(late_bps=ALL)) as world:
        await world.faucet.fund(world.payer)
        world.tick(2)
        latest = await world.chain.latest_blockhash("processed")
        raw = await world.cancel(1)
        await world.chain.send(raw)
        for _ in count():
            height = (await world.chain.epoch_info("processed")).block_height
            if await level(world, raw) is not None or height > latest.last_valid_block_height + 2:
                break
            world.tick()
        assert await level(world, raw) == "processed"
        confirmed = PARAMS.confirmed_depth
        assert height in range(latest.last_valid_block_height + 1 - confirmed, height + 1)


async def test_a_price_that_moved_fails_the_swap_with_the_programs_error():
    async with paper_world(profile(slippage_moved_bps=ALL)) as world:
        await world.faucet.fund(world.payer)
        world.tick()
        pools = await world.pools()
        for number in range(2):
            quote = pools[number % 2].quote_exact_in(SOL_MINT, 10_000_000, await world.chain.time())
            raw = await world.swap(number, minimum_out=quote.amount_out_atoms)
            await world.chain.send(raw)
            await settle()
            for _ in range(4):
                world.tick()
                await settle()
            status = (await world.chain.signature_statuses([signature_of(raw)]))[0]
            assert status is not None
            assert status.error is not None
            index, what = json.loads(status.error)["InstructionError"]
            assert 5 == index
            assert "Custom" in what


async def test_slots_tick_by_the_clock_and_are_skipped_when_time_jumped():
    params = LedgerParams(slot_ms=400, finality_depth=4)
    async with paper_world(params=params) as world:
        await world.paper.start()
        await settle()
        before = await world.chain.epoch_info("processed")
        world.clock.advance(400)
        await settle()
        one_later = await world.chain.epoch_info("processed")
        world.clock.advance(4_200)
        await settle()
        ten_later = await world.chain.epoch_info("processed")
        assert (1, 1) == (
            one_later.slot - before.slot,
            one_later.block_height - before.block_height,
        )
        assert (10, 1) == (
            ten_later.slot - one_later.slot,
            ten_later.block_height - one_later.block_height,
        )
