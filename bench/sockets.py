"""What idle sockets weigh, and how long one event takes to reach 5,000 of them.

`fairlead api` alone: with no worker an order is one event, `accepted`. Sockets follow all orders.
"""

import argparse
import asyncio
from time import perf_counter

import uvloop

from bench.engine import Engine, allow_open_files, engine, print_figures, settings_in
from bench.live import LiveSocket, open_socket
from bench.load import market_orders, run

# Sockets opened at the same time: more would overflow the server's backlog.
AT_ONCE = 100
EVENTS = 7
TIMEOUT_S = 120.0
# Files a process needs besides its sockets.
OTHER_FILES = 200


class Arrivals:
    """When a frame reached each socket."""

    def __init__(self) -> None:
        self.count = 0
        self.first_at = 0.0
        self.last_at = 0.0
        self._wanted = 0
        self._all = asyncio.Event()

    def on_frame(self, frame: bytes, now: float) -> None:
        if self.count == 0:
            self.first_at = now
        self.count += 1
        # Read now, not when this turn of the loop began: what the client takes to read counts too.
        self.last_at = perf_counter()
        if self.count == self._wanted:
            self._all.set()

    def expect(self, count: int) -> None:
        self.count = 0
        self._wanted = count
        self._all.clear()

    async def all(self) -> None:
        """Returns once the frame has reached as many sockets as expected."""
        await self._all.wait()


async def open_sockets(port: int, count: int, arrivals: Arrivals) -> list[LiveSocket]:
    sockets: list[LiveSocket] = []
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        sockets += await asyncio.gather(
            *(open_socket(port, "/ws", arrivals.on_frame) for _ in range(size))
        )
    return sockets


async def idle(running: Engine, count: int) -> dict[str, object]:
    """Memory of the server with so many idle sockets."""
    arrivals = Arrivals()
    before = running.process.rss_bytes()
    async with asyncio.timeout(TIMEOUT_S):
        began = perf_counter()
        sockets = await open_sockets(running.port, count, arrivals)
        opened_s = perf_counter() - began
    after = running.process.rss_bytes()
    still_open = sum(not socket.closed.done() for socket in sockets)
    for socket in sockets:
        socket.transport.abort()
    return {
        "sockets": still_open,
        "rss_mb": round(after / 1e6, 1),
        "rss_before_mb": round(before / 1e6, 1),
        "kb_per_socket": round((after - before) / 1e3 / count, 2),
        "opened_in_s": round(opened_s, 2),
    }


async def one_event(running: Engine, count: int) -> dict[str, object]:
    """Time from the POST, and from the first arrival, until every socket has the frame."""
    arrivals = Arrivals()
    since_post, since_first = [], []
    async with asyncio.timeout(TIMEOUT_S):
        sockets = await open_sockets(running.port, count, arrivals)
        for request in market_orders(running.port, EVENTS):
            arrivals.expect(count)
            load = await run(running.port, [request], connections=1, timeout_s=TIMEOUT_S)
            await arrivals.all()
            since_post.append((arrivals.last_at - load.began_at) * 1e3)
            since_first.append((arrivals.last_at - arrivals.first_at) * 1e3)
    for socket in sockets:
        socket.transport.abort()
    return {
        "sockets": count,
        "events": EVENTS,
        "post_to_last_socket_ms": _spread(since_post),
        "first_to_last_socket_ms": _spread(since_first),
    }


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"median": round(ordered[len(ordered) // 2], 2), "max": round(ordered[-1], 2)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--idle", type=int, default=10_000)
    arguments.add_argument("--listeners", type=int, default=5_000)
    arguments.add_argument("--store", choices=("postgresql", "redis", "none"), default="postgresql")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    asked = arguments.parse_args()
    allowed = allow_open_files(max(asked.idle, asked.listeners) + OTHER_FILES) - OTHER_FILES
    with engine("api", asked.store, settings_in(asked.set)) as running:
        at_rest = uvloop.run(idle(running, min(asked.idle, allowed)))
        fan_out = uvloop.run(one_event(running, min(asked.listeners, allowed)))
        print_figures(
            {
                "what": "live sockets",
                "idle": at_rest,
                "one_event": fan_out,
                **running.figures(),
            }
        )


if __name__ == "__main__":
    main()
