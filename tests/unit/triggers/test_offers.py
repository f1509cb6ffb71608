"""Ceilings hold for the pools of both venues, whatever their fees, depth and roundings."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.triggers.offers import Offers, can_prune
from fairlead.venues.meteora.damm_v2_accounts import (
    COLLECT_BOTH,
    COLLECT_COMPOUNDING,
    COLLECT_ONLY_B,
)
from fairlead.venues.meteora.damm_v2_fees import RATE_LIMITER, BaseFee, DynamicFee
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import LoadedPool, VenueError
from tests.unit.venues.pools import MINTS, NOW, cpmm_pool, damm_v2_pool

ATOMS = st.integers(1, 2**63) | st.integers(1, 10**6) | st.integers(1, 10**12)
NO_LIMIT = 10_000


@st.composite
def cpmm_pools(draw: st.DrawFn) -> LoadedPool:
    return cpmm_pool(
        (draw(ATOMS), draw(ATOMS)),
        trade=draw(st.sampled_from([0, 1, 2_500, 100_000, 990_000])),
        creator=draw(st.sampled_from([0, 500, 5_000])),
        creator_fee_on=draw(st.integers(0, 2)),
        enable_creator_fee=draw(st.booleans()),
    )


@st.composite
def damm_pools(draw: st.DrawFn) -> LoadedPool:
    base_fee = draw(
        st.builds(BaseFee, st.integers(100_000, 500_000_000))
        | st.builds(
            BaseFee,
            st.just(10_000_000),
            st.just(RATE_LIMITER),
            st.sampled_from([1, 100, 999]),
            st.just(10_000),
            st.sampled_from([200, 5_000, 9_900]),
            st.integers(1, 10**9),
        )
    )
    dynamic = None
    if draw(st.booleans()):
        dynamic = DynamicFee(
            1, 10**7, 10_000, 10, volatility_accumulator=draw(st.integers(0, 10**6))
        )
    root = draw(st.integers(2**33, 2**95))
    return damm_v2_pool(
        base_fee,
        liquidity=draw(st.integers(1, 2**62)) << draw(st.integers(0, 64)),
        sqrt_price=root,
        sqrt_min_price=draw(st.sampled_from([2**33, root - root // 50, root])),
        sqrt_max_price=draw(st.sampled_from([2**95, root + root // 50, root])),
        dynamic_fee=dynamic,
        fee_version=draw(st.sampled_from([0, 1])),
        collect_fee_mode=draw(st.sampled_from([COLLECT_BOTH, COLLECT_ONLY_B, COLLECT_COMPOUNDING])),
        token_a_atoms=draw(ATOMS),
        token_b_atoms=draw(ATOMS),
    )


POOLS = st.lists(cpmm_pools() | damm_pools(), min_size=1, max_size=3)


def offered(
    pools: list[LoadedPool], token_in: Pubkey, amount: int, max_impact_bps: int = NO_LIMIT
) -> int:
    """The most that any pool pays within the price impact."""
    best = 0
    for pool in pools:
        try:
            quote = pool.quote_exact_in(token_in, amount, NOW)
        except VenueError:
            continue
        if quote.price_impact_bps <= max_impact_bps:
            best = max(best, quote.amount_out_atoms)
    return best


@given(POOLS, st.sampled_from(MINTS), ATOMS, ATOMS, st.integers(0, 200) | st.just(NO_LIMIT))
@settings(max_examples=1_000)
def test_no_larger_amount_is_paid_more_than_the_ceiling(
    pools: list[LoadedPool], token_in: Pubkey, one: int, other: int, max_impact_bps: int
) -> None:
    small, large = sorted((one, other))
    out, ceiling = Offers(pools, token_in, NOW).best(small, max_impact_bps)
    assert offered(pools, token_in, small, max_impact_bps) == out
    for amount in (small, small + 1, (small + large) // 2, large):
        best = offered(pools, token_in, amount, max_impact_bps)
        if best:
            assert Fraction(best, amount) <= ceiling, amount


@given(POOLS, st.sampled_from(MINTS), st.integers(1, 3_000))
def test_ceiling_holds_among_amounts_so_small_that_roundings_are_all(
    pools: list[LoadedPool], token_in: Pubkey, small: int
) -> None:
    _, ceiling = Offers(pools, token_in, NOW).best(small, NO_LIMIT)
    for amount in range(small, small + 200):
        best = offered(pools, token_in, amount)
        assert not best or best / amount <= ceiling, amount


def test_ceiling_is_close_where_amounts_are_large() -> None:
    pools: list[LoadedPool] = [cpmm_pool((10**15, 10**14)), damm_v2_pool()]
    out, ceiling = Offers(pools, MINTS[0], NOW).best(10**9, NO_LIMIT)
    assert out / 10**9 <= ceiling <= out / 10**9 * (1 + 1e-7)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("make", [cpmm_pool, damm_v2_pool])
def test_pool_whose_mint_withholds_a_part_that_falls_is_not_pruned_by(make, side) -> None:
    fee = TransferFee(0, 5_000, 100)
    pool = make(fees=(fee, None) if side == 0 else (None, fee))
    assert not can_prune(pool, NOW)
    _, ceiling = Offers([pool], MINTS[0], NOW).best(10**9, NO_LIMIT)
    assert float("inf") == ceiling
    assert can_prune(make(), NOW)


def test_such_a_fee_makes_the_average_price_rise() -> None:
    pool = cpmm_pool((10**15, 10**15), fees=(TransferFee(0, 10_000, 1_000), None))
    small, large = (pool.quote_exact_in(MINTS[0], n, NOW) for n in (10**5, 10**8))
    assert small.amount_out_atoms / 10**5 < large.amount_out_atoms / 10**8


def test_amount_that_a_pool_cannot_fill_ends_the_walk_and_one_too_small_does_not() -> None:
    ending = damm_v2_pool(sqrt_min_price=(1 << 64) - 1)
    assert (0, 0.0) == Offers([ending], MINTS[0], NOW).best(10**9, NO_LIMIT)
    shut = damm_v2_pool(status=1)
    assert (0, 0.0) == Offers([shut], MINTS[0], NOW).best(1, NO_LIMIT)
    tiny = cpmm_pool((10**12, 10**6))
    assert (0, float("inf")) == Offers([tiny], MINTS[0], NOW).best(10, NO_LIMIT)
