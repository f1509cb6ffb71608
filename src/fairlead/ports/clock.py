"""Time, sleep, ids and randomness."""

from typing import Protocol


class Clock(Protocol):
    """Time, sleep, ids and randomness. Clocks serve liveness only; heights and slots decide."""

    def now_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def random_bytes(self, size: int) -> bytes:
        """Unguessable bytes."""
        ...

    def new_id(self) -> str:
        """A UUIDv7, so that ids append to indexes."""
        ...
