"""Raydium CLMM's error names and numbers, and what they mean for an order.

The numbers moved on 2026-04-21 (f16c59a), so a bare number is ambiguous: the name in the logs
decides where there is one. Our refusals carry the numbers of the build they are proven on, the one
before. Source: raydium-clmm `error.rs` at a5a46ff and 03b44b7; both list the same messages.
"""

from fairlead.venues.venue import ErrorClass, VenueError

_STALE, _LIQUIDITY = ErrorClass.STALE, ErrorClass.LIQUIDITY

# Those a swap can meet: (number before 2026-04-21, number since, message, class).
_TABLE: dict[str, tuple[int, int, str, ErrorClass]] = {
    "NotApproved": (6001, 6000, "Not approved", ErrorClass.TERMINAL),
    "InvalidTickArray": (6011, 6009, "Invalid tick array account", ErrorClass.TERMINAL),
    "SqrtPriceLimitOverflow": (6013, 6011, "Square root price limit overflow", _STALE),
    "LiquidityInsufficient": (6019, 6016, "Liquidity insufficient", _LIQUIDITY),
    "TooLittleOutputReceived": (6022, 6018, "Too little output received", _STALE),
    "TooMuchInputPaid": (6023, 6019, "Too much input paid", _STALE),
    "ZeroAmountSpecified": (
        6024,
        6020,
        "Swap special amount can not be zero",
        ErrorClass.TERMINAL,
    ),
    "InvalidInputPoolVault": (6025, 6021, "Input pool vault is invalid", ErrorClass.TERMINAL),
    "TooSmallInputOrOutputAmount": (
        6026,
        6022,
        "Swap input or output amount is too small",
        _LIQUIDITY,
    ),
    "NotEnoughTickArrayAccount": (6027, 6023, "Not enought tick array account", _STALE),
    "InvalidFirstTickArrayAccount": (6028, 6024, "Invalid first tick array account", _STALE),
    "MissingTickArrayBitmapExtensionAccount": (
        6040,
        6035,
        "Missing tickarray bitmap extension account",
        _STALE,
    ),
    "InsufficientLiquidityForDirection": (
        6041,
        6036,
        "Insufficient liquidity for this direction",
        _LIQUIDITY,
    ),
    "MaxTokenOverflow": (6042, 6037, "Max token overflow", _LIQUIDITY),
    "CalculateOverflow": (6043, 6038, "Calculate overflow", ErrorClass.TERMINAL),
    "TransferFeeCalculateNotMatch": (
        6044,
        6039,
        "TransferFee calculate not match",
        ErrorClass.TERMINAL,
    ),
}

ERRORS: dict[int, tuple[str, str]] = {
    row[0]: (name, row[2]) for name, row in sorted(_TABLE.items(), key=lambda item: item[1][0])
}
"""(name, message) by the numbers of the build before 2026-04-21."""

REQUIRE_EQ_VIOLATED = 2501
REQUIRE_GT_VIOLATED = 2505
REQUIRE_GTE_VIOLATED = 2506

# Anchor's own, by name: the program demands `now > open_time` with the first.
_ANCHOR: dict[str, tuple[int, ErrorClass]] = {
    "RequireGtViolated": (REQUIRE_GT_VIOLATED, ErrorClass.NOT_YET),
    "RequireEqViolated": (REQUIRE_EQ_VIOLATED, ErrorClass.LIQUIDITY),
    "RequireGteViolated": (REQUIRE_GTE_VIOLATED, ErrorClass.TERMINAL),
}

SLIPPAGE = frozenset(_TABLE[name][0] for name in ("TooLittleOutputReceived", "TooMuchInputPaid"))


def refusal(name: str, detail: str = "") -> VenueError:
    """The program's own named error."""
    row = _TABLE[name]
    return VenueError(row[3], name, row[0], detail)


def accounts_end(name: str, detail: str = "") -> VenueError:
    """The accounts at hand end before the swap does.

    On chain that means that the pool moved, so that other arrays are to be named. In a quote, which
    looks at one state, it means that so much does not fit through: asking again changes nothing.
    """
    return VenueError(_LIQUIDITY, name, _TABLE[name][0], detail)


def anchor_refusal(name: str, error_class: ErrorClass, detail: str = "") -> VenueError:
    """One of Anchor's errors; what it means depends on what was demanded."""
    return VenueError(error_class, name, _ANCHOR[name][0], detail)


def panic(detail: str) -> VenueError:
    """A Rust unwrap or overflow: the program aborts without a number over this size."""
    return VenueError(ErrorClass.LIQUIDITY, "panic", None, detail)


def classify(log_name: str | None, code: int | None) -> ErrorClass:
    """What this program's refusal means, by the error name in the logs or the custom number.

    A number alone may stand for one error of either numbering. Where those differ the answer is
    "stale": the next quote tells which it was.
    """
    if log_name is None:
        return _LIQUIDITY if code is None else _class_of_number(code)
    if log_name in _TABLE:
        return _TABLE[log_name][3]
    return _ANCHOR.get(log_name, (0, ErrorClass.TERMINAL))[1]


def _class_of_number(code: int) -> ErrorClass:
    found = {row[3] for row in _TABLE.values() if code in row[:2]}
    found |= {error_class for number, error_class in _ANCHOR.values() if number == code}
    if len(found) == 1:
        return found.pop()
    return ErrorClass.STALE if found else ErrorClass.TERMINAL
