"""A short torture: half a minute of strikes, then the books. `script/torture` has longer ones."""

import random

import pytest

from tests.torture import report
from tests.torture.run import Wanted, torture

STORM_MINUTES = 0.6
MIN_KILLS = 6


@pytest.mark.serial
async def test_killed_stopped_and_cut_off_the_engine_keeps_its_books() -> None:
    seed = random.SystemRandom().randrange(2**32)
    wanted = Wanted(STORM_MINUTES, seed, orders_per_second=8, sockets=4, ends_within_s=120)
    print(f"seed {seed}")
    outcome = await torture(wanted, print)
    print(report.as_json(outcome.summary), *outcome.stories, sep="\n")
    assert not outcome.violations, f"seed {seed}\n{report.told(outcome.violations)}"
    assert outcome.summary["kills"]["all"] >= MIN_KILLS
    assert outcome.summary["orders"]["confirmed"] > 0
    # Every one of them came back, or none of this was about reconnecting.
    assert outcome.summary["sockets"]["reconnects"] > 0
