"""The writes that a store queues, beside `Change`, and the half of a store that
queues them.
"""

from collections.abc import Callable

import msgspec

from fairlead.orders import lifecycle
from fairlead.orders.acceptance import CLAIMED_EVENT
from fairlead.orders.lent import Reclaim, ReclaimSettled
from fairlead.orders.model import (
    NEVER_MS,
    Change,
    Claimed,
    EventType,
    NewEvent,
    NewOrder,
    OrderStatus,
)
from fairlead.ports import Accepted, Clock, Committed, RateLimit
from fairlead.store.batch import Batcher, Flush

# As what an order may wait when a worker that knows nothing of it takes it: nothing can land yet
# (an open order that has fired waits as pending) …
CLAIMABLE = (OrderStatus.PENDING, OrderStatus.ROUTING)
# … or something may land, or has landed and awaits finality.
ADOPTABLE = (OrderStatus.SUBMITTED, OrderStatus.CONFIRMED, OrderStatus.CANCELLING)
# Left behind in these, an order goes back to routing: nothing of its round was stored.
TAKEN_OVER_DATA = b'{"reason":"taken_over"}'

# What a claim tells of an order that rested until its trigger fired.
TRIGGERED_EVENT = lifecycle.event(OrderStatus.OPEN, EventType.CLAIMED, b'{"reason":"triggered"}')


class Accept(msgspec.Struct, frozen=True, gc=False):
    """A new order; with an owner it is claimed at once."""

    order: NewOrder
    owner: str | None = None


class Claim(msgspec.Struct, frozen=True, gc=False):
    """Take orders: those to be begun or, with `adopt`, those in flight."""

    owner: str
    places: int
    now_ms: int
    adopt: bool
    # Marks the rows taken, so that a claim whose answer was lost finds them again.
    token: int


class Release(msgspec.Struct, frozen=True, gc=False):
    """Workers that are gone: their rows are deleted and their orders freed."""

    # With the lease they were seen with: one renewed since is alive. -1: none was seen. None:
    # whatever it is, at the worker's own wish.
    workers: tuple[tuple[str, int | None], ...]
    now_ms: int


class Lease(msgspec.Struct, frozen=True, gc=False):
    """A worker's sign of life; `renew` says that it must be known already."""

    owner: str
    until_ms: int
    renew: bool
    # The advisory lock that its session holds (PostgreSQL).
    session_key: int | None = None


class Watch(msgspec.Struct, frozen=True, gc=False):
    """A worker asks for the watch over the triggers (SQLite; PostgreSQL has a function for it)."""

    owner: str


class KnowToSlot(msgspec.Struct, frozen=True, gc=False):
    """Every transaction of ours up to this slot is stored (SQLite, as are the following; PostgreSQL
    has statements of their own for them)."""

    slot: int


class NoteLatches(msgspec.Struct, frozen=True, gc=False):
    """Look through so many further events for ended orders with latches."""

    events: int


class BeginReclaim(msgspec.Struct, frozen=True, gc=False):
    """A signed reclaim, before it is sent."""

    reclaim: Reclaim


class SettleReclaim(msgspec.Struct, frozen=True, gc=False):
    """How a reclaim ended."""

    settled: ReclaimSettled


class AbsentLatches(msgspec.Struct, frozen=True, gc=False):
    """Latches that hold nothing."""

    addresses: tuple[str, ...]


class QueuedWrites:
    """The writing half of a store: each method queues one write and returns after its commit."""

    def __init__(
        self,
        clock: Clock,
        flush: Flush,
        on_commit: Callable[[Committed], None],
        rate_limit: RateLimit | None,
    ) -> None:
        self._clock = clock
        self._rate_limit = rate_limit
        self._batcher = Batcher(flush, on_commit, clock.monotonic)

    def observe_flushes(self, observe: Callable[[int, float], None]) -> None:
        """Tell `observe` of each commit: how many writes it took along, and how many seconds."""
        self._batcher.on_flush = observe

    async def accept(self, order: NewOrder, owner: str | None = None) -> Accepted:
        if self._rate_limit is not None or order.status is not OrderStatus.PENDING:
            # Counted when it is claimed; or nothing to claim.
            owner = None
        accepted: Accepted = await self._batcher.submit(Accept(order, owner))
        return accepted

    async def apply(self, change: Change) -> int:
        sequence: int = await self._batcher.submit(change)
        return sequence

    async def claim(self, owner: str, places: int, now_ms: int) -> tuple[Claimed, ...]:
        return await self._claim(owner, places, now_ms, adopt=False)

    async def adopt(self, owner: str, limit: int, now_ms: int) -> tuple[Claimed, ...]:
        return await self._claim(owner, limit, now_ms, adopt=True)

    async def _claim(
        self, owner: str, places: int, now_ms: int, *, adopt: bool
    ) -> tuple[Claimed, ...]:
        if places <= 0:
            return ()
        token = int.from_bytes(self._clock.random_bytes(8)) >> 1
        claim = Claim(owner, places, now_ms, adopt, token)
        claimed: tuple[Claimed, ...] = await self._batcher.submit(claim)
        return claimed

    async def register_worker(self, owner: str, lease_until_ms: int) -> None:
        await self._batcher.submit(Lease(owner, lease_until_ms, renew=False))

    async def renew_lease(self, owner: str, lease_until_ms: int) -> bool:
        alive: bool = await self._batcher.submit(Lease(owner, lease_until_ms, renew=True))
        return alive

    async def release_worker(self, owner: str, now_ms: int) -> None:
        await self._batcher.submit(Release(((owner, None),), now_ms))


def begins(before: OrderStatus) -> NewEvent | None:
    """The event by which a claim begins an order that was this; None when it only goes on."""
    if before is OrderStatus.PENDING:
        return CLAIMED_EVENT
    return TRIGGERED_EVENT if before is OrderStatus.OPEN else None


def makes_work(write: Accept | Change) -> bool:
    """Whether a committed write leaves an order for a worker to take."""
    if isinstance(write, Accept):
        return write.owner is None and write.order.trigger is None
    return write.release and not write.end and write.due_at_ms != NEVER_MS
