"""One read for all who ask for the same while it runs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from fairlead.errors import Unavailable

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedReads(Generic[K, T]):
    """The reads that run now, by what they read. Each is a task of its own, which nobody need wait
    for: with `LedReads` one who reads is one who asked."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}

    def start(self, key: K, read: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """The read that runs already, or a new one. One that is over does not run, though the loop
        clears it away a turn later: who asked in between, and asked again, would never let it."""
        task = self._tasks.get(key)
        if task is None or task.done():
            task = self._tasks[key] = asyncio.ensure_future(read())
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def get(self, key: K, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Its answer or its error. One who gives up does not stop it for the others."""
        return await asyncio.shield(self.start(key, read))

    async def close(self) -> None:
        """Stop what runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: K, task: "asyncio.Task[T]") -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            task.exception()  # all who asked may have given up: then nobody else looks at it


class LedReads(Generic[K, T]):
    """Reads that the first who asks does for all who come meanwhile. They are no tasks: on the
    paper chain in this process a read is over at once, and nobody comes meanwhile."""

    def __init__(self) -> None:
        # By what is read now: where the others wait, if anybody does, for the answer, the reason
        # why there is none, or neither, where the reader gave up.
        self._running: dict[K, asyncio.Future[tuple[tuple[T, ...], Unavailable | None]] | None] = {}

    async def get(self, key: K, read: Callable[[], Awaitable[T]]) -> T:
        """Its answer, or `Unavailable`. One who gives up leaves it to those who wait."""
        while key in self._running:
            told = self._running[key]
            if told is None:
                told = self._running[key] = asyncio.get_running_loop().create_future()
            answers, why_none = await asyncio.shield(told)
            if why_none is not None:
                raise why_none
            if answers:
                return answers[0]
        self._running[key] = None
        answer: tuple[T, ...] = ()
        error: Unavailable | None = None
        try:
            answer = (await read(),)
        except Unavailable as unavailable:
            error = unavailable
            raise
        finally:
            told = self._running.pop(key)
            if told is not None:
                told.set_result((answer, error))
        return answer[0]
