"""10,000 orders at once: from the first POST to the last confirmed, in one process.

`fairlead serve` on the fast paper profile: no simulated delay or failure, but every feature, real
signatures and fsync. It ends with the last `confirmed` that a client sees on the stream of all.
"""

import argparse
import asyncio
from time import perf_counter

import uvloop

from bench.engine import STORES, Engine, counts, engine, get, print_figures, settings_in
from bench.live import open_socket
from bench.load import Load, market_orders, quantiles_ms, run

WARM_UP_ORDERS = 500
TIMEOUT_S = 180.0

_CONFIRMED = b'"event":"confirmed"'
_ENDED = (b'"event":"failed"', b'"event":"cancelled"', b'"event":"expired"')


class Follower:
    """Counts the orders that were confirmed, or that ended otherwise, on the stream of all."""

    def __init__(self) -> None:
        self.confirmed = 0
        self.ended_otherwise = 0
        self.last_at = 0.0
        self._wanted = 0
        self._reached = asyncio.Event()

    def on_frame(self, frame: bytes, now: float) -> None:
        if _CONFIRMED in frame:
            self.confirmed += 1
        elif any(end in frame for end in _ENDED):
            self.ended_otherwise += 1
        else:
            return
        self.last_at = now
        if self.confirmed + self.ended_otherwise >= self._wanted:
            self._reached.set()

    async def reaches(self, orders: int) -> None:
        """Returns once so many orders, counted from the start, were confirmed or ended."""
        self._wanted = orders
        if self.confirmed + self.ended_otherwise < orders:
            self._reached.clear()
            await self._reached.wait()


async def followed(port: int, orders: int, clients: int) -> tuple[Load, Follower]:
    """The measured load, and who saw its orders confirmed on the stream."""
    warm_up = Follower()
    socket = await open_socket(port, "/ws", warm_up.on_frame)
    requests = market_orders(port, WARM_UP_ORDERS + orders)
    await run(port, requests[:WARM_UP_ORDERS], connections=clients, timeout_s=TIMEOUT_S)
    async with asyncio.timeout(TIMEOUT_S):
        await warm_up.reaches(WARM_UP_ORDERS)
    socket.transport.close()
    follower = Follower()
    socket = await open_socket(port, "/ws", follower.on_frame)
    load = await run(port, requests[WARM_UP_ORDERS:], connections=clients, timeout_s=TIMEOUT_S)
    async with asyncio.timeout(TIMEOUT_S):
        await follower.reaches(load.statuses.get(202, 0))
    socket.transport.close()
    return load, follower


async def polled(port: int, orders: int, clients: int) -> tuple[Load, Follower]:
    """The same without a stream: the kept counts are asked for every 20 ms."""
    follower = Follower()
    requests = market_orders(port, WARM_UP_ORDERS + orders)
    await run(port, requests[:WARM_UP_ORDERS], connections=clients, timeout_s=TIMEOUT_S)
    await _until_ended(port, WARM_UP_ORDERS, follower)
    load = await run(port, requests[WARM_UP_ORDERS:], connections=clients, timeout_s=TIMEOUT_S)
    await _until_ended(port, WARM_UP_ORDERS + load.statuses.get(202, 0), follower)
    follower.confirmed -= WARM_UP_ORDERS
    return load, follower


async def _until_ended(port: int, orders: int, follower: Follower) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while follower.confirmed + follower.ended_otherwise < orders:
            await asyncio.sleep(0.02)
            seen = await asyncio.to_thread(counts, port)
            follower.confirmed = seen["completed"]
            follower.ended_otherwise = sum(seen[end] for end in ("failed", "cancelled", "expired"))
            follower.last_at = perf_counter()


def figures(
    running: Engine, load: Load, follower: Follower, cpu_s: float | None
) -> dict[str, object]:
    seconds = follower.last_at - load.began_at
    done = follower.confirmed + follower.ended_otherwise
    return {
        "confirmed": follower.confirmed,
        "ended_otherwise": follower.ended_otherwise,
        "seconds_to_last_confirmed": round(seconds, 3),
        "orders_per_second": round(follower.confirmed / seconds, 1),
        "accept": {**load.figures(), "latency_ms": quantiles_ms(load.latencies_s)},
        "server_us_per_order": None if cpu_s is None else round(cpu_s * 1e6 / max(1, done), 1),
        "server_rss_mb": round(running.process.rss_bytes() / 1e6, 1),
        "counts": counts(running.port),
        **running.figures(),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--store", choices=STORES, default="postgresql")
    arguments.add_argument("--orders", type=int, default=10_000)
    arguments.add_argument("--clients", type=int, default=64)
    arguments.add_argument("--poll", action="store_true", help="ask for counts instead of a stream")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    asked = arguments.parse_args()
    settings = settings_in(asked.set)
    with engine("serve", asked.store, settings) as running:
        measure = polled if asked.poll else followed
        before = running.process.cpu_s()
        load, follower = uvloop.run(measure(running.port, asked.orders, asked.clients))
        after = running.process.cpu_s()
        cpu_s = None if before is None or after is None else after - before
        print_figures(
            {
                "what": "burst, POST to confirmed, one process",
                "clients": asked.clients,
                "seen_by": "counts" if asked.poll else "websocket",
                **figures(running, load, follower, cpu_s),
            }
        )
        assert get(running.port, "/health").startswith(b"HTTP/1.1 200")


if __name__ == "__main__":
    main()
