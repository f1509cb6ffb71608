"""By what an order's end is proven: one provider's word, or that of two that agree. Pure.

The settled attempts carry it in their evidence, and the event that ends the order tells it.
"""

from collections.abc import Iterable

import msgspec

from fairlead.orders.model import Attempt, AttemptState, Change

SINGLE_SOURCE = "single-source"
"""The only provider that is configured: trusted not to lie."""

AGREED = "agreed"
"""Two providers said the same."""


class _Told(msgspec.Struct):
    """The part of an evidence's JSON that is read here."""

    proof: str


_decode = msgspec.json.Decoder(_Told).decode


def kind_of(attempts: Iterable[Attempt]) -> str | None:
    """The weakest proof among the settled attempts; None where there is none, or it is unknown."""
    kinds = set()
    for attempt in attempts:
        if attempt.state is AttemptState.EXCLUDED:
            # By what proves that another one won.
            continue
        if attempt.state is AttemptState.LIVE or attempt.evidence is None:
            return None
        kinds.add(_decode(attempt.evidence).proof)
    if not kinds:
        return None
    return SINGLE_SOURCE if SINGLE_SOURCE in kinds else AGREED


def marked(change: Change, attempts: tuple[Attempt, ...]) -> Change:
    """The change; one that ends the order tells by what the end is proven.

    `attempts`: all of the order, as after the change. An order that never signed needs no proof.
    """
    if not change.end:
        return change
    kind = kind_of(attempts)
    if kind is None:
        return change
    last = change.events[-1]
    told = msgspec.structs.replace(last, data=_with(last.data, kind))
    return msgspec.structs.replace(change, events=(*change.events[:-1], told))


def _with(data: bytes, kind: str) -> bytes:
    """The JSON object with the field `proof`; its numbers keep their digits."""
    assert data[:1] == b"{"
    assert data[-1:] == b"}"
    comma = b"," if len(data) > 2 else b""
    return data[:-1] + comma + b'"proof":"' + kind.encode() + b'"}'
