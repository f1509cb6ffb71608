"""Why a transaction failed, from `meta.err` and the logs (docs/errors.md lists the codes)."""

import re
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.refusals import classify, is_short
from fairlead.venues.venue import ErrorClass

LATCH_INDEX = 0
"""The latch is always the first instruction (EXACTLY-ONCE 9)."""

_FAILED = re.compile(r"^Program (\w{32,44}) failed: (?:custom program error: (0x[0-9a-f]+))?")
_ANCHOR_NAME = re.compile(r"Error Code: (\w+)\. Error Number: (\d+)")

_CODES = {
    ErrorClass.STALE: "stale_price",
    ErrorClass.NOT_YET: "pool_not_open",
    ErrorClass.LIQUIDITY: "insufficient_liquidity",
    ErrorClass.TERMINAL: "program_error",
}


class ProgramFailure(msgspec.Struct, frozen=True, gc=False):
    """A failed transaction, classified. `latch_taken` says nothing about who took it (rule 10)."""

    code: str
    reason: str
    error_class: ErrorClass
    latch_taken: bool = False


def code_of(error_class: ErrorClass) -> str:
    """The stable failure code of a class."""
    return _CODES[error_class]


def failure_of(error: str, logs: tuple[str, ...], *, is_exact_out: bool = False) -> ProgramFailure:
    """Classify `meta.err` (JSON) with the transaction's logs. Of an exact output an account that is
    short of the input says that the price is above the maximum: it holds at least that."""
    err: Any = msgspec.json.decode(error)
    if not isinstance(err, dict) or "InstructionError" not in err:
        return _transaction_failure(err)
    index, kind = err["InstructionError"]
    custom = kind.get("Custom") if isinstance(kind, dict) else None
    if index == LATCH_INDEX and custom == 0:
        reason = "the latch account exists already"
        return ProgramFailure("latch_taken", reason, ErrorClass.STALE, latch_taken=True)
    if kind == "ComputationalBudgetExceeded":
        reason = "the swap needs more compute units than were asked for"
        return ProgramFailure("compute_exceeded", reason, ErrorClass.STALE)
    program, name, code = _innermost(logs, custom)
    error_class = classify(program, name, code) if program else ErrorClass.TERMINAL
    if is_exact_out and program is not None and is_short(program, code):
        error_class = ErrorClass.STALE
    what = name or (f"error {code}" if code is not None else str(kind))
    reason = f"instruction {index} failed: {what}" + (f" in program {program}" if program else "")
    return ProgramFailure(code_of(error_class), reason, error_class)


def _transaction_failure(err: Any) -> ProgramFailure:
    """Errors of the transaction as a whole."""
    name = err if isinstance(err, str) else next(iter(err), "unknown")
    if name in ("InsufficientFundsForFee", "InsufficientFundsForRent", "AccountNotFound"):
        reason = f"the wallet cannot pay fees or rent ({name})"
        return ProgramFailure("insufficient_funds", reason, ErrorClass.TERMINAL)
    if name in ("BlockhashNotFound", "AccountInUse", "WouldExceedMaxBlockCostLimit"):
        return ProgramFailure("cluster_busy", f"the cluster answered {name}", ErrorClass.STALE)
    return ProgramFailure("program_error", f"the cluster answered {name}", ErrorClass.TERMINAL)


def _innermost(
    logs: tuple[str, ...], custom: int | None
) -> tuple[Pubkey | None, str | None, int | None]:
    """The innermost failing program, Anchor's name for the error if logged, and the custom code."""
    name: str | None = None
    for line in logs:
        anchor = _ANCHOR_NAME.search(line)
        if anchor is not None:
            name = anchor[1]
        failed = _FAILED.match(line)
        if failed is not None:
            code = int(failed[2], 16) if failed[2] else None
            return Pubkey.from_string(failed[1]), name, code
    return None, name, custom
