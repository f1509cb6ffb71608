"""Balances: fresh to a slot, read once for all who ask, funded on paper."""

import asyncio
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.balances import ChainBalances
from fairlead.errors import Unavailable
from fairlead.tokens import JUP, SOL, TOKENS, USDC
from tests.contract.chain.worlds import PARAMS, paper_world

STRANGER = str(Pubkey.from_bytes(bytes(31) + b"\x03"))


class CountingChain:
    """A chain that counts the reads of accounts, and fails them on demand."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain
        self.reads = 0
        self.is_down = False

    async def accounts(self, addresses, commitment):
        self.reads += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("chain", "down")
        return await self._chain.accounts(addresses, commitment)


@pytest.fixture
async def world():
    async with paper_world() as made:
        made.tick(PARAMS.finality_depth + 1)
        yield made


async def test_paper_wallet_is_funded_at_first_sight(world):
    balances = ChainBalances(world.paper, world.clock, world.paper)
    held = await balances.of(STRANGER, ["lamports", USDC.mint])
    assert (5_000 * 10**9, 500_000 * 10**6) == (held["lamports"], held[USDC.mint])


async def test_without_a_faucet_an_unknown_wallet_holds_nothing(world):
    balances = ChainBalances(world.paper, world.clock)
    held = await balances.of(STRANGER, ["lamports", USDC.mint, STRANGER])
    assert {"lamports": 0, USDC.mint: 0, STRANGER: 0} == held


async def test_concurrent_askers_share_a_read_and_a_slot_later_it_is_read_again(world):
    chain: Any = CountingChain(world.paper)
    balances = ChainBalances(chain, world.clock)
    await balances.of(STRANGER, [USDC.mint])
    world.clock.advance(PARAMS.slot_ms + 1)
    chain.reads = 0
    asking = [balances.of(STRANGER, ["lamports", USDC.mint]) for _ in range(20)]
    await asyncio.gather(*asking)
    assert 1 == chain.reads
    await balances.of(STRANGER, ["lamports"])
    assert 1 == chain.reads
    world.clock.advance(PARAMS.slot_ms + 1)
    await balances.of(STRANGER, ["lamports"])
    assert 2 == chain.reads


async def test_an_asset_asked_for_later_is_read_with_the_others(world):
    balances = ChainBalances(world.paper, world.clock, world.paper)
    await balances.of(STRANGER, [USDC.mint])
    held = await balances.of(STRANGER, [JUP.mint])
    assert held[JUP.mint] > 0
    assert held[USDC.mint] > 0


async def test_askers_who_join_a_read_still_get_their_own_assets(world):
    chain: Any = CountingChain(world.paper)
    balances = ChainBalances(chain, world.clock, world.paper)
    both = await asyncio.gather(
        balances.of(STRANGER, [USDC.mint]), balances.of(STRANGER, [JUP.mint, "lamports"])
    )
    assert both[0][USDC.mint] > 0
    assert both[1][JUP.mint] > 0


async def test_a_failed_read_fails_those_who_asked_and_the_next_one_is_new(world):
    chain: Any = CountingChain(world.paper)
    chain.is_down = True
    balances = ChainBalances(chain, world.clock)
    answers = await asyncio.gather(
        *[balances.of(STRANGER, ["lamports"]) for _ in range(3)], return_exceptions=True
    )
    assert all(isinstance(answer, Unavailable) for answer in answers)
    chain.is_down = False
    assert {"lamports": 0} == await balances.of(STRANGER, ["lamports"])


async def test_one_who_gives_up_leaves_the_reading_to_those_who_wait(world):
    chain: Any = CountingChain(world.paper)
    balances = ChainBalances(chain, world.clock)
    first, *others = [asyncio.create_task(balances.of(STRANGER, ["lamports"])) for _ in range(4)]
    await asyncio.sleep(0)
    first.cancel()
    assert [{"lamports": 0}] * 3 == await asyncio.gather(*others)
    assert 2 == chain.reads
    assert first.cancelled()


async def test_balances_follow_what_is_final(world):
    balances = ChainBalances(world.paper, world.clock, world.paper)
    wallet = world.wallet.default_address
    before = dict(await balances.of(wallet, ["lamports", USDC.mint]))
    await world.paper.send(await world.swap(1))
    world.tick(PARAMS.finality_depth - 1)
    assert before == await balances.of(wallet, ["lamports", USDC.mint])
    world.tick(2)
    after = await balances.of(wallet, ["lamports", USDC.mint])
    assert after["lamports"] < before["lamports"] - 10_000_000
    assert after[USDC.mint] > before[USDC.mint]
    assert SOL.mint not in after


async def test_askers_of_different_assets_at_once_each_learn_of_their_own(world):
    chain: Any = CountingChain(world.paper)
    balances = ChainBalances(chain, world.clock, world.paper)
    assets = [USDC.mint, JUP.mint, *(token.mint for token in TOKENS.tokens if token is not SOL)]
    held = await asyncio.gather(*(balances.of(STRANGER, [asset]) for asset in assets))
    assert all(found[asset] > 0 for asset, found in zip(assets, held, strict=True))
