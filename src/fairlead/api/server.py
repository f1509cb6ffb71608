"""Serving the API: uvicorn on uvloop, with our connections and an end that nothing can hang."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import Callable, Iterator

import uvicorn

from fairlead.api.http import Api
from fairlead.api.protocols import HttpConnection, WebSocketConnection

MAX_MESSAGE_BYTES = 64 * 1024
"""Of a WebSocket message from a client; nothing is asked of clients, so little is enough."""
KEEP_ALIVE_S = 75
BACKLOG = 2048
"""Connections that wait to be accepted."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it is to be had; for `asyncio.Runner(loop_factory=…)`."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class Server(uvicorn.Server):
    """Leaves signals to who runs the process; ends live streams before it waits for requests."""

    def __init__(self, config: uvicorn.Config, api: Api, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._api = api
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._api.drain()
        await super().shutdown(sockets)


async def serve_http(
    api: Api,
    host: str,
    port: int,
    *,
    stopping: asyncio.Event,
    listening: Callable[[int], None] = lambda port: None,
    ping_s: float = 20.0,
    graceful_s: float = 5.0,
) -> None:
    """Serve until `stopping` is set; `listening` is told the port once it is open (0: a free one).

    Raises OSError when the address cannot be had. What is being answered at the end has
    `graceful_s` to finish, then it is cancelled.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        api,
        http=HttpConnection,
        ws=WebSocketConnection,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=ping_s,
        ws_ping_timeout=ping_s,
        interface="asgi3",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(graceful_s)),
    )
    server = Server(config, api, lambda: listening(listener.getsockname()[1]))

    async def stop() -> None:
        await stopping.wait()
        server.should_exit = True

    watching = asyncio.create_task(stop())
    try:
        await api.start()
        _settle_memory()
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
        await api.stop()
        listener.close()


def _settle_memory() -> None:
    """Let the collector pass over what the start has made, which stays to the end: each look at all
    of it (libraries, tables, pools) would stop the process for 30 ms.
    """
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
