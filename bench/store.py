"""The store's speed: the whole life of an order, many at once, fsync on; prints JSON.

    python -m bench.store sqlite [FOLDER]
    python -m bench.store postgresql://…

A life is five writes: accept, claim, routed and submitted with the attempt, confirmed, finalized.
"""

import argparse
import asyncio
import json
import os
import pathlib
import resource
import tempfile
import time
from typing import Any

import uvloop

from fairlead.orders.lifecycle import event
from fairlead.orders.model import (
    AttemptSettled,
    AttemptState,
    Change,
    EventType,
    Order,
    OrderStatus,
    Reservation,
)
from fairlead.ports import Committed
from fairlead.store.sqlite import SqliteStore
from tests.contract.store import making

WRITES = 5
QUOTES = json.dumps(
    {
        "quotes": [
            {"dex": d, "venue": d + "-x", "pool": making.WALLET, "amountOut": "151.23"}
            for d in ("raydium", "meteora")
        ]
    }
).encode()


def cpu_s_of(pid: int) -> float:
    """CPU time of a process of this machine, 0 when it cannot be told."""
    stat = pathlib.Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SystemClock(making.FakeClock):
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def random_bytes(self, size: int) -> bytes:
        return os.urandom(size)


class Bench:
    def __init__(self, store: Any, clock: SystemClock) -> None:
        self.store = store
        self.clock = clock
        self.waits: list[float] = []
        self.claimed: asyncio.Queue[Any] = asyncio.Queue()
        self.places = 0
        self.asked = asyncio.Event()

    async def timed(self, awaitable: Any) -> Any:
        began = time.perf_counter()
        result = await awaitable
        self.waits.append(time.perf_counter() - began)
        return result

    def new_order(self) -> Any:
        order = making.new_order(
            at_ms=self.clock.now_ms(),
            key=making.new_id(self.clock.now_ms()),
            reservations=(
                Reservation(making.WALLET, making.SOL, 1_500_000_000, 2**63),
                Reservation(making.WALLET, "lamports", 3_000_000, 2**63),
            ),
        )
        return order

    async def finish(self, order: Order) -> None:
        now = self.clock.now_ms()
        attempt = making.new_attempt(order)
        routed = event(order.status, EventType.ROUTED, QUOTES)
        sent = event(routed.status, EventType.SUBMITTED, b'{"txSignature":"x"}')
        sequence = await self.timed(
            self.store.apply(
                Change(
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
            )
        )
        done = event(OrderStatus.SUBMITTED, EventType.CONFIRMED, b'{"amountOut":"151.23"}')
        sequence = await self.timed(
            self.store.apply(
                Change(
                    order.order_id,
                    "w",
                    sequence,
                    OrderStatus.SUBMITTED,
                    done.status,
                    now,
                    (done,),
                    amount_out_atoms=151_230_000,
                )
            )
        )
        last = event(OrderStatus.CONFIRMED, EventType.FINALIZED)
        await self.timed(
            self.store.apply(
                Change(
                    order.order_id,
                    "w",
                    sequence,
                    OrderStatus.CONFIRMED,
                    last.status,
                    now,
                    (last,),
                    settled=(AttemptSettled(attempt.signature, AttemptState.SUCCEEDED, 7),),
                    finalized_at_ms=now,
                    end=True,
                )
            )
        )

    async def claimer(self) -> None:
        while True:
            await self.asked.wait()
            self.asked.clear()
            claimed = await self.timed(self.store.claim("w", self.places, self.clock.now_ms()))
            self.places -= len(claimed)
            for one in claimed:
                self.claimed.put_nowait(one.order)

    async def lives(self, count: int) -> None:
        for _ in range(count):
            await self.timed(self.store.accept(self.new_order()))
            self.places += 1
            self.asked.set()
            await self.finish(await self.claimed.get())

    async def server_cpu_s(self) -> float:
        """CPU time of the connection's own server process, when it is on this machine."""
        if isinstance(self.store, SqliteStore):
            return 0.0
        return cpu_s_of((await self.store._connections.writer()).get_server_pid())

    async def load(self, concurrent: int, total: int) -> dict[str, Any]:
        self.waits.clear()
        server_cpu = await self.server_cpu_s()
        claimer = asyncio.create_task(self.claimer())
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(self.lives(total // concurrent) for _ in range(concurrent)))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        claimer.cancel()
        server_cpu = await self.server_cpu_s() - server_cpu
        total = total // concurrent * concurrent
        return {
            "concurrent": concurrent,
            "orders_per_s": round(total / took),
            "cpu_us_per_order": round(cpu / total * 1e6, 1),
            "server_cpu_us_per_order": round(server_cpu / total * 1e6, 1),
            "write_ms": self.quantiles(),
        }

    def quantiles(self) -> dict[str, float]:
        waits = sorted(self.waits)
        return {
            name: round(waits[int(len(waits) * q)] * 1000, 3)
            for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        }

    async def quiet(self, count: int, every_s: float) -> dict[str, Any]:
        """One order at a time, `1 / every_s` a second."""
        self.waits.clear()
        cpu = time.process_time()
        for _ in range(count):
            await self.timed(self.store.accept(self.new_order()))
            (claimed,) = await self.timed(self.store.claim("w", 1, self.clock.now_ms()))
            await self.finish(claimed.order)
            await asyncio.sleep(every_s)
        cpu = time.process_time() - cpu
        return {
            "cpu_us_per_write": round(cpu / count / WRITES * 1e6, 1),
            "write_ms": self.quantiles(),
        }


async def run(arguments: argparse.Namespace, folder: str) -> None:
    clock = SystemClock()
    flushes = 0

    def on_commit(_: Committed) -> None:
        nonlocal flushes
        flushes += 1

    if arguments.target == "sqlite":
        store: Any = SqliteStore(f"{folder}/bench.db", clock, on_commit)
    else:
        from fairlead.store.postgres import PostgresStore
        from fairlead.store.url import parse_url

        store = PostgresStore(
            parse_url(arguments.target), clock, on_commit, notify_channel="fairlead"
        )
    await store.open(migrate=True)
    bench = Bench(store, clock)
    await bench.load(64, 1_000)
    results: dict[str, Any] = {"target": arguments.target.split("@")[-1]}
    if not arguments.no_quiet:
        results["quiet_50_per_s"] = await bench.quiet(100, 0.015)
    results["load"] = []
    for concurrent in arguments.concurrent:
        flushes = 0
        load = await bench.load(concurrent, arguments.orders)
        results["load"].append({**load, "flushes": flushes})
    results["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    await store.close()
    print(json.dumps(results, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="sqlite, or the URL of an empty PostgreSQL database")
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--concurrent", type=int, nargs="*", default=[64, 256, 512])
    parser.add_argument("--no-quiet", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        uvloop.run(run(arguments, folder))


if __name__ == "__main__":
    main()
