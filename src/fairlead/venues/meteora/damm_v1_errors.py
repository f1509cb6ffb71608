"""DAMM v1's error names and numbers, those of the vaults below it, and what they mean for an order.

The numbers of both programs begin at 6000, so the failing program must be known. Sources: the
pool's are in damm-v1-sdk `programs/dynamic-amm/src/error.rs` (02c66a3), the vault's in the IDL of
vault-sdk 2.3.1.
"""

from fairlead.venues.venue import ErrorClass, VenueError

MATH_OVERFLOW = 6000
FEE_CALCULATION_FAILURE = 6003
EXCEEDED_SLIPPAGE = 6004
ZERO_TRADING_TOKENS = 6006
MISMATCHED_TOKEN_MINT = 6009
MISMATCHED_LP_MINT = 6010
INVALID_VAULT_ACCOUNT = 6012
INVALID_VAULT_LP_ACCOUNT = 6013
POOL_DISABLED = 6015
INVALID_PROTOCOL_FEE_ACCOUNT = 6017
IDENTICAL_SOURCE_DESTINATION = 6019
INVALID_REMAINING_ACCOUNTS_LEN = 6027
INVALID_REMAINING_ACCOUNTS = 6028
INVALID_ACTIVATION_TYPE = 6048

VAULT_IS_DISABLED = 6000
VAULT_MATH_OVERFLOW = 6004
AMOUNT_MUST_GREATER_THAN_ZERO = 6013

INSUFFICIENT_FUNDS = 1
"""The token program's number where a vault has lent out more than it still holds."""

# Those a swap can meet: (name, message) by number.
ERRORS: dict[int, tuple[str, str]] = {
    6000: ("MathOverflow", "Math operation overflow"),
    6002: ("InvalidInvariant", "Invalid invariant d"),
    6003: ("FeeCalculationFailure", "Fee calculation failure"),
    6004: ("ExceededSlippage", "Exceeded slippage tolerance"),
    6005: ("InvalidCalculation", "Invalid curve calculation"),
    6006: ("ZeroTradingTokens", "Given pool token amount results in zero trading tokens"),
    6007: ("ConversionError", "Math conversion overflow"),
    6009: ("MismatchedTokenMint", "Token mint mismatched"),
    6010: ("MismatchedLpMint", "LP mint mismatched"),
    6011: ("MismatchedOwner", "Invalid lp token owner"),
    6012: ("InvalidVaultAccount", "Invalid vault account"),
    6013: ("InvalidVaultLpAccount", "Invalid vault lp account"),
    6015: ("PoolDisabled", "Pool disabled"),
    6017: ("InvalidProtocolFeeAccount", "Invalid protocol fee account"),
    6019: (
        "IdenticalSourceDestination",
        "Identical user source and destination token account",
    ),
    6027: ("InvalidRemainingAccountsLen", "Invalid remaining accounts length"),
    6028: ("InvalidRemainingAccounts", "Invalid remaining account"),
    6032: ("InvalidDepegInformation", "Invalid depeg information"),
    6042: ("TypeCastFailed", "Type cast error"),
    6048: ("InvalidActivationType", "Invalid activation type"),
}
VAULT_ERRORS: dict[int, tuple[str, str]] = {
    6000: ("VaultIsDisabled", "Vault is disabled"),
    6001: ("ExceededSlippage", "Exceeded slippage tolerance"),
    6004: ("MathOverflow", "Math operation overflow"),
    6013: ("AmountMustGreaterThanZero", "Amount must be greater than 0"),
}

_CLASSES = {
    "ExceededSlippage": ErrorClass.STALE,
    # Disabled or not active yet: the number alone cannot tell, the next quote does.
    "PoolDisabled": ErrorClass.NOT_YET,
    "MathOverflow": ErrorClass.LIQUIDITY,
    "ConversionError": ErrorClass.LIQUIDITY,
    "TypeCastFailed": ErrorClass.LIQUIDITY,
    "InvalidCalculation": ErrorClass.LIQUIDITY,
}


def refusal(code: int, detail: str = "", error_class: ErrorClass | None = None) -> VenueError:
    """The pool program's own numbered error; its class is that of `classify` unless given."""
    name = ERRORS[code][0]
    return VenueError(error_class or _class_of(name), name, code, detail)


def vault_refusal(code: int, detail: str = "") -> VenueError:
    """The vault program's own numbered error."""
    name = VAULT_ERRORS[code][0]
    return VenueError(_class_of(name), name, code, detail)


def reserve_refusal(detail: str) -> VenueError:
    """The token program's refusal to move what a vault does not hold."""
    return VenueError(ErrorClass.LIQUIDITY, "InsufficientFunds", INSUFFICIENT_FUNDS, detail)


def classify(log_name: str | None, code: int | None) -> ErrorClass:
    """What the pool program's refusal means, by the name in the logs or the custom number."""
    if log_name is None and code in ERRORS:
        log_name = ERRORS[code][0]
    return _class_of(log_name)


def classify_vault(log_name: str | None, code: int | None) -> ErrorClass:
    """What the vault program's refusal means, by the name in the logs or the custom number."""
    if log_name is None and code in VAULT_ERRORS:
        log_name = VAULT_ERRORS[code][0]
    return _class_of(log_name)


def _class_of(name: str | None) -> ErrorClass:
    return _CLASSES.get(name or "", ErrorClass.TERMINAL)
