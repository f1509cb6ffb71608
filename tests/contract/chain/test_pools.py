"""Pools: one read, decoded where bytes changed, left out with the reason."""

import asyncio
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.pools import ChainPools, PoolList, paper_pool_list
from fairlead.errors import Unavailable
from fairlead.ledger.market import all_pools
from fairlead.ledger.market import pools_of as paper_pools_of
from fairlead.ledger.tokens import PAIRS
from fairlead.venues.venue import Venue
from tests.contract.chain.worlds import (
    PARAMS,
    SOL_MINT,
    USDC_MINT,
    WORLDS,
    World,
    paper_world,
)

NOWHERE = Pubkey.from_bytes(bytes(31) + b"\x0b")


@pytest.fixture(params=sorted(WORLDS))
async def world(request):
    async with WORLDS[request.param]() as made:
        made.tick(PARAMS.finality_depth + 1)
        yield made


def pools_of(world: World, listed: PoolList | None = None) -> ChainPools:
    return ChainPools(world.chain, listed or paper_pool_list(), world.clock)


async def test_snapshot_has_both_venues_at_one_slot_in_either_order_of_the_mints(world):
    pools = pools_of(world)
    snapshot = await pools.snapshot(SOL_MINT, USDC_MINT)
    turned = await pools.snapshot(USDC_MINT, SOL_MINT)
    assert [Venue.RAYDIUM_CPMM, Venue.METEORA_DAMM_V2] == [pool.venue for pool in snapshot.pools]
    assert snapshot == turned
    assert () == snapshot.left_out
    assert snapshot.time == await world.chain.time()


async def test_unchanged_pools_are_the_same_objects_and_changed_ones_quote_anew(world):
    await world.faucet.fund(world.payer)
    pools = pools_of(world)
    first = await pools.snapshot(SOL_MINT, USDC_MINT)
    again = await pools.snapshot(SOL_MINT, USDC_MINT)
    assert all(a is b for a, b in zip(first.pools, again.pools, strict=True))
    await world.chain.send(await world.swap(0))
    world.tick(PARAMS.confirmed_depth)
    raydium, meteora = (await pools.snapshot(SOL_MINT, USDC_MINT)).pools
    amount = 10**9
    before = first.pools[0].quote_exact_in(SOL_MINT, amount, first.time)
    after = raydium.quote_exact_in(SOL_MINT, amount, first.time)
    assert after.amount_out_atoms < before.amount_out_atoms
    assert meteora is first.pools[1] or meteora != first.pools[1]


async def test_every_pair_of_the_paper_market_can_be_quoted():
    async with paper_world() as world:
        pools = pools_of(world)
        for base, quote in PAIRS:
            mints = Pubkey.from_bytes(base.mint), Pubkey.from_bytes(quote.mint)
            snapshot = await pools.snapshot(*mints)
            listed = paper_pools_of(all_pools(), base.mint, quote.mint)
            assert sorted(pool.address for pool in listed) == sorted(
                bytes(pool.address) for pool in snapshot.pools
            )
            for pool in snapshot.pools:
                for mint in mints:
                    assert pool.quote_exact_in(mint, 10**6, snapshot.time).amount_out_atoms > 0


async def test_what_is_no_pool_is_left_out_with_the_reason(world):
    listed = PoolList([(SOL_MINT, USDC_MINT, key) for key in (NOWHERE, USDC_MINT)])
    snapshot = await pools_of(world, listed).snapshot(SOL_MINT, USDC_MINT)
    assert () == snapshot.pools
    assert ((NOWHERE, "pool_missing"), (USDC_MINT, f"not_a_pool: {USDC_MINT}")) == snapshot.left_out


async def test_a_pair_without_pools_is_empty(world):
    snapshot = await pools_of(world).snapshot(NOWHERE, USDC_MINT)
    assert ((), ()) == (snapshot.pools, snapshot.left_out)


class SlowChain:
    """A chain whose reads of accounts wait for the test, or fail."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain
        self.reads = 0
        self.may_go = asyncio.Event()
        self.is_down = False

    async def accounts(self, addresses):
        self.reads += 1
        await self.may_go.wait()
        if self.is_down:
            raise Unavailable("chain", "down")
        return await self._chain.accounts(addresses)


async def test_those_who_ask_while_a_read_is_under_way_share_it(world):
    slow: Any = SlowChain(world.chain)
    pools = ChainPools(slow, paper_pool_list(), world.clock)
    slow.may_go.set()
    await pools.snapshot(SOL_MINT, USDC_MINT)
    slow.may_go.clear()
    before = slow.reads
    asked = [asyncio.ensure_future(pools.snapshot(SOL_MINT, USDC_MINT)) for _ in range(3)]
    await asyncio.sleep(0)
    slow.may_go.set()
    first, *others = await asyncio.gather(*asked)
    assert (before + 1, True) == (slow.reads, all(one is first for one in others))
    await pools.snapshot(SOL_MINT, USDC_MINT)
    assert before + 2 == slow.reads


async def test_a_reader_who_gives_up_leaves_the_read_to_another(world):
    slow: Any = SlowChain(world.chain)
    pools = ChainPools(slow, paper_pool_list(), world.clock)
    asked = [asyncio.ensure_future(pools.snapshot(SOL_MINT, USDC_MINT)) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    slow.may_go.set()
    _, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert second == third
    assert not isinstance(second, BaseException)


async def test_a_read_without_an_answer_fails_all_who_share_it_and_the_next_is_new(world):
    slow: Any = SlowChain(world.chain)
    pools = ChainPools(slow, paper_pool_list(), world.clock)
    slow.is_down = True
    asked = [asyncio.ensure_future(pools.snapshot(SOL_MINT, USDC_MINT)) for _ in range(3)]
    await asyncio.sleep(0)
    slow.may_go.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert ([Unavailable] * 3, 1) == ([type(one) for one in found], slow.reads)
    slow.is_down = False
    assert (await pools.snapshot(SOL_MINT, USDC_MINT)).pools
