"""Socket clients in a process of their own: some follow all orders, and one order in so many has
one of its own. Whoever loses its connection comes back with ?cursor= or ?after=.

usage: python -m tests.torture.listeners COUNT EVERY HOST:PORT …
Prints `{"connected": n}` when all are there. A line with a cursor on standard input is where all
must come to; when they have, or half a minute later, what they saw is printed.
"""

import asyncio
import contextlib
import hashlib
import itertools
import json
import re
import sys
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

ENDS_WITHIN_S = 30.0
LAST_EVENTS = frozenset({"finalized", "failed", "cancelled", "expired"})

_FRAME = re.compile(
    r'"orderId":"([0-9a-f-]{36})","sequence":(\d+),"cursor":"([^"]+)","status":"\w+",'
    r'"event":"(\w+)"'
)
_CURSOR = re.compile(r'"cursor":"([^"]+)"')
_AGAIN_AFTER_S = 0.05
_DONE = 1000
_MAX_PROBLEMS = 5


def line_of(order_id: str, sequence: int, cursor: str, event: str) -> bytes:
    """What a digest of frames is made of."""
    return f"{order_id} {sequence} {cursor} {event}\n".encode()


class Listener:
    """What one client has seen, over all its connections."""

    def __init__(self, name: str, apis: Sequence[str]) -> None:
        self.name = name
        self.connections = 0
        self.frames = 0
        self.problems: list[str] = []
        self._apis = itertools.cycle(apis)

    async def frames_of(self, path: str) -> AsyncIterator[str]:
        """The frames of one connection; ends when it does. Raises `_Over` at a proper close."""
        with contextlib.suppress(OSError, WebSocketException, TimeoutError, EOFError):
            async with connect(
                f"ws://{next(self._apis)}{path}",
                compression=None,
                max_size=None,
                open_timeout=5,
                close_timeout=1,
                ping_interval=2,
                ping_timeout=4,
            ) as socket:
                self.connections += 1
                try:
                    while True:
                        yield str(await socket.recv())
                except ConnectionClosed as closed:
                    if closed.rcvd is not None and closed.rcvd.code == _DONE:
                        raise _Over from None

    def problem(self, text: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(f"{self.name}: {text}")

    def report(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "connections": self.connections,
            "frames": self.frames,
            "problems": self.problems,
        }


class _Over(Exception):
    """The server said that there is nothing more to come."""


class AllOrders(Listener):
    """Follows every order; checks each one's sequence and keeps a digest of all."""

    def __init__(self, name: str, apis: Sequence[str]) -> None:
        super().__init__(name, apis)
        self.cursor = ""
        self.is_connected = asyncio.Event()
        self.accepted: asyncio.Queue[str] = asyncio.Queue()
        self._last: dict[str, int] = {}
        self._digest = hashlib.sha256()

    async def run(self) -> None:
        while True:
            path = "/ws" + (f"?cursor={self.cursor}" if self.cursor else "")
            with contextlib.suppress(_Over):
                async for frame in self.frames_of(path):
                    self._take(frame)
            await asyncio.sleep(_AGAIN_AFTER_S)

    def _take(self, frame: str) -> None:
        found = _FRAME.search(frame)
        if found is None:
            # `connected` says from where it goes on; one that comes back knows that itself.
            begins = _CURSOR.search(frame)
            if begins is not None and not self.cursor:
                self.cursor = begins[1]
                self.is_connected.set()
            return
        order_id, sequence, self.cursor, event = found[1], int(found[2]), found[3], found[4]
        expected = self._last.get(order_id, 0) + 1
        if sequence != expected:
            self.problem(f"{order_id}: frame {sequence} came where {expected} was due")
        self._last[order_id] = sequence
        self._digest.update(line_of(order_id, sequence, self.cursor, event))
        self.frames += 1
        if sequence == 1:
            self.accepted.put_nowait(order_id)

    def report(self) -> dict[str, Any]:
        return {**super().report(), "cursor": self.cursor, "digest": self._digest.hexdigest()}


class OneOrder(Listener):
    """Follows one order to its last word."""

    async def run(self) -> None:
        last, event = 0, ""
        with contextlib.suppress(_Over):
            while True:
                async for frame in self.frames_of(f"/ws/orders/{self.name}?after={last}"):
                    told = json.loads(frame)
                    for step in told.get("logs", [told]):
                        if "event" not in step:
                            continue
                        if step["sequence"] != last + 1:
                            text = f"frame {step['sequence']} came where {last + 1} was due"
                            self.problem(text)
                        last, event = step["sequence"], step["event"]
                        self.frames += 1
                await asyncio.sleep(_AGAIN_AFTER_S)
        if event not in LAST_EVENTS:
            self.problem(f"the stream ended after {event or 'nothing'}")


class Herd:
    """All clients of this process."""

    def __init__(self, count: int, every: int, apis: Sequence[str]) -> None:
        # They begin at different APIs.
        self._all = [
            AllOrders(f"all-{n}", [*apis[n % len(apis) :], *apis[: n % len(apis)]])
            for n in range(count)
        ]
        self._every = every
        self._apis = apis
        self._ones: list[tuple[OneOrder, asyncio.Task[None]]] = []

    async def run(self) -> None:
        tasks = [asyncio.create_task(each.run()) for each in self._all]
        tasks.append(asyncio.create_task(self._follow_some()))
        for each in self._all:
            await each.is_connected.wait()
        print(json.dumps({"connected": len(self._all)}), flush=True)
        head = (await asyncio.to_thread(sys.stdin.readline)).strip()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                while any(each.cursor != head for each in self._all):
                    await asyncio.sleep(_AGAIN_AFTER_S)
                await asyncio.gather(*(task for _, task in self._ones))
        print(json.dumps(self._report()), flush=True)
        for task in [*tasks, *(task for _, task in self._ones)]:
            task.cancel()

    async def _follow_some(self) -> None:
        while True:
            order_id = await self._all[0].accepted.get()
            if zlib.crc32(order_id.encode()) % self._every == 0:
                listener = OneOrder(order_id, self._apis)
                self._ones.append((listener, asyncio.create_task(listener.run())))

    def _report(self) -> dict[str, Any]:
        for listener, task in self._ones:
            if not task.done():
                listener.problem("its stream has not ended")
        return {
            "all": [each.report() for each in self._all],
            "ones": [listener.report() for listener, _ in self._ones],
        }


if __name__ == "__main__":
    asyncio.run(Herd(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]).run())
