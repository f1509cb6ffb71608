"""Keeps one outside connection alive: use it, lose it, wait, try again, as long as the bus runs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from fairlead.errors import Unavailable
from fairlead.ports import Clock

# Time for one exchange with the server: connecting, a command and its answer.
EXCHANGE_TIMEOUT_S = 3.0
# After so much silence the server is asked whether it is there: a lost peer says nothing.
SILENCE_S = 10.0
# Waits between attempts to connect: doubled from first to last, and up to a half shorter by chance.
FIRST_WAIT_S = 0.05
LAST_WAIT_S = 5.0

_log = structlog.get_logger("fairlead.bus")

Session = Callable[[Callable[[], None]], Awaitable[None]]
"""One life of a connection: calls its argument once it serves, returns or raises at its end."""


def wait_before_attempt(failures: int, chance: int) -> float:
    """Seconds to wait after so many failures in a row (≥ 1); `chance` is a random byte."""
    longest = min(LAST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 16))
    return longest * (1 - chance / 512)


async def end(tasks: Collection[asyncio.Task[None]], again_after_s: float) -> None:
    """Cancel tasks until they have ended; how they ended is not looked at.

    Once is not enough: redis-py swallows a cancellation that comes while it connects.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_after_s)
    for task in tasks:
        if not task.cancelled():
            # Seen, so that asyncio does not complain of an exception nobody looked at.
            task.exception()


class Connection:
    """Runs a session again and again in a task of its own, and knows whether one serves now."""

    def __init__(self, name: str, clock: Clock, session: Session) -> None:
        # Why there is no connection; None while there is one.
        self.problem: str | None = "not started"
        self._name = name
        self._clock = clock
        self._session = session
        self._serving_since = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Returns at once, whether or not the server is there."""
        assert self._task is None, "a bus starts once"
        self.problem = "not connected yet"
        self._task = asyncio.create_task(self._run(), name=f"bus {self._name}")

    async def stop(self) -> None:
        if self._task is not None:
            await end({self._task}, again_after_s=1.0)
        self.problem = "stopped"

    def check(self) -> None:
        """Raise `Unavailable` unless a session serves now."""
        if self.problem is not None:
            raise Unavailable("bus", f"{self._name}: {self.problem}")

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._session(self._on_serving)
                problem = "the connection was lost"
            # Whatever a session dies of, the bus goes on: all it carries may be lost.
            except Exception as error:
                problem = str(error) or type(error).__name__
            served = self.problem is None
            self.problem = problem
            if served and self._clock.monotonic() - self._serving_since >= LAST_WAIT_S:
                failures = 0
            # Once per outage, and at the start.
            if served or failures == 0:
                _log.warning("bus_disconnected", server=self._name, problem=problem)
            failures += 1
            chance = self._clock.random_bytes(1)[0]
            await self._clock.sleep(wait_before_attempt(failures, chance))

    def _on_serving(self) -> None:
        self._serving_since = self._clock.monotonic()
        self.problem = None
        _log.info("bus_connected", server=self._name)
