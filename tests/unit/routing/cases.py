"""Random splits with their reference: for a test of some, and for a benchmark of many."""

import random
from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

from solders.pubkey import Pubkey

from fairlead.routing.split import Split, SplitRequest, best_split, vessels_of
from tests.unit.routing.markets import MINTS, NOW, Made, Unlimited, best_alone, random_market
from tests.unit.routing.reference import capacity, most_out

MOST_DEPTH = 1e14
"""What counts of a pool's depth where it has no end."""


class Case(NamedTuple):
    """An order and the market it meets."""

    made: list[Made]
    # The place of the input in the pair.
    side: int
    amount: int

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        return MINTS if not self.side else (MINTS[1], MINTS[0])


class Outcome(NamedTuple):
    """What a case came to, in atoms of the output."""

    case: Case
    split: Split
    best_alone: int
    # No split pays more.
    bound: float

    @property
    def gap_bps(self) -> float:
        return (1 - self.split.amount_out_atoms / self.bound) * 1e4


def random_case(rng: random.Random, counts: Sequence[int] = range(2, 17)) -> Case:
    """An order of a hundred-thousandth to a half of what the pools take."""
    made = random_market(rng, rng.choice(counts))
    side = rng.randrange(2)
    depth = sum(min(capacity(each.curves[side]), MOST_DEPTH) for each in made)
    return Case(made, side, max(int(depth * exp(rng.uniform(log(1e-5), log(0.5)))), 1_000))


def solved(case: Case, max_legs: int = 16, min_gain_bps: int = 0) -> Outcome:
    """The split without network costs and without a transaction's limits."""
    token_in, token_out = case.mints
    pools = [each.pool for each in case.made]
    request = SplitRequest(token_in, token_out, case.amount, NOW, max_legs, min_gain_bps)
    vessels = vessels_of(pools, token_in, case.amount, NOW, {}, lambda _: 0)
    split = best_split(request, vessels, Unlimited())
    assert split is not None, "the pools together take twice as much"
    bound = most_out([each.curves[case.side] for each in case.made], case.amount)
    return Outcome(case, split, best_alone(pools, token_in, case.amount), bound)
