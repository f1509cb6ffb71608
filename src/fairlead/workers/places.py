"""Places: how many orders of one worker are between claim and `confirmed` at a time."""

import asyncio


class Places:
    """A bound with a wake-up when a place comes free."""

    def __init__(self, size: int) -> None:
        # With none, a worker goes on with what it had and takes nothing new.
        assert size >= 0
        self.size = size
        self.free = size
        self.freed = asyncio.Event()

    def take(self) -> "Place":
        """A place that is known to be free."""
        assert self.free > 0, "no place is free"
        self.free -= 1
        return Place(self)

    async def wait(self) -> "Place":
        """A place as soon as one is free."""
        while self.free <= 0:
            self.freed.clear()
            await self.freed.wait()
        return self.take()


class Place:
    """Held from claim to `confirmed`; given back early while only proof or finality is awaited."""

    __slots__ = ("_places",)

    def __init__(self, places: Places | None) -> None:
        self._places = places

    def release(self) -> None:
        """Give it back; more than once does no harm."""
        places, self._places = self._places, None
        if places is not None:
            places.free += 1
            places.freed.set()

    async def regain(self, places: Places) -> None:
        """Hold a place again before new work on the order."""
        if self._places is None:
            await places.wait()
            self._places = places
