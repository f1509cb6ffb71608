"""Every error answer: application/problem+json (RFC 9457) with a code from one closed list.

Which error gets which status is decided here and nowhere else. docs/errors.md is made from the two
tables below (`python -m fairlead.api.problems`), and a test holds it to them.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from fairlead import errors
from fairlead.errors import FieldError
from fairlead.orders.failures import FAILURE_CODES

CONTENT_TYPE = b"application/problem+json"

# code -> (HTTP status, title, when it is given)
PROBLEMS: Final[dict[str, tuple[int, str, str]]] = {
    "malformed_json": (400, "Malformed JSON", "The body is not one JSON object."),
    "malformed_request": (400, "Malformed request", "The HTTP request itself is wrong."),
    "unauthorized": (401, "Unauthorized", "A token is needed: `Authorization: Bearer …`."),
    "host_not_allowed": (403, "Host not allowed", "`Host` is neither loopback nor allowed."),
    "origin_not_allowed": (403, "Origin not allowed", "A page of another origin asked."),
    "not_found": (404, "Not found", "There is nothing at this address."),
    "order_not_found": (404, "Order not found", "No order of yours has this id."),
    "method_not_allowed": (405, "Method not allowed", "`Allow` names the methods."),
    "idempotency_conflict": (
        409,
        "Idempotency key in use",
        "The `Idempotency-Key` was used for an order with other terms.",
    ),
    "already_confirmed": (409, "Already confirmed", "A confirmed order cannot be cancelled."),
    "already_failed": (409, "Already failed", "The order has ended."),
    "already_cancelled": (409, "Already cancelled", "The order has ended."),
    "already_expired": (409, "Already expired", "The order has ended."),
    "not_ended": (409, "Not ended", "There is no proof of an end before the end: ask again later."),
    "body_too_large": (413, "Body too large", "The body is larger than 64 KiB."),
    "unsupported_media_type": (415, "Unsupported media type", "Bodies are application/json."),
    "invalid_request": (422, "Invalid request", "`errors` names each field that is wrong."),
    "wallet_not_held": (422, "Wallet not held", "The engine holds no key for this wallet."),
    "unsupported_type": (
        422,
        "Unsupported order type",
        "This kind of order is not offered; the message names those that are.",
    ),
    "insufficient_funds": (
        422,
        "Insufficient funds",
        "The wallet cannot pay for amount, fees and rents beside its live orders; the numbers are"
        " in `asset`, `neededAtoms`, `balanceAtoms` and `reservedAtoms`.",
    ),
    "rejected": (422, "Rejected", "The request was understood and refused."),
    "upgrade_required": (426, "Upgrade required", "This address speaks WebSocket."),
    "headers_too_large": (431, "Headers too large", "The headers are larger than 16 KiB."),
    "internal": (500, "Internal error", "A bug. Nothing is known about the outcome."),
    "overloaded": (503, "Too much is waiting", "Try again after `Retry-After` seconds."),
    "draining": (503, "Shutting down", "This process takes no new orders any more."),
    "too_many_resting": (
        503,
        "Too many resting orders",
        "The bound on orders that wait for their price is reached: cancel some, or try again after"
        " `Retry-After` seconds.",
    ),
    "too_many_sockets": (503, "Too many sockets", "The bound on live connections is reached."),
    "unavailable": (503, "Unavailable", "The store, the bus or the chain does not answer."),
    "write_outcome_unknown": (
        503,
        "Outcome unknown",
        "The connection to the store broke in a commit: it may have been made. Repeat with the"
        " same `Idempotency-Key`, or read the order before trying again.",
    ),
    "fenced": (503, "Busy", "The order changes faster than it can be cancelled: try again."),
    "not_ready": (503, "Not ready", "`checks` says which part does not answer."),
}

# Codes of `errors[].code`.
FIELD_CODES: Final[dict[str, str]] = {
    "required": "The field must be given.",
    "unknown_field": "There is no such field.",
    "duplicate_field": "The field is given twice.",
    "wrong_type": "The value has the wrong JSON type.",
    "wrong_length": "The text is empty or too long.",
    "bad_characters": "The text has characters that are not printable.",
    "not_a_number": "The text is no plain decimal number.",
    "not_positive": "The number must be greater than zero.",
    "too_many_digits": "More than 20 digits before or 18 after the point.",
    "too_many_decimals": "More decimals than the token or the unit has.",
    "out_of_range": "The number or time is outside its range.",
    "not_a_time": "The text is no ISO 8601 time with a zone.",
    "in_the_past": "The time has passed.",
    "conflicting": "Two names for one thing differ, or two fields exclude each other.",
    "ambiguous": "The unit of `slippage` cannot be told: send `slippageBps`.",
    "unknown_token": "The token is neither in the token list nor a mint on the chain.",
    "unsupported_token": "The mint does not allow what a trade needs; the message says what.",
    "malformed_address": "The text is no base58 address.",
    "same_token": "tokenIn and tokenOut are the same.",
    "unknown_venue": "There is no such venue.",
    "wallet_not_held": "The engine holds no key for this wallet.",
    "unsupported_type": "This kind of order is not offered.",
    "not_for_market": "The field is for limit orders only.",
    "not_for_limit": "The field is for market orders only.",
    "invalid_key": "An Idempotency-Key has 1 to 255 printable ASCII characters.",
    "invalid_order_id": "The text is no UUID.",
    "invalid_cursor": "The cursor was not made by this engine.",
    "invalid_choice": "The value is not one of the choices.",
}

# A field's code that is the whole answer's code when nothing else is wrong.
_PROMOTED = frozenset({"wallet_not_held", "unsupported_type"})


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """An error answer. `code` is one of the list in docs/errors.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldError, ...] = ()
    # insufficient_funds: a mint or "lamports", and atoms of it.
    asset: str | None = None
    needed_atoms: str | None = None
    balance_atoms: str | None = None
    reserved_atoms: str | None = None
    # Conflicts: the order, and the status that stands in the way.
    order_id: str | None = None
    order_status: str | None = None
    # not_ready: "ok" or what is wrong, by part.
    checks: dict[str, str] | None = None


class Refusal(errors.Rejected):
    """A refusal that concerns HTTP rather than orders. `code` is from `PROBLEMS`."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        checks: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or PROBLEMS[code][2])
        self.code = code
        self.headers = dict(headers or {})
        self.checks = checks


def invalid(field: str, code: str, message: str) -> errors.InvalidOrder:
    """The error for one wrong field or parameter."""
    return errors.InvalidOrder((FieldError(field, code, message),))


def problem_of(error: BaseException) -> tuple[Problem, dict[str, str]]:
    """The answer to an error, with its further headers. What is not one of ours says nothing."""
    if not isinstance(error, errors.FairleadError):
        return _problem("internal", PROBLEMS["internal"][2]), {}
    code = error.code if error.code in PROBLEMS else _family_code(error)
    detail = str(error)
    match error:
        case Refusal():
            return _problem(code, detail, checks=error.checks), error.headers
        case errors.InvalidOrder():
            return _invalid(error), {}
        case errors.InsufficientFunds():
            return _insufficient(error), {}
        case errors.CannotCancel() | errors.NotEnded():
            status = error.status
            return _problem(code, detail, order_id=error.order_id, order_status=status), {}
        case errors.IdempotencyConflict() | errors.OrderNotFound():
            return _problem(code, detail, order_id=error.order_id), {}
        case errors.Overloaded():
            return _problem(code, detail), {"retry-after": str(error.retry_after_s)}
        case errors.Unavailable():
            return _problem(code, f"the {error.part} does not answer"), {"retry-after": "1"}
        case errors.Transient() | errors.WriteOutcomeUnknown():
            return _problem(code, PROBLEMS[code][2]), {"retry-after": "1"}
        case _:
            return _problem(code, detail if code == "rejected" else PROBLEMS[code][2]), {}


def _family_code(error: errors.FairleadError) -> str:
    if isinstance(error, errors.Rejected):
        return "rejected"
    return "unavailable" if isinstance(error, errors.Transient) else "internal"


def _problem(
    code: str,
    detail: str,
    *,
    order_id: str | None = None,
    order_status: str | None = None,
    checks: dict[str, str] | None = None,
) -> Problem:
    status, title, _ = PROBLEMS[code]
    return Problem(
        type=type_of(code),
        title=title,
        status=status,
        detail=detail,
        code=code,
        order_id=order_id,
        order_status=order_status,
        checks=checks,
    )


def type_of(code: str) -> str:
    """The URI that stands for a code (`type` of RFC 9457)."""
    return f"urn:fairlead:problem:{code}"


def _invalid(error: errors.InvalidOrder) -> Problem:
    codes = {e.code for e in error.errors}
    code = codes.pop() if len(codes) == 1 and codes <= _PROMOTED else "invalid_request"
    return msgspec.structs.replace(_problem(code, str(error)), errors=error.errors)


def _insufficient(error: errors.InsufficientFunds) -> Problem:
    return msgspec.structs.replace(
        _problem(error.code, str(error)),
        asset=error.asset,
        needed_atoms=str(error.needed_atoms),
        balance_atoms=str(error.balance_atoms),
        reserved_atoms=str(error.reserved_atoms),
    )


_encode = msgspec.json.Encoder().encode


def problem_answer(error: BaseException) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of the answer to an error."""
    problem, extra = problem_of(error)
    body = _encode(problem)
    headers = [(b"content-type", CONTENT_TYPE), (b"content-length", b"%d" % len(body))]
    headers += [(k.encode("latin-1"), v.encode("latin-1")) for k, v in extra.items()]
    return problem.status, headers, body


def errors_page() -> str:
    """docs/errors.md."""
    lines = [
        "# Errors",
        "",
        "Every error answer is `application/problem+json` (RFC 9457) with `type`, `title`,"
        " `status`, `detail` and `code`;",
        "per wrong field there is `errors: [{field, code, message}]`. Codes are stable; texts are"
        " for people.",
        "",
        "<!-- Made from src/fairlead/api/problems.py: python -m fairlead.api.problems -->",
        "",
        "## Codes of answers",
        "",
        "| code | status | when |",
        "|---|---|---|",
        *(f"| `{code}` | {status} | {when} |" for code, (status, _, when) in PROBLEMS.items()),
        "",
        "## Codes of fields",
        "",
        "| code | when |",
        "|---|---|",
        *(f"| `{code}` | {when} |" for code, when in FIELD_CODES.items()),
        "",
        "## Codes of failed rounds and orders",
        "",
        "`failureCode` of an order that is `failed`,"
        " and of its `round_failed` and `failed` events.",
        "",
        "| code | when |",
        "|---|---|",
        *(f"| `{code}` | {when} |" for code, when in FAILURE_CODES.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(errors_page(), end="")  # noqa: T201
