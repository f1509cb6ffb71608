"""One read for all who ask for the same while it runs."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedReads(Generic[K, T]):
    """The reads that run now, by what they read."""

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
