"""Orders, attempts and events, durable."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from fairlead.orders.lent import Lent, LentLatch, Reclaim, ReclaimSettled
from fairlead.orders.model import (
    Attempt,
    Change,
    Claimed,
    Counts,
    NewOrder,
    Order,
    OrderFilter,
    StoredEvent,
    TriggerState,
)


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The answer to an accept: a new order, or the one an idempotency key already made."""

    order_id: str
    replayed: bool
    # The order as its worker has it, when it was claimed in the same commit.
    claimed: Claimed | None = None


class Committed(msgspec.Struct, frozen=True, gc=False):
    """What one flush of this process committed, in position order (gapless within the flush)."""

    events: tuple[StoredEvent, ...]
    # A claimable order came into being.
    work: bool


class OrderPage(msgspec.Struct, frozen=True, gc=False):
    """Orders newest first. `next_cursor` continues the page; None on the last."""

    orders: tuple[Order, ...]
    next_cursor: str | None


class RateLimit(msgspec.Struct, frozen=True, gc=False):
    """At most `orders` claims of new orders in any window of `window_ms`, over all workers."""

    orders: int
    window_ms: int


class QueueState(msgspec.Struct, frozen=True, gc=False):
    """The queue for metrics and readiness."""

    waiting: int
    # Since when the order has been due that waits longest: since its accept, or since it fired.
    oldest_ms: int | None
    # Workers whose lease is alive.
    workers: int


class Store(Protocol):
    """Orders, attempts and events, durable. Every method that writes returns after the commit.

    Errors: `Unavailable("store", …)` when it does not answer (nothing was written);
    `WriteOutcomeUnknown` when the connection broke in the commit.
    """

    async def accept(self, order: NewOrder, owner: str | None = None) -> Accepted:
        """Insert order, events, queue place, reservations and trigger in one commit.

        With an `owner`, a pending order is claimed in it too: it is left as accept and then claim
        would leave it. A replay or a refusal claims nothing; nor does a store with a rate limit.
        `IdempotencyConflict` for a used key with another hash; `InsufficientFunds` when a
        reservation
        exceeds balance less what live orders of the wallet hold.
        """
        ...

    async def replay(
        self, principal: str, idempotency_key: str, request_hash: bytes
    ) -> Accepted | None:
        """The order this key made, None if unused; `IdempotencyConflict` for other terms."""
        ...

    async def claim(self, owner: str, places: int, now_ms: int) -> tuple[Claimed, ...]:
        """Take up to `places` orders that are pending, open (fired: see `NEVER_MS`) or routing,
        unowned and due: priority, then due time.

        pending and open become routing with event `claimed` and the next round; routing keeps
        status and round. Honours the rate limit for orders that were pending or open.
        """
        ...

    async def adopt(self, owner: str, limit: int, now_ms: int) -> tuple[Claimed, ...]:
        """Take unowned orders that may have a live attempt or await finality (submitted,
        confirmed, cancelling)."""
        ...

    async def next_due_ms(self) -> int | None:
        """When the next unowned order becomes claimable, None when none waits."""
        ...

    async def apply(self, change: Change) -> int:
        """Commit a change and return the row's new sequence; `Fenced` when owner or sequence
        moved on."""
        ...

    async def order(self, order_id: str) -> Order | None: ...
    async def attempts(self, order_id: str) -> tuple[Attempt, ...]: ...
    async def cancelling(self, owner: str) -> tuple[str, ...]:
        """Ids of this owner's orders whose status is cancelling."""
        ...

    async def orders(self, filter: OrderFilter, limit: int, cursor: str | None) -> OrderPage:
        """A keyset page; `Rejected` for a malformed cursor."""
        ...

    async def counts(self, principal: str) -> Counts: ...
    async def active_orders(self) -> Mapping[str, str]:
        """Id and status of every order that somebody has in hand or that waits for somebody."""
        ...

    async def events(self, order_id: str, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """Events of one order with sequence > after, in order."""
        ...

    async def events_of(self, order_ids: Sequence[str]) -> Mapping[str, tuple[StoredEvent, ...]]:
        """All events of several orders (a page's worth)."""
        ...

    async def feed(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """Events of all orders with position > after, in position order, nothing skipped."""
        ...

    async def feed_head(self) -> int:
        """The highest committed position, 0 before the first."""
        ...

    async def known_attempts(self, signatures: Sequence[str]) -> frozenset[str]:
        """Those of these signatures that are attempts, or reclaims."""
        ...

    async def known_to_slot(self) -> int | None:
        """Every transaction of ours in this slot or an earlier one is stored; None before that was
        first said."""
        ...

    async def know_to_slot(self, slot: int) -> None:
        """Say so. A lower slot than the one that is known is no news."""
        ...

    async def active_wallets(self) -> frozenset[str]:
        """Wallets of the orders that somebody has in hand or that wait for somebody."""
        ...

    async def resting_wallets(self, after: int, limit: int) -> tuple[tuple[int, str], ...]:
        """Position and wallet of each resting order at a position > after, in position order."""
        ...

    async def unfinished(self, wallet: str) -> tuple[Order, ...]:
        """Every order of this wallet that has not ended, oldest first."""
        ...

    async def reserved(self, wallet: str) -> Mapping[str, int]:
        """Atoms held back by live orders, by asset."""
        ...

    async def queue(self, now_ms: int) -> QueueState: ...

    async def register_worker(self, owner: str, lease_until_ms: int) -> None: ...
    async def renew_lease(self, owner: str, lease_until_ms: int) -> bool:
        """False when the worker was already declared dead: it must stop and register anew."""
        ...

    async def release_worker(self, owner: str, now_ms: int) -> None:
        """A graceful end: everything it owned becomes claimable at once."""
        ...

    async def release_dead_workers(self, now_ms: int) -> tuple[str, ...]:
        """Free the orders of workers whose lease ran out or whose session is gone; who they were.

        An order in routing or building gets the event `taken_over` and is routing again.
        """
        ...

    async def take_watch(self, owner: str) -> bool:
        """Whether this worker watches the triggers from now on, or does already. One does at a
        time: another gets the watch only once that one is no longer among the workers."""
        ...

    async def triggers(
        self, after: int, limit: int, *, resting_only: bool
    ) -> tuple[TriggerState, ...]:
        """Triggers whose orders came to rest, or ceased to, at a position > after, in position
        order, nothing skipped."""
        ...

    async def note_latches(self, events: int) -> bool:
        """Look through so many further events, in position order, for orders that ended with
        latches, which then wait to be taken back; whether there are more events."""
        ...

    async def due_latches(self, height: int, limit: int) -> tuple[LentLatch, ...]:
        """Latches that wait, of orders whose newest blockhash is of this height or below, oldest
        first."""
        ...

    async def begin_reclaim(self, reclaim: Reclaim) -> bool:
        """Store a reclaim before it is sent; False, and nothing is, unless all its latches wait.

        Told again, it answers the same."""
        ...

    async def live_reclaims(self, limit: int) -> tuple[Reclaim, ...]:
        """Those whose end is not known, oldest first."""
        ...

    async def settle_reclaim(self, settled: ReclaimSettled) -> None:
        """Store how a live reclaim ended: its latches are empty, or wait again."""
        ...

    async def absent_latches(self, addresses: Sequence[str]) -> None:
        """Store of latches that wait that they hold nothing."""
        ...

    async def lent(self) -> Lent: ...

    async def lent_by(self, wallets: Sequence[str]) -> Mapping[str, int]:
        """Of each of these wallets how many latches of its ended orders hold rent that it lent;
        those without any may be missing."""
        ...

    async def ping(self) -> None: ...
