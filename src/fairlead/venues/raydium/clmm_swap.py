"""One CLMM swap from the accounts' numbers to the amounts that move, in the program's order.

The walk inside the pool comes as an argument; around it are the program's checks and the transfer
fees of Token-2022. Source: raydium-clmm `instructions/{swap,swap_v2}.rs` (a5a46ff, with the
exact-out check of 1b2ba6a).
"""

from collections.abc import Callable

from fairlead.amounts import U64_MAX
from fairlead.venues.raydium.clmm_accounts import STATUS_SWAP_OFF, PoolNumbers
from fairlead.venues.raydium.clmm_errors import anchor_refusal, panic, refusal
from fairlead.venues.raydium.clmm_path import Walk
from fairlead.venues.raydium.ticks import MAX_SQRT_PRICE_X64, MIN_SQRT_PRICE_X64
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import ErrorClass

NO_LIMIT = 0
"""As the square-root price limit: none, and the swap must be filled to the last atom."""

TransferFees = tuple[TransferFee | None, TransferFee | None]
"""Of the input's and of the output's mint."""

Walker = Callable[[int, int], Walk]
"""Swaps this amount at most to this square-root price."""


class Swap(Record, frozen=True, gc=False):
    """What a swap moves, in atoms."""

    # Leaves the user's input account.
    amount_in: int
    # Reaches the user's output account.
    amount_out: int
    walk: Walk


def exact_in(
    numbers: PoolNumbers,
    walker: Walker,
    fees: TransferFees,
    zero_for_one: bool,
    amount_in: int,
    sqrt_price_limit_x64: int,
    unix_timestamp: int,
) -> Swap:
    """The swap that takes `amount_in` from the user, or less where a price limit is given."""
    fee_in, fee_out = fees
    withheld = fee_in.fee(amount_in) if fee_in is not None else 0
    net = amount_in - withheld
    check_opened(numbers, unix_timestamp)
    limit = check_order(numbers, zero_for_one, net, sqrt_price_limit_x64)
    walk = walker(net, limit)
    check_amounts(walk)
    if walk.amount_in != net:
        withheld = inverse_fee(fee_in, walk.amount_in)
    paid = walk.amount_in + withheld
    received = walk.amount_out - (fee_out.fee(walk.amount_out) if fee_out is not None else 0)
    if sqrt_price_limit_x64 == NO_LIMIT and paid != amount_in:
        raise anchor_refusal("RequireEqViolated", ErrorClass.LIQUIDITY, "the prices end")
    return Swap(paid, received, walk)


def exact_out(
    numbers: PoolNumbers,
    walker: Walker,
    fees: TransferFees,
    zero_for_one: bool,
    amount_out: int,
    sqrt_price_limit_x64: int,
    unix_timestamp: int,
) -> Swap:
    """The swap that brings `amount_out` to the user, or less where a price limit is given."""
    fee_in, fee_out = fees
    gross = amount_out + inverse_fee(fee_out, amount_out)
    if gross > U64_MAX:
        raise panic("the output is more than 2^64-1")
    check_opened(numbers, unix_timestamp)
    limit = check_order(numbers, zero_for_one, gross, sqrt_price_limit_x64)
    walk = walker(gross, limit)
    check_amounts(walk)
    paid = walk.amount_in + inverse_fee(fee_in, walk.amount_in)
    if paid > U64_MAX:
        raise panic("the input is more than 2^64-1")
    received = walk.amount_out - (fee_out.fee(walk.amount_out) if fee_out is not None else 0)
    if sqrt_price_limit_x64 == NO_LIMIT and walk.amount_out != gross:
        raise anchor_refusal("RequireEqViolated", ErrorClass.LIQUIDITY, "the prices end")
    return Swap(paid, received, walk)


def check_open(numbers: PoolNumbers, unix_timestamp: int) -> None:
    """Refuses a pool whose swaps are off (terminal) or not open yet."""
    _check_on(numbers)
    check_opened(numbers, unix_timestamp)


def _check_on(numbers: PoolNumbers) -> None:
    if numbers.status & STATUS_SWAP_OFF:
        raise refusal("NotApproved", "swaps are off")


def check_opened(numbers: PoolNumbers, unix_timestamp: int) -> None:
    """Refuses a pool that does not swap yet."""
    if unix_timestamp <= numbers.open_time:
        detail = f"opens after {numbers.open_time}"
        raise anchor_refusal("RequireGtViolated", ErrorClass.NOT_YET, detail)


def check_order(numbers: PoolNumbers, zero_for_one: bool, amount: int, limit: int) -> int:
    """The refusals before anything moves, in the program's order; returns the limit in force."""
    if not amount:
        raise refusal("ZeroAmountSpecified")
    _check_on(numbers)
    if limit == NO_LIMIT:
        limit = MIN_SQRT_PRICE_X64 + 1 if zero_for_one else MAX_SQRT_PRICE_X64 - 1
    price = numbers.sqrt_price_x64
    if zero_for_one:
        is_ahead = MIN_SQRT_PRICE_X64 < limit < price
    else:
        is_ahead = price < limit < MAX_SQRT_PRICE_X64
    if not is_ahead:
        raise refusal("SqrtPriceLimitOverflow")
    return limit


def check_amounts(walk: Walk) -> None:
    """Refuses dust."""
    # The program also demands that the price moved; without that nothing comes out.
    if not walk.amount_in or not walk.amount_out:
        raise refusal("TooSmallInputOrOutputAmount")


def inverse_fee(fee: TransferFee | None, post_fee_atoms: int) -> int:
    """What a transfer withholds that leaves this much, as the program finds it."""
    if fee is None:
        return 0
    inverse = fee.inverse_fee(post_fee_atoms)
    if inverse is None:
        # The program unwraps its own TransferFeeCalculateNotMatch.
        raise panic("no transfer leaves just this much after its fee")
    return inverse
