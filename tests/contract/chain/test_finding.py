"""Pools are found where they are, ranked by what they hold, and left out with the reason."""

import asyncio
import hashlib
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.found_pairs import RETRY_S
from fairlead.chain.pool_finder import PoolFinder
from fairlead.chain.pool_list import MAX_POOLS, PoolList
from fairlead.chain.pools import BEYOND_AROUND, MAX_OTHERS, MAX_OTHERS_OF_PAIR, ChainPools
from fairlead.errors import Unavailable
from fairlead.ledger.tokens import PAIRS
from fairlead.venues.pools import LAYOUTS, Search
from fairlead.venues.raydium import cpmm_accounts
from fairlead.venues.venue import Venue
from tests.contract.chain.pool_worlds import changed, copied, put, recorded
from tests.contract.chain.worlds import (
    PARAMS,
    SOL_MINT,
    USDC_MINT,
    WORLDS,
    World,
    paper_world,
)

REFRESH_S = 60.0
CPMM = Venue.RAYDIUM_CPMM
STATUS, OPEN_TIME = 329, 373
"""Where a CPMM pool has them."""


def key(label: str) -> Pubkey:
    return Pubkey.from_bytes(hashlib.sha256(label.encode()).digest())


@pytest.fixture(params=sorted(WORLDS))
async def world(request):
    async with WORLDS[request.param]() as made:
        made.tick(PARAMS.finality_depth + 1)
        yield made


@pytest.fixture
async def paper():
    async with paper_world() as made:
        made.tick(PARAMS.finality_depth + 1)
        yield made


def finding(world: World, chain: Any = None, **more: Any) -> ChainPools:
    chain = chain or world.chain
    options: dict[str, Any] = {"layouts": LAYOUTS, "refresh_s": REFRESH_S, **more}
    return ChainPools(chain, PoolFinder(chain, world.clock, **options), world.clock)


@pytest.mark.parametrize("venue", list(Venue))
async def test_a_pool_of_every_venue_is_found_and_quotes_as_with_all_its_accounts(world, venue):
    vector = recorded(venue)
    put(world, vector.accounts)
    snapshot = await finding(world).snapshot(vector.output_mint, vector.input_mint)
    (found,) = snapshot.pools
    assert (vector.pool, venue, ()) == (found.address, found.venue, snapshot.left_out)
    quote = found.quote_exact_in(vector.input_mint, vector.amount, vector.time)
    assert vector.amount_out == quote.amount_out_atoms


async def test_the_whole_paper_market_is_found(paper):
    pools = finding(paper)
    for base, quote in PAIRS:
        mints = Pubkey.from_bytes(base.mint), Pubkey.from_bytes(quote.mint)
        snapshot = await pools.snapshot(*mints)
        assert {"raydium", "meteora"} == {pool.venue.dex for pool in snapshot.pools}


async def test_the_deepest_come_first_and_what_is_beyond_the_bound_is_named(paper):
    vector = recorded(CPMM)
    put(paper, vector.accounts)
    labels = [f"pool {n}" for n in range(MAX_POOLS + 3)]
    for n, label in enumerate(labels):
        vaults = (key(f"{label} a"), key(f"{label} b"))
        put(paper, copied(vector, key(label), vaults, (10**15 + n, 10**15)))
    listing = await finding(paper).listed(vector.input_mint, vector.output_mint)
    # The recorded pool is the smallest of all.
    expected = [*[key(label) for label in reversed(labels)], vector.pool]
    assert expected[:MAX_POOLS] == [one.address for one in listing.pools[:MAX_POOLS]]
    beyond = listing.pools[MAX_POOLS:]
    assert set(expected[MAX_POOLS:]) == {one.address for one in beyond}
    assert {"too_many_pools"} == {one.reason.partition(":")[0] for one in beyond}
    snapshot = await finding(paper).snapshot(vector.input_mint, vector.output_mint)
    assert (MAX_POOLS, 4) == (len(snapshot.pools), len(snapshot.left_out))


async def left_out(world: World, mints: tuple[Pubkey, Pubkey]) -> list[tuple[Pubkey, str]]:
    """Those of the pair that are left out, and the name of the reason."""
    snapshot = await finding(world).snapshot(*mints)
    return [(address, reason.split(" ")[0].rstrip(":")) for address, reason in snapshot.left_out]


@pytest.mark.parametrize(
    ("account", "offset", "piece", "reason"),
    [
        ("pool", STATUS, b"\x04", "NotApproved"),
        ("vault", 64, bytes(8), "empty"),
        ("vault", 108, b"\x02", "frozen_vault"),
    ],
)
async def test_what_cannot_be_traded_is_left_out_with_the_reason(
    paper, account, offset, piece, reason
):
    vector = recorded(CPMM)
    accounts = dict(vector.accounts)
    data = accounts[vector.pool].data
    vaults = [Pubkey.from_bytes(data[at : at + 32]) for at in (72, 104)]
    for address in [vector.pool] if account == "pool" else vaults:
        accounts[address] = changed(accounts[address], offset, piece)
    put(paper, accounts)
    mints = (vector.input_mint, vector.output_mint)
    assert [(vector.pool, reason)] == await left_out(paper, mints)
    (listed,) = (await finding(paper).listed(*mints)).pools
    assert (vector.pool, CPMM.value) == (listed.address, listed.venue)
    assert listed.reason.startswith(reason)


async def test_a_pool_of_an_unknown_version_is_left_out_by_name(paper):
    vector = recorded(Venue.METEORA_DLMM)
    accounts = dict(vector.accounts)
    accounts[vector.pool] = changed(accounts[vector.pool], 882, b"\x09")
    put(paper, accounts)
    mints = (vector.input_mint, vector.output_mint)
    assert [(vector.pool, "unknown_version")] == await left_out(paper, mints)


async def test_a_pool_that_is_not_open_yet_stays_and_its_quote_and_listing_say_so(paper):
    vector = recorded(CPMM)
    accounts = dict(vector.accounts)
    opens = (paper.paper.bank.clock.unix_timestamp + 10_000).to_bytes(8, "little")
    accounts[vector.pool] = changed(accounts[vector.pool], OPEN_TIME, opens)
    put(paper, accounts)
    pools = finding(paper)
    mints = (vector.input_mint, vector.output_mint)
    assert [vector.pool] == [pool.address for pool in (await pools.snapshot(*mints)).pools]
    (listed,) = (await pools.listed(*mints)).pools
    assert "opens at" in listed.reason


async def settled() -> None:
    """What runs in the background has run."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_new_pool_is_found_after_the_refresh_without_anybody_waiting_for_it(paper):
    vector = recorded(CPMM)
    mints = (vector.input_mint, vector.output_mint)
    pools = finding(paper)
    assert () == (await pools.snapshot(*mints)).pools
    put(paper, vector.accounts)
    assert () == (await pools.snapshot(*mints)).pools
    paper.clock.advance(int(REFRESH_S * 1000))
    assert () == (await pools.snapshot(*mints)).pools
    await settled()
    assert [vector.pool] == [pool.address for pool in (await pools.snapshot(*mints)).pools]


class Searching:
    """A chain that counts its searches, and refuses those of some programs, or all."""

    def __init__(self, chain: Any, *refused: Pubkey) -> None:
        self._chain = chain
        self.refused = set(refused)
        self.refuses_all = False
        self.searches: list[Search] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    async def search(self, search: Search, commitment: str = "confirmed"):
        self.searches.append(search)
        if self.refuses_all or search.program_id in self.refused:
            raise Unavailable("chain", "getProgramAccounts answered -32010")
        return await self._chain.search(search, commitment)


async def test_a_pair_is_searched_once_until_the_refresh_whoever_asks(paper):
    chain = Searching(paper.chain)
    pools = finding(paper, chain)
    await asyncio.gather(*[pools.snapshot(SOL_MINT, USDC_MINT) for _ in range(5)])
    await pools.snapshot(USDC_MINT, SOL_MINT)
    once = len(chain.searches)
    assert once == sum(len(layout.searches(SOL_MINT, USDC_MINT)) for layout in LAYOUTS)
    paper.clock.advance(int(REFRESH_S * 1000))
    await pools.snapshot(SOL_MINT, USDC_MINT)
    await settled()
    assert 2 * once == len(chain.searches)


async def test_a_venue_that_may_not_be_searched_takes_no_other_away(paper):
    chain = Searching(paper.chain, cpmm_accounts.PROGRAM_ID)
    snapshot = await finding(paper, chain).snapshot(SOL_MINT, USDC_MINT)
    assert snapshot.pools
    assert Venue.RAYDIUM_CPMM not in {pool.venue for pool in snapshot.pools}


async def test_without_any_answer_there_is_none_and_the_next_question_searches_again(paper):
    chain = Searching(paper.chain)
    chain.refuses_all = True
    pools = finding(paper, chain)
    with pytest.raises(Unavailable, match="-32010"):
        await pools.snapshot(SOL_MINT, USDC_MINT)
    chain.refuses_all = False
    assert (await pools.snapshot(SOL_MINT, USDC_MINT)).pools


async def test_when_a_refresh_has_no_answer_what_is_known_goes_on(paper):
    chain = Searching(paper.chain)
    pools = finding(paper, chain)
    before = await pools.snapshot(SOL_MINT, USDC_MINT)
    chain.refuses_all = True
    paper.clock.advance(int(REFRESH_S * 1000))
    assert before.pools == (await pools.snapshot(SOL_MINT, USDC_MINT)).pools
    await settled()
    searched = len(chain.searches)
    assert before.pools == (await pools.snapshot(SOL_MINT, USDC_MINT)).pools
    await settled()
    assert searched == len(chain.searches)
    paper.clock.advance(int(RETRY_S * 1000))
    await pools.snapshot(SOL_MINT, USDC_MINT)
    await settled()
    assert searched < len(chain.searches)


async def test_named_pools_are_found_without_any_search(paper):
    vector = recorded(CPMM)
    put(paper, vector.accounts)
    chain = Searching(paper.chain)
    pools = finding(paper, chain, layouts=(), named=(vector.pool, USDC_MINT, key("nothing")))
    snapshot = await pools.snapshot(vector.input_mint, vector.output_mint)
    assert [vector.pool] == [pool.address for pool in snapshot.pools]
    assert () == (await pools.snapshot(SOL_MINT, USDC_MINT)).pools
    assert [] == chain.searches


async def test_a_named_pool_is_there_when_searches_are_refused(paper):
    vector = recorded(CPMM)
    put(paper, vector.accounts)
    chain = Searching(paper.chain)
    chain.refuses_all = True
    pools = finding(paper, chain, named=(vector.pool,))
    snapshot = await pools.snapshot(vector.input_mint, vector.output_mint)
    assert [vector.pool] == [pool.address for pool in snapshot.pools]


async def test_around_a_pair_are_the_pools_with_sol_usdc_and_usdt_of_the_same_slot(world):
    jup, bonk = (Pubkey.from_bytes(base.mint) for base, _ in (PAIRS[2], PAIRS[3]))
    pools = finding(world)
    around = await pools.around(jup, bonk)
    if not around.others:
        # Over HTTP an order does not wait for them the first time.
        await asyncio.sleep(0.5)
        around = await pools.around(jup, bonk)
    direct = await pools.snapshot(jup, bonk)
    assert (direct.pools, direct.slot) == (around.pools, around.slot)
    pairs = {frozenset(pool.mints) for pool in around.others}
    assert {
        frozenset((mint, hub)) for mint in (jup, bonk) for hub in (SOL_MINT, USDC_MINT)
    } == pairs
    assert len(around.others) <= MAX_OTHERS
    assert {"raydium", "meteora"} == {pool.venue.dex for pool in around.others}


async def test_pools_around_a_pair_that_are_cut_are_named_apart_from_its_own(paper):
    jup, bonk = (Pubkey.from_bytes(base.mint) for base, _ in (PAIRS[2], PAIRS[3]))
    pools = [Pubkey.from_bytes(bytes([n]) * 32) for n in range(1, 2 * MAX_OTHERS_OF_PAIR + 1)]
    listed = PoolList([(jup, USDC_MINT, pool) for pool in pools])
    around = await ChainPools(paper.chain, listed, paper.clock).around(jup, bonk)
    assert ((), ()) == (around.pools, around.left_out)
    read, cut = pools[:MAX_OTHERS_OF_PAIR], pools[MAX_OTHERS_OF_PAIR:]
    assert (
        *[(pool, "pool_missing") for pool in read],
        *[(pool, BEYOND_AROUND) for pool in cut],
    ) == around.others_left_out
    # The pair's own are none of these: a route over it alone has no more to say.
    assert () == (await ChainPools(paper.chain, listed, paper.clock).snapshot(jup, bonk)).left_out


async def test_known_pools_say_how_old_they_are(paper):
    pools = finding(paper)
    assert () == (await pools.known()).pools
    snapshot = await pools.snapshot(SOL_MINT, USDC_MINT)
    asked_ms = paper.clock.now_ms()
    paper.tick(3)
    known = await pools.known()
    assert {pool.address for pool in snapshot.pools} == {one.address for one in known.pools}
    assert {(snapshot.slot, asked_ms)} == {(one.slot, one.read_at_ms) for one in known.pools}
    assert (await paper.chain.time()).slot == known.slot == snapshot.time.slot + 3
    assert paper.clock.now_ms() == known.now_ms


async def test_any_pool_can_be_inspected_by_its_address(world):
    vector = recorded(Venue.RAYDIUM_CLMM)
    put(world, vector.accounts)
    pools = finding(world)
    (found,) = (await pools.inspected(vector.pool)).pools
    assert ("raydium_clmm", "") == (found.venue, found.reason)
    assert {vector.input_mint, vector.output_mint} == set(found.mints or ())
    assert all(found.atoms or ())
    (missing,) = (await pools.inspected(key("nothing"))).pools
    assert ("", None, "pool_missing") == (missing.venue, missing.mints, missing.reason)
    (other,) = (await pools.inspected(USDC_MINT)).pools
    assert other.reason.startswith("not_a_pool")
