"""DAMM v2's curves: liquidity over one range, and the constant product of compounding pools.

Square-root prices are Q64.64; liquidity L carries 64 more fraction bits (L = sqrt(a*b) * 2^64). The
program's intermediate values are 256 bits wide, so bounds bite only where a result must fit u64 or
u128.
"""

from math import isqrt

from fairlead.amounts import U64_MAX, U128_MAX
from fairlead.venues.meteora.damm_v2_errors import (
    MATH_OVERFLOW,
    PRICE_RANGE_VIOLATION,
    TYPE_CAST_FAILED,
    refusal,
)
from fairlead.venues.record import Record
from fairlead.venues.venue import ErrorClass, VenueError


class Curve(Record, frozen=True, gc=False):
    """Where a pool stands on its curve."""

    # Mode 2: x*y = k on the two reserves; else one range with constant liquidity.
    is_compounding: bool
    liquidity: int
    sqrt_price: int
    sqrt_min_price: int
    sqrt_max_price: int
    # Atoms; kept by the program for compounding pools.
    token_a_atoms: int
    token_b_atoms: int


class Step(Record, frozen=True, gc=False):
    """A move along the curve, without any fee, in atoms. A compounding pool's next price is 0."""

    amount_in: int
    amount_out: int
    next_sqrt_price: int
    # Of a partial fill: what the range could not take.
    amount_left: int = 0


def _u64(amount: int) -> int:
    if amount > U64_MAX:
        raise refusal(TYPE_CAST_FAILED)
    return amount


def _no_liquidity() -> VenueError:
    # The program asserts it, and aborts.
    return VenueError(ErrorClass.LIQUIDITY, "no_liquidity")


def step_exact_in(curve: Curve, a_to_b: bool, amount: int) -> Step:
    """The move that `amount` atoms make; PriceRangeViolation where the range ends before."""
    if curve.is_compounding:
        if a_to_b:
            reserve_in, reserve_out = curve.token_a_atoms, curve.token_b_atoms
        else:
            reserve_in, reserve_out = curve.token_b_atoms, curve.token_a_atoms
        return Step(amount, reserve_out * amount // (reserve_in + amount), 0)
    liquidity, price = curve.liquidity, curve.sqrt_price
    if not liquidity:
        raise _no_liquidity()
    if a_to_b:
        next_price = -(-liquidity * price // (liquidity + amount * price))
        if next_price < curve.sqrt_min_price:
            raise refusal(PRICE_RANGE_VIOLATION)
        return Step(amount, _u64(liquidity * (price - next_price) >> 128), next_price)
    next_price = price + (amount << 128) // liquidity
    if next_price > curve.sqrt_max_price:
        raise refusal(PRICE_RANGE_VIOLATION)
    return Step(amount, _u64(liquidity * (next_price - price) // (price * next_price)), next_price)


def step_partial_in(curve: Curve, a_to_b: bool, amount: int) -> Step:
    """As `step_exact_in`, but stops at the end of the range and leaves the rest."""
    if curve.is_compounding:
        return step_exact_in(curve, a_to_b, amount)
    liquidity, price = curve.liquidity, curve.sqrt_price
    if a_to_b:
        bound = curve.sqrt_min_price
        whole = -(-liquidity * (price - bound) // (price * bound))
        if amount < whole:
            return step_exact_in(curve, a_to_b, amount)
        amount_out = liquidity * (price - bound) >> 128
    else:
        bound = curve.sqrt_max_price
        whole = -(-liquidity * (bound - price) >> 128)
        if amount < whole:
            return step_exact_in(curve, a_to_b, amount)
        amount_out = liquidity * (bound - price) // (price * bound)
    return Step(whole, _u64(amount_out), bound, amount - whole)


def step_exact_out(curve: Curve, a_to_b: bool, amount: int) -> Step:
    """The move that brings out `amount` atoms; MathOverflow where the pool does not hold them."""
    if curve.is_compounding:
        if a_to_b:
            reserve_in, reserve_out = curve.token_a_atoms, curve.token_b_atoms
        else:
            reserve_in, reserve_out = curve.token_b_atoms, curve.token_a_atoms
        if amount >= reserve_out:
            raise refusal(MATH_OVERFLOW, f"{amount} atoms of {reserve_out}")
        return Step(_u64(-(-reserve_in * amount // (reserve_out - amount))), amount, 0)
    liquidity, price = curve.liquidity, curve.sqrt_price
    if not liquidity:
        raise _no_liquidity()
    if a_to_b:
        next_price = price + (-amount << 128) // liquidity
        if next_price < 0:
            raise refusal(MATH_OVERFLOW, "more than the pool holds")
        if next_price < curve.sqrt_min_price:
            raise refusal(PRICE_RANGE_VIOLATION)
        amount_in = -(-liquidity * (price - next_price) // (price * next_price))
        return Step(_u64(amount_in), amount, next_price)
    rest = liquidity - amount * price
    if rest <= 0:
        raise refusal(MATH_OVERFLOW, "more than the pool holds")
    next_price = -(-liquidity * price // rest)
    if next_price > U128_MAX:
        raise refusal(TYPE_CAST_FAILED)
    if next_price > curve.sqrt_max_price:
        raise refusal(PRICE_RANGE_VIOLATION)
    return Step(_u64(-(-liquidity * (next_price - price) >> 128)), amount, next_price)


def compounding_sqrt_price(token_a_atoms: int, token_b_atoms: int) -> int:
    """The price that a compounding pool stores for these reserves, rounded down."""
    return isqrt((token_b_atoms << 128) // token_a_atoms)
