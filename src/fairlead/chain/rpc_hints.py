"""signatureSubscribe as a hint that something may be new. It does not replay, so it proves nothing.

One socket for all waits, made when first needed and made again when it breaks. A wait ends when its
subscription speaks, when the socket breaks (what happened meanwhile is unknown: ask), or after its
time-out.
"""

import asyncio
import contextlib
import itertools
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from fairlead.ports import Clock

CONNECT_TIMEOUT_S = 5.0
RECONNECT_PAUSE_S = 1.0
"""Between two failed connects; waits in the meantime last their time-out at most."""

MAX_SUBSCRIPTIONS = 5_000
"""Waits at once on the socket; further ones wait their time-out."""

MAX_FRAME_BYTES = 1 << 20


class _Params(msgspec.Struct):
    subscription: int


class _Frame(msgspec.Struct):
    id: int | None = None
    method: str | None = None
    params: _Params | None = None
    result: int | bool | None = None


class _Wait(msgspec.Struct, gc=False):
    """One subscription, shared by all who wait for the same signature and level."""

    signature: str
    commitment: str
    woken: asyncio.Event
    waiters: int = 0
    request: int | None = None
    subscription: int | None = None


_decode = msgspec.json.Decoder(_Frame).decode
_encode = msgspec.json.Encoder().encode


class SignatureHints:
    """Waits for signatures over one endpoint's socket."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._ids = itertools.count(1)
        self._waits: dict[tuple[str, str], _Wait] = {}
        self._by_request: dict[int, _Wait] = {}
        self._by_subscription: dict[int, _Wait] = {}
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._sends: set[asyncio.Task[None]] = set()
        # Signatures seen at `confirmed`: what may be new about them is `finalized`.
        self._confirmed: dict[str, None] = {}

    async def wait(self, signature: str, timeout_s: float) -> None:
        """Return when the signature may have a new status, or after the time-out."""
        commitment = "finalized" if signature in self._confirmed else "confirmed"
        key = (signature, commitment)
        wait = self._waits.get(key)
        if wait is None:
            if len(self._waits) >= MAX_SUBSCRIPTIONS:
                await self._clock.sleep(timeout_s)
                return
            wait = self._waits[key] = _Wait(signature, commitment, asyncio.Event())
        wait.waiters += 1
        try:
            # A socket whose other end reads no more holds up what is written, too.
            async with asyncio.timeout(timeout_s):
                if wait.waiters == 1:
                    await self._subscribe(wait)
                await wait.woken.wait()
        except TimeoutError:
            pass
        finally:
            wait.waiters -= 1
            if wait.waiters == 0:
                self._forget(key, wait)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._break()

    async def _subscribe(self, wait: _Wait) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
        if self._socket is not None:
            await self._ask(self._socket, wait)

    async def _ask(self, socket: ClientConnection, wait: _Wait) -> None:
        wait.request = next(self._ids)
        self._by_request[wait.request] = wait
        params = [wait.signature, {"commitment": wait.commitment}]
        await self._say(socket, wait.request, "signatureSubscribe", params)

    async def _say(
        self, socket: ClientConnection, number: int, method: str, params: list[Any]
    ) -> None:
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        # A broken socket is found by the reader too, which wakes everybody.
        with contextlib.suppress(WebSocketException):
            await socket.send(_encode(request).decode())

    def _forget(self, key: tuple[str, str], wait: _Wait) -> None:
        if self._waits.get(key) is wait:
            del self._waits[key]
        if wait.request is not None:
            self._by_request.pop(wait.request, None)
        if wait.subscription is not None:
            self._by_subscription.pop(wait.subscription, None)
            if self._socket is not None and not wait.woken.is_set():
                params = [wait.subscription]
                number = next(self._ids)
                saying = self._say(self._socket, number, "signatureUnsubscribe", params)
                task = asyncio.ensure_future(saying)
                self._sends.add(task)
                task.add_done_callback(self._sends.discard)

    async def _run(self) -> None:
        """Keep a socket while anybody waits."""
        while self._waits:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    socket = await connect(
                        self._url, compression=None, max_size=MAX_FRAME_BYTES, proxy=None
                    )
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI):
                self._break()
                await self._clock.sleep(RECONNECT_PAUSE_S)
                continue
            self._socket = socket
            try:
                for wait in list(self._waits.values()):
                    await self._ask(socket, wait)
                async for text in socket:
                    self._heard(text)
            except WebSocketException:
                pass
            finally:
                self._break()
                await socket.close()

    def _heard(self, text: str | bytes) -> None:
        try:
            frame = _decode(text)
        except msgspec.MsgspecError:
            return
        if frame.id is not None:
            wait = self._by_request.pop(frame.id, None)
            if wait is None:
                return
            if isinstance(frame.result, bool) or frame.result is None:
                return  # refused: the wait lasts its time-out
            wait.subscription = frame.result
            self._by_subscription[frame.result] = wait
        elif frame.params is not None:
            wait = self._by_subscription.get(frame.params.subscription)
            if wait is not None:
                self._wake(wait)

    def _wake(self, wait: _Wait) -> None:
        if wait.commitment == "confirmed":
            if len(self._confirmed) >= MAX_SUBSCRIPTIONS:
                del self._confirmed[next(iter(self._confirmed))]
            self._confirmed[wait.signature] = None
        self._waits.pop((wait.signature, wait.commitment), None)
        wait.woken.set()

    def _break(self) -> None:
        """The socket is gone: everybody should ask the chain."""
        self._socket = None
        self._by_request.clear()
        self._by_subscription.clear()
        for wait in self._waits.values():
            wait.subscription = wait.request = None
            wait.woken.set()
        self._waits.clear()
