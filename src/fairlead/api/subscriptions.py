"""One reader's subscription: what was stored first, then live, without gap or duplicate.

The order of steps makes it so. First listen, holding back what comes; then read the store, which
now has everything up to where listening began; send that; release what was held and is newer.
"""

from collections.abc import Callable

from fairlead.api import frames
from fairlead.api.frames import Batch
from fairlead.api.hub import StreamHub
from fairlead.api.outlets import NORMAL, TRY_AGAIN_LATER, Outlet
from fairlead.errors import FieldError, InvalidOrder, OrderNotFound
from fairlead.orders.lifecycle import ENDED, is_last
from fairlead.orders.model import NumberForm, Order, StoredEvent
from fairlead.ports import Store

PAGE = 500
"""Events read at once for a backfill."""
MAX_HELD = 20_000
"""Events held back while a reader catches up; above it the reader is closed with 1013."""


def resumed_at(order: Order, after: int) -> int:
    """The sequence after which to go on. One that the order has not reached was told before the
    store was restored to an earlier moment: then all is told from the start."""
    return after if after <= order.sequence else 0


class Subscription:
    """A listener of the hub that holds back until it is released."""

    def __init__(self, outlet: Outlet, form: NumberForm | None, *, of_one_order: bool) -> None:
        self._outlet = outlet
        self._form = form
        self._of_one_order = of_one_order
        self._held: list[StoredEvent] | None = []
        # Sequence (of one order) or position (of all) up to which everything was sent.
        self._seen = 0

    def deliver(self, batch: Batch) -> None:
        if self._held is not None:
            self._held.extend(batch.events)
            if len(self._held) > MAX_HELD:
                self._held.clear()
                self._outlet.end(TRY_AGAIN_LATER)
            return
        if self._place(batch.events[0]) <= self._seen:
            # The backfill was ahead of the hub.
            newer = [event for event in batch.events if self._place(event) > self._seen]
            if not newer:
                return
            batch = Batch(newer)
        self._outlet.offer(batch, self._form)
        if self._of_one_order and is_last(batch.events[-1].type):
            self._outlet.end(NORMAL)

    def release(self, seen: int) -> None:
        """Live from here; everything up to `seen` was sent."""
        held, self._held = self._held, None
        self._seen = seen
        if held:
            self.deliver(Batch(held))

    def _place(self, event: StoredEvent) -> int:
        return event.sequence if self._of_one_order else event.position


class Streams:
    """Starts subscriptions; `form` None leaves each order its own number form."""

    def __init__(self, store: Store, hub: StreamHub) -> None:
        self._store = store
        self._hub = hub

    @property
    def head(self) -> int:
        """How far the feed of all orders has been told."""
        return self._hub.position

    async def check_known(self, position: int) -> None:
        """`InvalidOrder` for a place that the feed has not reached: it was told before the store
        was restored to an earlier moment, and what follows it is not known."""
        if position > self._hub.position and position > await self._store.feed_head():
            message = "lies beyond all that this engine knows: was it restored from a backup?"
            raise InvalidOrder((FieldError("cursor", "invalid_cursor", message),))

    async def owned_order(self, order_id: str, principal: str) -> Order:
        """The order if the caller may see it, else `OrderNotFound`."""
        order = await self._store.order(order_id)
        if order is None or order.principal != principal:
            raise OrderNotFound(order_id)
        return order

    async def follow_order(
        self, order: Order, after: int, outlet: Outlet, form: NumberForm | None, *, logs: bool
    ) -> Callable[[], None]:
        """Backfill after a sequence (as one frame of `logs`, or event by event), then live."""
        after = resumed_at(order, after)
        subscription = Subscription(outlet, form, of_one_order=True)
        stop = self._hub.listen_to_order(order.order_id, subscription)
        try:
            events = await self._events_after(order.order_id, after)
            if not events:
                # Read again: it may have ended since, and then nothing more would come.
                order = await self._store.order(order.order_id) or order
                if order.sequence > after:
                    # Between the two reads: what it ended with is still to be told.
                    events = await self._events_after(order.order_id, after)
            if logs:
                await outlet.write(_backfill(order, events, form))
            elif events:
                outlet.offer(Batch(events), form)
            subscription.release(events[-1].sequence if events else after)
            if _has_ended(order, events):
                outlet.end(NORMAL)
        except BaseException:
            stop()
            raise
        return stop

    async def follow_all(
        self, principal: str, position: int | None, outlet: Outlet, form: NumberForm | None
    ) -> Callable[[], None]:
        """Everything of the principal's orders after a position of the feed, or from now on."""
        at = self._hub.position if position is None else position
        # Far behind: read with nothing held back until the head is near.
        while position is not None and not outlet.ended:
            at, more = await self._send_page(principal, at, outlet, form)
            if not more:
                break
        subscription = Subscription(outlet, form, of_one_order=False)
        stop = self._hub.listen_to_all(principal, subscription)
        try:
            more = position is not None
            while more and not outlet.ended:
                at, more = await self._send_page(principal, at, outlet, form)
            subscription.release(at)
        except BaseException:
            stop()
            raise
        return stop

    async def _send_page(
        self, principal: str, at: int, outlet: Outlet, form: NumberForm | None
    ) -> tuple[int, bool]:
        """Send one page of the feed; the position reached, and whether the page was full."""
        page = await self._store.feed(at, PAGE)
        for event in page:
            if event.principal == principal:
                await outlet.write(frames.status_update(event, form))
        return (page[-1].position if page else at), len(page) == PAGE

    async def _events_after(self, order_id: str, after: int) -> list[StoredEvent]:
        events: list[StoredEvent] = []
        while True:
            last = events[-1].sequence if events else after
            page = await self._store.events(order_id, last, PAGE)
            events.extend(page)
            if len(page) < PAGE:
                return events


def _backfill(order: Order, events: list[StoredEvent], form: NumberForm | None) -> bytes:
    status, sequence = order.status, order.sequence
    if events:
        status, sequence = events[-1].status, events[-1].sequence
    return frames.backfill(order.order_id, status.value, sequence, events, form)


def _has_ended(order: Order, events: list[StoredEvent]) -> bool:
    """Whether the last event has been said: by those just read, or by the row for who has all."""
    if events:
        return is_last(events[-1].type)
    return order.finalized_at_ms is not None or order.status in ENDED
