"""A fresh window of seeds in each run, for as long as FAIRLEAD_SIM_SECONDS says, over all cores.

What fails is printed as the command that replays it bit for bit, with the story of the order.
"""

import os
import time

import pytest

from fairlead.sim.faults import parse_faults
from fairlead.sim.fleet import Sum, live_through
from fairlead.sim.seeds import Plan

SECONDS = float(os.environ.get("FAIRLEAD_SIM_SECONDS", "60"))
WINDOW = 1_000_000
"""Seeds of one window: a new one each second, far away from those of the regressions."""


@pytest.mark.serial
def test_a_fresh_window_of_seeds_finds_nothing(capsys: pytest.CaptureFixture[str]):
    plan = Plan(orders=300, faults=parse_faults("all"))
    first = int(time.time()) * WINDOW
    found = Sum()
    began_s = time.monotonic()
    for lived in live_through(range(first, first + WINDOW // 1_000), plan):
        found.add(lived, plan)
        if time.monotonic() - began_s > SECONDS:
            break
    told = (
        f"seeds from {first}: {found.seeds}, orders {found.orders:,},"
        f" faults {found.faults.total():,}, failing {len(found.failures)}"
    )
    with capsys.disabled():
        print(f"\n{told}")
    for failure in found.failures:
        print(failure.replay, *failure.violations[:3], failure.story, sep="\n")
    assert not found.failures, told
