"""Virtual time: an event loop whose clock moves only when everybody waits, and then at once.

A minute of an order's life takes milliseconds, and a seed replays exactly. Nothing here opens a
socket or a thread: a wake-up from outside would make the run depend on the machine.
"""

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T0_MS = 1_750_000_000_000
"""Wall time at which every virtual clock begins."""

MAX_TURNS_AT_ONE_TIME = 300_000
"""Turns of the loop while the clock stands still: more is a task that spins."""

_T = TypeVar("_T")


class Stuck(AssertionError):
    """Nothing will ever happen again: somebody waits for a wake-up that was lost."""


class Spinning(AssertionError):
    """Tasks keep each other busy without any time passing."""


class TooLong(AssertionError):
    """What should have ended has not."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time. `failures` holds what tasks raised and nobody took."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._now_s = 0.0
        self._limit_s = limit_s
        self._turns = 0
        self._clock_resolution = 1e-6
        self._selector = self
        self.failures: list[str] = []
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        return self._now_s

    def select(self, timeout: float | None) -> tuple[()]:
        """What a selector does: wait. Here the time is over at once."""
        if timeout is None:
            raise Stuck(f"at {self._now_s:.3f} s nothing is left to happen")
        self._turns = 0 if timeout > 0 else self._turns + 1
        if self._turns > MAX_TURNS_AT_ONE_TIME:
            raise Spinning(f"at {self._now_s:.3f} s")
        self._now_s += timeout
        if self._now_s > self._limit_s:
            raise TooLong(f"{self._limit_s} s were not enough")
        return ()

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
        loop._limit_s = float("inf")
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()
        assert not loop.failures, loop.failures


class VirtualClock:
    """`ports.Clock` on the running loop's time. Ids and bytes follow from the seed.

    `wall_ms` moves the wall clock away from the time that passes, as an operator or NTP does.
    """

    def __init__(self, seed: int = 0) -> None:
        self.wall_ms = 0
        self._seed = seed
        self._count = itertools.count(1)

    def now_ms(self) -> int:
        return T0_MS + self.wall_ms + round(asyncio.get_running_loop().time() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random_bytes(self, size: int) -> bytes:
        text = b"%d %d" % (self._seed, next(self._count))
        return hashlib.shake_256(text).digest(size)

    def new_id(self) -> str:
        """Greater than every earlier one, whatever the wall clock says."""
        digits = f"{T0_MS:012x}7000{0x8 << 60 | next(self._count):016x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


async def until(
    true: Callable[[], Awaitable[Any]], within_s: float = 600, every_s: float = 0.05
) -> Any:
    """What `true` answers, as soon as it is not false."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while True:
        answer = await true()
        if answer:
            return answer
        assert loop.time() < deadline_s, f"not within {within_s} s"
        await asyncio.sleep(every_s)
