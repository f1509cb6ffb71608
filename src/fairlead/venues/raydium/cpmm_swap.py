"""One CPMM swap from the accounts' numbers to the amounts that move, in the program's order.

Shared by quotes and by the paper ledger. Source: raydium-cp-swap
`instructions/swap_base_{input,output}.rs` and `states/pool.rs` (609780f).
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.anchor import REQUIRE_GT_VIOLATED, anchor_error
from fairlead.venues.raydium.cpmm_accounts import (
    CREATOR_FEE_ON_BOTH,
    CREATOR_FEE_ON_TOKEN_0,
    CREATOR_FEE_ON_TOKEN_1,
    STATUS_SWAP_OFF,
    ConfigRates,
    PoolNumbers,
    with_fees,
)
from fairlead.venues.raydium.cpmm_curve import (
    INSUFFICIENT_VAULT,
    INVALID_FEE_MODEL,
    NOT_APPROVED,
    TRANSFER_FEE_CALCULATE_NOT_MATCH,
    CurveSwap,
    panic,
    refusal,
    swap_base_input,
    swap_base_output,
)
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import ErrorClass


class Swap(Record, frozen=True, gc=False):
    """What a swap moves, in atoms; `curve.output_atoms` leave the vault."""

    # Leaves the user's input account.
    amount_in: int
    # Reaches the user's output account.
    amount_out: int
    curve: CurveSwap
    creator_fee_on_input: bool
    reserve_in: int
    reserve_out: int


class Transition(Record, frozen=True, gc=False):
    """What a swap changes on the pool's side, in atoms transferred, before a transfer fee."""

    pool_data: bytes
    into_vault_atoms: int
    out_of_vault_atoms: int


def check_open(numbers: PoolNumbers, unix_timestamp: int) -> None:
    """Refuses a pool whose swaps are off (terminal) or not open yet."""
    if numbers.status & STATUS_SWAP_OFF:
        raise refusal(NOT_APPROVED, detail="swaps are off")
    if unix_timestamp < numbers.open_time:
        raise refusal(NOT_APPROVED, ErrorClass.NOT_YET, f"opens at {numbers.open_time}")


def exact_in(
    numbers: PoolNumbers,
    rates: ConfigRates,
    vaults: tuple[int, int],
    fees: tuple[TransferFee | None, TransferFee | None],
    zero_for_one: bool,
    amount_in: int,
) -> Swap:
    """The swap that takes `amount_in` from the user. `vaults`, `fees`: of token 0, token 1."""
    side_in, side_out = (0, 1) if zero_for_one else (1, 0)
    fee_in, fee_out = fees[side_in], fees[side_out]
    net = amount_in - fee_in.fee(amount_in) if fee_in is not None else amount_in
    if net <= 0:
        raise anchor_error(REQUIRE_GT_VIOLATED, "nothing goes in")
    reserves = _reserves(numbers, vaults)
    on_input = _creator_fee_on_input(numbers, zero_for_one)
    curve = swap_base_input(
        net,
        reserves[side_in],
        reserves[side_out],
        rates.trade_fee_rate,
        rates.creator_fee_rate if numbers.enable_creator_fee else 0,
        rates.protocol_fee_rate,
        rates.fund_fee_rate,
        on_input,
    )
    out = curve.output_atoms
    received = out - fee_out.fee(out) if fee_out is not None else out
    if received <= 0:
        raise anchor_error(REQUIRE_GT_VIOLATED, "nothing comes out")
    return Swap(amount_in, received, curve, on_input, reserves[side_in], reserves[side_out])


def exact_out(
    numbers: PoolNumbers,
    rates: ConfigRates,
    vaults: tuple[int, int],
    fees: tuple[TransferFee | None, TransferFee | None],
    zero_for_one: bool,
    amount_out: int,
    *,
    old_ceil_div: bool = False,
) -> Swap:
    """The swap that brings `amount_out` > 0 to the user. `vaults`, `fees`: as in `exact_in`."""
    side_in, side_out = (0, 1) if zero_for_one else (1, 0)
    with_fee = amount_out + _inverse_fee(fees[side_out], amount_out)
    reserves = _reserves(numbers, vaults)
    on_input = _creator_fee_on_input(numbers, zero_for_one)
    curve = swap_base_output(
        with_fee,
        reserves[side_in],
        reserves[side_out],
        rates.trade_fee_rate,
        rates.creator_fee_rate if numbers.enable_creator_fee else 0,
        rates.protocol_fee_rate,
        rates.fund_fee_rate,
        on_input,
        old_ceil_div=old_ceil_div,
    )
    amount_in = curve.input_atoms + _inverse_fee(fees[side_in], curve.input_atoms)
    if amount_in > U64_MAX:
        raise panic("the input is more than 2^64-1")
    return Swap(amount_in, amount_out, curve, on_input, reserves[side_in], reserves[side_out])


def after_swap(pool_data: bytes, zero_for_one: bool, swap: Swap, epoch: int) -> Transition:
    """The pool's bytes and the two transfers after this swap.

    The observation account is left alone: it feeds oracles, and no quote or swap reads it.
    """
    curve = swap.curve
    on_token_0 = swap.creator_fee_on_input == zero_for_one
    creator = (curve.creator_fee, 0) if on_token_0 else (0, curve.creator_fee)
    data = with_fees(pool_data, zero_for_one, curve.protocol_fee, curve.fund_fee, creator, epoch)
    return Transition(data, swap.amount_in, curve.output_atoms)


def _reserves(numbers: PoolNumbers, vaults: tuple[int, int]) -> tuple[int, int]:
    """What the vaults hold for the curve: fees owed are not part of it."""
    reserve_0 = (
        vaults[0]
        - numbers.protocol_fees_token_0
        - numbers.fund_fees_token_0
        - numbers.creator_fees_token_0
    )
    reserve_1 = (
        vaults[1]
        - numbers.protocol_fees_token_1
        - numbers.fund_fees_token_1
        - numbers.creator_fees_token_1
    )
    if reserve_0 < 0 or reserve_1 < 0:
        raise refusal(INSUFFICIENT_VAULT)
    if not reserve_0 or not reserve_1:
        # The program divides one reserve by the other for its price history.
        raise panic("the pool is empty")
    return reserve_0, reserve_1


def _creator_fee_on_input(numbers: PoolNumbers, zero_for_one: bool) -> bool:
    mode = numbers.creator_fee_on
    if mode == CREATOR_FEE_ON_BOTH:
        return True
    if mode == CREATOR_FEE_ON_TOKEN_0:
        return zero_for_one
    if mode == CREATOR_FEE_ON_TOKEN_1:
        return not zero_for_one
    raise refusal(INVALID_FEE_MODEL, detail=f"creator_fee_on {mode}")


def _inverse_fee(fee: TransferFee | None, post_fee_atoms: int) -> int:
    if fee is None:
        return 0
    inverse = fee.inverse_fee(post_fee_atoms)
    if inverse is None:
        raise refusal(TRANSFER_FEE_CALCULATE_NOT_MATCH)
    return inverse
