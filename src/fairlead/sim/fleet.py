"""Many seeds over all cores, a process each; what comes of them is summed up as it comes."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from fairlead.sim.audit import Violation
from fairlead.sim.faults import KINDS, spell_faults
from fairlead.sim.planted import planted
from fairlead.sim.process import CRASH_POINTS
from fairlead.sim.seeds import Lived, Plan, live
from fairlead.sim.story import story_of

DEFAULT = Plan()

ENOUGH_ORDERS = 20_000
"""In a run of so many orders every kind of fault and every crash point has its turn; one that has
not is a fault of the simulator."""

MOST_RARE_ORDERS = 60_000
"""In a run of so many even what takes three chances at once has had its turn."""

RARE_POINTS = frozenset({"failed_found", "resend_reclaim"})
"""Crash points that few orders pass: after a failed transaction that a restore had lost is stored,
and after a reclaim is sent again."""


class Failure(msgspec.Struct, frozen=True):
    """A seed with violations, and what happened to the order of the first."""

    seed: int
    # The command that replays it bit for bit.
    replay: str
    violations: list[Violation]
    story: str


class Sum(msgspec.Struct):
    """What came of all seeds so far."""

    seeds: int = 0
    orders: int = 0
    # By the status they ended with.
    ended: Counter[str] = msgspec.field(default_factory=Counter)
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    crash_points: Counter[str] = msgspec.field(default_factory=Counter)
    failures: list[Failure] = []
    virtual_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, lived: Lived, plan: Plan) -> None:
        self.seeds += 1
        self.orders += lived.orders
        self.ended.update(lived.ended)
        self.faults.update(lived.faults)
        self.crash_points.update(lived.points)
        self.virtual_s += lived.virtual_s
        self.cpu_s += lived.cpu_s
        if lived.violations:
            story = story_of(lived.story, lived.violations[0].order_id)
            failure = Failure(lived.seed, replay_of(lived.seed, plan), lived.violations, story)
            self.failures.append(failure)

    def never(self, plan: Plan) -> list[str]:
        """Faults that were asked for and crash points that were never met."""
        missing = [
            name
            for name, kind in KINDS.items()
            if plan.faults.get(name) and not kind.lacks and not self.faults[name]
        ]
        dies_after = {"crash_commit", "crash_send"}
        if dies_after <= set(plan.faults):
            missing += [f"crash after {p}" for p in CRASH_POINTS if not self.crash_points[p]]
        return missing

    def is_overdue(self, name: str) -> bool:
        """Whether so many orders should have met this one of `never`."""
        is_rare = name.removeprefix("crash after ") in RARE_POINTS
        return self.orders >= (MOST_RARE_ORDERS if is_rare else ENOUGH_ORDERS)

    def is_wrong(self, plan: Plan) -> bool:
        """Whether something must be mended: the engine, or the simulator."""
        return bool(self.failures) or any(map(self.is_overdue, self.never(plan)))


def live_through(seeds: Iterable[int], plan: Plan, cores: int | None = None) -> Iterator[Lived]:
    """Each seed, in whatever order they end. A failing one is lived through again for its story."""
    jobs = [(seed, plan) for seed in seeds]
    cores = min(cores or os.cpu_count() or 1, len(jobs))
    if cores <= 1:
        yield from map(_live, jobs)
        return
    # A child that starts anew has nothing of this process, whatever that one is.
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        yield from pool.imap_unordered(_live, jobs)


def _live(job: tuple[int, Plan]) -> Lived:
    seed, plan = job
    with planted(plan.planted):
        lived = live(seed, plan)
        return live(seed, plan, keeps_story=True) if lived.violations else lived


def replay_of(seed: int, plan: Plan) -> str:
    """The command that lives through a seed again."""
    words = ["fairlead sim", f"--seeds {seed}"]
    if plan.orders != DEFAULT.orders:
        words.append(f"--orders {plan.orders}")
    faults = spell_faults(plan.faults)
    if faults != "all":
        words.append(f"--faults {faults}")
    if plan.planted is not None:
        words.append(f"--planted {plan.planted}")
    return " ".join(words)
