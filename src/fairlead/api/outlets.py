"""Where live frames go: straight into a socket's buffer, or through a bounded queue of its own.

An outlet never blocks whoever delivers: a reader that does not keep up is closed, not waited for.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from fairlead.api.frames import Batch, Wire, websocket_frame
from fairlead.orders.model import NumberForm

NORMAL = 1000
GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013

FRAME_COST_BYTES = 512
"""What a frame is taken to weigh: a socket's buffer is bounded in bytes, as so many frames."""


class Outlet(Protocol):
    """One reader's way out."""

    def offer(self, batch: Batch, form: NumberForm | None) -> None:
        """Send the batch's frames, or close with 1013 when too much is not yet taken."""
        ...

    async def write(self, text: bytes) -> None:
        """Send one frame and wait until the reader has room for more."""
        ...

    def end(self, code: int) -> None:
        """Close after what was offered so far."""
        ...

    @property
    def ended(self) -> bool: ...


class FrameSocket(Protocol):
    """A WebSocket connection that takes ready-made frames (`api/protocols.py`)."""

    def write_frames(self, frames: bytes) -> None: ...
    def backlog_bytes(self) -> int: ...
    def end(self, code: int) -> None: ...
    async def room(self) -> None: ...


class SocketOutlet:
    """Writes ready-made frames into the connection: no task, no queue, one write for a flush."""

    def __init__(self, socket: FrameSocket, max_frames: int, on_slow: Callable[[], None]) -> None:
        self._socket = socket
        self._max = max_frames * FRAME_COST_BYTES
        self._on_slow = on_slow
        self.ended = False

    def offer(self, batch: Batch, form: NumberForm | None) -> None:
        if self.ended:
            return
        if self._socket.backlog_bytes() > self._max:
            self._on_slow()
            self.end(TRY_AGAIN_LATER)
            return
        self._socket.write_frames(batch.joined(Wire.WEBSOCKET, form))

    async def write(self, text: bytes) -> None:
        if not self.ended:
            self._socket.write_frames(websocket_frame(text))
            await self._socket.room()

    def end(self, code: int) -> None:
        if not self.ended:
            self.ended = True
            self._socket.end(code)


class QueueOutlet:
    """A bounded queue that its own task empties with `pump`: event streams, other ASGI servers."""

    def __init__(
        self,
        send_batch: Callable[[Batch, NumberForm | None], Awaitable[None]],
        send_text: Callable[[bytes], Awaitable[None]],
        close: Callable[[int], Awaitable[None]],
        max_frames: int,
        on_slow: Callable[[], None],
    ) -> None:
        self._send_batch = send_batch
        self._send_text = send_text
        self._close = close
        self._max = max_frames
        self._on_slow = on_slow
        self._queue: deque[tuple[Batch, NumberForm | None]] = deque()
        self._queued = 0
        self._filled = asyncio.Event()
        self._close_code: int | None = None

    @property
    def ended(self) -> bool:
        return self._close_code is not None

    def offer(self, batch: Batch, form: NumberForm | None) -> None:
        if self.ended:
            return
        self._queued += len(batch.events)
        if self._queued > self._max:
            self._queue.clear()
            self._on_slow()
            self.end(TRY_AGAIN_LATER)
            return
        self._queue.append((batch, form))
        self._filled.set()

    async def write(self, text: bytes) -> None:
        if not self.ended:
            await self._send_text(text)

    def end(self, code: int) -> None:
        if self._close_code is None:
            self._close_code = code
            self._filled.set()

    async def pump(self, idle_s: float, ping: Callable[[], Awaitable[None]]) -> None:
        """Send what is offered until the end; `ping` after each idle stretch."""
        while True:
            while self._queue:
                batch, form = self._queue.popleft()
                self._queued -= len(batch.events)
                await self._send_batch(batch, form)
            if self._close_code is not None:
                await self._close(self._close_code)
                return
            self._filled.clear()
            try:
                async with asyncio.timeout(idle_s):
                    await self._filled.wait()
            except TimeoutError:
                await ping()
