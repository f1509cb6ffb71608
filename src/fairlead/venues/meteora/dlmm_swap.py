"""One DLMM swap: from the pair's numbers over its bins to the amounts that move.

The walk starts at the active bin and fills bin after bin until the amount is used up. The bitmaps
say which arrays hold liquidity; the others are jumped over. Transfer fees of Token-2022 are taken
off before and after.
"""

from typing import NoReturn

from fairlead.amounts import U64_MAX
from fairlead.venues.anchor import ANCHOR_ERRORS
from fairlead.venues.meteora.bins import PriceOutOfRange, price_from_id
from fairlead.venues.meteora.dlmm_accounts import (
    ACTIVATION_BY_SLOT,
    ACTIVATION_BY_TIME,
    COLLECT_ONLY_Y,
    CUSTOMIZABLE_PERMISSIONLESS,
    PERMISSION,
    STATUS_ENABLED,
    PairNumbers,
)
from fairlead.venues.meteora.dlmm_curve import BinFill, fill_exact_in, fill_exact_out
from fairlead.venues.meteora.dlmm_errors import (
    INSUFFICIENT_OUT_AMOUNT,
    INVALID_ACTIVATION_TYPE,
    INVALID_INPUT,
    MATH_OVERFLOW,
    NOT_ENOUGH_KEYS,
    NOT_EXACT_AMOUNT_OUT,
    POOL_DISABLED,
    refusal,
)
from fairlead.venues.meteora.dlmm_fees import (
    FeeSplit,
    split_fee,
    total_fee_rate,
    update_references,
    volatility_at,
)
from fairlead.venues.meteora.dlmm_path import Path
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import ChainTime, ErrorClass, VenueError


class Step(Record, frozen=True, gc=False):
    """What one filled bin did."""

    bin_id: int
    # Of 10^9, and the volatility it came from.
    fee_rate: int
    volatility_accumulator: int
    fill: BinFill


class Swap(Record, frozen=True, gc=False):
    """What a swap moves, in atoms."""

    # Leaves the user's input account, and reaches the output account.
    amount_in: int
    amount_out: int
    # Reach the input reserve and leave the output reserve.
    into_reserve: int
    out_of_reserve: int
    # The whole fee, of the input if `fee_on_input` else of the output.
    fee: int
    fee_on_input: bool
    steps: tuple[Step, ...]
    # Bin arrays touched.
    arrays: int

    def variable_fee(self, base_fee_rate: int) -> int:
        """What of the fee the volatility adds to the base rate, each bin's part rounded down."""
        return sum(
            step.fill.fee * (step.fee_rate - base_fee_rate) // step.fee_rate
            for step in self.steps
            if step.fee_rate > base_fee_rate
        )

    def fee_split(self, protocol_share: int) -> FeeSplit:
        """Who gets which part of the fee, without a host.

        Where the fee is on the output the protocol also gets what an exact output leaves over.
        """
        surplus = 0 if self.fee_on_input else sum(step.fill.surplus for step in self.steps)
        parts = [
            split_fee(step.fill.fee, protocol_share, step.fill.mm_in, step.fill.net_in)
            for step in self.steps
        ]
        return FeeSplit(
            sum(part.market_makers for part in parts),
            sum(part.limit_orders for part in parts),
            sum(part.protocol for part in parts) + surplus,
        )


def check_open(numbers: PairNumbers, time: ChainTime, head_start: int = 0) -> None:
    """Refuses a pair that is disabled (terminal) or not active yet.

    `head_start` is that of the user, in slots or seconds.
    """
    if numbers.status != STATUS_ENABLED:
        raise refusal(POOL_DISABLED, "disabled", ErrorClass.TERMINAL)
    if numbers.pair_type not in (PERMISSION, CUSTOMIZABLE_PERMISSIONLESS):
        return
    if numbers.activation_type == ACTIVATION_BY_TIME:
        point = time.unix_timestamp
    elif numbers.activation_type == ACTIVATION_BY_SLOT:
        point = time.slot
    else:
        raise refusal(INVALID_ACTIVATION_TYPE)
    if point < numbers.activation_point - head_start:
        raise refusal(POOL_DISABLED, f"opens at {numbers.activation_point}")


def fee_is_on_input(numbers: PairNumbers, swap_for_y: bool) -> bool:
    """Which side the fee is taken from."""
    return numbers.collect_fee_mode != COLLECT_ONLY_Y or not swap_for_y


def swap_in(
    numbers: PairNumbers,
    path: Path,
    fees: tuple[TransferFee | None, TransferFee | None],
    swap_for_y: bool,
    amount_in: int,
    now: int,
) -> Swap:
    """The swap that takes `amount_in`. `fees` are of X, of Y."""
    fee_in, fee_out = fees if swap_for_y else (fees[1], fees[0])
    if not amount_in:
        raise refusal(INVALID_INPUT, "an amount of 0")
    net = amount_in - fee_in.fee(amount_in) if fee_in is not None else amount_in
    on_input = fee_is_on_input(numbers, swap_for_y)
    steps, arrays = _walk(numbers, path, swap_for_y, on_input, net, now, exact_in=True)
    output = sum([step.fill.amount_out for step in steps])
    if output > U64_MAX:
        raise refusal(MATH_OVERFLOW, "an output of more than 2^64-1")
    received = output - fee_out.fee(output) if fee_out is not None else output
    if not received:
        raise refusal(INSUFFICIENT_OUT_AMOUNT, "buys nothing", ErrorClass.LIQUIDITY)
    fee = sum([step.fill.fee for step in steps])
    return Swap(amount_in, received, net, output, fee, on_input, tuple(steps), arrays)


def swap_out(
    numbers: PairNumbers,
    path: Path,
    fees: tuple[TransferFee | None, TransferFee | None],
    swap_for_y: bool,
    amount_out: int,
    now: int,
) -> Swap:
    """The swap that brings `amount_out` to the user. `fees` are of X, of Y."""
    swap = swap_out_within(numbers, path, fees, swap_for_y, amount_out, U64_MAX, now)
    if swap.amount_out != amount_out:
        raise refusal(NOT_EXACT_AMOUNT_OUT, "an input of more than 2^64-1", ErrorClass.LIQUIDITY)
    return swap


def swap_out_within(
    numbers: PairNumbers,
    path: Path,
    fees: tuple[TransferFee | None, TransferFee | None],
    swap_for_y: bool,
    amount_out: int,
    maximum_in: int,
    now: int,
) -> Swap:
    """As `swap_out`, for at most `maximum_in`: where that is used up first, it brings less.

    The program goes so far, transfers, and only then refuses what is not exact.
    """
    fee_in, fee_out = fees if swap_for_y else (fees[1], fees[0])
    if not maximum_in:
        raise refusal(INVALID_INPUT, "a maximum of 0")
    most = maximum_in - fee_in.fee(maximum_in) if fee_in is not None else maximum_in
    output = gross_output(fee_out, amount_out)
    on_input = fee_is_on_input(numbers, swap_for_y)
    steps, arrays = _walk(numbers, path, swap_for_y, on_input, output, now, most, exact_in=False)
    taken = sum([step.fill.amount_out for step in steps])
    if taken != output:
        amount_out = taken - fee_out.fee(taken) if fee_out is not None else taken
    if not amount_out:
        raise refusal(INSUFFICIENT_OUT_AMOUNT, "an amount of 0", ErrorClass.TERMINAL)
    net = sum([step.fill.amount_in for step in steps])
    paid = net + _inverse_fee(fee_in, net)
    if paid > U64_MAX:
        raise refusal(MATH_OVERFLOW, "an input of more than 2^64-1")
    fee = sum([step.fill.fee for step in steps])
    return Swap(paid, amount_out, net, taken, fee, on_input, tuple(steps), arrays)


def gross_output(fee_out: TransferFee | None, amount_out: int) -> int:
    """What must leave the reserve so that this reaches the user."""
    output = amount_out + _inverse_fee(fee_out, amount_out)
    if output > U64_MAX:
        raise refusal(MATH_OVERFLOW, "an output of more than 2^64-1")
    return output


def spot_price(numbers: PairNumbers) -> int:
    """The active bin's price, Y per X with 64 fraction bits."""
    try:
        return price_from_id(numbers.active_id, numbers.bin_step)
    except PriceOutOfRange:
        raise refusal(MATH_OVERFLOW, f"bin {numbers.active_id}") from None


def _walk(
    numbers: PairNumbers,
    path: Path,
    swap_for_y: bool,
    on_input: bool,
    left: int,
    now: int,
    most: int = U64_MAX,
    *,
    exact_in: bool,
) -> tuple[list[Step], int]:
    """The bins that the amount fills, and how many arrays they are in; `most` bounds the input."""
    p, active_id = numbers.parameters, numbers.active_id
    reference, index_reference = update_references(p, numbers.v_parameters, active_id, now)
    if (left if exact_in else most) <= 0:
        raise refusal(INSUFFICIENT_OUT_AMOUNT, "nothing after the fee", ErrorClass.LIQUIDITY)
    steps: list[Step] = []
    base_fee_rate, volatility, rate = p.base_fee_rate, -1, 0
    for count, (_, bins) in enumerate(path.arrays, 1):
        for b in bins:
            bin_id = b.bin_id
            if bin_id > active_id if swap_for_y else bin_id < active_id:
                continue
            moved = volatility_at(p, reference, abs(index_reference - bin_id))
            if moved != volatility:
                volatility, rate = moved, total_fee_rate(p, base_fee_rate, moved)
            if exact_in:
                fill = fill_exact_in(b, left, rate, swap_for_y, on_input)
                left -= fill.amount_in
            else:
                fill = fill_exact_out(b, left, rate, swap_for_y, on_input, most)
                left -= fill.amount_out
                most -= fill.amount_in
            steps.append(Step(bin_id, rate, volatility, fill))
            if not left or not most:
                return steps, count
    if exact_in and sum([step.fill.amount_out for step in steps]) > U64_MAX:
        raise refusal(MATH_OVERFLOW, "an output of more than 2^64-1")
    _raise_end(path.end_code)


def _raise_end(code: int | None) -> NoReturn:
    if code is None:
        # Passing too few arrays is what the program would say.
        name = ANCHOR_ERRORS[NOT_ENOUGH_KEYS][0]
        raise VenueError(ErrorClass.LIQUIDITY, name, NOT_ENOUGH_KEYS, "a bin array is not given")
    raise refusal(code, "no more liquidity", ErrorClass.LIQUIDITY)


def _inverse_fee(fee: TransferFee | None, post_fee_atoms: int) -> int:
    if fee is None:
        return 0
    inverse = fee.inverse_fee(post_fee_atoms)
    if inverse is None:
        raise refusal(MATH_OVERFLOW, "a transfer fee that has no inverse")
    return inverse
