"""One per process: brings every committed event to those who listen, in position order, gapless.

A flush of this process comes straight from the bus when it joins on to what was delivered last.
Whatever is missing is read from the store's feed: after a gap, after a wake-up from another
process, and every second in case a signal was lost. Nothing is encoded while nobody listens.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from fairlead.api.frames import Batch
from fairlead.errors import FairleadError
from fairlead.orders.model import NumberForm, StoredEvent
from fairlead.ports import Bus, Committed, Signal, Store

FEED_PAGE = 500
"""Events read at once while catching up."""


class Listener(Protocol):
    def deliver(self, batch: Batch) -> None:
        """Take events, in order. Never blocks and never raises."""
        ...


class StreamHub:
    """`position`: every event up to it has been offered to those who listened at the time."""

    def __init__(self, store: Store, bus: Bus, poll_s: float) -> None:
        self._store = store
        self._bus = bus
        self._poll_s = poll_s
        self._by_order: dict[str, set[Listener]] = {}
        self._by_principal: dict[str, set[Listener]] = {}
        self._behind = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.position = 0

    async def start(self) -> None:
        self._unsubscribe = self._bus.subscribe(self._on_signal)
        self.position = await self._store.feed_head()
        self._reader = asyncio.create_task(self._read_forever(), name="stream-hub")

    async def stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    def listen_to_order(self, order_id: str, listener: Listener) -> Callable[[], None]:
        """From now on the order's events go to the listener; returns how to stop."""
        return _added(self._by_order, order_id, listener)

    def listen_to_all(self, principal: str, listener: Listener) -> Callable[[], None]:
        """From now on all events of the principal's orders go to the listener."""
        return _added(self._by_principal, principal, listener)

    @property
    def _listened_to(self) -> bool:
        return bool(self._by_order or self._by_principal)

    def _on_signal(self, signal: Signal) -> None:
        if isinstance(signal, Committed):
            if signal.events:
                self._offer(signal.events)
        elif signal.position is None or signal.position > self.position:
            self._behind.set()

    def _offer(self, events: Sequence[StoredEvent]) -> None:
        """Deliver what joins on to the last delivered; a gap is for the reader to close."""
        last = events[-1].position
        if last <= self.position:
            return
        if not self._listened_to:
            self.position = last
            return
        if events[0].position <= self.position:
            events = [event for event in events if event.position > self.position]
        if events[0].position == self.position + 1:
            self._deliver(events)
        else:
            self._behind.set()

    def _deliver(self, events: Sequence[StoredEvent]) -> None:
        self.position = events[-1].position
        shared: dict[NumberForm | None, dict[int, bytes]] = {}
        if self._by_order:
            for order_id, own in _grouped(events, self._by_order, "order_id").items():
                _hand_out(self._by_order.get(order_id), Batch(own, shared))
        if self._by_principal:
            for principal, own in _grouped(events, self._by_principal, "principal").items():
                _hand_out(self._by_principal.get(principal), Batch(own, shared))

    async def _read_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._behind.wait()
            self._behind.clear()
            try:
                await self._catch_up()
            except FairleadError:
                # The store does not answer: the events stay in it, the next look finds them.
                await asyncio.sleep(self._poll_s)

    async def _catch_up(self) -> None:
        if not self._listened_to:
            head = await self._store.feed_head()
            # Whoever came meanwhile has read less than that: for them nothing may be skipped.
            if not self._listened_to:
                self.position = max(self.position, head)
                return
        while True:
            page = await self._store.feed(self.position, FEED_PAGE)
            # A flush may have been delivered meanwhile.
            fresh = [event for event in page if event.position > self.position]
            if fresh:
                self._deliver(fresh)
            if len(page) < FEED_PAGE:
                return


def _hand_out(listeners: set[Listener] | None, batch: Batch) -> None:
    # A listener may leave while it is told: the order's last event ends its stream.
    for listener in tuple(listeners or ()):
        listener.deliver(batch)


def _added(listeners: dict[str, set[Listener]], key: str, listener: Listener) -> Callable[[], None]:
    listeners.setdefault(key, set()).add(listener)

    def remove() -> None:
        rest = listeners.get(key)
        if rest is not None:
            rest.discard(listener)
            if not rest:
                del listeners[key]

    return remove


def _grouped(
    events: Sequence[StoredEvent], wanted: dict[str, set[Listener]], attribute: str
) -> dict[str, list[StoredEvent]]:
    groups: dict[str, list[StoredEvent]] = {}
    for event in events:
        key = getattr(event, attribute)
        if key in wanted:
            groups.setdefault(key, []).append(event)
    return groups
