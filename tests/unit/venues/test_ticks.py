import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.raydium.ticks import (
    MAX_SQRT_PRICE_X64,
    MAX_TICK,
    MIN_SQRT_PRICE_X64,
    MIN_TICK,
    Q64,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)

ticks = st.integers(MIN_TICK, MAX_TICK)
prices = st.one_of(
    st.integers(MIN_SQRT_PRICE_X64, MAX_SQRT_PRICE_X64 - 1),
    # Evenly over the ticks, too: most numbers up to the maximum are near it.
    st.builds(
        lambda tick, offset: min(
            max(sqrt_price_at_tick(tick) + offset, MIN_SQRT_PRICE_X64), MAX_SQRT_PRICE_X64 - 1
        ),
        ticks,
        st.integers(-3, 3),
    ),
)


def test_ends_of_the_range_are_the_programs():
    assert MIN_SQRT_PRICE_X64 == sqrt_price_at_tick(MIN_TICK)
    assert MAX_SQRT_PRICE_X64 == sqrt_price_at_tick(MAX_TICK)
    assert MIN_TICK == tick_at_sqrt_price(MIN_SQRT_PRICE_X64)
    assert MAX_TICK - 1 == tick_at_sqrt_price(MAX_SQRT_PRICE_X64 - 1)


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1])
def test_tick_out_of_range_is_refused(tick):
    with pytest.raises(ValueError, match="out of range"):
        sqrt_price_at_tick(tick)


@pytest.mark.parametrize("price", [0, MIN_SQRT_PRICE_X64 - 1, MAX_SQRT_PRICE_X64])
def test_price_out_of_range_is_refused(price):
    with pytest.raises(ValueError, match="out of range"):
        tick_at_sqrt_price(price)


def test_tick_zero_is_price_one():
    assert Q64 == sqrt_price_at_tick(0)
    assert [-1, 0, 0] == [tick_at_sqrt_price(Q64 + offset) for offset in (-1, 0, 1)]


@given(ticks)
def test_price_of_a_tick_leads_back_to_it(tick):
    price = sqrt_price_at_tick(tick)
    if tick < MAX_TICK:
        assert tick == tick_at_sqrt_price(price)
        assert price < sqrt_price_at_tick(tick + 1)
    if tick > MIN_TICK:
        assert tick - 1 == tick_at_sqrt_price(price - 1)


@given(prices)
def test_tick_is_the_greatest_whose_price_is_not_above(price):
    tick = tick_at_sqrt_price(price)
    assert sqrt_price_at_tick(tick) <= price < sqrt_price_at_tick(tick + 1)


@given(st.integers(-2_000, 2_000))
def test_price_is_within_a_billionth_of_the_exact_one(tick):
    # 1.0001^tick = price^2, compared as integers.
    price = sqrt_price_at_tick(tick)
    up, down = (10_001, 10_000) if tick >= 0 else (10_000, 10_001)
    exact = (up ** abs(tick) << 128) // down ** abs(tick)
    assert abs(price * price - exact) * 10**9 < exact
