"""Virtual time: an event loop whose clock moves only when everybody waits, and then at once.

An hour of many orders' lives takes seconds, and a seed replays bit for bit. Nothing here opens a
socket or a thread: a wake-up from outside would make the run depend on the machine. Nor does it
depend on where objects lie in memory: asyncio keeps tasks and futures in sets, so each has its own
number as its hash.
"""

import asyncio
import contextvars
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

MAX_TURNS_AT_ONE_TIME = 300_000
"""Turns of the loop while the clock stands still: more is a task that spins."""

_T = TypeVar("_T")


class Stuck(AssertionError):
    """Nothing will ever happen again: somebody waits for a wake-up that was lost."""


class Spinning(AssertionError):
    """Tasks keep each other busy without any time passing."""


class TooLong(AssertionError):
    """What should have ended has not."""


class GivenUp(AssertionError):
    """So much is wrong that going on tells nothing more."""


class TaskGroup:
    """The tasks of one simulated process: whoever is made by one of them belongs to it too."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._context = contextvars.copy_context()
        self._context.run(_GROUP.set, self)

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run it as one of them."""
        return asyncio.get_running_loop().create_task(coroutine, context=self._context.copy())

    def add(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    async def end(self) -> None:
        """Cancel them, again and again: each lets some task end whose end another waits for."""
        while tasks := [each for each in self._tasks if each.get_name() not in _OF_NOBODY]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.001)


_GROUP: contextvars.ContextVar[TaskGroup | None] = contextvars.ContextVar("group", default=None)

_OF_NOBODY = frozenset({"store writer"})
"""The store plays a server: its writer outlives whichever process set it going."""


class NumberedTask(asyncio.Task[_T]):
    """A task whose place in a set follows from when it was made."""

    def __init__(self, coroutine: Coroutine[Any, Any, _T], number: int, **named: Any) -> None:
        # Before the rest: being made, a task is put into a set.
        self._number = number
        super().__init__(coroutine, **named)

    def __hash__(self) -> int:
        return self._number


class NumberedFuture(asyncio.Future[Any]):
    """A future whose place in a set follows from when it was made."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time. `failures` holds what tasks raised and nobody took."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self.limit_s = limit_s
        self.failures: list[str] = []
        # Set by who has seen enough: the loop ends at its next turn.
        self.gives_up = False
        self._now_s = 0.0
        self._turns = 0
        self._numbers = itertools.count(1)
        self._clock_resolution = 1e-6
        self._selector = self
        self.set_exception_handler(self._failed)
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now_s

    def select(self, timeout: float | None) -> tuple[()]:
        """What a selector does: wait. Here the time is over at once."""
        if self.gives_up:
            raise GivenUp("too much is wrong")
        if timeout is None:
            raise Stuck(f"at {self._now_s:.3f} s nothing is left to happen")
        if timeout > 0:
            self._turns = 0
            self._now_s += timeout
            if self._now_s > self.limit_s:
                raise TooLong(f"{self.limit_s} s were not enough")
        else:
            self._turns += 1
            if self._turns > MAX_TURNS_AT_ONE_TIME:
                raise Spinning(f"at {self._now_s:.3f} s")
        return ()

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(next(self._numbers), self)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,
        **named: Any,
    ) -> asyncio.Task[Any]:
        name = named.pop("name", None)
        task: asyncio.Task[Any] = NumberedTask(
            coroutine, next(self._numbers), loop=loop, name=name, **named
        )
        context: contextvars.Context | None = named.get("context")
        group = _GROUP.get() if context is None else context.get(_GROUP)
        if group is not None:
            group.add(task)
        return task

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        raise AssertionError("a thread took part in a run on virtual time")

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")


def run(main: Coroutine[Any, Any, _T], limit_s: float = 3_600) -> _T:
    """The result of `main` on virtual time. Every task that died unheard is a failure."""
    loop = VirtualLoop(limit_s)
    try:
        result = loop.run_until_complete(main)
        left = asyncio.all_tasks(loop)
        assert not left, f"tasks outlived their owners: {left}"
        return result
    finally:
        loop.limit_s = float("inf")
        loop.gives_up = False
        left = asyncio.all_tasks(loop)
        for task in sorted(left, key=hash):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()
        assert not loop.failures, loop.failures
