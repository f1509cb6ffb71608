"""fairlead and the reference engine in turns on this machine: how many times better is which.

Each round starts either side afresh, fairlead first, with a PostgreSQL of its own (fsync on); the
reference has a Redis besides. One client sends both the same bytes: orders accepted with nothing
executing, 50 orders a second, then a burst from the first POST to the last `confirmed` seen on the
stream. Whatever else the machine does in a round meets both: read the ratios, not the figures.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

import msgspec
import uvloop

from bench import accept, burst, steady
from bench.engine import Engine, counts, engine, machine, print_figures
from bench.reference.start import FOLDER, install, node, reference

MAX_ROUNDS = 9
MAX_ORDERS = 60_000
MAX_STEADY_S = 60.0
# Of one stage on one side; a side that hangs ends the comparison.
STAGE_TIMEOUT_S = 120.0
# No round begins later than this after the first.
MAX_ROUNDS_S = 1_200.0
STEADY_PER_SECOND = 50.0

# Of each figure whether more is better. A ratio above 1 says that fairlead is ahead.
MORE_IS_BETTER = {
    "accepts_per_second": True,
    "burst_orders_per_second": True,
    "steady_p50_ms": False,
    "steady_p99_ms": False,
}

Figures = dict[str, float]
Start = Callable[[], contextlib.AbstractContextManager[Engine]]
T = TypeVar("T")


class Size(msgspec.Struct, frozen=True):
    """How much one side does in one round."""

    accept_orders: int
    burst_orders: int
    steady_seconds: float
    clients: int


class Side(NamedTuple):
    """An engine: started so that it only accepts, and whole."""

    name: str
    accepting: Start
    whole: Start


SIDES = (
    Side(
        "fairlead",
        lambda: engine(
            "serve",
            "postgresql",
            {"FAIRLEAD_CONCURRENCY": "0", "FAIRLEAD_MAX_WAITING_ORDERS": "10000000"},
        ),
        lambda: engine("serve", "postgresql", {}),
    ),
    Side("reference", lambda: reference({"WORKER_CONCURRENCY": "0"}), lambda: reference({})),
)


def bounded(stage: Coroutine[Any, Any, T]) -> T:
    """The stage's result; TimeoutError if it takes too long."""

    async def run() -> T:
        async with asyncio.timeout(STAGE_TIMEOUT_S):
            return await stage

    return uvloop.run(run())


def measure(side: Side, size: Size) -> Figures:
    """One side's part of a round. An order that is not accepted or not confirmed ends everything:
    figures of different work have no ratio."""
    others_load = os.getloadavg()[0]
    with side.accepting() as running:
        load = bounded(accept.measure(running.port, size.accept_orders, size.clients))
        expect(side, "accepted", size.accept_orders, load.statuses.get(202, 0))
        expect(side, "stored", accept.WARM_UP_ORDERS + size.accept_orders, stored(running))
    with side.whole() as running:
        paced: dict[str, Any] = bounded(
            steady.measure(running.port, STEADY_PER_SECOND, size.steady_seconds)
        )
        expect(side, "confirmed at a steady pace", paced["orders"], paced["confirmed"])
        rush, seen = bounded(burst.followed(running.port, size.burst_orders, size.clients))
        expect(side, "confirmed in the burst", size.burst_orders, seen.confirmed)
        # What the store says, not only what was told.
        expect(side, "stored as confirmed", stored(running), counts(running.port)["completed"])
    return {
        "accepts_per_second": round(load.answers / load.seconds, 1),
        "burst_orders_per_second": round(seen.confirmed / (seen.last_at - rush.began_at), 1),
        "steady_p50_ms": paced["post_to_confirmed_ms"]["p50"],
        "steady_p99_ms": paced["post_to_confirmed_ms"]["p99"],
        # How far to trust these: the client's own lateness, and how busy others kept the machine.
        "client_late_p99_ms": paced["client_late_ms"]["p99"],
        "load_average_before": round(others_load, 2),
    }


def stored(running: Engine) -> int:
    return counts(running.port)["total"]


def expect(side: Side, what: str, wanted: int, found: int) -> None:
    if wanted != found:
        raise RuntimeError(f"{side.name}: {found} of {wanted} orders were {what}")


def in_turns(rounds: int, size: Size) -> dict[str, list[Figures]]:
    """Figures of each side, round by round."""
    taken: dict[str, list[Figures]] = {side.name: [] for side in SIDES}
    last_begin = time.monotonic() + MAX_ROUNDS_S
    for number in range(1, rounds + 1):
        if time.monotonic() > last_begin:
            break
        for side in SIDES:
            taken[side.name].append(figures := measure(side, size))
            sys.stderr.write(f"round {number} {side.name} {json.dumps(figures)}\n")
    return taken


def ratios(fairlead: list[Figures], other: list[Figures]) -> dict[str, dict[str, float]]:
    """Median and spread of the rounds' ratios, each between neighbours in time."""
    compared = {}
    for name, more_is_better in MORE_IS_BETTER.items():
        pairs = [(ours[name], theirs[name]) for ours, theirs in zip(fairlead, other, strict=True)]
        of_rounds = [ours / theirs if more_is_better else theirs / ours for ours, theirs in pairs]
        compared[name] = {
            "median": round(statistics.median(of_rounds), 2),
            "min": round(min(of_rounds), 2),
            "max": round(max(of_rounds), 2),
        }
    return compared


def medians(rounds: list[Figures]) -> Figures:
    return {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}


def versions() -> dict[str, str]:
    """Of what the reference is made."""
    packages: dict[str, str] = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    said = subprocess.check_output([node(), "--version"], text=True)  # noqa: S603
    return {"node": said.strip().removeprefix("v"), **packages}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--accept-orders", type=int, default=9_000)
    arguments.add_argument("--burst-orders", type=int, default=4_000)
    arguments.add_argument("--steady-seconds", type=float, default=10)
    arguments.add_argument("--clients", type=int, default=64)
    asked = arguments.parse_args()
    size = Size(
        min(asked.accept_orders, MAX_ORDERS),
        min(asked.burst_orders, MAX_ORDERS),
        min(asked.steady_seconds, MAX_STEADY_S),
        asked.clients,
    )
    # Asked to end, it takes down what it started, as it does at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    install()
    taken = in_turns(min(asked.rounds, MAX_ROUNDS), size)
    print_figures(
        {
            "what": "fairlead and the reference engine in turns; a ratio above 1: fairlead ahead",
            "rounds": len(taken["fairlead"]),
            "each_round": msgspec.to_builtins(size),
            "ratios": ratios(taken["fairlead"], taken["reference"]),
            "medians": {name: medians(rounds) for name, rounds in taken.items()},
            "by_round": taken,
            "reference": versions(),
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
