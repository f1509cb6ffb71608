from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.raydium import clmm
from fairlead.venues.raydium.clmm_bitmap import MAX_ARRAYS
from fairlead.venues.raydium.clmm_encode import Position
from fairlead.venues.raydium.clmm_path import Walk
from fairlead.venues.raydium.ticks import sqrt_price_at_tick
from fairlead.venues.venue import ChainTime, VenueError
from tests.vectors.clmm_pools import Shape, pool_with

NOW = ChainTime(slot=1_000, unix_timestamp=2_000, epoch=7)
ARRAYS = MAX_ARRAYS


@st.composite
def pools(draw):
    """(shape, positions, price) of a pool with a few positions around its price."""
    spacing = draw(st.sampled_from((1, 2, 10, 60, 120)))
    rate = draw(st.sampled_from((0, 1, 100, 2_500, 10_000, 300_000)))
    tick = draw(st.one_of(st.integers(-3_000, 3_000), st.integers(-300_000, 300_000)))
    liquidity = st.integers(0, 21).flatmap(lambda n: st.integers(10**n, 10 ** (n + 1)))
    near = st.integers(-200, 200).map(lambda n: (tick // spacing + n) * spacing)
    ends = st.tuples(near, near).filter(lambda pair: pair[0] != pair[1]).map(sorted)
    position = st.builds(lambda pair, size: Position(pair[0], pair[1], size), ends, liquidity)
    positions = draw(st.lists(position, min_size=1, max_size=6))
    low, high = sqrt_price_at_tick(tick), sqrt_price_at_tick(tick + 1)
    price = draw(st.one_of(st.just(low), st.integers(low, high - 1)))
    return Shape("", spacing, (rate, 120_000, 40_000), tick, ""), positions, price


amounts = st.integers(0, 17).flatmap(lambda n: st.integers(10**n, 10 ** (n + 1)))


def loaded(pool, **after) -> clmm.LoadedClmmPool:
    shape, positions, price = pool
    made = pool_with(0, shape, positions, after.pop("sqrt_price_x64", price), **after)
    return clmm.decode(made.address, made.accounts[made.address]).load(made.accounts)


def moved(pool, walk: Walk) -> clmm.LoadedClmmPool:
    """The pool as this swap left it."""
    return loaded(
        pool,
        sqrt_price_x64=walk.sqrt_price_x64,
        tick_current=walk.tick,
        liquidity=walk.liquidity,
    )


def walk_in(pool: clmm.LoadedClmmPool, zero_for_one, amount, limit=0) -> Walk | None:
    try:
        return pool.walk_exact_in(zero_for_one, amount, NOW, limit, ARRAYS).walk
    except VenueError:
        return None


@given(pools(), st.booleans(), amounts, amounts)
def test_more_in_never_gives_less_out(pool, side, one, other):
    less, more = sorted((one, other))
    first, second = (walk_in(loaded(pool), side, amount) for amount in (less, more))
    if first is not None and second is not None:
        assert first.amount_out <= second.amount_out


@given(pools(), st.booleans(), amounts)
def test_exact_out_of_exact_in_costs_no_more(pool, side, amount):
    there = walk_in(loaded(pool), side, amount)
    if there is None:
        return
    back = loaded(pool).walk_exact_out(side, there.amount_out, NOW, 0, ARRAYS).walk
    assert there.amount_out == back.amount_out
    if back.ticks_crossed <= there.ticks_crossed:
        assert back.amount_in <= amount
    else:
        # All that a step can pay takes the price to its tick; exact in stopped within the price of
        # the last output atom before it.
        assert there.ticks_crossed + 1 == back.ticks_crossed
        rate, price = pool[0].rates[0], back.sqrt_price_x64**2
        dividend, divisor = (1 << 128, price) if side else (price, 1 << 128)
        last_atom = -(-dividend * 1_000_000 // (divisor * (1_000_000 - rate)))
        assert back.amount_in <= amount + last_atom + 1


@given(pools(), st.booleans(), amounts)
def test_buying_and_selling_back_never_gains(pool, side, amount):
    there = walk_in(loaded(pool), side, amount)
    if there is not None:
        back = walk_in(moved(pool, there), not side, there.amount_out)
        assert back is None or back.amount_out <= amount


@given(pools(), st.booleans(), amounts, amounts)
def test_two_swaps_give_no_more_than_one_of_both(pool, side, one, other):
    first = walk_in(loaded(pool), side, one)
    both = walk_in(loaded(pool), side, one + other)
    if first is None or both is None:
        return
    second = walk_in(moved(pool, first), side, other)
    # Each swap rounds its step down by less than an atom and its fee up.
    if second is not None:
        assert first.amount_out + second.amount_out <= both.amount_out + 1


@given(pools(), st.booleans(), amounts, st.integers(1, 3_000))
def test_price_limit_is_reached_only_by_a_swap_that_goes_so_far(pool, side, amount, ticks):
    shape, _, price = pool
    limit = sqrt_price_at_tick(shape.tick - ticks if side else shape.tick + ticks)
    if limit == price:
        return
    limited, whole = (walk_in(loaded(pool), side, amount, at) for at in (limit, 0))
    if limited is None:
        return
    assert limited.amount_in <= amount
    if whole is not None and limited.sqrt_price_x64 != limit:
        assert whole == limited
    if limited.stopped_at_limit:
        assert limit == limited.sqrt_price_x64


@given(pools(), st.booleans(), amounts, amounts)
def test_order_of_quotes_does_not_matter(pool, side, one, other):
    """The steps are kept between quotes; what was asked before must not show."""
    used = loaded(pool)
    walk_in(used, side, other)
    assert walk_in(loaded(pool), side, one) == walk_in(used, side, one)


@given(pools(), st.booleans(), amounts)
def test_fees_are_parts_of_the_input(pool, side, amount):
    walk = walk_in(loaded(pool), side, amount)
    if walk is not None:
        assert 0 <= walk.protocol_fee + walk.fund_fee <= walk.fee <= walk.amount_in == amount
        assert walk.fee * 1_000_000 >= amount * pool[0].rates[0] - 1_000_000
