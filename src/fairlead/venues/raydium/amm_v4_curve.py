"""Raydium AMM v4's errors and maths: an input fee and the constant product, on plain integers.

Names and rounding follow raydium-amm `program/src/{math,processor,error}.rs` (27f461d, and a0fa15c
for the builds before it). The program multiplies in U128 and casts to u64; both panic beyond their
bounds. Amounts and reserves fit u64, so only the casts can.
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.venue import ErrorClass, VenueError

INVALID_OPEN_ORDERS = 10
INVALID_STATUS = 22
INVALID_INPUT = 29
EXCEEDED_SLIPPAGE = 30
CHECKED_SUB_OVERFLOW = 32
INSUFFICIENT_FUNDS = 40

# The program's own errors that a swap can meet: (name, message) by number, from its `error.rs`.
ERRORS: dict[int, tuple[str, str]] = {
    1: ("InvalidProgramAddress", "InvalidProgramAddress"),
    3: ("ExpectedAccount", "ExpectedAccount"),
    4: ("InvalidCoinVault", "InvalidCoinVault"),
    5: ("InvalidPCVault", "InvalidPCVault"),
    10: ("InvalidOpenOrders", "InvalidOpenOrders"),
    11: ("InvalidMarket", "InvalidMarket"),
    12: ("InvalidMarketProgram", "InvalidMarketProgram"),
    21: ("InvalidSignAccount", "Invalid Sign Account"),
    22: ("InvalidStatus", "InvalidStatus"),
    24: ("WrongAccountsNumber", "Wrong accounts number"),
    27: (
        "InvalidAmmAccountOwner",
        "The amm account owner is not match with this program",
    ),
    29: ("InvalidInput", "InvalidInput"),
    30: ("ExceededSlippage", "instruction exceeds desired slippage limit"),
    32: ("CheckedSubOverflow", "Checked_Sub Overflow"),
    38: ("InvalidSplTokenProgram", "InvalidSplTokenProgram"),
    40: ("InsufficientFunds", "Insufficient funds"),
    42: ("InvalidUserToken", "user token input does not match amm"),
    59: ("NotAllowed", "NotAllowed"),
}

_CLASSES = {
    EXCEEDED_SLIPPAGE: ErrorClass.STALE,
    # Waiting or off: the number alone cannot tell, the next quote does.
    INVALID_STATUS: ErrorClass.NOT_YET,
    INSUFFICIENT_FUNDS: ErrorClass.LIQUIDITY,
}
_NUMBERS = {name: number for number, (name, _) in ERRORS.items()}


def refusal(
    code: int, detail: str = "", error_class: ErrorClass = ErrorClass.TERMINAL
) -> VenueError:
    """The program's own numbered error."""
    return VenueError(error_class, ERRORS[code][0], code, detail)


def panic(detail: str, error_class: ErrorClass = ErrorClass.LIQUIDITY) -> VenueError:
    """A Rust unwrap: the program aborts without a number, mostly over the size."""
    return VenueError(error_class, "panic", None, detail)


def classify(log_name: str | None, code: int | None) -> ErrorClass:
    """What this program's refusal means. It writes no names, so the custom number decides."""
    if log_name in _NUMBERS:
        code = _NUMBERS[log_name]
    if log_name is None and code is None:
        # A panic: the output exceeds the reserve.
        return ErrorClass.LIQUIDITY
    return _CLASSES.get(-1 if code is None else code, ErrorClass.TERMINAL)


def checked_ceil_div(numerator: int, divisor: int, *, old: bool = False) -> int:
    """The quotient rounded up.

    `old` is the division of builds before 2025-08-26 (78c6a81): a quotient below one half became 0,
    not 1.
    """
    if not divisor:
        raise panic("a division by zero", ErrorClass.TERMINAL)
    if old and numerator < divisor:
        return 1 if numerator * 2 >= divisor else 0
    return -(-numerator // divisor)


def swap_fee(amount_in: int, numerator: int, denominator: int, *, old_ceil_div: bool) -> int:
    """The part of the input that stays with the pool; rounded up."""
    fee = checked_ceil_div(amount_in * numerator, denominator, old=old_ceil_div)
    if fee > amount_in:
        raise panic("the fee is more than the input", ErrorClass.TERMINAL)
    return fee


def swap_token_amount_base_in(amount_in: int, reserve_in: int, reserve_out: int) -> int:
    """What the pool pays for `amount_in`, net of the fee; rounded down."""
    if not reserve_in + amount_in:
        raise panic("the pool is empty")
    return reserve_out * amount_in // (reserve_in + amount_in)


def swap_token_amount_base_out(
    amount_out: int, reserve_in: int, reserve_out: int, *, old_ceil_div: bool
) -> int:
    """What the pool takes for `amount_out`, before the fee; rounded up."""
    if amount_out >= reserve_out:
        # An underflow, or a division by zero.
        raise panic(f"{amount_out} atoms of {reserve_out}")
    return checked_ceil_div(reserve_in * amount_out, reserve_out - amount_out, old=old_ceil_div)


def with_swap_fee(net: int, numerator: int, denominator: int, *, old_ceil_div: bool) -> int:
    """The input of which `net` is left after the fee; rounded up."""
    if numerator >= denominator:
        raise panic("a fee of 100 % or more", ErrorClass.TERMINAL)
    amount = checked_ceil_div(net * denominator, denominator - numerator, old=old_ceil_div)
    if amount > U64_MAX:
        raise panic("the input is more than 2^64-1")
    return amount
