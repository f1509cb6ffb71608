"""GET /health, /ready and /metrics of a process without an API: a worker, a node.

Whoever may not ask is told nothing: with tokens set, only who sends one may read more than /health;
without, only requests to a loopback name are answered, since a page in a browser could send others.
"""

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fairlead import __version__
from fairlead.telemetry.checks import is_ready
from fairlead.telemetry.metrics import Metrics

CHECK_TIMEOUT_S = 2.0
"""How long one part may take to answer /ready."""
STOP_S = 1
"""Seconds that an answer under way has at the end."""

Ask = Callable[[], Awaitable[str | None]]
"""Looks at one part: None when it is well, else what is wrong; may raise."""


def endpoint_app(metrics: Metrics, parts: Mapping[str, Ask], tokens: Sequence[str]) -> Starlette:
    """The application. A process is ready when all its parts are well, the dispensable apart."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def ready(request: Request) -> Response:
        if not _may_ask(request, tokens):
            return _refused()
        found = await asyncio.gather(*(_state(ask) for ask in parts.values()))
        checks = dict(zip(parts, found, strict=True))
        if is_ready(checks):
            return JSONResponse({"status": "ready", "checks": checks})
        told = {"status": "not_ready", "checks": checks}
        return JSONResponse(told, 503, headers={"retry-after": "1"})

    async def measured(request: Request) -> Response:
        if not _may_ask(request, tokens):
            return _refused()
        await metrics.refresh()
        return Response(metrics.render(), headers={"content-type": metrics.content_type})

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", measured),
        ]
    )


def endpoint_config(app: Starlette) -> uvicorn.Config:
    """How it is served."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        interface="asgi3",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_S,
    )


async def serve_until(
    stopping: asyncio.Event, config: uvicorn.Config, listener: socket.socket
) -> None:
    """Serve on the open socket until `stopping` is set, which this does not do; closes it."""
    server = _Server(config)

    async def stop() -> None:
        await stopping.wait()
        server.should_exit = True

    watching = asyncio.create_task(stop())
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
        listener.close()


class _Server(uvicorn.Server):
    """Leaves signals to who runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _state(ask: Ask) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await ask() or "ok"
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # whatever is wrong with a part is its state
        # Its kind only: the text may hold an address with a password.
        return f"does not answer ({type(error).__name__})"


def _may_ask(request: Request, tokens: Sequence[str]) -> bool:
    if not tokens:
        return _is_loopback(request.headers.get("host", ""))
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # All are compared, in constant time each: the answer's timing tells nothing.
    same = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]
    return scheme.lower() == "bearer" and any(same)


def _refused() -> Response:
    return JSONResponse({"status": "unauthorized"}, 401, headers={"www-authenticate": "Bearer"})


def _is_loopback(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return name.lower() == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
