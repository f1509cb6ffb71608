"""A seed replays bit for bit, in any process; and those that once failed."""

import os
import subprocess
import sys

import pytest

from fairlead.sim.faults import parse_faults
from fairlead.sim.seeds import Plan, live

ORDERS = 60
ALL = parse_faults("all")

REGRESSIONS = (
    # While the simulator was made: workers that could not register, orders brought back to rest by
    # a fork after their cancel was refused, tasks that outlived their processes.
    (12, 300, "all"),
    (28, 300, "all"),
    (57, 300, "all"),
    # A cancel, and a swap beside another, that had won long ago: their orders never ended.
    (9209, 150, "all"),
    (9220, 150, "all"),
)

_PROGRAM = """
import sys
from fairlead.sim.faults import parse_faults
from fairlead.sim.seeds import Plan, live
for seed in map(int, sys.argv[2:]):
    print(live(seed, Plan(int(sys.argv[1]), parse_faults("all"))).trace)
"""


def traces(hash_seed: int, *seeds: int) -> list[str]:
    """Of these seeds, in a process with this order of its sets."""
    command = [sys.executable, "-c", _PROGRAM, str(ORDERS), *map(str, seeds)]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.split()


def test_seed_replays_bit_for_bit_in_other_processes_under_any_hash_seed():
    # With one provider and with three, with and without a latch.
    seeds = range(1, 9)
    here = [live(seed, Plan(ORDERS, ALL)).trace for seed in seeds]
    assert here == traces(1, *seeds)
    assert here == traces(4711, *seeds)
    assert len(set(here)) == len(here)


def test_a_story_changes_nothing():
    plan = Plan(ORDERS, ALL)
    with_story = live(3, plan, keeps_story=True)
    assert live(3, plan).trace == with_story.trace
    assert with_story.story


def test_without_faults_every_order_ends_and_none_is_met():
    lived = live(1, Plan(100))
    assert [] == lived.violations
    assert {} == lived.faults
    assert 100 == lived.orders == sum(lived.ended.values())


@pytest.mark.parametrize(("seed", "orders", "faults"), REGRESSIONS)
def test_seed_that_failed_once_does_no_more(seed: int, orders: int, faults: str):
    assert [] == live(seed, Plan(orders, parse_faults(faults))).violations
