"""Virtual time for tests: the simulator's loop and clock, and a way to wait for what tests want."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.sim.clock import T0_MS, VirtualClock
from fairlead.sim.loop import Spinning, Stuck, TooLong, VirtualLoop, run

__all__ = ["T0_MS", "Spinning", "Stuck", "TooLong", "VirtualClock", "VirtualLoop", "run", "until"]


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
