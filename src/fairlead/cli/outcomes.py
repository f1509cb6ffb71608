"""What a command ends with: an exit code, and for people a sentence instead of a traceback.

| code | meaning |
|---|---|
| 0 | done |
| 1 | a check failed, or a watched order did not end confirmed |
| 2 | the command line is wrong |
| 3 | the engine refused the request: change it |
| 4 | nothing answers: try again later |
| 5 | it may have happened: look before trying again |
| 6 | a setting is wrong |
| 70 | a bug of fairlead |
| 130 | interrupted |
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn

from fairlead.config import read_environment
from fairlead.errors import (
    ConfigError,
    FairleadError,
    InvalidOrder,
    Overloaded,
    Rejected,
    Transient,
    Unavailable,
    UnknownOutcome,
    WriteOutcomeUnknown,
)

DONE = 0
FAILED = 1
USAGE = 2
REFUSED = 3
UNAVAILABLE = 4
UNKNOWN = 5
MISCONFIGURED = 6
BUG = 70
INTERRUPTED = 130


def exit_code_of(error: FairleadError) -> int:
    match error:
        case ConfigError():
            return MISCONFIGURED
        case Rejected():
            return REFUSED
        case Transient():
            return UNAVAILABLE
        case UnknownOutcome() | WriteOutcomeUnknown():
            return UNKNOWN
        case _:
            return FAILED


def sentence_of(error: FairleadError) -> str:
    """The error and, where there is one, what to do about it."""
    match error:
        case InvalidOrder():
            return "\n".join(f"{one.field}: {one.message}" for one in error.errors)
        case Overloaded():
            return f"{error}; try again in {error.retry_after_s} s"
        case Unavailable() if error.part == "api":
            return f"{error}\nIs it running? `fairlead serve` starts it; FAIRLEAD_URL says where."
        case Unavailable() if error.part == "store":
            return (
                f"{error}\nIs PostgreSQL running, and DATABASE_URL right? `fairlead doctor` tells."
            )
        case _:
            return str(error)


def perform(action: Callable[[], int], as_json: bool) -> NoReturn:
    """Run a command and leave with its exit code."""
    try:
        try:
            code = action()
        except BaseExceptionGroup as group:
            raise first_of(group) from None
    except FairleadError as error:
        tell(error, as_json)
        code = exit_code_of(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = INTERRUPTED
    except BrokenPipeError:
        # `fairlead order list | head`: the reader has seen enough.
        sys.stderr.close()
        code = DONE
    except Exception as error:
        tell_bug(error)
        code = BUG
    # What typer raises itself at the end of a command; the servers start without it.
    raise SystemExit(code)


def first_of(error: BaseException) -> BaseException:
    """The first error in a group of groups: tasks that fell together fell over the same thing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def perform_async(action: Callable[[], Coroutine[Any, Any, int]], as_json: bool) -> NoReturn:
    perform(lambda: asyncio.run(action()), as_json)


def tell(error: FairleadError, as_json: bool) -> None:
    """On standard error, so that standard output holds answers only."""
    if not as_json:
        print(f"fairlead: {sentence_of(error)}", file=sys.stderr)
        return
    told: dict[str, Any] = {"code": error.code, "message": str(error)}
    if isinstance(error, ConfigError):
        told["variable"] = error.variable
    if isinstance(error, InvalidOrder):
        told["errors"] = [
            {"field": one.field, "code": one.code, "message": one.message} for one in error.errors
        ]
    print(json.dumps({"error": told}), file=sys.stderr)


def tell_bug(error: Exception) -> None:
    """Where it happened; everything that led there only for who asks for it."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    print(f"fairlead: a bug: {type(error).__name__}: {error} ({place})", file=sys.stderr)
    if read_environment().get("LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    else:
        print("With LOG_LEVEL=debug all of its trace is printed.", file=sys.stderr)
