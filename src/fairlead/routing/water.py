"""The split of an amount over curves at which every part's marginal price is the same.

It is the dual of "pay the most in total": one price for all, raised until the parts add up. In
roots (`fairlead.venues.curves`) the amount that a pool takes before its marginal price falls to a
level grows in straight lines, so the sum over pools does too: the level is found by bisection over
the curves' points and one division, not by iteration to a tolerance. The picture is water that runs
into vessels of different shapes from one tap.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from fairlead.venues.curves import Curve

FLOAT_SLACK = 1 - 2**-48
"""What a float may say less than the whole number that it stands for, summed up over pools."""


class Level(msgspec.Struct, frozen=True, gc=False):
    """A split, not yet rounded to atoms."""

    # One over the square root of the marginal price of every part that is not 0.
    root: float
    # Of input, by curve; they add up to the amount but for floats.
    amounts: list[float]


def level_of(curves: Sequence[Curve], amount: int) -> Level | None:
    """The split that pays most; None where the curves together take less than the amount."""
    if sum([curve.amounts[-1] for curve in curves]) < amount * FLOAT_SLACK:
        return None
    roots = sorted({root for curve in curves for root in curve.roots})
    low, high = 0, len(roots) - 1
    while low < high:
        half = (low + high) // 2
        if _sum_at(curves, roots[half]) >= amount:
            high = half
        else:
            low = half + 1
    top = roots[low]
    below = [_taken_before(curve, top) for curve in curves]
    reached = sum(below)
    if reached >= amount and low:
        # The level lies in between, where all parts grow in straight lines.
        start = roots[low - 1]
        first = [taken_at(curve, start) for curve in curves]
        return _between(first, below, start, top, amount)
    # Some parts grow at just this level: all prices there are the same.
    return _between(below, [taken_at(curve, top) for curve in curves], top, top, amount)


def out_of(curve: Curve, amount: float) -> float:
    """What the curve pays for this much, or for all that it takes."""
    amounts, roots = curve.amounts, curve.roots
    paid = 0.0
    for k in range(1, len(amounts)):
        start, end = amounts[k - 1], amounts[k]
        if amount <= end:
            part = amount - start
            if part > 0:
                reached = roots[k - 1] + (roots[k] - roots[k - 1]) * part / (end - start)
                paid += part / (roots[k - 1] * reached)
            return paid
        paid += (end - start) / (roots[k - 1] * roots[k])
    return paid


def taken_at(curve: Curve, root: float) -> float:
    """What the pool takes until its root is beyond this one."""
    return _taken(curve, root, bisect_right(curve.roots, root))


def earned_at(curve: Curve, root: float) -> float:
    """What the curve pays above the marginal price of this root, for all that it takes until it
    reaches it."""
    amount = taken_at(curve, root)
    return out_of(curve, amount) - amount / (root * root)


def _between(first: list[float], last: list[float], low: float, high: float, amount: int) -> Level:
    from_, to = sum(first), sum(last)
    part = (amount - from_) / (to - from_) if to > from_ else 1.0
    amounts = [a + (b - a) * part for a, b in zip(first, last, strict=True)]
    return Level(low + (high - low) * part, amounts)


def _sum_at(curves: Sequence[Curve], root: float) -> float:
    taken = 0.0
    for curve in curves:
        if curve.roots[0] <= root:
            taken += taken_at(curve, root)
    return taken


def _taken_before(curve: Curve, root: float) -> float:
    """What the pool takes until its root is this one."""
    return _taken(curve, root, bisect_left(curve.roots, root))


def _taken(curve: Curve, root: float, place: int) -> float:
    amounts, roots = curve.amounts, curve.roots
    if not place:
        return 0.0
    start = amounts[place - 1]
    if place == len(roots):
        return start
    low = roots[place - 1]
    return start + (root - low) / (roots[place] - low) * (amounts[place] - start)
