"""No log lines while worlds are lived through; errors nobody foresaw are kept for the report."""

import contextlib
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import structlog

MOST_KEPT = 20


@contextlib.contextmanager
def quiet_logs() -> Iterator[list[str]]:
    """Errors logged meanwhile, with where they were raised; nothing is printed."""
    kept: list[str] = []

    def keep(_: Any, __: str, event: Any) -> Any:
        if len(kept) < MOST_KEPT:
            kept.append(_sentence(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )
    try:
        yield kept
    finally:
        structlog.configure(**before)


def _sentence(event: Any) -> str:
    error = event.pop("exc_info", None)
    if error is True:
        import sys

        error = sys.exc_info()[1]
    text = ", ".join(f"{name}={value}" for name, value in event.items())
    if not isinstance(error, BaseException):
        return text
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
    return f"{text}: {type(error).__name__}: {error} ({where})"
