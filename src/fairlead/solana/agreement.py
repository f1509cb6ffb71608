"""When witnesses agree: from what each said by itself, what counts. Pure.

With two providers or more a fact counts when two say it, and a single liar among them can delay an
end, never make one. A single provider is trusted not to lie. Missing and contradicting answers
mean: ask again.
"""

import itertools
from collections.abc import Sequence
from typing import TypeVar

from fairlead.ports import SignatureStatus
from fairlead.solana.proof import Settled

MAX_APART_BLOCKS = 1_500
"""How far apart two heights, or slots, may be to vouch for each other: ten minutes of 400 ms slots.
A provider that is farther behind is as good as down. A liar who names too great a height is
believed by no more than this, which is how long he can delay a proof."""

LEVELS = ("processed", "confirmed", "finalized")

_T = TypeVar("_T")


def needed_of(witnesses: int) -> int:
    """How many must say the same."""
    assert witnesses >= 1
    return 1 if witnesses == 1 else 2


def agreed(verdicts: Sequence[Settled | None], needed: int) -> Settled | None:
    """The verdict that enough witnesses came to. None while there is no such, or where as many say
    that the attempt ended otherwise."""
    said = [verdict for verdict in verdicts if verdict is not None]
    ends = [verdict.state for verdict in said]
    if len({state for state in ends if ends.count(state) >= needed}) != 1:
        return None
    enough = [verdict for verdict in said if said.count(verdict) >= needed]
    return enough[0] if enough and enough.count(enough[0]) == len(enough) else None


def agreed_value(values: Sequence[_T | None], needed: int) -> _T | None:
    """What enough witnesses say in the same way, None while nothing is."""
    said = [value for value in values if value is not None]
    return next((value for value in said if said.count(value) >= needed), None)


def agreed_height(heights: Sequence[int], needed: int) -> int | None:
    """The greatest height for which another one vouches, by being not far below it."""
    near = _near_each_other(heights, needed)
    return None if near is None else near[0]


def reached_height(heights: Sequence[int], needed: int) -> int | None:
    """The greatest height that enough witnesses say they have reached: a single liar raises it by
    nothing, and lowers it by `MAX_APART_BLOCKS` at most. For what a height allows."""
    near = _near_each_other(heights, needed)
    return None if near is None else near[1]


def _near_each_other(heights: Sequence[int], needed: int) -> tuple[int, int] | None:
    """The two greatest that are, the greater first. A height that needs nobody is near itself."""
    falling = sorted(heights, reverse=True)
    if needed == 1:
        return (falling[0], falling[0]) if falling else None
    for height, next_lower in itertools.pairwise(falling):
        if height - next_lower <= MAX_APART_BLOCKS:
            return height, next_lower
    return None


def likely_status(
    answers: Sequence[SignatureStatus | None], needed: int, *, lone_success: bool = True
) -> SignatureStatus | None:
    """What the answers of several witnesses hint at; it ends nothing.

    What two say goes before what one says. A single witness may be the first to see a success
    (`lone_success`), which is provisional anyway; a single one that tells of an error may lie, and
    would stop the sending.
    """
    successes = [each for each in answers if each is not None and each.error is None]
    errors = [each for each in answers if each is not None and each.error is not None]
    for told in (successes, errors):
        if len(told) >= needed:
            # As far as enough of them have seen it.
            return sorted(told, key=_progress, reverse=True)[needed - 1]
    if not successes or not lone_success:
        return None
    return max(successes, key=_progress)


def _progress(status: SignatureStatus) -> int:
    return LEVELS.index(status.commitment) if status.commitment in LEVELS else -1
