"""Problem documents (RFC 9457) and broken connections as the errors of fairlead.errors."""

import msgspec

from fairlead.client.answers import decode
from fairlead.errors import (
    CannotCancel,
    FairleadError,
    FieldError,
    IdempotencyConflict,
    InsufficientFunds,
    InvalidOrder,
    NotEnded,
    OrderNotFound,
    Overloaded,
    Rejected,
    Unavailable,
    WriteOutcomeUnknown,
)

# When a server that is overloaded does not say when to come back.
DEFAULT_RETRY_AFTER_S = 1


class NotAuthorized(Rejected):
    """The token is missing, wrong, or not for this."""

    code = "unauthorized"


class RequestRejected(Rejected):
    """Any other refusal; `code` is from the list in docs/errors.md."""

    def __init__(self, code: str, status: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status


class TooManyResting(Overloaded):
    """The engine keeps no further order at rest: cancel some, or try again later."""

    code = "too_many_resting"

    def __init__(self, retry_after_s: int, detail: str) -> None:
        super().__init__(0, retry_after_s)
        self.args = (detail,)


class SubmitOutcomeUnknown(WriteOutcomeUnknown):
    """The order may be stored. Submitting it again with the same key cannot make it twice."""

    def __init__(self, idempotency_key: str, detail: str) -> None:
        super().__init__(
            f"the order may have been accepted ({detail}); submit it again with the"
            f" idempotency key {idempotency_key}: it will not be made twice"
        )
        self.idempotency_key = idempotency_key


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    title: str = ""
    detail: str = ""
    code: str = ""
    errors: tuple[FieldError, ...] = ()
    order_id: str = ""
    order_status: str = ""
    asset: str | None = None
    needed_atoms: int | str | None = None
    balance_atoms: int | str | None = None
    reserved_atoms: int | str | None = None
    waiting: int = 0


def error_from(status: int, body: bytes, retry_after: str | None, order_id: str) -> FairleadError:
    """The error of a refused request. `order_id` is the one asked about, if any."""
    try:
        problem = decode(body, Problem)
    except (msgspec.ValidationError, msgspec.DecodeError):
        problem = Problem(detail=body[:200].decode("utf-8", "replace").strip())
    detail = problem.detail or problem.title or f"HTTP {status}"
    order_id = problem.order_id or order_id
    code = problem.code
    if status in (401, 403) and code in ("", "unauthorized", "forbidden"):
        return NotAuthorized(detail)
    if status == 429 or code == "overloaded":
        return Overloaded(problem.waiting, _seconds(retry_after))
    if code == TooManyResting.code:
        return TooManyResting(_seconds(retry_after), detail)
    if status >= 500:
        # Only these say that nothing was done.
        known = status == 503 and code != WriteOutcomeUnknown.code
        return Unavailable("api", detail) if known else WriteOutcomeUnknown(detail)
    if problem.errors:
        invalid = InvalidOrder(problem.errors)
        invalid.code = code
        return invalid
    if code == IdempotencyConflict.code:
        return IdempotencyConflict(order_id)
    if code == OrderNotFound.code:
        return OrderNotFound(order_id)
    if code == NotEnded.code:
        return NotEnded(order_id, problem.order_status)
    if code.startswith("already_"):
        return CannotCancel(order_id, code.removeprefix("already_"))
    if code == InsufficientFunds.code and problem.asset is not None:
        return InsufficientFunds(
            problem.asset,
            int(problem.needed_atoms or 0),
            int(problem.balance_atoms or 0),
            int(problem.reserved_atoms or 0),
        )
    return RequestRejected(code or f"http_{status}", status, detail)


def _seconds(retry_after: str | None) -> int:
    if retry_after is not None and retry_after.isdecimal():
        return int(retry_after)
    return DEFAULT_RETRY_AFTER_S
