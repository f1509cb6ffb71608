"""Measures live streams: one event to many sockets, the memory of idle ones, many orders at once.

python -m bench.crowd [--sockets 5000] [--orders 2000 --streams 500]

The server runs in a process of its own; this one listens.
"""

import argparse
import asyncio
import multiprocessing
import os
import resource
import signal
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import httpx

from fairlead.api.http import create_app
from fairlead.api.server import loop_factory, serve_http
from fairlead.orders.cancellation import cancel
from fairlead.orders.model import OrderFilter
from tests.api.world import EXECUTE, ORDER, world


async def serve(pipe: Connection) -> None:
    async with world() as here:
        deps = replace(here.deps, settings=replace(here.deps.settings, max_sockets=50_000))
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stopping.set)

        running: list[asyncio.Future[None]] = []

        def cancel_all() -> None:
            """Every waiting order gets its last event, some in each flush."""
            running.append(asyncio.ensure_future(_cancel_all(deps)))

        loop.add_signal_handler(signal.SIGUSR1, cancel_all)
        await serve_http(create_app(deps), "127.0.0.1", 0, stopping=stopping, listening=pipe.send)


async def _cancel_all(deps: Any) -> None:
    cursor = None
    while True:
        page = await deps.store.orders(OrderFilter("local"), 200, cursor)
        changes = [cancel(order, (), 0) for order in page.orders]
        await asyncio.gather(*(deps.store.apply(change) for change in changes if change))
        cursor = page.next_cursor
        if cursor is None:
            return


def server_process(pipe: Connection) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(pipe))


class Reader(asyncio.Protocol):
    """A WebSocket client that only counts: it knows what its frames look like."""

    def __init__(self, path: str, port: int) -> None:
        self.request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        self.connected = asyncio.get_running_loop().create_future()
        self.updates = 0
        self.last_at = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.connected.done() and b'"connected"' in data:
            self.connected.set_result(None)
        updates = data.count(b'"status_update"')
        if updates:
            self.updates += updates
            self.last_at = time.perf_counter()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def connected(paths: list[str], port: int) -> list[Reader]:
    loop = asyncio.get_running_loop()
    readers = []
    for path in paths:
        reader = Reader(path, port)
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)  # type: ignore[misc]
        readers.append(reader)
        await reader.connected
    return readers


def memory_mib(pid: int) -> float:
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def crowd(port: int, pid: int, sockets: int) -> None:
    base = f"http://127.0.0.1:{port}"
    before = memory_mib(pid)
    readers = await connected(["/ws"] * sockets, port)
    idle = memory_mib(pid)
    times = []
    cpu = cpu_s(pid)
    async with httpx.AsyncClient(base_url=base) as client:
        for n in range(1, 6):
            began = time.perf_counter()
            await client.post(EXECUTE, json=ORDER)
            while any(reader.updates < n for reader in readers):
                await asyncio.sleep(0.001)
            times.append(max(reader.last_at for reader in readers) - began)
    cpu = (cpu_s(pid) - cpu) / len(times)
    print(
        f"{sockets} sockets: {idle - before:.0f} MiB ({(idle - before) * 1024 / sockets:.1f} KiB"
        f" each); POST to the last reader's frame {min(times) * 1e3:.0f} to"
        f" {max(times) * 1e3:.0f} ms, {cpu * 1e3:.0f} ms of the server's CPU"
    )


async def many(port: int, pid: int, orders: int, streams: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        ids = [(await client.post(EXECUTE, json=ORDER)).json()["orderId"] for _ in range(orders)]
    readers = await connected([f"/ws/orders/{ids[i % orders]}" for i in range(streams)], port)
    began = time.perf_counter()
    os.kill(pid, signal.SIGUSR1)
    while any(reader.updates < 1 for reader in readers):
        await asyncio.sleep(0.001)
    took = time.perf_counter() - began
    await asyncio.gather(*(reader.closed for reader in readers))
    assert all(reader.updates == 1 for reader in readers)
    print(
        f"{orders} orders ended, {streams} order streams told in {took * 1e3:.0f} ms, then closed"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--streams", type=int, default=500)
    told = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=server_process, args=(theirs,))
    process.start()
    assert process.pid is not None
    port = ours.recv()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(many(port, process.pid, told.orders, told.streams))
        runner.run(crowd(port, process.pid, told.sockets))
    process.terminate()
    process.join()


if __name__ == "__main__":
    main()
