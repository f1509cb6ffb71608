"""DLMM's own error numbers, names and messages, and what they mean for an order."""

from fairlead.venues.anchor import ANCHOR_ERRORS
from fairlead.venues.venue import ErrorClass, VenueError

NOT_ENOUGH_KEYS = 3005
"""Anchor's: the path needs a bin array that was not passed, or they are not in path order."""

INVALID_INPUT = 6002
EXCEEDED_AMOUNT_SLIPPAGE_TOLERANCE = 6003
INVALID_TOKEN_MINT = 6010
PAIR_INSUFFICIENT_LIQUIDITY = 6012
MATH_OVERFLOW = 6018
TYPE_CAST_FAILED = 6019
INVALID_BIN_ARRAY = 6027
BITMAP_EXTENSION_IS_NOT_PROVIDED = 6036
CANNOT_FIND_NON_ZERO_LIQUIDITY = 6037
BIN_ID_OUT_OF_BOUND = 6038
INSUFFICIENT_OUT_AMOUNT = 6039
POOL_DISABLED = 6042
NOT_EXACT_AMOUNT_OUT = 6057
INVALID_ACTIVATION_TYPE = 6058
INSUFFICIENT_REMAINING_ACCOUNTS = 6074
INVALID_REMAINING_ACCOUNT_SLICE = 6075
DUPLICATED_REMAINING_ACCOUNT_TYPES = 6076
NO_TRANSFER_HOOK_PROGRAM = 6078
UNDETERMINED_ERROR = 6085
INSUFFICIENT_IN_AMOUNT = 6104

SLIPPAGE = frozenset((EXCEEDED_AMOUNT_SLIPPAGE_TOLERANCE, INSUFFICIENT_IN_AMOUNT))
"""An exact input below its minimum, an exact output above its maximum."""

# Those a swap can meet: (name, message) by number. Source: MeteoraAg/dlmm-sdk @ fb02e51,
# `idls/dlmm.json` (0.12.0).
ERRORS: dict[int, tuple[str, str]] = {
    6001: ("InvalidBinId", "Invalid bin id"),
    6002: ("InvalidInput", "Invalid input data"),
    6003: ("ExceededAmountSlippageTolerance", "Exceeded amount slippage tolerance"),
    6004: ("ExceededBinSlippageTolerance", "Exceeded bin slippage tolerance"),
    6009: ("BinArrayNotFound", "Bin array not found"),
    6010: ("InvalidTokenMint", "Invalid token mint"),
    6012: ("PairInsufficientLiquidity", "Pair insufficient liquidity"),
    6018: ("MathOverflow", "Math operation overflow"),
    6019: ("TypeCastFailed", "Type cast error"),
    6027: ("InvalidBinArray", "Invalid bin array"),
    6028: ("NonContinuousBinArrays", "Bin arrays must be continuous"),
    6033: ("MissingOracle", "Missing oracle account"),
    6036: ("BitmapExtensionAccountIsNotProvided", "Bitmap extension account is not provided"),
    6037: ("CannotFindNonZeroLiquidityBinArrayId", "Cannot find non-zero liquidity binArrayId"),
    6038: ("BinIdOutOfBound", "Bin id out of bound"),
    6039: ("InsufficientOutAmount", "Insufficient amount in for minimum out"),
    6042: ("PoolDisabled", "Pool disabled"),
    6043: ("InvalidPoolType", "Invalid pool type"),
    6057: ("NotExactAmountOut", "Amount out is not matched with exact amount out"),
    6058: ("InvalidActivationType", "Invalid activation type"),
    6066: ("InvalidStatus", "Invalid status"),
    6070: ("UnsupportedMintExtension", "Unsupported mint extension"),
    6074: ("InsufficientRemainingAccounts", "Insufficient remaining accounts"),
    6075: ("InvalidRemainingAccountSlice", "Invalid remaining account slice"),
    6076: ("DuplicatedRemainingAccountTypes", "Duplicated remaining account types"),
    6077: (
        "MissingRemainingAccountForTransferHook",
        "Missing remaining account for transfer hook",
    ),
    6078: (
        "NoTransferHookProgram",
        "Remaining account was passed for transfer hook but there's no hook program",
    ),
    6085: ("UndeterminedError", "Undetermined error"),
    6095: ("InvalidFunctionType", "Invalid function type"),
    6104: ("InsufficientInAmount", "Insufficient in amount"),
    6110: ("InvalidCollectFeeMode", "Invalid collect fee mode"),
}

_CLASSES = {
    "ExceededAmountSlippageTolerance": ErrorClass.STALE,
    "ExceededBinSlippageTolerance": ErrorClass.STALE,
    "InsufficientInAmount": ErrorClass.STALE,
    # The price moved beyond the bin arrays that were passed, or their order changed.
    "AccountNotEnoughKeys": ErrorClass.STALE,
    "BinArrayNotFound": ErrorClass.STALE,
    "InvalidBinArray": ErrorClass.STALE,
    "NonContinuousBinArrays": ErrorClass.STALE,
    # An exact output that costs more than its maximum, found before its last bin.
    "NotExactAmountOut": ErrorClass.STALE,
    # An exact output whose rounding the program does not accept; the next quote tells.
    "UndeterminedError": ErrorClass.STALE,
    # The price moved until the input bought less than one atom.
    "InsufficientOutAmount": ErrorClass.STALE,
    # Disabled or not active yet: the number alone cannot tell, the next quote does.
    "PoolDisabled": ErrorClass.NOT_YET,
    "PairInsufficientLiquidity": ErrorClass.LIQUIDITY,
    "BitmapExtensionAccountIsNotProvided": ErrorClass.LIQUIDITY,
    "CannotFindNonZeroLiquidityBinArrayId": ErrorClass.LIQUIDITY,
    "BinIdOutOfBound": ErrorClass.LIQUIDITY,
    "MathOverflow": ErrorClass.LIQUIDITY,
    "TypeCastFailed": ErrorClass.LIQUIDITY,
}


def refusal(code: int, detail: str = "", error_class: ErrorClass | None = None) -> VenueError:
    """The program's own numbered error; its class is that of `classify` unless given."""
    name = ERRORS[code][0]
    return VenueError(error_class or classify(name, code), name, code, detail)


def classify(log_name: str | None, code: int | None) -> ErrorClass:
    """What this program's refusal means, by the error name in the logs or the custom number."""
    if log_name is None and code is not None:
        log_name = (ERRORS.get(code) or ANCHOR_ERRORS.get(code) or ("", ""))[0]
    return _CLASSES.get(log_name or "", ErrorClass.TERMINAL)
