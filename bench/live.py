"""A WebSocket reader that costs next to nothing: it splits frames and hands on their bytes."""

import asyncio
import base64
import os
from collections.abc import Callable
from time import perf_counter
from typing import cast

from bench.engine import HOST

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10

OnFrame = Callable[[bytes, float], None]
"""Called with the payload of a text frame and the perf_counter() at which it was read."""


class LiveSocket(asyncio.Protocol):
    """One socket; `opened` is done once the engine said `connected`."""

    def __init__(self, path: str, port: int, on_frame: OnFrame) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._on_frame = on_frame
        self._received = b""
        self._in_handshake = True
        key = base64.b64encode(os.urandom(16)).decode()
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._received:
            data = self._received + data
        at = 0
        if self._in_handshake:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._received = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(data[:500].decode(errors="replace")))
                self.transport.close()
                return
            self._in_handshake = False
        while (frame := _frame(data, at)) is not None:
            opcode, payload, at = frame
            if opcode == _TEXT:
                if self.opened.done():
                    self._on_frame(payload, now)
                else:
                    self.opened.set_result(None)
            elif opcode == _PING:
                self.transport.write(_masked(_PONG, payload))
            elif opcode == _CLOSE:
                self.transport.close()
        self._received = data[at:]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("closed in the handshake"))
        if not self.closed.done():
            self.closed.set_result(None)


def _frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Opcode and payload of the frame at `at`, and where it ends; None while it is not whole.

    The engine never splits a message (RFC 6455, 5.2).
    """
    if len(data) < at + 2:
        return None
    size = data[at + 1]
    start = at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size = int.from_bytes(data[start : start + width], "big")
        start += width
    end = start + size
    if len(data) < end:
        return None
    return data[at] & 0x0F, data[start:end], end


def _masked(opcode: int, payload: bytes) -> bytes:
    """A short frame as clients must send it; a mask of zeros leaves the payload as it is."""
    return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


async def open_socket(port: int, path: str, on_frame: OnFrame) -> LiveSocket:
    """A socket that has heard `connected`."""
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: LiveSocket(path, port, on_frame), HOST, port)
    await socket.opened
    return socket


def order_id(document: bytes) -> bytes:
    """The value of the first orderId in a JSON document."""
    at = document.index(b'"orderId":"') + 11
    return document[at : at + 36]
