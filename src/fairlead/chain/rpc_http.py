"""Solana JSON-RPC over HTTP: one endpoint, every call attempted once, and every failure in our own
words.

Nothing here repeats a request: who asks decides whether asking again is right. Calls go in three
lanes (`rpc_lanes`), so that none waits behind another kind.
"""

import enum
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec

from fairlead.chain.rpc_lanes import (
    MAX_UNDER_WAY,
    BatchRefused,
    Call,
    Lane,
    NoAnswer,
    RpcError,
    is_error,
)

__all__ = ["RpcError", "RpcHttp", "TIMEOUT_S", "Way"]

TIMEOUT_S = 10.0
"""From request to whole answer; connecting has a third of it."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A getMultipleAccounts of 100 accounts of 100 KB in base64 stays well below."""

MAX_BATCH = 50
"""Calls of one request. Our node takes 100; some endpoints less, which turns batches off there."""

READS_AT_ONCE = 4
"""Requests with reads under way before further reads gather. Few make large batches, which cost
less on both sides; one alone would let a slow answer hold up all others."""

SENDS_AT_ONCE = 32
"""Sends wait for nothing but the end of the loop's turn, as long as so few are under way."""

MAX_CONNECTIONS = 3 * MAX_UNDER_WAY
"""As many as the lanes may use: requests never wait for a connection."""

KEEP_ALIVE_S = 4.0
"""Idle connections are closed by us, before the usual server does (uvicorn after 5 s): a request
that crosses the server's close has no answer."""

_LATER = frozenset({408, 425, 429})
"""HTTP 4xx that speak of the moment and not of the request."""


class Way(enum.Enum):
    """In which lane a call goes."""

    # Answered from memory in a moment.
    READ = enum.auto()
    # May take its time: history, and what is told only once it is on disk.
    SLOW_READ = enum.auto()
    SEND = enum.auto()


class RpcHttp:
    """One endpoint. Its address may carry a token and is never part of a message.

    `batch` 1 sends every call in a request of its own.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, batch: int = MAX_BATCH) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s / 3)
        self._session: aiohttp.ClientSession | None = None
        self._lanes = {
            Way.READ: Lane(self._post, requests=READS_AT_ONCE, calls=batch),
            Way.SLOW_READ: Lane(self._post, requests=READS_AT_ONCE, calls=batch),
            Way.SEND: Lane(self._post, requests=SENDS_AT_ONCE, calls=batch),
        }

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, *params: Any, way: Way = Way.READ) -> msgspec.Raw:
        """The result, as JSON. `RpcError` for an error answer, `Unavailable` for none."""
        return (await self._lanes[way].ask([(method, params)]))[0]

    async def together(self, calls: Sequence[Call], way: Way = Way.READ) -> list[msgspec.Raw]:
        """The results of several calls that go in one request; one error fails all."""
        return await self._lanes[way].ask(calls)

    async def _post(self, body: bytes) -> bytes:
        session = self._session or self._open()
        try:
            # POST is not among the methods that aiohttp sends again on a broken connection.
            async with session.post(self._url, data=body, allow_redirects=False) as response:
                status = response.status
                content = await _content(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their texts name the address. TimeoutError is an OSError.
            raise NoAnswer(type(error).__name__) from None
        if status == 200:
            return content
        # Endpoints also send JSON-RPC errors with a 4xx; those say more than the status.
        if is_error(content):
            return content
        if body[:1] == b"[" and 400 <= status < 500 and status not in _LATER:
            raise BatchRefused(f"HTTP {status}")
        raise NoAnswer(f"HTTP {status}")

    def _open(self) -> aiohttp.ClientSession:
        """Made when first needed: it belongs to the loop that runs then."""
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
            headers={"content-type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            # A proxy of the environment is not where keys' transactions should go unasked.
            trust_env=False,
        )
        return self._session


async def _content(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, as long as it is not too long."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise NoAnswer(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
