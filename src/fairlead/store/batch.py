"""Group commit without a timer: one writer per process, and every write awaited by its caller.

A flush starts as soon as the last one is done and takes all that has queued meanwhile. Alone, a
write pays for one transaction; in a crowd the same transaction pays for hundreds of writes.
There is no wait for company: at low load that would be added to every latency, and at high load
there is company anyway.

A write that breaks a rule of the database fails alone: the flush is rolled back and done again
in halves, down to the one that is wrong. A connection that breaks in a flush leaves its outcome
unknown: its writes are handed to the next flush marked `uncertain`, which finds out by doing
them again (each is made so that it cannot happen twice); those for which that does not come in
time get `WriteOutcomeUnknown`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from fairlead.errors import Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.ports import Committed

# Writes in one transaction. Half as many cost a fifth more each on either database; with more of
# them each waits longer for the whole flush.
MAX_FLUSH_SIZE = 256
# Writes that wait: under half a second of work at 50,000 a second. Above it a caller is told to
# come back.
MAX_QUEUE_SIZE = 20_000
# What an overloaded caller is told to wait.
RETRY_AFTER_S = 1
# How often a write is done again to learn whether it had happened.
MAX_UNCERTAIN_FLUSHES = 2


class Poisoned(Exception):
    """The database refused the flush because of one of its writes; nothing was written."""


class Lost(Exception):
    """The connection broke while the flush was under way: it may have been committed."""


class Write(msgspec.Struct, eq=False):
    """One queued write: its value, then its result, an exception if it was refused."""

    value: Any
    future: "asyncio.Future[Any]"
    result: Any = None
    # How many flushes with this write were lost: it may have happened.
    uncertain: int = 0


Flush = Callable[[Sequence[Write]], Awaitable[Committed]]
"""Commits the writes in one transaction and sets each one's `result`; raises `Poisoned`, `Lost` or
`Unavailable` (nothing was written)."""


class Batcher:
    """The queue in front of a flush, and the one task that empties it."""

    def __init__(
        self,
        flush: Flush,
        on_commit: Callable[[Committed], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._flush = flush
        self._monotonic = monotonic
        self._on_commit = on_commit
        # Told of each commit: writes, seconds.
        self.on_flush: Callable[[int, float], None] | None = None
        self._queue: deque[Write] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def submit(self, value: Any) -> "asyncio.Future[Any]":
        """Queue a write; the future is its result after the commit."""
        if self._closed:
            raise Unavailable("store", "it is closed")
        if len(self._queue) >= MAX_QUEUE_SIZE:
            raise Overloaded(len(self._queue), RETRY_AFTER_S)
        loop = asyncio.get_running_loop()
        write = Write(value, loop.create_future())
        self._queue.append(write)
        if self._task is None:
            self._task = loop.create_task(self._run(), name="store writer")
        return write.future

    async def close(self) -> None:
        """Flush what is queued, then refuse all else."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while self._queue:
                # A cancelled waiter has lost interest: what has not begun need not happen.
                writes = [
                    write
                    for _ in range(min(len(self._queue), MAX_FLUSH_SIZE))
                    if not (write := self._queue.popleft()).future.done()
                ]
                if writes:
                    await self._commit(writes)
        finally:
            self._task = None
            # Only when this task was cancelled or has a bug: nobody may wait for ever.
            for write in self._queue:
                _fail(write, Unavailable("store", "its writer has stopped"))
            self._queue.clear()

    async def _commit(self, writes: list[Write]) -> None:
        began = self._monotonic()
        try:
            committed = await self._flush(writes)
        except Poisoned as error:
            await self._split(writes, error)
        except Lost as error:
            self._again(writes, error)
        except Unavailable as error:
            # Those that wait are told at once too: each flush would find it out anew, slowly.
            for write in (*writes, *self._queue):
                _fail(write, error if not write.uncertain else _unknown(error))
            self._queue.clear()
        except BaseException as error:
            # A bug, or the task was cancelled in the middle: the waiters must not wait for ever.
            for write in writes:
                _fail(write, _unknown(error))
            raise
        else:
            if self.on_flush is not None:
                self.on_flush(len(writes), self._monotonic() - began)
            # Before the waiters: who is answered finds the events already published.
            if committed.events or committed.work:
                self._on_commit(committed)
            for write in writes:
                if isinstance(write.result, BaseException):
                    _fail(write, write.result)
                elif not write.future.done():
                    write.future.set_result(write.result)

    async def _split(self, writes: list[Write], error: Poisoned) -> None:
        if len(writes) == 1:
            _fail(writes[0], AssertionError(f"the store refused a write: {error}"))
            return
        middle = len(writes) // 2
        await self._commit(writes[:middle])
        await self._commit(writes[middle:])

    def _again(self, writes: list[Write], error: Lost) -> None:
        for write in reversed(writes):
            write.uncertain += 1
            if write.uncertain > MAX_UNCERTAIN_FLUSHES:
                _fail(write, _unknown(error))
            else:
                self._queue.appendleft(write)


def _unknown(error: BaseException) -> WriteOutcomeUnknown:
    return WriteOutcomeUnknown(f"the store went away in a commit: {error}")


def _fail(write: Write, error: BaseException) -> None:
    if not write.future.done():
        write.future.set_exception(error)
