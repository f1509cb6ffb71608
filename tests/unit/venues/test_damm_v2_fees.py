import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.meteora.damm_v2_fees import (
    FEE_DENOMINATOR,
    MARKET_CAP_SCHEDULER_EXPONENTIAL,
    MARKET_CAP_SCHEDULER_LINEAR,
    RATE_LIMITER,
    TIME_SCHEDULER_EXPONENTIAL,
    TIME_SCHEDULER_LINEAR,
    BaseFee,
    DynamicFee,
    base_fee_numerator,
    fee_on,
    rate_limited_numerator,
    rate_limited_numerator_excluded,
)
from fairlead.venues.venue import VenueError

LINEAR = BaseFee(500, TIME_SCHEDULER_LINEAR, 10, 60, 0, 40)
EXPONENTIAL = BaseFee(10**8, TIME_SCHEDULER_EXPONENTIAL, 10, 60, 0, 5_000)
BY_PRICE = BaseFee(500, MARKET_CAP_SCHEDULER_LINEAR, 10, 100, 50, 40)
LIMITER = BaseFee(10_000_000, RATE_LIMITER, 100, 50, 5_000, 1_000)


def at(fee: BaseFee, point: int, price: int = 1) -> int:
    return base_fee_numerator(fee, point, 1_000, price, 1)


def test_linear_schedule_falls_each_period_and_then_stays():
    assert [500, 500, 460, 140, 100, 100] == [
        at(LINEAR, point) for point in (1_000, 1_059, 1_060, 1_599, 1_600, 10**9)
    ]


def test_before_activation_the_schedule_is_at_its_end():
    assert 100 == at(LINEAR, 999)


def test_exponential_schedule_halves():
    # Half of 2^64 is exact, so nothing is lost to truncation.
    assert [10**8, 5 * 10**7, 25 * 10**6] == [at(EXPONENTIAL, 1_000 + 60 * n) for n in range(3)]


def test_schedule_without_a_frequency_is_flat():
    assert 500 == at(BaseFee(500, TIME_SCHEDULER_LINEAR, 10, 0, 0, 40), 10**9)


def test_price_schedule_counts_steps_of_gain_while_it_lasts():
    prices = [
        base_fee_numerator(BY_PRICE, point, 1_000, price, 10_000)
        for point, price in (
            (1_000, 9_999),
            (1_000, 10_099),
            (1_000, 10_100),
            (1_050, 11_000),
            (1_050, 99_999),
            (1_051, 9_999),
            (999, 9_999),
        )
    ]
    assert [500, 500, 460, 100, 100, 100, 100] == prices


def test_exponential_price_schedule_reduces_in_bps():
    fee = BaseFee(10**8, MARKET_CAP_SCHEDULER_EXPONENTIAL, 10, 100, 50, 5_000)
    assert 5 * 10**7 == base_fee_numerator(fee, 1_000, 1_000, 10_100, 10_000)


def test_schedule_below_zero_is_refused():
    with pytest.raises(VenueError, match="MathOverflow"):
        at(BaseFee(100, TIME_SCHEDULER_LINEAR, 10, 60, 0, 40), 10**9)


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        (1_000, 10),  # 1 % of the first 1,000
        (2_000, 30),  # and 2 % of the second
        (2_500, 45),  # and 3 % of a half
        (50_000, 12_750),  # 1 % … 50 %
        (100_000, 37_750),  # and the most, 50 %, of all beyond
    ],
)
def test_limiter_charges_each_further_reference_more(amount, fee):
    assert fee == fee_on(amount, rate_limited_numerator(LIMITER, amount))


@given(st.integers(1, 10**7))
def test_limiter_inverse_brings_at_least_the_amount(excluded):
    numerator = rate_limited_numerator_excluded(LIMITER, excluded)
    included = -(-excluded * FEE_DENOMINATOR // (FEE_DENOMINATOR - numerator))
    assert included - fee_on(included, numerator) >= excluded


@pytest.mark.parametrize(
    ("point", "a_to_b", "applies"),
    [(999, False, 0), (1_000, False, 1), (1_050, False, 1), (1_051, False, 0), (1_000, True, 0)],
)
def test_limiter_applies_for_a_while_and_one_way(point, a_to_b, applies):
    assert bool(applies) == LIMITER.rate_limiter_applies(a_to_b, point, 1_000)


def volatile(**changes) -> DynamicFee:
    values = {
        "initialized": 1,
        "max_volatility_accumulator": 350_000,
        "variable_fee_control": 40_000,
        "bin_step": 1,
        "filter_period": 10,
        "decay_period": 120,
        "reduction_factor": 5_000,
        "last_update_timestamp": 1_000,
        "bin_step_u128": 1_844_674_407_370_955,
        "sqrt_price_reference": 1 << 64,
        "volatility_accumulator": 100_000,
        "volatility_reference": 7,
    }
    return DynamicFee(**{**values, **changes})


def test_dynamic_fee_is_the_square_of_the_volatility_rounded_up():
    assert 4_000 == volatile().numerator()
    assert 1 == volatile(volatility_accumulator=1).numerator()
    assert 0 == volatile(initialized=0).numerator()


@pytest.mark.parametrize(
    ("now", "reference", "volatility"),
    [
        (1_009, 1 << 64, 7),  # within the filter nothing decays
        (1_010, 3 << 63, 50_000),  # then half of the accumulator stays
        (1_119, 3 << 63, 50_000),
        (1_120, 3 << 63, 0),  # and after the decay period none
        (900, 1 << 64, 7),  # a clock that went back counts as no time
    ],
)
def test_references_decay_at_the_start_of_a_swap(now, reference, volatility):
    after = volatile().after_swap(3 << 63, 3 << 63, now)
    assert (reference, volatility) == (after.sqrt_price_reference, after.volatility_reference)
    assert 1_000 == after.last_update_timestamp


def test_move_adds_volatility_up_to_its_maximum():
    # 0.02 % of the root are four basis points of the price.
    small = volatile().after_swap(1 << 64, (1 << 64) + (1 << 64) // 5_000, 1_005)
    assert (7 + 40_000, 1_005) == (small.volatility_accumulator, small.last_update_timestamp)
    assert 350_000 == volatile().after_swap(1 << 64, 1 << 65, 1_005).volatility_accumulator


def test_schedule_truncated_to_nothing_is_an_overflow_to_the_program():
    # 0.6197^n: less than 2^-64 from the 93rd period on.
    fee = BaseFee(879_350, TIME_SCHEDULER_EXPONENTIAL, 1_000, 1, 0, 3_803)
    assert 0 == base_fee_numerator(fee, 80, 0, 0, 0)
    with pytest.raises(VenueError, match="MathOverflow"):
        base_fee_numerator(fee, 200, 0, 0, 0)
