"""One DAMM v2 swap from the pool's numbers to the amounts that move, in the program's order.

Shared by quotes and by the paper ledger. Three modes: exact in, partial (exact in that stops at the
end of the price range) and exact out. Transfer fees of Token-2022 are taken off before and after.
"""

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.meteora.damm_v2_accounts import (
    ACTIVATION_BY_SLOT,
    ACTIVATION_BY_TIME,
    COLLECT_BOTH,
    COLLECT_COMPOUNDING,
    STATUS_ENABLED,
    OwedFees,
    PoolNumbers,
    after_swap_bytes,
)
from fairlead.venues.meteora.damm_v2_curve import (
    Step,
    compounding_sqrt_price,
    step_exact_in,
    step_exact_out,
    step_partial_in,
)
from fairlead.venues.meteora.damm_v2_errors import (
    AMOUNT_IS_ZERO,
    FEE_INVERSE_IS_INCORRECT,
    INVALID_ACTIVATION_TYPE,
    INVALID_POOL_VERSION,
    MATH_OVERFLOW,
    POOL_DISABLED,
    TYPE_CAST_FAILED,
    refusal,
)
from fairlead.venues.meteora.damm_v2_fees import (
    MAX_FEE_NUMERATOR,
    base_fee_numerator,
    fee_on,
    including_fee,
    rate_limited_numerator,
    rate_limited_numerator_excluded,
)
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import ChainTime, ErrorClass

EXACT_IN, PARTIAL, EXACT_OUT = 0, 1, 2
"""swap2's modes, as its instruction data names them."""


class Swap(Record, frozen=True, gc=False):
    """What a swap moves, in atoms."""

    # Leaves the user's input account, and reaches the output account.
    amount_in: int
    amount_out: int
    # Leaves the output vault.
    output_atoms: int
    # The whole fee, in B if `fee_is_b` else in A.
    fee: int
    fee_is_b: bool
    fee_on_input: bool
    step: Step


class Transition(Record, frozen=True, gc=False):
    """What a swap changes on the pool's side, in atoms transferred, before a transfer fee."""

    pool_data: bytes
    into_vault_atoms: int
    out_of_vault_atoms: int
    # Part of the fee that goes to the referral's token account; it leaves a vault as well.
    referral_atoms: int


def point_of(numbers: PoolNumbers, time: ChainTime) -> int:
    """The clock as this pool reads it: a slot or a unix time."""
    if numbers.activation_type == ACTIVATION_BY_TIME:
        return time.unix_timestamp
    if numbers.activation_type == ACTIVATION_BY_SLOT:
        return time.slot
    raise refusal(INVALID_ACTIVATION_TYPE)


def check_open(numbers: PoolNumbers, point: int) -> None:
    """Refuses a pool that is disabled (terminal) or not active yet."""
    if numbers.status != STATUS_ENABLED:
        raise refusal(POOL_DISABLED, "disabled", ErrorClass.TERMINAL)
    if point < numbers.activation_point:
        raise refusal(POOL_DISABLED, f"opens at {numbers.activation_point}")


def swap_in(
    numbers: PoolNumbers,
    fees: tuple[TransferFee | None, TransferFee | None],
    a_to_b: bool,
    amount_in: int,
    point: int,
    *,
    partial: bool = False,
) -> Swap:
    """The swap that takes `amount_in`, or if `partial` at most that. `fees` are of A, of B."""
    fee_in, fee_out = fees if a_to_b else (fees[1], fees[0])
    net = amount_in - fee_in.fee(amount_in) if fee_in is not None else amount_in
    if net <= 0:
        raise refusal(AMOUNT_IS_ZERO)
    on_input = _fee_on_input(numbers, a_to_b)
    numerator = _fee_numerator(numbers, a_to_b, point, net, is_included=True)
    fee = fee_on(net, numerator) if on_input else 0
    move = step_partial_in if partial else step_exact_in
    step = move(numbers.curve, a_to_b, net - fee)
    if step.amount_left:
        net = step.amount_in
        if on_input:
            again = _fee_numerator(numbers, a_to_b, point, step.amount_in, is_included=False)
            net = including_fee(step.amount_in, again)
            fee = net - step.amount_in
        if not net:
            raise refusal(AMOUNT_IS_ZERO, "the price is at the end of the range")
    if partial:
        # The user pays what the pool takes and the transfer fee on top, which may be one atom less
        # than was offered even where nothing is left.
        amount_in = net + _inverse_fee(fee_in, net)
    output = step.amount_out
    if not on_input:
        fee = fee_on(output, numerator)
        output -= fee
    received = output - fee_out.fee(output) if fee_out is not None else output
    _check_reserves(numbers, a_to_b, step)
    return Swap(amount_in, received, output, fee, on_input or a_to_b, on_input, step)


def swap_out(
    numbers: PoolNumbers,
    fees: tuple[TransferFee | None, TransferFee | None],
    a_to_b: bool,
    amount_out: int,
    point: int,
) -> Swap:
    """The swap that brings `amount_out` to the user. `fees` are in the order A, B."""
    fee_in, fee_out = fees if a_to_b else (fees[1], fees[0])
    output = amount_out + _inverse_fee(fee_out, amount_out)
    if output <= 0:
        raise refusal(AMOUNT_IS_ZERO)
    if output > U64_MAX:
        raise refusal(MATH_OVERFLOW, "the output is more than 2^64-1")
    on_input = _fee_on_input(numbers, a_to_b)
    fee, gross = 0, output
    if not on_input:
        numerator = _fee_numerator(numbers, a_to_b, point, output, is_included=False)
        gross = including_fee(output, numerator)
        fee = gross - output
    step = step_exact_out(numbers.curve, a_to_b, gross)
    net = step.amount_in
    if on_input:
        numerator = _fee_numerator(numbers, a_to_b, point, net, is_included=False)
        net = including_fee(net, numerator)
        fee = net - step.amount_in
    paid = net + _inverse_fee(fee_in, net)
    if paid > U64_MAX:
        raise refusal(MATH_OVERFLOW, "the input is more than 2^64-1")
    _check_reserves(numbers, a_to_b, step)
    return Swap(paid, amount_out, output, fee, on_input or a_to_b, on_input, step)


def after_swap(
    pool_data: bytes,
    numbers: PoolNumbers,
    swap: Swap,
    a_to_b: bool,
    unix_timestamp: int,
    *,
    has_referral: bool = False,
) -> Transition:
    """The pool's bytes and the transfers after this swap. Rewards of liquidity are not accrued."""
    owed = split_fee(numbers, swap.fee, has_referral)
    curve, step = numbers.curve, swap.step
    if a_to_b:
        reserve_a = curve.token_a_atoms + step.amount_in
        reserve_b = curve.token_b_atoms - step.amount_out
    else:
        reserve_a = curve.token_a_atoms - step.amount_out
        reserve_b = curve.token_b_atoms + step.amount_in
    sqrt_price = step.next_sqrt_price
    if curve.is_compounding:
        reserve_b += owed.compounding
        if reserve_b > U64_MAX:
            raise refusal(MATH_OVERFLOW, "beyond what the pool can hold")
        sqrt_price = compounding_sqrt_price(reserve_a, reserve_b)
    dynamic = numbers.dynamic_fee
    if dynamic.initialized:
        dynamic = dynamic.after_swap(curve.sqrt_price, sqrt_price, unix_timestamp)
    data = after_swap_bytes(
        pool_data, numbers, dynamic, sqrt_price, owed, swap.fee_is_b, (reserve_a, reserve_b)
    )
    return Transition(data, swap.amount_in, swap.output_atoms, owed.referral)


def split_fee(numbers: PoolNumbers, fee: int, has_referral: bool) -> OwedFees:
    """Who gets which part of a fee; the whole is not changed by it."""
    protocol = fee * numbers.protocol_fee_percent // 100
    rest = fee - protocol
    referral = protocol * numbers.referral_fee_percent // 100 if has_referral else 0
    compounding = rest * numbers.compounding_fee_bps // BPS if numbers.curve.is_compounding else 0
    return OwedFees(protocol - referral, referral, rest - compounding, compounding)


def _check_reserves(numbers: PoolNumbers, a_to_b: bool, step: Step) -> None:
    """The reserves that the pool keeps count of must stay within 0 … 2^64-1."""
    curve = numbers.curve
    if not numbers.layout_version:
        return
    if a_to_b:
        reserve_in, reserve_out = curve.token_a_atoms, curve.token_b_atoms
    else:
        reserve_in, reserve_out = curve.token_b_atoms, curve.token_a_atoms
    if reserve_in + step.amount_in > U64_MAX or reserve_out < step.amount_out:
        raise refusal(MATH_OVERFLOW, "beyond what the pool can hold")


def _fee_on_input(numbers: PoolNumbers, a_to_b: bool) -> bool:
    mode = numbers.collect_fee_mode
    if mode == COLLECT_BOTH:
        return False
    if mode > COLLECT_COMPOUNDING:
        raise refusal(TYPE_CAST_FAILED, f"collect_fee_mode {mode}")
    return not a_to_b


def _fee_numerator(
    numbers: PoolNumbers, a_to_b: bool, point: int, amount: int, *, is_included: bool
) -> int:
    """Base and dynamic fee, capped. Only a rate limiter looks at the amount."""
    base = numbers.base_fee
    if base.rate_limiter_applies(a_to_b, point, numbers.activation_point):
        by_size = rate_limited_numerator if is_included else rate_limited_numerator_excluded
        numerator = by_size(base, amount)
    else:
        numerator = base_fee_numerator(
            base,
            point,
            numbers.activation_point,
            numbers.curve.sqrt_price,
            numbers.init_sqrt_price,
        )
    numerator += numbers.dynamic_fee.numerator()
    if numbers.fee_version >= len(MAX_FEE_NUMERATOR):
        raise refusal(INVALID_POOL_VERSION, f"fee_version {numbers.fee_version}")
    return min(numerator, MAX_FEE_NUMERATOR[numbers.fee_version])


def _inverse_fee(fee: TransferFee | None, post_fee_atoms: int) -> int:
    if fee is None:
        return 0
    inverse = fee.inverse_fee(post_fee_atoms)
    if inverse is None:
        raise refusal(FEE_INVERSE_IS_INCORRECT)
    return inverse
