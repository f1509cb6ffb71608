"""What the bus tests stand on: a clock in a hurry, made-up flushes, listeners to wait for."""

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import Callable
from typing import Protocol, TypeVar

import asyncpg
import msgspec

from fairlead.bus.local import LocalBus
from fairlead.bus.postgres import PostgresBus
from fairlead.bus.redis import RedisBus
from fairlead.orders.lifecycle import status_after
from fairlead.orders.model import EventType, OrderStatus, StoredEvent
from fairlead.ports import Bus, Committed, Signal, Wake

# What must happen, happens long before; a test that waits this long has failed.
PATIENCE_S = 20.0

LOOK = Wake(None, True)


class HurriedClock:
    """The real clock, but no back-off is longer than a moment."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))

    def random_bytes(self, size: int) -> bytes:
        return os.urandom(size)

    def new_id(self) -> str:
        return str(uuid.uuid4())


_positions = itertools.count(1)


class Story:
    """One order's events, each following the last by the lifecycle's table."""

    def __init__(self, order_id: str | None = None) -> None:
        self.order_id = order_id or str(uuid.uuid4())
        self.status: OrderStatus | None = None
        self.sequence = 0

    def goes_on(self, type: EventType, data: bytes = b"{}") -> StoredEvent:
        self.status = status_after(self.status, type)
        self.sequence += 1
        return StoredEvent(
            position=next(_positions),
            order_id=self.order_id,
            sequence=self.sequence,
            principal="local",
            at_ms=1_760_000_000_007 + self.sequence,
            type=type,
            status=self.status,
            data=data,
        )


def flush(*events: StoredEvent, work: bool = False) -> Committed:
    return Committed(events, work)


Found = TypeVar("Found", bound=Signal)


class Listener:
    """Keeps every signal, and can be waited for."""

    def __init__(self, bus: Bus) -> None:
        self.signals: list[Signal] = []
        self._changed = asyncio.Event()
        self.unsubscribe = bus.subscribe(self._hear)

    def _hear(self, signal: Signal) -> None:
        self.signals.append(signal)
        self._changed.set()

    async def hears(self, wanted: Signal) -> None:
        """Returns once the signal has come, and forgets it and all that came before."""
        await self.hears_one(lambda signal: signal == wanted)

    async def hears_one(self, is_wanted: Callable[[Signal], bool]) -> Signal:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for index, signal in enumerate(self.signals):
                    if is_wanted(signal):
                        del self.signals[: index + 1]
                        return signal
                self._changed.clear()
                await self._changed.wait()


class World(Protocol):
    """One kind of bus and what it runs on."""

    url: str

    def bus(self) -> Bus: ...
    async def commit(self, bus: Bus, committed: Committed) -> None:
        """What the store does at a flush: commit, with a NOTIFY on PostgreSQL, then publish."""
        ...


class LocalWorld:
    url = ""

    def bus(self) -> Bus:
        return LocalBus()

    async def commit(self, bus: Bus, committed: Committed) -> None:
        bus.publish(committed)


class PostgresWorld:
    def __init__(self, url: str) -> None:
        self.url = url
        self.channel = f"fairlead {uuid.uuid4()}"

    def bus(self) -> Bus:
        return PostgresBus(self.url, self.channel, HurriedClock())

    async def commit(self, bus: Bus, committed: Committed) -> None:
        notification = {"position": committed.events[-1].position, "work": committed.work}
        await self.notify(msgspec.json.encode(notification).decode())
        bus.publish(committed)

    async def notify(self, payload: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("SELECT pg_notify($1, $2)", self.channel, payload)
        finally:
            await connection.close()


class RedisWorld:
    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"fairlead-{uuid.uuid4()}:"
        # What the store would say: id and status of every order not ended.
        self.active: dict[str, str] = {}

    def bus(self) -> RedisBus:
        return RedisBus(self.url, self.prefix, HurriedClock(), self.active_orders)

    async def active_orders(self) -> dict[str, str]:
        return dict(self.active)

    async def commit(self, bus: Bus, committed: Committed) -> None:
        bus.publish(committed)
