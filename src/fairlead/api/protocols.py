"""The connections of our server: uvicorn's, with bounded heads and ready-made WebSocket frames."""

import asyncio
from functools import partial
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from fairlead.api.execute import ANSWER_EXTENSION
from fairlead.api.problems import Refusal, problem_answer
from fairlead.api.stream import SOCKET_EXTENSION

MAX_HEADER_BYTES = 16 * 1024
"""Request line and headers together; above it 431 and the connection is closed."""
FIRST_REQUEST_S = 30.0
"""How long a connection may take to send its first whole head."""
CLOSE_TIMEOUT_S = 2.0
"""How long a closing WebSocket may take to answer, or to read what is left."""


class HttpConnection(HttpToolsProtocol):
    """Bounds what is read before a request is known, and refuses in problem+json."""

    _is_new = True
    _in_head = True
    _head_bytes = 0
    _too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._first_timer = self.loop.call_later(FIRST_REQUEST_S, self._silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._first_timer.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._first_timer.cancel()
        super().handle_websocket_upgrade()

    def _silent(self) -> None:
        if self._is_new:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        # Bytes of a head that is not whole yet are counted here, since the parser keeps them.
        if self._in_head or len(data) > MAX_HEADER_BYTES:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEADER_BYTES and self.parser is not None:
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._head_bytes > MAX_HEADER_BYTES and self._size_of_head() > MAX_HEADER_BYTES:
            self._too_large = True
            raise ValueError("headers too large")  # the parser stops, data_received answers
        self._is_new = self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()
        extensions = {ANSWER_EXTENSION: partial(self._answer, self.cycle)}
        self.scope["extensions"] = extensions  # type: ignore[typeddict-item]

    def _answer(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
        """Write a whole answer at once; False when ASGI's `send` must do it, step by step.

        A write is a system call, and uvicorn makes one of the head and one of the body, after a
        look at each header. `head` is the status line and the headers, each with its line end.
        """
        if self.flow.write_paused or cycle.disconnected or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        defaults = [b"%b: %b\r\n" % header for header in cycle.default_headers]
        self.transport.write(b"".join([head, *defaults, b"\r\n", body]))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def send_400_response(self, msg: str) -> None:
        if self.transport.is_closing():
            return
        code = "headers_too_large" if self._too_large else "malformed_request"
        status, headers, body = problem_answer(Refusal(code))
        lines = [b"HTTP/1.1 %d Refused\r\n" % status]
        lines += [b"%b: %b\r\n" % header for header in (*headers, (b"connection", b"close"))]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.transport.close()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Offers itself in the scope as a `FrameSocket`: frames made once are written as they are."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[SOCKET_EXTENSION] = self

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # Refused and answered: uvicorn would log it as a handshake that was forgotten.
            self.handshake_complete = True

    def write_frames(self, frames: bytes) -> None:
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frames)

    def backlog_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    async def room(self) -> None:
        await self.writable.wait()

    def end(self, code: int) -> None:
        """Say goodbye now; cut the line when it is not answered."""
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)
