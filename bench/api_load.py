"""Measures the accept path: CPU time of the serving process per accept, with keep-alive clients.

python -m bench.api_load [--store none|sqlite] [--clients 64] [--seconds 5] [--profile]

The server runs in a process of its own; this one sends. `none` is a store that remembers nothing:
what is left is the API's own cost.
"""

import argparse
import asyncio
import cProfile
import multiprocessing
import pstats
import resource
import signal
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from fairlead.api.http import create_app
from fairlead.api.server import loop_factory, serve_http
from fairlead.orders.model import NewOrder
from fairlead.ports import Accepted
from fairlead.store.sqlite import SqliteStore
from tests.api.world import world

BODIES = (
    {
        "walletAddress": "6xKS8hCXqh5VCBKhNJ6YJJqzqGwKCyp8CYVDJqmz3Lez",
        "tokenIn": "So11111111111111111111111111111111111111112",
        "tokenOut": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
        "amountIn": 1.5,
        "orderType": "market",
        "slippage": 1.0,
    },
    {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5", "slippageBps": 100},
)


class NoStore:
    """Accepts and forgets; everything else is the real store's."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def accept(self, order: NewOrder, owner: str | None = None) -> Accepted:
        return Accepted(order.order_id, False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def request_of(body: dict[str, Any]) -> bytes:
    data = msgspec.json.encode(body)
    head = (
        "POST /api/orders/execute HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        "user-agent: load\r\naccept: */*\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def serve(pipe: Connection, kind: str, profile: bool, folder: Path) -> None:
    store = None
    if kind == "sqlite":
        from fairlead.bus.local import LocalBus
        from fairlead.clock import SystemClock

        store = SqliteStore(folder / "orders.db", SystemClock(), LocalBus().publish)
    async with world(store=store) as here:
        deps = here.deps
        if kind == "none":
            forgetful: Any = NoStore(deps.store)
            deps = replace(deps, store=forgetful)
        deps = replace(deps, settings=replace(deps.settings, max_waiting=10**9))
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        before = resource.getrusage(resource.RUSAGE_SELF)
        await serve_http(create_app(deps), "127.0.0.1", 0, stopping=stopping, listening=pipe.send)
        after = resource.getrusage(resource.RUSAGE_SELF)
        profiler.disable()
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    pipe.send((after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime))


def server_process(pipe: Connection, kind: str, profile: bool, folder: Path) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(pipe, kind, profile, folder))


class Client(asyncio.Protocol):
    """Sends the next request when the answer to the last is whole."""

    def __init__(self, request: bytes, until: float, times: list[float]) -> None:
        self.request, self.until, self.times = request, until, times
        self.buffer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        size = head.find(b"content-length: ")
        if not found or len(body) < int(head[size + 16 :].split(b"\r\n", 1)[0]):
            return
        assert head.startswith(b"HTTP/1.1 202"), self.buffer
        self.buffer = b""
        now = time.perf_counter()
        self.times.append(now - self.sent)
        if now < self.until:
            self.send()
        else:
            self.done.set_result(None)


async def load(port: int, clients: int, seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    until = time.perf_counter() + seconds
    protocols = []
    for i in range(clients):
        client = Client(request_of(BODIES[i % len(BODIES)]), until, times)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        protocols.append(client)
    await asyncio.gather(*(protocol.done for protocol in protocols))
    return times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", choices=("none", "sqlite"), default="none")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--profile", action="store_true")
    told = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        arguments = (theirs, told.store, told.profile, Path(folder))
        process = context.Process(target=server_process, args=arguments)
        process.start()
        port = ours.recv()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            times = sorted(runner.run(load(port, told.clients, told.seconds)))
        process.terminate()
        user, system = ours.recv()
        process.join()
    count = len(times)
    print(
        f"{count / told.seconds:,.0f} accepts/s, p50 {times[count // 2] * 1e3:.2f} ms,"
        f" p99 {times[count * 99 // 100] * 1e3:.2f} ms; server CPU per accept"
        f" {(user + system) / count * 1e6:.1f} µs (user {user / count * 1e6:.1f})"
    )


if __name__ == "__main__":
    main()
