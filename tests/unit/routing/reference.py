"""The most that any split pays, from outside: the dual of the split, minimised with scipy.

For every price, what the pools would earn above it plus the amount at that price is at least what
any split pays. The lowest of these bounds is what the best split pays, since the curves are concave
and continuous. It is a bound wherever the minimiser stops, so a gap to it is never told too small.
"""

from collections.abc import Sequence
from math import exp, log, sqrt

from scipy.optimize import minimize_scalar

from tests.unit.routing.markets import Piece


def most_out(curves: Sequence[Sequence[Piece]], amount: int) -> float:
    """The least bound found for what a split of the amount over these curves pays."""
    pieces = [piece for curve in curves for piece in curve]
    prices = [_first_price(piece) for piece in pieces]
    # An input of a hundred thousand times the reserves meets e^-23 of the first price.
    low, high = log(min(prices)) - 25, log(max(prices)) + 1e-9

    def bound(log_price: float) -> float:
        price = exp(log_price)
        return price * amount + sum(_earned(piece, price) for piece in pieces)

    least = float("inf")
    # From wide to narrow: a bounded search of a broken line may stop early at a wide one.
    for _ in range(4):
        found = minimize_scalar(
            bound, bounds=(low, high), method="bounded", options={"xatol": 1e-13, "maxiter": 500}
        )
        least = min(least, float(found.fun))
        span = (high - low) / 50
        low, high = float(found.x) - span, float(found.x) + span
    return least


def capacity(curve: Sequence[Piece]) -> float:
    """Input that the curve takes at most, fees included."""
    return sum(piece.most_in / piece.kept for piece in curve)


def _first_price(piece: Piece) -> float:
    kept = piece.kept * piece.kept_out
    return kept * piece.reserve_out / (piece.reserve_in or 1)


def _earned(piece: Piece, price: float) -> float:
    """The most that a piece pays above this price for all it takes."""
    kept, net_price = piece.kept_out, price / piece.kept
    if not piece.reserve_in:
        return max(kept * piece.reserve_out - net_price, 0.0) * piece.most_in
    wanted = sqrt(piece.reserve_in * piece.reserve_out * kept / net_price) - piece.reserve_in
    net = min(max(wanted, 0.0), piece.most_in)
    return kept * piece.reserve_out * net / (piece.reserve_in + net) - net_price * net
