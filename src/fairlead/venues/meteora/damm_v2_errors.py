"""DAMM v2's own error numbers, names and messages, and what they mean for an order."""

from fairlead.venues.venue import ErrorClass, VenueError

MATH_OVERFLOW = 6000
EXCEEDED_SLIPPAGE = 6002
POOL_DISABLED = 6003
AMOUNT_IS_ZERO = 6006
TYPE_CAST_FAILED = 6007
INVALID_ACTIVATION_TYPE = 6010
PRICE_RANGE_VIOLATION = 6015
INVALID_INPUT = 6018
FEE_INVERSE_IS_INCORRECT = 6038
INVALID_BASE_FEE_MODE = 6047
FAIL_TO_VALIDATE_SINGLE_SWAP = 6049
UNDETERMINED_ERROR = 6051
INVALID_POOL_VERSION = 6052

# Those a swap can meet: (name, message) by number.
ERRORS: dict[int, tuple[str, str]] = {
    6000: ("MathOverflow", "Math operation overflow"),
    6001: ("InvalidFee", "Invalid fee setup"),
    6002: ("ExceededSlippage", "Exceeded slippage tolerance"),
    6003: ("PoolDisabled", "Pool disabled"),
    6006: ("AmountIsZero", "Amount is zero"),
    6007: ("TypeCastFailed", "Type cast error"),
    6010: ("InvalidActivationType", "Invalid activation type"),
    6015: ("PriceRangeViolation", "Trade is over price range"),
    6016: ("InvalidParameters", "Invalid parameters"),
    6017: ("InvalidCollectFeeMode", "Invalid collect fee mode"),
    6018: ("InvalidInput", "Invalid input"),
    6023: ("InsufficientLiquidity", "Insufficient liquidity"),
    6025: ("InvalidPoolStatus", "Invalid pool status"),
    6038: ("FeeInverseIsIncorrect", "Fee inverse is incorrect"),
    6047: ("InvalidBaseFeeMode", "Invalid base fee mode"),
    6048: ("InvalidFeeRateLimiter", "Invalid fee rate limiter"),
    6049: (
        "FailToValidateSingleSwapInstruction",
        "Fail to validate single swap instruction in rate limiter",
    ),
    6051: ("UndeterminedError", "Undetermined error"),
    6052: ("InvalidPoolVersion", "Invalid pool version"),
    6069: ("TransferFeeExcludedAmountIsZero", "Transfer fee excluded amount is zero"),
}

_CLASSES = {
    "ExceededSlippage": ErrorClass.STALE,
    # Two swaps of one pool in a transaction; built alone it passes.
    "FailToValidateSingleSwapInstruction": ErrorClass.STALE,
    # Disabled or not active yet: the number alone cannot tell, the next quote does.
    "PoolDisabled": ErrorClass.NOT_YET,
    "PriceRangeViolation": ErrorClass.LIQUIDITY,
    "MathOverflow": ErrorClass.LIQUIDITY,
    "TypeCastFailed": ErrorClass.LIQUIDITY,
    "InsufficientLiquidity": ErrorClass.LIQUIDITY,
}


def refusal(code: int, detail: str = "", error_class: ErrorClass | None = None) -> VenueError:
    """The program's own numbered error; its class is that of `classify` unless given."""
    name = ERRORS[code][0]
    return VenueError(error_class or classify(name, code), name, code, detail)


def classify(log_name: str | None, code: int | None) -> ErrorClass:
    """What this program's refusal means, by the error name in the logs or the custom number."""
    if log_name is None and code in ERRORS:
        log_name = ERRORS[code][0]
    return _CLASSES.get(log_name or "", ErrorClass.TERMINAL)
