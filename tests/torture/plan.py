"""What is broken when, from a seed alone. Pure.

Phases alternate: in an orderly one only one thing is killed at a time, so that recovery can be
measured; in a wild one kills, stops, broken connections and a full disk fall into each other.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

WORKERS = ("worker-1", "worker-2", "worker-3")
SERVE = "serve-1"
"""An API and a worker in one process: what it accepts it has claimed in the same commit."""

APIS = ("api-1", SERVE)
NODE, POSTGRES, REDIS = "node", "postgres", "redis"
SERVERS = (POSTGRES, REDIS, NODE)

LEASE_MS = 3_000
"""Of the workers: short, so that a stop past it is, too."""

WINDOW_BLOCKS, RECLAIM_MARGIN_BLOCKS = 50, 32
"""Blocks in which an attempt may land, and further ones before the rent of its latch comes back:
so few that it does so all through the storm."""

BEGINS_AFTER_S = 2.0
PHASE_S = 24.0
ORDERLY_GAP_S = (2.3, 3.0)
WILD_GAP_S = (1.6, 2.6)
"""Between two kills."""

# Of a hundred kills.
_KILLED = {
    **dict.fromkeys(WORKERS, 14), **dict.fromkeys(APIS, 10), NODE: 13, POSTGRES: 13, REDIS: 12,
}  # fmt: skip


class Kind(StrEnum):
    KILL = "kill"
    STOP = "stop"
    CUT = "cut"
    FULL = "full"


class Cut(StrEnum):
    """What happens to the connections of one link."""

    # All are reset; new ones are let through.
    RESET = "reset"
    # All are reset, and new ones too for a while.
    REFUSE = "refuse"
    # Nothing passes for a while, then all of it does.
    STALL = "stall"
    # What is asked arrives, what is answered does not; then all are reset.
    UNANSWERED = "unanswered"
    # One direction is ended properly, the other stays open for a while.
    HALF_CLOSE = "half_close"


@dataclass(frozen=True)
class Strike:
    """One thing done to one part, `at_s` after the storm began."""

    at_s: float
    kind: Kind
    # A part; of a cut, the link between two.
    target: str
    lasts_s: float = 0.0
    cut: Cut | None = None
    # Whether nothing else is planned until the next kill.
    is_alone: bool = False

    def told(self) -> str:
        """For people."""
        how = f" ({self.cut})" if self.cut else ""
        lasting = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:7.2f} s  {self.kind} {self.target}{how}{lasting}"


def link_name(one: str, other: str) -> str:
    return f"{one}~{other}"


def links() -> list[tuple[str, str]]:
    """Every two parts that talk to each other, who calls first."""
    engine = [(part, server) for part in (*APIS, *WORKERS) for server in SERVERS]
    return [*engine, *(("clients", api) for api in APIS)]


def make_plan(seed: int, seconds: float) -> list[Strike]:
    """All strikes of a storm, in their order."""
    dice = random.Random(f"plan {seed}")
    strikes: list[Strike] = []
    begins_s, is_orderly = BEGINS_AFTER_S, True
    while begins_s < seconds:
        ends_s = min(seconds, begins_s + PHASE_S)
        strikes += _kills(dice, begins_s, ends_s, is_orderly)
        if not is_orderly:
            strikes += _others(dice, begins_s, ends_s)
        begins_s, is_orderly = ends_s, not is_orderly
    return sorted(strikes, key=lambda strike: strike.at_s)


def _kills(dice: random.Random, at_s: float, ends_s: float, is_orderly: bool) -> list[Strike]:
    kills: list[Strike] = []
    parts, weights = list(_KILLED), list(_KILLED.values())
    last = ""
    while at_s < ends_s:
        (target,) = dice.choices(parts, weights)
        # One that is only just coming back says nothing about recovery.
        while is_orderly and target == last:
            (target,) = dice.choices(parts, weights)
        last = target
        kills.append(Strike(at_s, Kind.KILL, target, is_alone=is_orderly))
        at_s += dice.uniform(*(ORDERLY_GAP_S if is_orderly else WILD_GAP_S))
    return kills


def _others(dice: random.Random, begins_s: float, ends_s: float) -> list[Strike]:
    # So early that all of them are over when the orderly phase begins.
    last_s = max(begins_s, ends_s - 7.0)
    past_lease_s = LEASE_MS / 1000
    strikes = [
        Strike(
            at_s, Kind.STOP, dice.choice((*WORKERS, SERVE)), past_lease_s + dice.uniform(0.5, 2.5)
        )
        for at_s in _moments(dice, begins_s, last_s, 4.0)
    ]
    strikes += [_cut(dice, at_s) for at_s in _moments(dice, begins_s, last_s, 1.2)]
    if ends_s - begins_s > PHASE_S / 2:
        at_s = dice.uniform(begins_s, last_s)
        strikes.append(Strike(at_s, Kind.FULL, POSTGRES, dice.uniform(0.8, 3.0)))
    return strikes


def _moments(
    dice: random.Random, begins_s: float, ends_s: float, every_s: float
) -> Sequence[float]:
    count = round((ends_s - begins_s) / every_s)
    return [dice.uniform(begins_s, ends_s) for _ in range(count)]


def _cut(dice: random.Random, at_s: float) -> Strike:
    cut = dice.choice(list(Cut))
    link = link_name(*dice.choice(links()))
    # Longer than a lease, now and then.
    lasts_s = 0.0 if cut is Cut.RESET else dice.choice((0.3, 1.0, 2.0, 5.0)) * dice.uniform(0.8, 1)
    return Strike(at_s, Kind.CUT, link, lasts_s, cut)
