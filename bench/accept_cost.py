"""Measures what one accept costs in this process, without sockets: the best of many short runs.

python -m bench.accept_cost [--profile]

Bytes go into the server's connection and its answer is taken from a transport that does nothing,
so what is measured is parsing, the API and the answer; a socket's two system calls come on top.
"""

import asyncio
import cProfile
import pstats
import sys
import time
from dataclasses import replace
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from bench.api_load import BODIES, NoStore, request_of
from fairlead.api.http import create_app
from fairlead.api.protocols import HttpConnection
from fairlead.api.server import loop_factory
from tests.api.world import world

CLIENTS = 64
ROUNDS = 60


class Sink(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0


async def measure(profiler: cProfile.Profile | None) -> float:
    async with world() as here:
        store: Any = NoStore(here.store)
        settings = replace(here.deps.settings, max_waiting=10**9)
        api = create_app(replace(here.deps, store=store, settings=settings))
        config = uvicorn.Config(api, interface="asgi3", log_config=None, proxy_headers=False)
        config.load()
        state, sink = ServerState(), Sink()
        state.default_headers = [(b"date", b"Fri, 20 Nov 2026 05:51:02 GMT")]
        connections = [HttpConnection(config, state, {}) for _ in range(CLIENTS)]
        for connection in connections:
            connection.connection_made(sink)
        requests = [request_of(body) for body in BODIES]
        best = 1e9
        if profiler is not None:
            profiler.enable()
        for _ in range(ROUNDS):
            sink.written.clear()
            began = time.perf_counter()
            for i, connection in enumerate(connections):
                connection.data_received(requests[i % 2])
            while sum(data.endswith(b"}") for data in sink.written) < CLIENTS:
                await asyncio.sleep(0)
            best = min(best, (time.perf_counter() - began) / CLIENTS)
            heads = [data for data in sink.written if data.startswith(b"HTTP/1.1 ")]
            assert all(head.startswith(b"HTTP/1.1 202 ") for head in heads), heads
        if profiler is not None:
            profiler.disable()
        return best


def main() -> None:
    profiler = cProfile.Profile() if "--profile" in sys.argv else None
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        best = runner.run(measure(profiler))
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    print(f"{best * 1e6:.1f} µs per accept without sockets, at best")


if __name__ == "__main__":
    main()
