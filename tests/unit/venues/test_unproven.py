"""Modes that no compiled program at hand knows: said in the quote, or refused where they count."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.bootstrap import allows_unproven_modes
from fairlead.chain.pool_cache import PoolCache
from fairlead.config.load import load_settings
from fairlead.venues import curves
from fairlead.venues.pools import decode_pool, load
from fairlead.venues.raydium import clmm, clmm_accounts
from fairlead.venues.raydium.clmm_accounts import DynamicFeeInfo
from fairlead.venues.raydium.clmm_encode import Position
from fairlead.venues.venue import LoadedPool, VenueError
from tests.unit.venues.pools import CPMM_POOL, MINTS, NOW, cpmm_accounts_of, cpmm_pool
from tests.unit.venues.test_clmm import UP, array, changed, pool_of
from tests.vectors.clmm_pools import ClmmPoolOfOurs

DYNAMIC = DynamicFeeInfo(30, 600, 5_000, 40_000, 350_000, 0, 0, 0, 1_000)
PLACE = {"FAIRLEAD_DATA_DIR": "data"}
CREATOR: dict[str, Any] = {"creator": 500, "enable_creator_fee": True}


def with_orders() -> ClmmPoolOfOurs:
    """A pool with limit orders at tick 100."""
    pool = pool_of(Position(-1_200, 1_200, 10**9), Position(-100, 100, 10**9))
    at = clmm_accounts.TICK_OFFSET + clmm_accounts.TICK_SIZE * 10 + 124
    return changed(pool, array(pool, 0), at, b"\x05")


def loaded_of(pool: ClmmPoolOfOurs, *, unproven: bool) -> LoadedPool:
    return load(
        decode_pool(pool.address, pool.accounts[pool.address]), pool.accounts, unproven=unproven
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CREATOR, "creator_fee"),
        ({"creator": 500}, ""),
        ({"enable_creator_fee": True}, ""),
        ({}, ""),
    ],
)
def test_quote_of_a_pool_that_takes_a_creator_fee_says_that_it_is_not_proven(options, said):
    pool = cpmm_pool(**options)
    assert {said} == {
        pool.quote_exact_in(MINTS[0], 10**6, NOW).unproven,
        pool.quote_exact_out(MINTS[1], 10**6, NOW).unproven,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dynamic_fee": DYNAMIC}, "dynamic_fee"),
        ({"fee_on": 1}, "fee_on"),
        ({"dynamic_fee": DYNAMIC, "fee_on": 2}, "dynamic_fee, fee_on"),
        ({}, ""),
    ],
)
def test_quote_of_a_clmm_pool_names_its_newer_rules(options, said):
    pool = loaded_of(pool_of(**options), unproven=True)
    assert said == pool.quote_exact_in(pool.mints[UP], 10**6, NOW).unproven


def test_quote_before_the_limit_orders_is_proven_and_beyond_them_is_not():
    pool = loaded_of(with_orders(), unproven=True)
    near, far = (pool.quote_exact_in(pool.mints[UP], amount, NOW) for amount in (10**6, 10**8 // 4))
    assert ("", "limit_orders") == (near.unproven, far.unproven)


@given(st.integers(1, 10**7))
def test_what_is_proven_is_the_same_whether_the_rest_is_allowed_or_not(amount):
    allowed, not_allowed = (loaded_of(with_orders(), unproven=each) for each in (True, False))
    mint = allowed.mints[UP]
    try:
        quote = not_allowed.quote_exact_in(mint, amount, NOW)
    except VenueError:
        return
    assert quote == allowed.quote_exact_in(mint, amount, NOW)


@pytest.mark.parametrize(
    ("pool", "name"),
    [
        (pool_of(dynamic_fee=DYNAMIC), "unproven_dynamic_fee"),
        (pool_of(fee_on=1), "unproven_fee_on"),
    ],
)
def test_clmm_pool_in_an_unproven_mode_is_refused_unless_allowed(pool, name):
    with pytest.raises(VenueError, match=name):
        loaded_of(pool, unproven=False)


@pytest.mark.parametrize(
    ("options", "unproven", "why"),
    [
        (CREATOR, False, f"unproven_creator_fee: {CPMM_POOL}"),
        (CREATOR, True, ""),
        ({}, False, ""),
    ],
)
def test_pool_is_left_out_with_the_reason(options, unproven, why):
    cache, accounts = PoolCache(unproven=unproven), cpmm_accounts_of(**options)
    seen = cache.pool(CPMM_POOL)
    cache.update(seen, accounts)
    cache.update(seen, accounts)
    assert (why, why == "") == (seen.why_not, seen.loaded is not None)


@pytest.mark.parametrize("chain", ["paper", "local", "devnet", "mainnet"])
@pytest.mark.parametrize("asked", [None, "on", "off"])
def test_modes_are_allowed_where_no_money_is_unless_said_otherwise(chain, asked):
    settings = load_settings(PLACE)
    named = msgspec.structs.replace(settings.chain, name=chain)
    wanted = {None: None, "on": True, "off": False}[asked]
    pools = msgspec.structs.replace(settings.pools, allow_unproven_modes=wanted)
    made = msgspec.structs.replace(settings, chain=named, pools=pools)
    by_default = chain in ("paper", "local")
    assert (by_default if wanted is None else wanted) == allows_unproven_modes(made)


def test_setting_is_read():
    read = load_settings({**PLACE, "FAIRLEAD_ALLOW_UNPROVEN_VENUE_MODES": "off"})
    assert (False, None) == (
        read.pools.allow_unproven_modes,
        load_settings(PLACE).pools.allow_unproven_modes,
    )


def test_curve_of_a_pool_without_newer_rules_is_the_same_where_they_are_allowed():
    made = [loaded_of(pool_of(), unproven=each) for each in (True, False)]
    assert 1 == len({str(curves.curve_of(pool, pool.mints[UP], 10**9, NOW)) for pool in made})
    assert isinstance(made[0], clmm.LoadedClmmPool)
