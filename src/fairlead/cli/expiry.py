"""When an order gives up, as it is typed: in so long, or at a time."""

import re

import typer

from fairlead.clock import SystemClock
from fairlead.orders.events import iso

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_IN = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


def expires_at(text: str | None) -> str | None:
    """ISO 8601. What is no span of time is left for the API to read as a time."""
    if text is None:
        return None
    span = _IN.fullmatch(text)
    if span is not None:
        return iso(SystemClock().now_ms() + int(span[1]) * _UNIT_MS[span[2]])
    if "T" not in text and " " not in text:
        raise typer.BadParameter("must be as 90s, 10m, 2h, 1d, or an ISO 8601 time with a zone")
    return text
