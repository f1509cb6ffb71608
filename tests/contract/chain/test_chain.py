"""The Chain and Faucet ports: the same behaviour in this process and over JSON-RPC."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.orders.model import Leg
from fairlead.solana.accounts import associated_token_address
from fairlead.solana.fill import fill_of
from fairlead.solana.transaction import UNSIGNED, assemble
from tests.contract.chain.worlds import (
    LATCH_RENT,
    PARAMS,
    PATIENCE_S,
    SOL_MINT,
    USDC_MINT,
    WORLDS,
    World,
    signature_of,
)

NOBODY = Pubkey.from_bytes(bytes(31) + b"\x07")
DEPTH = PARAMS.finality_depth


@pytest.fixture(params=sorted(WORLDS))
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with WORLDS[request.param]() as made:
        made.tick(DEPTH + 1)
        await made.faucet.fund(made.payer)
        yield made


async def level(world: World, signature: str) -> str | None:
    status = (await world.chain.signature_statuses([signature]))[0]
    return None if status is None else status.commitment


async def lamports(world: World, address: Pubkey, commitment: str = "processed") -> int:
    account = (await world.chain.accounts([address], commitment)).accounts.get(address)
    return 0 if account is None else account.lamports


async def test_transaction_becomes_confirmed_then_finalized_and_tells_its_fill(world):
    raw = await world.swap(2)
    pool = (await world.pools())[0]
    expected = pool.quote_exact_in(SOL_MINT, 10_000_000, await world.chain.time())
    assert (await world.chain.send(raw)).accepted
    signature = signature_of(raw)
    assert await level(world, signature) == "processed"
    assert await world.chain.transaction(signature, "confirmed") is None
    world.tick(PARAMS.confirmed_depth)
    assert await level(world, signature) == "confirmed"
    provisional = await world.chain.transaction(signature, "confirmed")
    world.tick(DEPTH - PARAMS.confirmed_depth)
    assert await level(world, signature) == "finalized"
    landed = await world.chain.transaction(signature, "finalized")
    assert landed is not None
    assert landed == provisional == await world.paper.transaction(signature, "finalized")
    vaults = [str(vault) for vault in pool.pool.vaults]
    side = pool.mints.index(SOL_MINT)
    leg = Leg(
        "raydium_cpmm",
        "program",
        str(pool.address),
        str(SOL_MINT),
        str(USDC_MINT),
        vaults[side],
        vaults[1 - side],
    )
    fill = fill_of(landed, str(world.payer), [leg], latch_address=str(world.latch(2).address))
    assert (10_000_000, expected.amount_out_atoms) == (fill.amount_in_atoms, fill.amount_out_atoms)
    assert LATCH_RENT == fill.rent_lamports
    assert raw == landed.raw


async def test_latch_lets_one_of_two_attempts_succeed(world):
    first, second = await world.swap(1), await world.swap(1, generation=1)
    for raw in (first, second):
        assert (await world.chain.send(raw)).accepted
    statuses = await world.chain.signature_statuses([signature_of(first), signature_of(second)])
    assert statuses[0] is not None
    assert statuses[1] is not None
    assert statuses[0].error is None
    # "Latch taken": instruction 0, System error 0.
    assert {"InstructionError": [0, {"Custom": 0}]} == json.loads(statuses[1].error or "")
    world.tick(DEPTH)
    failed = await world.chain.transaction(signature_of(second), "finalized")
    assert failed is not None
    assert failed.error == statuses[1].error
    assert failed.fee_lamports == failed.pre_lamports[0] - failed.post_lamports[0]
    listed = await world.chain.signatures_for_address(world.latch(1).address)
    assert [signature_of(second), signature_of(first)] == [one.signature for one in listed]
    assert [statuses[1].error, None] == [one.error for one in listed]
    older = await world.chain.signatures_for_address(
        world.latch(1).address, before=signature_of(second)
    )
    newer = await world.chain.signatures_for_address(
        world.latch(1).address, until=signature_of(first)
    )
    assert [signature_of(first)] == [one.signature for one in older]
    assert [signature_of(second)] == [one.signature for one in newer]


async def test_sending_the_same_bytes_again_changes_nothing(world):
    raw = await world.cancel(1)
    await world.chain.send(raw)
    before = await lamports(world, world.payer)
    outcome = await world.chain.send(raw)
    assert outcome.accepted or outcome.already_processed
    assert before == await lamports(world, world.payer)


async def test_a_send_never_raises_and_what_cannot_land_has_no_status(world):
    expired = await world.cancel(1)
    world.tick(PARAMS.blockhash_window + 2)
    forged = bytearray(await world.cancel(2))
    forged[1] ^= 1
    for raw in (expired, bytes(forged)):
        await world.chain.send(raw)
        assert await level(world, signature_of(raw)) is None
    assert not (await world.chain.send(expired[:200])).accepted
    assert 0 == await lamports(world, world.latch(1).address)


async def test_simulation_needs_no_signature_and_has_no_effect(world):
    message = await world.swap_message(1)
    before = await lamports(world, world.payer)
    simulation = await world.chain.simulate(assemble(message, [UNSIGNED]))
    assert simulation.error is None
    assert simulation.compute_units > 20_000
    assert simulation.logs
    assert before == await lamports(world, world.payer)
    greedy = await world.swap_message(1, minimum_out=2**60)
    refused = await world.chain.simulate(assemble(greedy, [UNSIGNED]))
    # Latch, limit, price, open, initialize, then the swap.
    assert 5 == json.loads(refused.error or "")["InstructionError"][0]


async def test_accounts_are_read_at_one_slot_and_missing_ones_left_out(world):
    usdc = associated_token_address(world.payer, USDC_MINT)
    read = await world.chain.accounts([world.payer, NOBODY, usdc], "finalized")
    assert {world.payer, usdc} == set(read.accounts)
    assert read == await world.paper.accounts([world.payer, NOBODY, usdc], "finalized")
    confirmed = await world.chain.accounts([], "confirmed", read.slot)
    assert read.slot < confirmed.slot


async def test_min_context_slot_is_honoured(world):
    slot = (await world.chain.epoch_info("finalized")).slot
    await world.chain.accounts([NOBODY], "finalized", slot)
    with pytest.raises(Unavailable):
        await world.chain.accounts([NOBODY], "finalized", slot + 1)


async def test_commitments_see_a_change_one_after_the_other(world):
    raw = await world.cancel(1)
    await world.chain.send(raw)
    latch = world.latch(1).address
    seen = []
    for _ in range(DEPTH + 1):
        levels = [await lamports(world, latch, c) for c in ("processed", "confirmed", "finalized")]
        seen.append([held == LATCH_RENT for held in levels])
        world.tick()
    assert [True, False, False] == seen[0]
    assert [True, True, False] == seen[1]
    assert [True, True, True] == seen[DEPTH]


async def test_blockhash_comes_with_the_height_its_death_is_counted_from(world):
    latest = await world.chain.latest_blockhash()
    raw = await world.cancel(1)
    assert latest.last_valid_block_height - latest.block_height <= PARAMS.blockhash_window
    # The last block that may hold it: LVBH + 1.
    while (
        await world.chain.epoch_info("processed")
    ).block_height <= latest.last_valid_block_height:
        world.tick()
    await world.chain.send(raw)
    assert await level(world, signature_of(raw)) == "processed"


async def test_blockhash_is_dead_one_block_after_its_last(world):
    latest = await world.chain.latest_blockhash()
    raw = await world.cancel(1)
    last = latest.last_valid_block_height + 1
    while (await world.chain.epoch_info("processed")).block_height <= last:
        world.tick()
    await world.chain.send(raw)
    assert await level(world, signature_of(raw)) is None


async def test_time_is_that_of_the_newest_bank(world):
    before = await world.chain.time()
    world.tick(5)
    after = await world.chain.time()
    assert (before.slot + 5, before.unix_timestamp + 2) == (after.slot, after.unix_timestamp)
    assert after.slot == (await world.chain.epoch_info("processed")).slot


async def test_a_wallet_is_funded_once(world):
    before = await lamports(world, world.payer, "finalized")
    await world.faucet.fund(world.payer)
    assert 5_000 * 10**9 == before == await lamports(world, world.payer, "finalized")


async def test_waiting_ends_with_news_not_with_the_time_out(world):
    raw = await world.cancel(1)
    signature = signature_of(raw)

    async def begin() -> asyncio.Task[None]:
        waiting = world.chain.wait_for_signature(signature, 10 * PATIENCE_S)
        task: asyncio.Task[None] = asyncio.ensure_future(waiting)
        await asyncio.sleep(0)
        return task

    async with asyncio.timeout(PATIENCE_S):
        arrival = await begin()
        await world.chain.send(raw)
        world.tick()
        await arrival
        finality = await begin()
        world.tick(DEPTH)
        await finality
    assert await level(world, signature) == "finalized"


async def test_waiting_ends_with_the_time_out_when_nothing_happens(world):
    async with asyncio.timeout(PATIENCE_S):
        await world.chain.wait_for_signature(signature_of(await world.cancel(9)), 0.01)


async def test_the_rest(world):
    await world.chain.ping()
    assert LATCH_RENT == await world.chain.rent_minimum(0)
    assert (165 + 128) * 6_960 == await world.chain.rent_minimum(165)
    assert 0 == await world.chain.prioritization_fee([world.payer], 75)
    assert 0 == await world.chain.first_available_block()
    assert () == await world.chain.signatures_for_address(NOBODY)
    assert () == await world.chain.signature_statuses([])
    info = await world.chain.epoch_info()
    assert info == await world.paper.epoch_info()
    assert info.slot > info.block_height


async def test_many_statuses_come_in_the_order_asked(world):
    raws = [await world.cancel(number) for number in range(1, 8)]
    for raw in raws[::2]:
        await world.chain.send(raw)
    asked = [signature_of(raw) for raw in raws]
    answers = await asyncio.gather(*[world.chain.signature_statuses([one]) for one in asked])
    together = await world.chain.signature_statuses(asked)
    assert [number % 2 == 0 for number in range(7)] == [one is not None for one in together]
    assert list(together) == [one[0] for one in answers]
