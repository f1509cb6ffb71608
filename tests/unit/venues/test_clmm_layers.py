"""The newer rules, of which no program is at hand: against the source's own test figures, and
against the proven rules where none of the three layers takes part."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.raydium import clmm
from fairlead.venues.raydium.clmm_accounts import ConfigRates, DynamicFeeInfo, PoolNumbers, Tick
from fairlead.venues.raydium.clmm_layers import LayeredWalk, Order
from fairlead.venues.raydium.clmm_path import Walk
from fairlead.venues.raydium.clmm_volatility import MAX_DYNAMIC_FEE_RATE, Volatility
from fairlead.venues.raydium.ticks import (
    MAX_SQRT_PRICE_X64,
    MIN_SQRT_PRICE_X64,
    sqrt_price_at_tick,
)
from fairlead.venues.vectors import parse

OWN = sorted((Path(__file__).parents[2] / "vectors").glob("raydium_clmm_own*.json"))
NOW = 1_790_000_000
# From `instructions/swap.rs`, `limit_order_swap_test` (03b44b7): this pool, and what takes it from
# tick 0 down to tick -10 and from there up to tick 10.
LIQUIDITY = 5_124_165_121_219
TO_MINUS_10_IN, TO_MINUS_10_OUT = 2_565_160_190, 2_561_314_115
MINUS_10_TO_10_OUT = 5_123_909_143
ORDERS = 1_000_000
INFO = DynamicFeeInfo(30, 600, 5_000, 40_000, 350_000, 0, 0, 0, NOW - 10_000)


def pool(
    *, tick=0, price_at=0, spacing=1, liquidity=LIQUIDITY, fee_on=0, dynamic=None
) -> PoolNumbers:
    price = sqrt_price_at_tick(price_at)
    return PoolNumbers(9, 6, spacing, liquidity, price, tick, 0, fee_on, 0, 0, dynamic)


def walk(
    numbers, amount, *ticks, exact_in=True, down=True, limit=None, rate=1_000, now=NOW
) -> Walk:
    if limit is None:
        limit = MIN_SQRT_PRICE_X64 + 1 if down else MAX_SQRT_PRICE_X64 - 1
    order = Order(amount, limit, exact_in, down, 8, now)
    return LayeredWalk(numbers, ConfigRates(rate, 120_000, 40_000), order).run(
        iter([(tick, 0) for tick in ticks])
    )


def order_tick(index, orders=ORDERS, gross=6_408_486_554) -> Tick:
    return Tick(index, -gross if gross else 0, gross, orders, 0)


FAR = Tick(-20, -1_330_680_689, 1_330_680_689, 0, 0)
FAR_UP = Tick(20, 0, 790_917_615_645, 0, 0)


def test_amount_that_just_reaches_the_orders_leaves_them_alone():
    limit = sqrt_price_at_tick(-10)
    reached = walk(pool(), TO_MINUS_10_IN, order_tick(-10), limit=limit)
    assert (-10, limit, LIQUIDITY) == (reached.tick, reached.sqrt_price_x64, reached.liquidity)
    assert (TO_MINUS_10_IN, TO_MINUS_10_OUT) == (reached.amount_in, reached.amount_out)


def test_orders_are_partly_filled_and_the_tick_not_crossed():
    wanted = TO_MINUS_10_OUT + 1_000
    found = walk(pool(), wanted, order_tick(-10), FAR, exact_in=False)
    assert (wanted, -10, LIQUIDITY) == (found.amount_out, found.tick, found.liquidity)
    assert sqrt_price_at_tick(-10) == found.sqrt_price_x64
    # 1,000 of token 1 at 1.0001^-10 cost 1,001 of token 0 and, rounded up, 2 of fee.
    assert TO_MINUS_10_IN + 1_002 + 2 == found.amount_in


def test_orders_that_are_filled_let_the_tick_be_crossed():
    numbers = pool(tick=-10, price_at=-10)
    rest = ORDERS - 1_000
    found = walk(numbers, rest, order_tick(-10, rest), FAR, exact_in=False)
    assert (rest, -11) == (found.amount_out, found.tick)
    assert LIQUIDITY + 6_408_486_554 == found.liquidity


def test_upwards_the_orders_are_matched_before_their_tick():
    numbers = pool(tick=-11, price_at=-10)
    wanted = MINUS_10_TO_10_OUT + 1_000
    plain = Tick(-10, 0, 1, 0, 0)
    found = walk(
        numbers, wanted, plain, order_tick(10, gross=0), FAR_UP, exact_in=False, down=False
    )
    assert (wanted, 9) == (found.amount_out, found.tick)
    assert sqrt_price_at_tick(10) == found.sqrt_price_x64


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("exact_in", [True, False])
def test_fee_on_the_output_is_taken_off_it(down, exact_in):
    side = 2 if down else 1
    end = Tick(-1_000 if down else 1_000, 0, 1, 0, 0)
    found = walk(pool(fee_on=side), 10**8, end, down=down, exact_in=exact_in, rate=10_000)
    on_input = walk(pool(fee_on=3 - side), 10**8, end, down=down, exact_in=exact_in, rate=10_000)
    assert (False, True) == (found.fee_on_input, on_input.fee_on_input)
    gross = found.amount_out + found.fee
    assert -(-gross // 100) - 1 <= found.fee <= -(-gross // 100)
    assert 10**8 == (found.amount_in if exact_in else found.amount_out)


def test_volatility_fee_is_the_formulas():
    volatility = Volatility(INFO, 0, 10, NOW)
    volatility.index = 4
    volatility.accumulate()
    assert 40_000 == volatility.accumulator
    # 40,000 * (40,000 * 10)^2 / (100,000 * 10^8), on top of the base.
    assert 2_500 + 640 == volatility.total_fee_rate(2_500)
    volatility.index = -1_000
    volatility.accumulate()
    assert volatility.is_at_most()
    assert 2_500 + 49_000 == volatility.total_fee_rate(2_500)
    assert MAX_DYNAMIC_FEE_RATE == volatility.total_fee_rate(90_000)


@pytest.mark.parametrize(
    ("seconds", "reference", "index_reference"), [(29, 7, 0), (30, 5_000, 3), (600, 0, 3)]
)
def test_volatility_decays_with_time(seconds, reference, index_reference):
    info = DynamicFeeInfo(30, 600, 5_000, 40_000, 350_000, 0, 7, 10_000, NOW - seconds)
    volatility = Volatility(info, 39, 10, NOW)
    assert (reference, index_reference) == (volatility.reference, volatility.index_reference)


def test_volatility_makes_a_far_swap_dearer_and_a_near_one_not():
    end = Tick(-10_000, 0, 1, 0, 0)
    for amount, dearer in ((1_000_000, False), (10**12, True)):
        # In the middle of a group of ten ticks.
        place = {"tick": 5, "price_at": 5, "spacing": 10}
        with_it = walk(pool(**place, dynamic=INFO), amount, end)
        without = walk(pool(**place), amount, end)
        assert amount == with_it.amount_in == without.amount_in
        assert dearer == (with_it.amount_out < without.amount_out)


amounts = st.integers(1, 10**13)


@given(amounts, st.booleans(), st.sampled_from((0, 1, 2)), st.booleans())
def test_amount_is_filled_and_fees_are_within_it(amount, down, fee_on, dynamic):
    sign = -1 if down else 1
    ticks = [
        order_tick(sign * 10, gross=0),
        Tick(sign * 300, 0, 1, 77, 5),
        Tick(sign * 90_000, 0, 1, 0, 0),
    ]
    numbers = pool(fee_on=fee_on, dynamic=INFO if dynamic else None)
    found = walk(numbers, amount, *ticks, down=down)
    assert amount == found.amount_in
    assert not found.stopped_at_limit
    side = found.amount_in if found.fee_on_input else found.amount_out + found.fee
    assert 0 <= found.fee <= side
    # Price 1 at the start, and every fee is against the user.
    assert found.amount_out <= amount + ORDERS


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OWN])
def test_without_layers_the_newer_rules_give_what_the_program_gave(path):
    for vector in parse(path.read_bytes()):
        if vector.refused:
            continue
        found = clmm.decode(vector.pool, vector.accounts[vector.pool])
        loaded = msgspec.structs.replace(found.load(vector.accounts, unproven=True), layered=True)
        ask = loaded.quote_exact_in if vector.instruction == "exact_in" else loaded.quote_exact_out
        limit = vector.sqrt_price_limit_x64
        quote = ask(vector.input_mint, vector.amount, vector.time, sqrt_price_limit_x64=limit)
        assert (vector.amount_in, vector.amount_out) == (
            quote.amount_in_atoms,
            quote.amount_out_atoms,
        )
        assert not quote.unproven
