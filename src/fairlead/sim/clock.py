"""The clocks of a simulated world: time that passes in its loop, ids and bytes from its seed."""

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable

T0_MS = 1_750_000_000_000
"""Wall time at which every virtual clock begins."""


class VirtualClock:
    """`ports.Clock` on the running loop's time.

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


class ProcessClock:
    """The clock of one process: set by itself, and who sleeps in a process that hangs wakes with
    it."""

    def __init__(self, clock: VirtualClock, gate: Callable[[], Awaitable[None]]) -> None:
        # How far this host's wall clock is off.
        self.skew_ms = 0
        self._clock = clock
        self._gate = gate
        self.monotonic = clock.monotonic
        self.random_bytes = clock.random_bytes
        self.new_id = clock.new_id

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.skew_ms

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._gate()
