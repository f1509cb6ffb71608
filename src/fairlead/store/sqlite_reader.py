"""The reading half of the SQLite store: short statements on the event loop, over committed data."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fairlead.errors import IdempotencyConflict, Unavailable
from fairlead.orders.model import (
    Attempt,
    Counts,
    Order,
    OrderFilter,
    OrderStatus,
    StoredEvent,
    TriggerState,
)
from fairlead.ports import Accepted, Clock, OrderPage, QueueState, RateLimit
from fairlead.store.rows import (
    attempt_of,
    event_of,
    list_conditions,
    order_of,
    page_of,
    status_of,
    trigger_of,
)
from fairlead.store.writes import CLAIMABLE


class SqliteReads:
    """Methods of `ports.Store` that only read."""

    _reader: sqlite3.Connection
    _queries: dict[str, str]
    _clock: Clock
    _rate_limit: RateLimit | None
    _session: int

    def _rows(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable("store", str(error)) from error

    def _read(self, name: str, *values: object) -> list[Any]:
        return self._rows(self._queries[name], *values)

    async def ping(self) -> None:
        self._rows("SELECT 1")

    async def replay(
        self, principal: str, idempotency_key: str, request_hash: bytes
    ) -> Accepted | None:
        for order_id, known_hash in self._read("by_idempotency_key", principal, idempotency_key):
            if known_hash != request_hash:
                raise IdempotencyConflict(order_id)
            return Accepted(order_id, True)
        return None

    async def order(self, order_id: str) -> Order | None:
        rows = self._read("order_by_id", order_id)
        return order_of(rows[0]) if rows else None

    async def attempts(self, order_id: str) -> tuple[Attempt, ...]:
        return tuple(map(attempt_of, self._read("attempts_of", order_id)))

    async def cancelling(self, owner: str) -> tuple[str, ...]:
        return tuple(order_id for (order_id,) in self._read("cancelling", owner))

    async def orders(self, filter: OrderFilter, limit: int, cursor: str | None) -> OrderPage:
        conditions = list_conditions(filter, cursor)
        name = "page" if filter.status is None else "page_by_status"
        statement = self._queries[name].replace(
            "{conditions}", " AND ".join(condition for condition, _ in conditions)
        )
        values = [value for condition, value in conditions for _ in range(condition.count("?"))]
        return page_of([order_of(row) for row in self._rows(statement, *values, limit + 1)], limit)

    async def counts(self, principal: str) -> Counts:
        rows = self._read("counts_of", principal)
        return Counts({status_of(status): number for status, number in rows if number})

    async def active_orders(self) -> Mapping[str, str]:
        return dict(self._read("active"))

    async def events(self, order_id: str, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return tuple(map(event_of, self._read("events_of_order", order_id, after, limit)))

    async def events_of(self, order_ids: Sequence[str]) -> Mapping[str, tuple[StoredEvent, ...]]:
        found: dict[str, list[StoredEvent]] = {order_id: [] for order_id in order_ids}
        for row in self._read("events_of_orders", msgspec.json.encode(list(found)).decode()):
            found[row[1]].append(event_of(row))
        return {order_id: tuple(events) for order_id, events in found.items()}

    async def feed(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return tuple(map(event_of, self._read("feed", after, limit)))

    async def feed_head(self) -> int:
        ((position,),) = self._read("feed_head")
        return int(position)

    async def known_attempts(self, signatures: Sequence[str]) -> frozenset[str]:
        rows = self._read("known_attempts", msgspec.json.encode(list(signatures)).decode())
        return frozenset([signature for (signature,) in rows])

    async def known_to_slot(self) -> int | None:
        return next((slot for (slot,) in self._read("known_to_slot")), None)

    async def active_wallets(self) -> frozenset[str]:
        return frozenset([wallet for (wallet,) in self._read("active_wallets")])

    async def resting_wallets(self, after: int, limit: int) -> tuple[tuple[int, str], ...]:
        rows = self._read("resting_wallets", after, limit)
        return tuple([(position, wallet) for position, wallet in rows])

    async def unfinished(self, wallet: str) -> tuple[Order, ...]:
        return tuple(map(order_of, self._read("unfinished", wallet)))

    async def reserved(self, wallet: str) -> Mapping[str, int]:
        return {asset: int(atoms) for asset, atoms in self._read("reserved_of_wallet", wallet)}

    async def next_due_ms(self) -> int | None:
        due = []
        for status in CLAIMABLE:
            first = min((row[0] for row in self._read("first_waiting", status)), default=None)
            if first is None:
                continue
            if status is OrderStatus.PENDING and self._rate_limit is not None:
                first = max(first, self._window_opens_ms(self._rate_limit))
            due.append(first)
        return min(due, default=None)

    def _window_opens_ms(self, limit: RateLimit) -> int:
        """When the rate limit next lets a new order begin; 0 when it does now."""
        since_ms = self._clock.now_ms() - limit.window_ms
        ((claims, oldest_ms),) = self._read("claims_in_window", since_ms)
        return 0 if claims < limit.orders else int(oldest_ms) + limit.window_ms

    async def triggers(
        self, after: int, limit: int, *, resting_only: bool
    ) -> tuple[TriggerState, ...]:
        name = "resting_triggers" if resting_only else "triggers"
        return tuple(map(trigger_of, self._read(name, after, limit)))

    async def queue(self, now_ms: int) -> QueueState:
        ((waiting,),) = self._read("count_of_status", OrderStatus.PENDING)
        # A pending order is due from its creation on, a fired one since it fired.
        first = self._read("first_waiting", OrderStatus.PENDING)
        oldest_ms = min((due for (due,) in first if due <= now_ms), default=None)
        ((workers,),) = self._read("live_workers", now_ms, self._session)
        return QueueState(waiting, oldest_ms, workers)
