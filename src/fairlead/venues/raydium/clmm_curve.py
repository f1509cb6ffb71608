"""Raydium CLMM's maths of one step: amounts between two prices, the price that an amount reaches.

Square-root prices are Q64.64, liquidity is u128, amounts are atoms and fit u64 unless an overflow
is raised. The input rounds up and the output down, always in favour of the pool. Source:
raydium-clmm `libraries/{liquidity_math,sqrt_price_math,swap_math}.rs` (a5a46ff).
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.raydium.clmm_accounts import FEE_RATE_DENOMINATOR
from fairlead.venues.raydium.clmm_errors import panic, refusal
from fairlead.venues.record import Record


class SwapStep(Record, frozen=True, gc=False):
    """A swap at one liquidity. In atoms; the fee is in the input token, on top of `amount_in`."""

    sqrt_price_next_x64: int
    amount_in: int
    amount_out: int
    fee_amount: int


def amounts_between(
    sqrt_price: int, target: int, liquidity: int, zero_for_one: bool
) -> tuple[int, int]:
    """What goes in, rounded up, and comes out, rounded down, from one price to the other.

    Prices are positive and the target lies in the direction of the swap, or is the price itself.
    Either amount may be beyond u64.
    """
    if zero_for_one:
        times_difference = liquidity * (sqrt_price - target)
        return -(-(times_difference << 64) // (sqrt_price * target)), times_difference >> 64
    times_difference = liquidity * (target - sqrt_price)
    return -(-times_difference >> 64), (times_difference << 64) // (sqrt_price * target)


def next_sqrt_price_from_input(
    sqrt_price: int, liquidity: int, amount_in: int, zero_for_one: bool
) -> int:
    """The price that this input moves to, rounded so as not to pass the exact one."""
    assert liquidity > 0 < sqrt_price
    if zero_for_one:
        numerator = liquidity << 64
        return -(-numerator * sqrt_price // (numerator + amount_in * sqrt_price))
    return sqrt_price + (amount_in << 64) // liquidity


def next_sqrt_price_from_output(
    sqrt_price: int, liquidity: int, amount_out: int, zero_for_one: bool
) -> int:
    """The price that this output moves to, rounded so as to pay for all of it."""
    assert liquidity > 0 < sqrt_price
    if zero_for_one:
        return sqrt_price + (-(amount_out << 64) // liquidity)
    numerator = liquidity << 64
    return -(-numerator * sqrt_price // (numerator - amount_out * sqrt_price))


def fee_on_top(amount_in: int, fee_rate: int) -> int:
    """The fee that belongs to an input net of it, rounded up."""
    return -(-amount_in * fee_rate // (FEE_RATE_DENOMINATOR - fee_rate))


def compute_swap_step(
    sqrt_price: int,
    target: int,
    liquidity: int,
    amount_remaining: int,
    fee_rate: int,
    is_base_input: bool,
    zero_for_one: bool,
) -> SwapStep:
    """Swaps at most `amount_remaining` > 0 and at most to the target price.

    With `is_base_input` it is what goes in, the fee included; else what comes out. Raises
    MaxTokenOverflow where an amount that has to move is beyond u64.
    """
    amount_in, amount_out = amounts_between(sqrt_price, target, liquidity, zero_for_one)
    if is_base_input:
        usable = amount_remaining * (FEE_RATE_DENOMINATOR - fee_rate) // FEE_RATE_DENOMINATOR
        reached = target
        if usable < amount_in:
            reached = next_sqrt_price_from_input(sqrt_price, liquidity, usable, zero_for_one)
    else:
        reached = target
        if amount_remaining < amount_out:
            reached = next_sqrt_price_from_output(
                sqrt_price, liquidity, amount_remaining, zero_for_one
            )
    if reached != target:
        amount_in, amount_out = amounts_between(sqrt_price, reached, liquidity, zero_for_one)
    if amount_in > U64_MAX or amount_out > U64_MAX:
        raise refusal("MaxTokenOverflow")
    if not is_base_input:
        # The price is rounded so that it pays for all of the output, and may pay for more.
        amount_out = min(amount_out, amount_remaining)
    if is_base_input and reached != target:
        # The rest is too small to move the price and becomes fee.
        fee = amount_remaining - amount_in
    else:
        fee = fee_on_top(amount_in, fee_rate)
        if fee > U64_MAX:
            raise panic("the fee is more than 2^64-1")
    return SwapStep(reached, amount_in, amount_out, fee)
