"""A short soak of every venue where the compiled programs are at hand, on pools never seen."""

import os
import random

import pytest

from fairlead.venues.venue import Venue

FOLDER = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
SWAPS = 200


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
@pytest.mark.parametrize("venue", list(Venue))
def test_quotes_of_evolving_pools_are_the_programs(venue):
    # It drives LiteSVM, so it is imported only where it runs.
    from tests.vectors import soak

    seed = random.randrange(10**6)
    seen = soak.soak(venue, SWAPS, seed)
    assert ([], True) == (seen.differences, seen.executed >= SWAPS), seed
