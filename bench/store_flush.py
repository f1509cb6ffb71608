"""What one flush of the PostgreSQL store costs: µs of CPU here and in the server, by size.

    python -m bench.store_flush [FOLDER …] [--rounds 5]

Orders live their lives in step: all are accepted and claimed in one flush, routed and submitted in
the next, then confirmed, then finalized. Others begin: accepted, claimed, routed and submitted in
one flush (docs/decisions/0006-direct-hand-over.md). Folders hold other versions of the sources;
they take turns on one server, each with its own database, and the medians of the turns are told.
"""

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from bench.store import Bench, SystemClock
from fairlead.orders.acceptance import begun
from fairlead.orders.lifecycle import event
from fairlead.orders.model import (
    AttemptSettled,
    AttemptState,
    Change,
    EventType,
    Order,
    OrderStatus,
)
from tests import servers
from tests.contract.store import making

SIZES = (1, 8, 64, 256)
ORDERS = 1_500
TURN_TIMEOUT_S = 120
STAGES = ("accept", "submit", "confirm", "finalize")
BEGIN = "begin"
QUOTES = b'{"quotes":[%s]}' % b",".join(
    b'{"dex":"%s","venue":"%s-x","pool":"%s","amountOut":"151.23"}'
    % (dex, dex, making.WALLET.encode())
    for dex in (b"raydium", b"meteora")
)


def run_ns(pid: int) -> int:
    """Time that a process of one thread has run on a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def submitted(order: Order, now: int) -> Change:
    attempt = making.new_attempt(order)
    routed = event(order.status, EventType.ROUTED, QUOTES)
    sent = event(routed.status, EventType.SUBMITTED, b'{"txSignature":"x"}')
    return Change(
        order.order_id,
        "w",
        order.sequence,
        order.status,
        sent.status,
        now,
        (routed, sent),
        new_attempt=attempt,
        signature=attempt.signature,
        dex="raydium",
        minimum_out_atoms=1,
    )


def confirmed(order: Order, now: int) -> Change:
    done = event(OrderStatus.SUBMITTED, EventType.CONFIRMED, b'{"amountOut":"151.23"}')
    before, after = OrderStatus.SUBMITTED, done.status
    return Change(order.order_id, "w", 4, before, after, now, (done,), amount_out_atoms=151_230_000)


def finalized(order: Order, now: int) -> Change:
    last = event(OrderStatus.CONFIRMED, EventType.FINALIZED)
    settled = AttemptSettled(making.new_attempt(order).signature, AttemptState.SUCCEEDED, 7)
    before, after = OrderStatus.CONFIRMED, last.status
    return Change(
        order.order_id,
        "w",
        5,
        before,
        after,
        now,
        (last,),
        settled=(settled,),
        finalized_at_ms=now,
        end=True,
    )


class Flushes:
    """Batches of one size through a store, and what each stage cost."""

    def __init__(self, store: Any, clock: SystemClock, server: int) -> None:
        self.store = store
        self.clock = clock
        self.server = server
        self.bench = Bench(store, clock)
        # By stage: µs here, µs there, µs from the first call to the last answer; of each flush.
        self.costs: dict[str, list[tuple[float, float, float]]] = {}

    async def timed(self, stage: str, calls: list[Any]) -> list[Any]:
        there, here, began = run_ns(self.server), time.thread_time_ns(), time.perf_counter_ns()
        results = await asyncio.gather(*calls)
        here, took = time.thread_time_ns() - here, time.perf_counter_ns() - began
        # The server is done a moment after its answer is here.
        await asyncio.sleep(0.0005)
        there = run_ns(self.server) - there
        self.costs.setdefault(stage, []).append((here / 1e3, there / 1e3, took / 1e3))
        return results

    async def batch(self, size: int) -> None:
        new = [self.bench.new_order() for _ in range(size)]
        answers = await self.timed("accept", [self.store.accept(order, "w") for order in new])
        orders = [answer.claimed.order for answer in answers]
        now = self.clock.now_ms()
        stages = (submitted, confirmed, finalized)
        for stage, change in zip(STAGES[1:], stages, strict=True):
            changes = [change(order, now) for order in orders]
            await self.timed(stage, list(map(self.store.apply, changes)))
        new = [self.bench.new_order() for _ in range(size)]
        calls = [self.store.accept(order, "w") for order in new]
        calls += [self.store.apply(submitted(begun(order, "w").order, now)) for order in new]
        await self.timed(BEGIN, calls)

    def figures(self, size: int) -> dict[str, Any]:
        # Others on the machine only ever add: the quicker flushes tell most.
        def quick(stage: str) -> list[float]:
            columns = zip(*self.costs[stage], strict=True)
            return [round(sorted(column)[len(column) // 5] / size, 1) for column in columns]

        stages = {stage: quick(stage) for stage in STAGES}
        sums = [round(sum(column), 1) for column in zip(*stages.values(), strict=True)]
        return {**stages, "order": sums, BEGIN: quick(BEGIN)}


async def turn(url: str) -> dict[str, Any]:
    """One run: by size and stage (µs here, µs in the server, µs of waiting) per order."""
    from fairlead.store.postgres import PostgresStore
    from fairlead.store.url import parse_url

    clock = SystemClock()
    store = PostgresStore(parse_url(url), clock, lambda _: None, notify_channel="fairlead")
    await store.open(migrate=True)
    server = (await store._connections.writer()).get_server_pid()
    results: dict[str, Any] = {}
    for size in (64, *SIZES):
        flushes = Flushes(store, clock, server)
        gc.collect()
        gc.disable()
        for _ in range(max(5, min(150, ORDERS // size))):
            await flushes.batch(size)
        gc.enable()
        results[str(size)] = flushes.figures(size)
    await store.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=[str(Path.cwd())])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", metavar="URL", help="one run against this database")
    asked = parser.parse_args()
    if asked.turn:
        print(json.dumps(uvloop.run(turn(asked.turn))))
        return
    runs: dict[str, list[Any]] = {folder: [] for folder in asked.folders}
    with servers.start_postgres(own=True) as postgres:
        for number in range(len(runs)):
            servers.run_sql(postgres.url, f"CREATE DATABASE turn_{number}")
        for _ in range(asked.rounds):
            for number, folder in enumerate(runs):
                url = servers.url_of_database(postgres.url, f"turn_{number}")
                command = [sys.executable, "-m", "bench.store_flush", "--turn", url]
                done = subprocess.run(  # noqa: S603
                    command,
                    cwd=folder,
                    env={"PYTHONPATH": f"{folder}/src:{folder}"},
                    capture_output=True,
                    text=True,
                    timeout=TURN_TIMEOUT_S,
                    check=True,
                )
                runs[folder].append(json.loads(done.stdout))
    for folder, results in runs.items():
        print(f"{folder}: [µs here, µs in the server, µs of waiting] per order")
        for size in map(str, SIZES):
            for stage in (*STAGES, "order", BEGIN):
                columns = zip(*(one[size][stage] for one in results), strict=True)
                print(f"{size:>4} {stage:>9}", [round(statistics.median(c), 1) for c in columns])


if __name__ == "__main__":
    main()
