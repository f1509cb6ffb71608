"""Curves against exact quotes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.routing.water import level_of, out_of
from fairlead.venues.curves import Curve, curve_of
from fairlead.venues.meteora import damm_v1
from fairlead.venues.meteora.damm_v2_fees import RATE_LIMITER, BaseFee
from fairlead.venues.raydium import clmm
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import LoadedPool, VenueError
from tests.unit.routing.cases import MOST_DEPTH
from tests.unit.routing.markets import MAKERS, MINTS, NOW, Maker
from tests.unit.routing.reference import capacity
from tests.unit.venues.dlmm_pairs import dlmm_pool
from tests.unit.venues.pools import MINTS as FEE_MINTS
from tests.unit.venues.pools import cpmm_pool, damm_v2_pool
from tests.vectors import clmm_pools, damm_v1_pools


@pytest.mark.parametrize("make", MAKERS)
@given(st.integers(0, 2**32), st.integers(0, 1), st.floats(0.001, 0.999), st.floats(0.01, 1))
@settings(max_examples=25, deadline=None)
def test_curve_pays_what_the_pool_does(
    make: Maker, seed: int, side: int, share: float, part: float
) -> None:
    made = make(f"curve {seed}", MINTS, 10**13, 0.15, random.Random(seed))
    amount = int(min(capacity(made.curves[side]), MOST_DEPTH) * share)
    curve = curve_of(made.pool, MINTS[side], amount, NOW)
    assert curve is not None
    assert sorted(curve.amounts) == curve.amounts
    assert sorted(curve.roots) == curve.roots
    asked = max(int(amount * part), 1)
    paid = made.pool.quote_exact_in(MINTS[side], asked, NOW).amount_out_atoms
    assert paid == pytest.approx(out_of(curve, asked), rel=1e-6, abs=60)


@pytest.mark.parametrize("make", MAKERS)
def test_curve_ends_where_the_pool_does(make: Maker) -> None:
    rng = random.Random(3)
    for number in range(10):
        made = make(f"end {number}", MINTS, 10**12, 0.15, rng)
        for side in (0, 1):
            most = capacity(made.curves[side])
            if most > MOST_DEPTH:
                continue
            curve = curve_of(made.pool, MINTS[side], int(most * 3), NOW)
            assert curve is not None
            assert most == pytest.approx(curve.amounts[-1], rel=1e-6)
            made.pool.quote_exact_in(MINTS[side], int(curve.amounts[-1]), NOW)


def worst_error(pool: LoadedPool, amount: int) -> float:
    """Of the curve against quotes at every twentieth, as a part."""
    mint = pool.mints[0]
    curve = curve_of(pool, mint, amount, NOW)
    assert curve is not None
    errors = []
    for n in range(1, 21):
        part = amount * n // 20
        paid = pool.quote_exact_in(mint, part, NOW).amount_out_atoms
        errors.append(abs(out_of(curve, part) / paid - 1))
    return max(errors)


def test_stable_pool_is_sampled() -> None:
    side = damm_v1_pools.Side(10**13, 10**13, 10**13, 10**13)
    shape = damm_v1_pools.Shape(sides=(side, side), stable=(100, 1, 1, 6))
    made = damm_v1_pools.make_pool("stable", shape, MINTS)
    pool = damm_v1.decode(made.address, made.accounts[made.address]).load(made.accounts)
    assert worst_error(pool, 5 * 10**12) < 2e-4


def test_fee_that_grows_with_the_amount_is_sampled() -> None:
    limiter = BaseFee(10_000_000, RATE_LIMITER, 100, 2**31, 5_000, 10**9)
    pool = damm_v2_pool(limiter)
    assert worst_error(pool, 10**10) < 0.01


@pytest.mark.parametrize("sides", [(True, False), (False, True), (True, True)])
def test_transfer_fees_are_part_of_the_curve(sides: tuple[bool, bool]) -> None:
    fee = TransferFee(0, 2**63, 100)
    fees = (fee if sides[0] else None, fee if sides[1] else None)
    assert worst_error(cpmm_pool(fees=fees), 10**8) < 1e-5
    assert worst_error(damm_v2_pool(fees=fees), 10**8) < 1e-5
    assert worst_error(dlmm_pool(fees=fees), 10**7) < 1e-4
    shape = clmm_pools.Shape("fees", 10, (2_500, 120_000, 40_000), 777, "gaps", fees)
    made = clmm_pools.clmm_pool(0, shape, random.Random(1))
    pool = clmm.decode(made.address, made.accounts[made.address]).load(made.accounts)
    amount = pool.reach(pool.mints[0]).max_in_atoms // 2
    assert worst_error(pool, amount) < 1e-4


def test_transfer_fee_at_its_maximum_is_the_part_of_the_whole() -> None:
    assert worst_error(cpmm_pool(fees=(TransferFee(0, 10**6, 100), None)), 10**9) < 0.01


def test_pool_that_serves_nothing_has_no_curve() -> None:
    assert curve_of(cpmm_pool((0, 0)), FEE_MINTS[0], 10**6, NOW) is None
    assert curve_of(cpmm_pool(status=7), FEE_MINTS[0], 10**6, NOW) is None
    with pytest.raises(VenueError):
        cpmm_pool(status=7).quote_exact_in(FEE_MINTS[0], 10**6, NOW)


# --- the level over curves


@st.composite
def broken_lines(draw: st.DrawFn) -> Curve:
    steps = draw(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 5)), min_size=1, max_size=6))
    amounts, roots = [0.0], [draw(st.floats(0.1, 10))]
    for amount, root in steps:
        amounts.append(amounts[-1] + amount)
        roots.append(roots[-1] + root)
    return Curve(amounts, roots)


@given(st.lists(broken_lines(), min_size=1, max_size=6), st.floats(0.001, 1))
@settings(max_examples=300, deadline=None)
def test_parts_add_up_and_share_one_price(curves: list[Curve], part: float) -> None:
    amount = int(sum(curve.amounts[-1] for curve in curves) * part)
    level = level_of(curves, amount)
    assert level is not None
    assert sum(level.amounts) == pytest.approx(amount, rel=1e-9, abs=1e-6)
    for curve, taken in zip(curves, level.amounts, strict=True):
        assert 0 <= taken <= curve.amounts[-1] * (1 + 1e-12)
        # Before the level all is taken, beyond it nothing.
        slack = 1e-9 * level.root
        for at, root in zip(curve.amounts, curve.roots, strict=True):
            if root < level.root - slack:
                assert taken >= at - 1e-6 * (at + 1)
            if root > level.root + slack:
                assert taken <= at + 1e-6 * (at + 1)


def test_more_than_all_curves_take_has_no_level() -> None:
    assert level_of([Curve([0.0, 10.0], [1.0, 2.0])], 11) is None
