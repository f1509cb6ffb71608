"""Live updates over WebSocket: reconnects where it stopped, drops repeats, notices gaps."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from fairlead.client.answers import Frame, Update, decode
from fairlead.client.failures import error_from
from fairlead.client.retry import Patience
from fairlead.errors import OrderNotFound, Transient, Unavailable, WriteOutcomeUnknown

if TYPE_CHECKING:
    from fairlead.ports import Clock

CLOSED_ENDED = 1000
CLOSED_UNKNOWN_ORDER = 4404
MAX_FRAME_BYTES = 16 * 1024 * 1024
OPEN_TIMEOUT_S = 10
# Orders whose last sequence is remembered, to drop what a reconnect repeats.
MAX_REMEMBERED_ORDERS = 100_000
# Times in a row that a server may leave out the same events: then they are not to be had.
MAX_GAPS = 5


class Line(msgspec.Struct, frozen=True):
    """How to reach a stream."""

    url: str
    headers: Mapping[str, str]
    proxy: Literal[True] | None
    clock: "Clock"
    reconnect_for_s: float


class _Interrupted(Exception):
    """The socket ended before the stream did: connect again."""


async def watch(line: Line, order_id: str, after: int) -> AsyncGenerator[Update, None]:
    """Updates of one order with sequence > after, gapless, until its last."""
    last, gaps = after, 0
    patience = Patience(line.reconnect_for_s)
    while True:
        try:
            query = {"after": str(last)}
            async with aclosing(_connection(line, query, order_id, patience.reached)) as updates:
                async for update in updates:
                    if update.sequence <= last:
                        continue
                    if update.sequence > last + 1:
                        gaps += 1
                        raise _Interrupted(f"nothing between {last} and {update.sequence}")
                    last, gaps = update.sequence, 0
                    patience.succeeded()
                    yield update
                    if update.is_last:
                        return
        except _Interrupted as interruption:
            if gaps > MAX_GAPS:
                raise Unavailable("api", f"{line.url}: {interruption}") from None
            await _wait(line, patience, str(interruption))
        else:
            # Closed with 1000: nothing more to say after what was seen.
            return


async def watch_all(
    line: Line, cursor: str | None, on_connect: Callable[[], None]
) -> AsyncGenerator[Update, None]:
    """Updates of all orders after `cursor` (None: from now on), each once."""
    seen: OrderedDict[str, int] = OrderedDict()
    patience = Patience(line.reconnect_for_s)

    def reached() -> None:
        patience.reached()
        on_connect()

    while True:
        try:
            query = {} if cursor is None else {"cursor": cursor}
            async with aclosing(_connection(line, query, "", reached)) as updates:
                async for update in updates:
                    cursor = update.cursor if update.cursor is not None else cursor
                    if update.sequence == 0 or update.sequence <= seen.get(update.order_id, 0):
                        continue
                    seen[update.order_id] = update.sequence
                    seen.move_to_end(update.order_id)
                    if len(seen) > MAX_REMEMBERED_ORDERS:
                        seen.popitem(last=False)
                    patience.succeeded()
                    yield update
            await _wait(line, patience, "the server closed the stream")
        except _Interrupted as interruption:
            await _wait(line, patience, str(interruption))


async def _wait(line: Line, patience: Patience, why: str) -> None:
    wait = patience.next_wait(line.clock.monotonic(), line.clock.random_bytes(1)[0])
    if wait is None:
        raise Unavailable("api", f"{line.url}: {why}")
    await line.clock.sleep(wait)


async def _connection(
    line: Line, query: Mapping[str, str], order_id: str, reached: Callable[[], None]
) -> AsyncGenerator[Update, None]:
    """Updates of one connection. Returns when the server ended the stream, else `_Interrupted`."""
    url = f"{line.url}?{urlencode({**query, 'numbers': 'string'})}"
    try:
        async with connect(
            url,
            additional_headers=line.headers,
            compression=None,
            proxy=line.proxy,
            max_size=MAX_FRAME_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
        ) as socket:
            greeting = True
            while True:
                message = await socket.recv(decode=False)
                if greeting:
                    # The first frame says that nothing will be missed from here on.
                    greeting = False
                    reached()
                for update in _updates(message, order_id):
                    yield update
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd is not None else None
        if code == CLOSED_UNKNOWN_ORDER:
            raise OrderNotFound(order_id) from None
        if code != CLOSED_ENDED:
            raise _Interrupted(f"the connection broke: {closed}") from None
    except InvalidStatus as refused:
        response = refused.response
        error = error_from(response.status_code, bytes(response.body or b""), None, order_id)
        if not isinstance(error, Transient | WriteOutcomeUnknown):
            raise error from None
        raise _Interrupted(str(error)) from None
    except (OSError, WebSocketException, TimeoutError) as broken:
        raise _Interrupted(str(broken) or type(broken).__name__) from None


def _updates(message: bytes, order_id: str) -> Iterator[Update]:
    """The updates in a frame; other frames say nothing about orders, but may carry a cursor."""
    try:
        frame = decode(message, Frame)
        if frame.type == "status_update":
            yield decode(message, Update)
        elif frame.type == "backfill":
            for log in frame.logs:
                yield log if log.order_id else msgspec.structs.replace(log, order_id=order_id)
        elif frame.type == "error":
            if frame.code == OrderNotFound.code:
                raise OrderNotFound(order_id)
            raise _Interrupted(frame.detail or frame.message or frame.code)
        elif frame.cursor is not None:
            # `connected`: the place to resume from when the line breaks before the first update.
            yield Update(sequence=0, status="", cursor=frame.cursor)
    except msgspec.MsgspecError as error:
        raise _Interrupted(f"a frame that is none: {error}") from None
