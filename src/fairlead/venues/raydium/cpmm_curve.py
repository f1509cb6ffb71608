"""Raydium CPMM's maths: fees and the constant product, on plain integers.

Names and rounding follow raydium-cp-swap `curve/{calculator,fees,constant_product}.rs` (609780f).
Amounts fit u64 and rates are parts of 1,000,000, so no product leaves u128 except where stated.
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.anchor import REQUIRE_GT_VIOLATED, anchor_error
from fairlead.venues.record import Record
from fairlead.venues.venue import ErrorClass, VenueError

FEE_RATE_DENOMINATOR = 1_000_000

# The program's own errors: (name, message) by number, from its `error.rs`.
ERRORS: dict[int, tuple[str, str]] = {
    6000: ("NotApproved", "Not approved"),
    6001: ("InvalidOwner", "Input account owner is not the program address"),
    6002: ("EmptySupply", "Input token account empty"),
    6003: ("InvalidInput", "InvalidInput"),
    6004: ("IncorrectLpMint", "Address of the provided lp token mint is incorrect"),
    6005: ("ExceededSlippage", "Exceeds desired slippage limit"),
    6006: ("ZeroTradingTokens", "Given pool token amount results in zero trading tokens"),
    6007: ("NotSupportMint", "Not support token_2022 mint extension"),
    6008: ("InvalidVault", "invaild vault"),
    6009: (
        "InitLpAmountTooLess",
        "Init lp amount is too less(Because 100 amount lp will be locked)",
    ),
    6010: ("TransferFeeCalculateNotMatch", "TransferFee calculate not match"),
    6011: ("MathOverflow", "Math overflow"),
    6012: ("InsufficientVault", "Insufficient vault"),
    6013: ("InvalidFeeModel", "Invalid fee model"),
    6014: ("NoFeeCollect", "Fee is zero"),
}

NOT_APPROVED = 6000
EXCEEDED_SLIPPAGE = 6005
ZERO_TRADING_TOKENS = 6006
INVALID_VAULT = 6008
TRANSFER_FEE_CALCULATE_NOT_MATCH = 6010
INSUFFICIENT_VAULT = 6012
INVALID_FEE_MODEL = 6013


class CurveSwap(Record, frozen=True, gc=False):
    """One swap as the pool sees it: Token-2022 transfer fees are outside of it. All in atoms."""

    # Taken in, fees included.
    input_atoms: int
    # Leaves the output vault.
    output_atoms: int
    # In the input token; protocol and fund fees are cut out of it.
    trade_fee: int
    protocol_fee: int
    fund_fee: int
    # In the token it is taken in.
    creator_fee: int
    # What moves on the curve: input less fees, output before a creator fee.
    curve_in: int
    curve_out: int


def refusal(
    code: int, error_class: ErrorClass = ErrorClass.TERMINAL, detail: str = ""
) -> VenueError:
    """The program's own numbered error."""
    return VenueError(error_class, ERRORS[code][0], code, detail)


def panic(detail: str) -> VenueError:
    """A Rust unwrap: the program aborts without a number, since the pool cannot fill the size."""
    return VenueError(ErrorClass.LIQUIDITY, "insufficient_reserves", None, detail)


def swap_base_input(
    amount: int,
    reserve_in: int,
    reserve_out: int,
    trade_rate: int,
    creator_rate: int,
    protocol_rate: int,
    fund_rate: int,
    creator_fee_on_input: bool,
) -> CurveSwap:
    """The swap of `amount` > 0 atoms, net of a transfer fee; `output_atoms` may be 0.

    The joint fee is rounded up once and the creator's part of it down; builds of 2025-08 … 2025-11
    rounded both up, one by one.
    """
    if creator_fee_on_input:
        rates = trade_rate + creator_rate
        if not rates:
            # The program divides the joint fee by the sum of the rates.
            raise refusal(ZERO_TRADING_TOKENS, detail="the pool has no fee rate at all")
        total_fee = -(-amount * rates // FEE_RATE_DENOMINATOR)
        creator_fee = total_fee * creator_rate // rates
        trade_fee = total_fee - creator_fee
        curve_in = amount - total_fee
    else:
        trade_fee = -(-amount * trade_rate // FEE_RATE_DENOMINATOR)
        creator_fee = 0
        curve_in = amount - trade_fee
    if curve_in < 0:
        raise refusal(ZERO_TRADING_TOKENS, detail="the fee is more than the input")
    output = curve_out = curve_in * reserve_out // (reserve_in + curve_in)
    if not creator_fee_on_input:
        creator_fee = -(-curve_out * creator_rate // FEE_RATE_DENOMINATOR)
        output = curve_out - creator_fee
    return CurveSwap(
        amount,
        output,
        trade_fee,
        trade_fee * protocol_rate // FEE_RATE_DENOMINATOR,
        trade_fee * fund_rate // FEE_RATE_DENOMINATOR,
        creator_fee,
        curve_in,
        curve_out,
    )


def swap_base_output(
    amount: int,
    reserve_in: int,
    reserve_out: int,
    trade_rate: int,
    creator_rate: int,
    protocol_rate: int,
    fund_rate: int,
    creator_fee_on_input: bool,
    *,
    old_ceil_div: bool = False,
) -> CurveSwap:
    """The swap that makes the vault pay `amount` > 0 atoms.

    `old_ceil_div` is the division of builds before 2025-08-18: a quotient below one half became 0,
    not 1.
    """
    curve_out = amount if creator_fee_on_input else _pre_fee_amount(amount, creator_rate)
    if curve_out >= reserve_out:
        raise panic(f"{curve_out} atoms of {reserve_out}")
    product, rest = reserve_in * curve_out, reserve_out - curve_out
    curve_in = -(-product // rest)
    if old_ceil_div and product * 2 < rest:
        curve_in = 0
    creator_fee = curve_out - amount
    if creator_fee_on_input:
        rates = trade_rate + creator_rate
        paid = _pre_fee_amount(curve_in, rates)
        if not rates:
            raise refusal(ZERO_TRADING_TOKENS, detail="the pool has no fee rate at all")
        creator_fee = (paid - curve_in) * creator_rate // rates
        trade_fee = paid - curve_in - creator_fee
    else:
        paid = _pre_fee_amount(curve_in, trade_rate)
        trade_fee = paid - curve_in
    if paid > U64_MAX:
        raise panic("the input is more than 2^64-1")
    if not paid:
        raise anchor_error(REQUIRE_GT_VIOLATED)
    return CurveSwap(
        paid,
        amount,
        trade_fee,
        trade_fee * protocol_rate // FEE_RATE_DENOMINATOR,
        trade_fee * fund_rate // FEE_RATE_DENOMINATOR,
        creator_fee,
        curve_in,
        curve_out,
    )


def _pre_fee_amount(post_fee_amount: int, rate: int) -> int:
    if not rate:
        return post_fee_amount
    rest = FEE_RATE_DENOMINATOR - rate
    if rest <= 0:
        raise panic("a fee rate of 100 %")
    return -(-post_fee_amount * FEE_RATE_DENOMINATOR // rest)


def classify(log_name: str | None, code: int | None) -> ErrorClass:
    """What this program's refusal means, by the error name in the logs or the custom number.

    NotApproved is "not yet" here: a number alone cannot tell a pool that is off, but its next quote
    does.
    """
    if log_name is None and code in ERRORS:
        log_name = ERRORS[code][0]
    if log_name == ERRORS[EXCEEDED_SLIPPAGE][0]:
        return ErrorClass.STALE
    if log_name == ERRORS[NOT_APPROVED][0]:
        return ErrorClass.NOT_YET
    if log_name is None and code is None:
        # A panic: the output exceeds the reserve.
        return ErrorClass.LIQUIDITY
    return ErrorClass.TERMINAL
