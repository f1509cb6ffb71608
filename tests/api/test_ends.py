"""What ends between two reads of it is told all the same."""

from typing import Any

from fairlead.api.subscriptions import Streams
from fairlead.orders.model import EventType, Order, OrderStatus, StoredEvent
from tests.unit.orders import facts


class EndsBetween:
    """A store whose order ends right after its events were read."""

    def __init__(self, before: Order, after: Order, last: StoredEvent) -> None:
        self._rows = {"before": before, "after": after}
        self._last = last
        self._reads = 0

    async def events(self, order_id: str, after: int, limit: int) -> tuple[StoredEvent, ...]:
        self._reads += 1
        return () if self._reads == 1 or after >= self._last.sequence else (self._last,)

    async def order(self, order_id: str) -> Order:
        return self._rows["after"]


class Told:
    """An outlet that keeps what it is given."""

    ended: int | None = None

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    async def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def offer(self, batch: Any, form: Any) -> None:
        raise AssertionError("the backfill tells it")

    def end(self, code: int) -> None:
        self.ended = code


class QuietHub:
    """Has not heard of the last event yet."""

    position = 0

    def listen_to_order(self, order_id: str, subscription: Any) -> Any:
        return lambda: None


async def test_an_order_that_ends_between_two_reads_is_told_with_its_end():
    before = facts.order(OrderStatus.CONFIRMED)
    sequence = before.sequence + 1
    after = facts.order(OrderStatus.CONFIRMED, sequence=sequence, finalized_at_ms=facts.NOW_MS)
    last = StoredEvent(
        9, before.order_id, sequence, "local", 1, EventType.FINALIZED, after.status, b"{}"
    )
    store: Any = EndsBetween(before, after, last)
    hub: Any = QuietHub()
    told: Any = Told()
    await Streams(store, hub).follow_order(before, before.sequence, told, None, logs=True)
    assert 1000 == told.ended
    assert 1 == sum(b'"finalized"' in frame for frame in told.frames)
