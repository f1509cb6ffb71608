"""The API behind its real server, on a free port, in the test's own event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from fairlead.api.dependencies import ApiSettings
from fairlead.api.http import create_app
from fairlead.api.server import serve_http
from tests.api.world import World, world


@contextlib.asynccontextmanager
async def served(
    settings: ApiSettings | None = None, **changes: Any
) -> AsyncIterator[tuple[World, str]]:
    """The world with its API served; and "127.0.0.1:port"."""
    async with world(settings, **changes) as here:
        api = create_app(replace(here.deps, **changes))
        stopping, port = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            serve_http(
                api,
                "127.0.0.1",
                0,
                stopping=stopping,
                listening=port.set_result,
                graceful_s=1,
            )
        )
        try:
            yield replace(here, api=api), f"127.0.0.1:{await port}"
        finally:
            stopping.set()
            await serving


def socket(address: str, path: str, **options: Any) -> connect:
    return connect(f"ws://{address}{path}", compression=None, proxy=None, **options)


async def frame(connection: ClientConnection, timeout_s: float = 5) -> dict[str, Any]:
    """The next frame."""
    async with asyncio.timeout(timeout_s):
        message = await connection.recv()
    decoded: dict[str, Any] = msgspec.json.decode(message)
    return decoded
