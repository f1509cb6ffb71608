"""One bin of a DLMM pair: what an input buys there, and what an output costs.

Within a bin the price is constant. Up to three layers are filled in turn (market makers, limit
orders in processing, open limit orders), each with a rounding of its own in the pool's favour.
Source: MeteoraAg/dlmm-sdk @ fb02e51, `commons/src/quote.rs`; where that and the compiled program
differ, the program as executed.
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora.dlmm_arrays import Bin
from fairlead.venues.meteora.dlmm_errors import (
    INSUFFICIENT_IN_AMOUNT,
    TYPE_CAST_FAILED,
    UNDETERMINED_ERROR,
    refusal,
)
from fairlead.venues.meteora.dlmm_fees import fee_for, fee_on
from fairlead.venues.record import Record, replace
from fairlead.venues.venue import ErrorClass


class BinFill(Record, frozen=True, gc=False):
    """What one bin takes and gives. Atoms."""

    # With the fee, if it is on the input.
    amount_in: int
    # Less the fee, if it is on the output.
    amount_out: int
    fee: int
    # What the layers took and gave, fees aside, and the market makers' part of it.
    net_in: int
    gross_out: int
    mm_in: int
    # Output beyond the exact one that was asked for.
    surplus: int = 0


def amount_out_for(amount_in: int, price: int, swap_for_y: bool) -> int:
    """What an input without fee buys at this price, rounded down."""
    return amount_in * price >> 64 if swap_for_y else (amount_in << 64) // price


def amount_in_for(amount_out: int, price: int, swap_for_y: bool) -> int:
    """What an output costs without fee at this price, rounded up; at most 2^64-1."""
    amount = -(-(amount_out << 64) // price) if swap_for_y else -(-amount_out * price >> 64)
    if amount > U64_MAX:
        raise refusal(TYPE_CAST_FAILED, "an input of more than 2^64-1")
    return amount


def fill_exact_in(b: Bin, amount: int, rate: int, swap_for_y: bool, fee_on_input: bool) -> BinFill:
    """Fills the bin with at most this input, or drains it and takes less."""
    fee = fee_on(amount, rate) if fee_on_input else 0
    offered = amount - fee
    if b.max_amount_in <= offered and b.max_amount_in <= U64_MAX:
        net_in, gross_out, mm_in = b.max_amount_in, b.amount, b.mm_max_amount_in
    else:
        net_in, gross_out, mm_in = _fill_layers(b, offered, swap_for_y)
    if net_in < offered:
        fee = fee_for(net_in, rate) if fee_on_input else 0
        amount = net_in + fee
    amount_out = gross_out
    if not fee_on_input:
        fee = fee_on(gross_out, rate)
        amount_out -= fee
    return BinFill(amount, amount_out, fee, net_in, gross_out, mm_in)


def fill_exact_out(
    b: Bin,
    amount_out: int,
    rate: int,
    swap_for_y: bool,
    fee_on_input: bool,
    maximum_in: int = U64_MAX,
) -> BinFill:
    """Takes this output from the bin, or all it has if that is less or equal.

    A bin that is drained gives what the maximum buys there; one that is not must have its price.

    The input is that of the whole amount at the bin's price; it is then swapped as an exact input.
    That may pay more, which stays with the pool. It may pay less, because layers round one by one:
    the program refuses then, and another amount or an exact input is the way out.
    """
    gross = amount_out if fee_on_input else amount_out + fee_for(amount_out, rate)
    if gross > U64_MAX:
        raise refusal(TYPE_CAST_FAILED, "an output of more than 2^64-1")
    if gross >= b.amount:
        return fill_exact_in(b, maximum_in, rate, swap_for_y, fee_on_input)
    amount_in = amount_in_for(gross, b.price, swap_for_y)
    if fee_on_input:
        amount_in += fee_for(amount_in, rate)
        if amount_in > U64_MAX:
            raise refusal(TYPE_CAST_FAILED, "an input of more than 2^64-1")
    if amount_in > maximum_in:
        raise refusal(INSUFFICIENT_IN_AMOUNT, "the bin costs more than is left")
    fill = fill_exact_in(b, amount_in, rate, swap_for_y, fee_on_input)
    surplus = fill.amount_out - amount_out
    if surplus < 0:
        raise refusal(UNDETERMINED_ERROR, "limit orders round apart", ErrorClass.LIQUIDITY)
    return replace(fill, amount_out=amount_out, surplus=surplus)


def _fill_layers(b: Bin, amount: int, swap_for_y: bool) -> tuple[int, int, int]:
    """(input taken, output, input the market makers took) of an input without fee."""
    left, gross_out, mm_in = amount, 0, 0
    for place, layer in enumerate(b.layers):
        is_mm = not place and b.mm_amount > 0
        if not left and not is_mm:
            break
        need = amount_in_for(layer, b.price, swap_for_y)
        taken = min(left, need)
        gross_out += layer if left >= need else amount_out_for(left, b.price, swap_for_y)
        if is_mm:
            mm_in = taken
        left -= taken
    return amount - left, gross_out, mm_in
