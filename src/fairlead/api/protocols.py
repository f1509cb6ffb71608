"""The connections of our server: uvicorn's, with bounded heads and ready-made WebSocket frames."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from fairlead.api.execute import Execute, Header
from fairlead.api.http import Api
from fairlead.api.known_heads import MARK, Found, KnownHeads
from fairlead.api.problems import Refusal, problem_answer
from fairlead.api.stream import SOCKET_EXTENSION

MAX_HEADER_BYTES = 16 * 1024
"""Request line and headers together; above it 431 and the connection is closed."""
FIRST_REQUEST_S = 30.0
"""How long a connection may take to send its first whole head."""
CLOSE_TIMEOUT_S = 2.0
"""How long a closing WebSocket may take to answer, or to read what is left."""

_STATUS_LINES = {s.value: b"HTTP/1.1 %d %b\r\n" % (s, s.phrase.encode()) for s in HTTPStatus}


class HttpConnection(HttpToolsProtocol):
    """Bounds what is read before a request is known, and refuses in problem+json.

    Orders go past uvicorn where they can. A client's requests for orders have the same head again
    and again: once the parser has read it, another one that is the same byte for byte, with its
    whole body in the same packet, needs no parser, no scope and no ASGI. It is answered with one
    write, where uvicorn makes one of the head and one of the body.
    """

    _is_new = True
    _in_head = True
    _head_bytes = 0
    _too_large = False
    # The parser has seen whole requests only.
    _between = True
    # The head it is given now, if another one like it may be answered without it.
    _candidate: bytes | None = None
    # The order being answered without it, and what came meanwhile.
    _answering: asyncio.Task[None] | None = None
    _later = b""
    _last_answer_at = 0.0
    # The server ends: the answer under way is the last.
    _ends = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        app: Any = self.app
        self._heads: KnownHeads | None = app.known_heads if type(app) is Api else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._first_timer = self.loop.call_later(FIRST_REQUEST_S, self._silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._first_timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._first_timer.cancel()
        super().handle_websocket_upgrade()

    def _silent(self) -> None:
        if self._is_new:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._answering is not None:
            self._later += data
            self.flow.pause_reading()
            return
        if self._between and self._heads is not None and data.startswith(MARK):
            cycle: Any = self.cycle  # None before the first
            if cycle is None or cycle.response_complete:
                found = self._heads.find(data)
                if found is not None and not self.transport.is_closing():
                    self._answer_order(found, self._heads.execute)
                    return
            self._candidate = data
        # Bytes of a head that is not whole yet are counted here, since the parser keeps them.
        if self._in_head or len(data) > MAX_HEADER_BYTES:
            self._head_bytes += len(data)
        super().data_received(data)
        self._candidate = None
        if self._in_head and self._head_bytes > MAX_HEADER_BYTES and self.parser is not None:
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        self._in_head = True
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._head_bytes > MAX_HEADER_BYTES and self._size_of_head() > MAX_HEADER_BYTES:
            self._too_large = True
            raise ValueError("headers too large")  # the parser stops, data_received answers
        self._is_new = self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()
        if self._candidate is not None and self._heads is not None and self.cycle.keep_alive:
            self._heads.learn(self._candidate, self.scope["http_version"], self.headers)
        # Of what one packet brings only the first request begins where the packet does.
        self._candidate = None

    def on_message_complete(self) -> None:
        self._between = True
        super().on_message_complete()

    def _answer_order(self, found: Found, execute: Execute) -> None:
        self._is_new = False
        self._answering = self.loop.create_task(self._order_answered(found, execute))
        # Awaited by uvicorn before the server ends.
        self.tasks.add(self._answering)

    async def _order_answered(self, found: Found, execute: Execute) -> None:
        task = self._answering
        try:
            answer = await execute.answer(found.principal, found.key, found.body)
        except BaseException:  # cancelled: the server ends
            self.transport.close()
            raise
        finally:
            self._answering = None
            if task is not None:
                self.tasks.discard(task)
        if not self.transport.is_closing():
            status, headers, body = answer
            self.transport.write(
                _whole(_STATUS_LINES[status], [*headers, *self.server_state.default_headers], body)
            )
        self._after_answer()

    def _after_answer(self) -> None:
        self.server_state.total_requests += 1
        if self._ends or self.transport.is_closing():
            self.transport.close()
            return
        self._last_answer_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._time_silence(self.timeout_keep_alive)
        if self._later:
            data, self._later = self._later, b""
            self.flow.resume_reading()
            self.data_received(data)

    def _time_silence(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        # The timer is not set anew for each order: here it learns whether there were any.
        self.timeout_keep_alive_task = None
        left = self._last_answer_at + self.timeout_keep_alive - self.loop.time()
        if self._answering is not None:
            left = self.timeout_keep_alive
        if left > 0:
            self._time_silence(left)
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        self._ends = True
        if self._answering is None:
            super().shutdown()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def send_400_response(self, msg: str) -> None:
        if self.transport.is_closing():
            return
        code = "headers_too_large" if self._too_large else "malformed_request"
        status, headers, body = problem_answer(Refusal(code))
        status_line = b"HTTP/1.1 %d Refused\r\n" % status
        self.transport.write(_whole(status_line, (*headers, (b"connection", b"close")), body))
        self.transport.close()


def _whole(status_line: bytes, headers: Iterable[Header], body: bytes) -> bytes:
    """An answer as it goes out."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([status_line, *lines, b"\r\n", body])


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
