"""Live streams: four WebSocket addresses with one function, and server-sent events.

A stream that may not be is refused before the handshake (401, 403, 503); an unknown order is told
in a frame, since browsers show scripts nothing of a refused handshake.
"""

import asyncio
import contextlib
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from fairlead.api import frames
from fairlead.api.access import Access, headers_of
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.frames import Batch, Wire, sse_event
from fairlead.api.gate import Gate
from fairlead.api.outlets import Outlet, QueueOutlet, SocketOutlet
from fairlead.api.problems import Refusal, problem_answer, problem_of
from fairlead.api.queries import Query, integer, number_form, order_id_of, query_of
from fairlead.api.subscriptions import Streams
from fairlead.errors import FairleadError
from fairlead.orders.model import NumberForm, Order

UNKNOWN_ORDER = 4404
BAD_REQUEST = 4422
INTERNAL_ERROR = 1011

SOCKET_EXTENSION = "fairlead.socket"
"""Our server's connections offer themselves in the scope, for frames that are ready-made."""

EXECUTE_PATH = "/api/orders/execute"
WEBSOCKET_PATHS = ("/ws", "/api/orders/ws", EXECUTE_PATH)
ORDER_PATH_PREFIX = "/ws/orders/"

_PARAMETERS = frozenset({"orderId", "after", "cursor", "numbers"})
MAX_SEQUENCE = 2**53


def is_stream_path(path: str) -> bool:
    return path in WEBSOCKET_PATHS or (
        path.startswith(ORDER_PATH_PREFIX) and "/" not in path[len(ORDER_PATH_PREFIX) :]
    )


class LiveStreams:
    """Serves sockets and event streams until their reader leaves or nothing more can come."""

    def __init__(self, streams: Streams, access: Access, gate: Gate, deps: ApiDependencies) -> None:
        self._streams = streams
        self._access = access
        self._gate = gate
        self._clock = deps.clock
        self._settings = deps.settings
        self._slow_readers = deps.metrics.slow_readers
        self._outlets: set[Outlet] = set()

    def end_all(self, code: int) -> None:
        """Close every stream: the process goes away."""
        for outlet in tuple(self._outlets):
            outlet.end(code)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One WebSocket from its handshake to its close."""
        await receive()
        with contextlib.ExitStack() as held:
            try:
                principal = self._access.stream_principal(headers_of(scope))
                if not is_stream_path(scope["path"]):
                    raise Refusal("not_found")
                held.enter_context(self._gate.socket())
            except FairleadError as error:
                await _refuse(error, scope, send)
                return
            await send({"type": "websocket.accept"})
            await self._serve(scope, receive, send, principal)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, principal: str) -> None:
        socket = scope.get("extensions", {}).get(SOCKET_EXTENSION)
        if socket is not None:
            outlet: Outlet = SocketOutlet(
                socket, self._settings.max_socket_frames, self._slow_readers.inc
            )
            await self._run(scope, receive, outlet, principal, None)
        else:
            queue = _websocket_queue(send, self._settings.max_socket_frames, self._slow_readers.inc)
            await self._run(scope, receive, queue, principal, queue)

    async def _run(
        self,
        scope: Scope,
        receive: Receive,
        outlet: Outlet,
        principal: str,
        queue: QueueOutlet | None,
    ) -> None:
        pump: asyncio.Task[None] | None = None
        self._outlets.add(outlet)
        stop = None
        try:
            stop = await self._begin(scope, outlet, principal)
            if queue is not None:
                pump = asyncio.create_task(queue.pump(self._settings.stream_ping_s, _no_ping))
            # What a client says is not asked for; only that it leaves matters.
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self._outlets.discard(outlet)
            if stop is not None:
                stop()
            if pump is not None:
                await _settled(pump)

    async def _begin(
        self, scope: Scope, outlet: Outlet, principal: str
    ) -> Callable[[], None] | None:
        """Say hello and what was; None when the stream was ended with an error frame."""
        try:
            query = query_of(scope, _PARAMETERS)
            form = number_form(query)
            order_id = _order_id(scope["path"], query)
            if order_id is None:
                position = frames.position_of(query["cursor"]) if "cursor" in query else None
                if position is not None:
                    await self._streams.check_known(position)
                at = self._streams.head if position is None else position
                await outlet.write(frames.connected(self._clock.now_ms(), at))
                return await self._streams.follow_all(principal, position, outlet, form)
            after = integer(query, "after", 0, 0, MAX_SEQUENCE)
            order = await self._streams.owned_order(order_id, principal)
            await outlet.write(frames.connected(self._clock.now_ms(), self._streams.head))
            return await self._streams.follow_order(order, after, outlet, form, logs=True)
        except FairleadError as error:
            problem = problem_of(error)[0]
            await outlet.write(frames.error(problem.code, problem.detail))
            outlet.end(_close_code(problem.status))
            return None

    async def events(
        self, order: Order, after: int, form: NumberForm | None, receive: Receive, send: Send
    ) -> None:
        """One event stream (SSE) of an order; the caller made sure that there is more to say."""

        async def send_batch(batch: Batch, form: NumberForm | None) -> None:
            await _body(send, batch.joined(Wire.SSE, form))

        async def send_text(text: bytes) -> None:
            await _body(send, sse_event(0, text))

        async def close(code: int) -> None:
            await _body(send, b"", more=False)

        async def ping() -> None:
            await _body(send, b": ping\n\n")

        with self._gate.socket():
            outlet = QueueOutlet(
                send_batch,
                send_text,
                close,
                self._settings.max_socket_frames,
                self._slow_readers.inc,
            )
            await _start_event_stream(send)
            stop = await self._streams.follow_order(order, after, outlet, form, logs=False)
            self._outlets.add(outlet)
            pump = asyncio.create_task(outlet.pump(self._settings.stream_ping_s, ping))
            gone = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._outlets.discard(outlet)
                stop()
                await _settled(pump)
                await _settled(gone)


def _order_id(path: str, query: Query) -> str | None:
    """The order an address names, None for all orders."""
    if path.startswith(ORDER_PATH_PREFIX):
        return order_id_of(path[len(ORDER_PATH_PREFIX) :])
    if path == EXECUTE_PATH or "orderId" in query:
        return order_id_of(query.get("orderId", ""))
    return None


def _close_code(status: int) -> int:
    if status == 404:
        return UNKNOWN_ORDER
    return BAD_REQUEST if status < 500 else INTERNAL_ERROR


def _websocket_queue(send: Send, max_frames: int, on_slow: Callable[[], None]) -> QueueOutlet:
    """The way out through an ASGI server that takes no ready-made frames."""

    async def send_text(text: bytes) -> None:
        await send({"type": "websocket.send", "text": text.decode()})

    async def send_batch(batch: Batch, form: NumberForm | None) -> None:
        for text in batch.texts(form):
            await send_text(text)

    async def close(code: int) -> None:
        await send({"type": "websocket.close", "code": code})

    return QueueOutlet(send_batch, send_text, close, max_frames, on_slow)


async def _refuse(error: FairleadError, scope: Scope, send: Send) -> None:
    """Answer the handshake with a problem, where the server can; else just close."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    status, headers, body = problem_answer(error)
    start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


async def _start_event_stream(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        # nginx would hold events back.
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _body(send, b": connected\n\n")


async def _body(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _settled(task: asyncio.Task[None]) -> None:
    """Cancel unless done; a reader that went away is no error."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, OSError):
        await task


async def _no_ping() -> None:
    """The server pings sockets by itself."""
