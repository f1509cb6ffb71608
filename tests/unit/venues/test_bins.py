from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.meteora.bins import (
    BPS,
    MAX_BIN_ID,
    MAX_EXPONENT,
    MIN_BIN_ID,
    ONE_Q64,
    U128_MAX,
    PriceOutOfRange,
    array_of,
    first_bin_of,
    id_from_price,
    id_range,
    price_from_id,
)

STEPS = st.sampled_from([1, 2, 4, 10, 25, 80, 100, 400])


def test_prices_at_the_ends_of_the_range():
    # 2^-64 and 2^64, less what 128 bits cannot hold.
    assert 1 == price_from_id(MIN_BIN_ID, 1)
    assert U128_MAX == price_from_id(MAX_BIN_ID, 1)
    assert ONE_Q64 == price_from_id(0, 1)


def test_price_next_to_the_middle():
    bps = (1 << 64) // BPS
    assert U128_MAX // (U128_MAX // (ONE_Q64 + bps)) == price_from_id(1, 1)
    assert U128_MAX // (ONE_Q64 + bps) == price_from_id(-1, 1)


@pytest.mark.parametrize("bin_id", [MAX_EXPONENT, -MAX_EXPONENT, MAX_BIN_ID, MIN_BIN_ID])
def test_id_that_has_no_price_is_refused(bin_id):
    with pytest.raises(PriceOutOfRange):
        price_from_id(bin_id, 2)


def test_range_of_ids_shrinks_with_the_bin_step():
    assert (MIN_BIN_ID, MAX_BIN_ID) == id_range(1)
    assert [(-221_829, 221_829), (-4_456, 4_456)] == [id_range(2), id_range(100)]
    for step in (2, 25, 400):
        low, high = id_range(step)
        assert 1 <= price_from_id(low, step) <= price_from_id(high, step) <= U128_MAX
        for outside in (low - 1, high + 1):
            with pytest.raises(PriceOutOfRange):
                price_from_id(outside, step)


@given(STEPS, st.data())
def test_price_is_the_power_within_what_truncation_loses(step, data):
    # Where the result has 32 bits or more, truncation of some 40 products loses less than 2^-20.
    bound = int(22 / (step / 10_000))
    bin_id = data.draw(st.integers(-bound, bound))
    with localcontext() as context:
        context.prec = 60
        exact = (1 + Decimal(step) / 10_000) ** bin_id * ONE_Q64
        assert abs(Decimal(price_from_id(bin_id, step)) / exact - 1) < Decimal(2) ** -20


@given(STEPS, st.data())
def test_prices_never_fall_with_the_id(step, data):
    low, high = id_range(step)
    bin_id = data.draw(st.integers(low, high - 1))
    assert price_from_id(bin_id, step) <= price_from_id(bin_id + 1, step)


@given(STEPS, st.integers(1, U128_MAX), st.booleans())
def test_id_of_a_price_is_the_nearest_on_the_side_asked_for(step, price, round_up):
    low, high = id_range(step)
    try:
        bin_id = id_from_price(price, step, round_up=round_up)
    except PriceOutOfRange:
        end = price_from_id(high if round_up else low, step)
        assert price > end if round_up else price < end
        return
    assert low <= bin_id <= high
    found = price_from_id(bin_id, step)
    if round_up:
        assert found >= price
        assert bin_id == low or price_from_id(bin_id - 1, step) < price
    else:
        assert found <= price
        assert bin_id == high or price_from_id(bin_id + 1, step) > price


@given(STEPS, st.integers(-3_000, 3_000))
def test_id_of_a_bins_own_price_is_the_bin(step, bin_id):
    low, high = id_range(step)
    bin_id = max(low // 2, min(high // 2, bin_id))
    price = price_from_id(bin_id, step)
    assert bin_id == id_from_price(price, step, round_up=True)
    assert bin_id == id_from_price(price, step, round_up=False)


def test_bins_below_zero_belong_to_the_array_below():
    assert [-2, -1, -1, 0, 0, 1] == [array_of(n) for n in (-71, -70, -1, 0, 69, 70)]
    assert [-140, -70, 0, 70] == [first_bin_of(n) for n in (-2, -1, 0, 1)]
