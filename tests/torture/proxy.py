"""A TCP port that leads to another, and breaks what passes through it on demand."""

import asyncio
import contextlib
import struct
from socket import SO_LINGER, SOL_SOCKET

from tests.torture.plan import Cut

_READ_BYTES = 1 << 16
# On, for no time: closing sends a reset.
_NO_LINGER = struct.pack("ii", 1, 0)
# The last is uvloop's, of a connection that has been aborted.
_GONE = (OSError, RuntimeError)


class Link:
    """What one part calls another by. All connections of a link are broken together."""

    def __init__(self, name: str, port: int, target_port: int) -> None:
        self.name = name
        self.port = port
        self._target_port = target_port
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._refuses = False
        # Cuts that overlap: what is set is undone by the last of them.
        self._stalls = 0
        self._open = asyncio.Event()
        self._open.set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def close(self) -> None:
        """End all that passes."""
        if self._server is not None:
            self._server.close()
        self.reset()
        self._open.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        return len(self._pairs)

    def reset(self) -> None:
        """Both ends of every connection see it broken."""
        for pair in list(self._pairs):
            pair.reset()

    async def suffer(self, cut: Cut, lasts_s: float) -> None:
        """Break what passes, and let it pass again after that time."""
        match cut:
            case Cut.RESET:
                self.reset()
            case Cut.REFUSE:
                await self._refuse(lasts_s)
            case Cut.STALL:
                await self._stall(lasts_s)
            case Cut.UNANSWERED | Cut.HALF_CLOSE:
                await self._break_one_way(cut, lasts_s)

    async def _refuse(self, lasts_s: float) -> None:
        self._refuses = True
        self.reset()
        await asyncio.sleep(lasts_s)
        self._refuses = False

    async def _stall(self, lasts_s: float) -> None:
        self._stalls += 1
        self._open.clear()
        await asyncio.sleep(lasts_s)
        self._stalls -= 1
        if not self._stalls:
            self._open.set()

    async def _break_one_way(self, cut: Cut, lasts_s: float) -> None:
        broken = list(self._pairs)
        for pair in broken:
            pair.loses_answers = True
            if cut is Cut.HALF_CLOSE:
                pair.end_answers()
        await asyncio.sleep(lasts_s)
        for pair in broken:
            pair.reset()

    async def _connected(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(here, back)
        except asyncio.CancelledError:
            # Of `close` alone; the server's callback would report it as an error.
            pass
        finally:
            self._tasks.discard(task)
            back.transport.abort()

    async def _pass_on(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self._refuses:
            return
        try:
            there, forth = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            return
        pair = _Pair(here, back, there, forth)
        self._pairs.add(pair)
        try:
            await pair.run(self._open)
        finally:
            self._pairs.discard(pair)
            pair.abort()


class _Pair:
    """A connection to us and ours to the target."""

    def __init__(
        self,
        here: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
    ) -> None:
        self._here, self._back = here, back
        self._there, self._forth = there, forth
        self.loses_answers = False

    async def run(self, is_open: asyncio.Event) -> None:
        """Until both directions have ended, or one of them broke."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(self._here, self._forth, is_open, answers=False))
            group.create_task(self._pump(self._there, self._back, is_open, answers=True))

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_open: asyncio.Event,
        *,
        answers: bool,
    ) -> None:
        try:
            while data := await reader.read(_READ_BYTES):
                await is_open.wait()
                if answers and self.loses_answers:
                    continue
                writer.write(data)
                await writer.drain()
            await is_open.wait()
            if writer.can_write_eof():
                writer.write_eof()
        except _GONE:
            self.abort()

    def end_answers(self) -> None:
        """Whoever called hears that there is no more to come, and may go on talking."""
        with contextlib.suppress(*_GONE):
            self._back.write_eof()

    def reset(self) -> None:
        """What a crashed machine or a firewall does, not a proper end."""
        for writer in (self._back, self._forth):
            if not writer.transport.is_closing():
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)
        self.abort()

    def abort(self) -> None:
        for writer in (self._back, self._forth):
            writer.transport.abort()
