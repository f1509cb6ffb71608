"""The reading half of the PostgreSQL store."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.errors import IdempotencyConflict
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
from fairlead.store.postgres_connections import PostgresConnections
from fairlead.store.principals import Principals
from fairlead.store.rows import (
    attempt_of,
    event_of,
    is_order_id,
    list_conditions,
    order_of,
    page_of,
    status_of,
    trigger_of,
)
from fairlead.store.writes import CLAIMABLE


class PostgresReads:
    """Methods of `ports.Store` that only read."""

    _connections: PostgresConnections
    _queries: dict[str, str]
    _clock: Clock
    _rate_limit: RateLimit | None
    _principals: Principals

    async def _read(self, name: str, *values: object) -> list[Any]:
        return await self._connections.read(self._queries[name], *values)

    async def ping(self) -> None:
        await self._connections.read("SELECT 1")

    async def replay(
        self, principal: str, idempotency_key: str, request_hash: bytes
    ) -> Accepted | None:
        for order_id, known in await self._read("by_idempotency_key", principal, idempotency_key):
            if known != request_hash:
                raise IdempotencyConflict(order_id)
            return Accepted(order_id, True)
        return None

    async def order(self, order_id: str) -> Order | None:
        if not is_order_id(order_id):
            return None
        rows = await self._read("order_by_id", order_id)
        if not rows:
            return None
        order = order_of(rows[0])
        # Who looks at an order may be about to change it.
        self._principals.remember(order_id, order.principal)
        return order

    async def attempts(self, order_id: str) -> tuple[Attempt, ...]:
        if not is_order_id(order_id):
            return ()
        return tuple(map(attempt_of, await self._read("attempts_of", order_id)))

    async def cancelling(self, owner: str) -> tuple[str, ...]:
        return tuple(order_id for (order_id,) in await self._read("cancelling", owner))

    async def orders(self, filter: OrderFilter, limit: int, cursor: str | None) -> OrderPage:
        conditions = list_conditions(filter, cursor)
        name = "page" if filter.status is None else "page_by_status"
        numbered = [text.replace("?", f"${n}") for n, (text, _) in enumerate(conditions, 1)]
        statement = (
            self._queries[name]
            .replace("{conditions}", " AND ".join(numbered))
            .replace("{limit}", f"${len(conditions) + 1}")
        )
        values: list[object] = [*(value for _, value in conditions), limit + 1]
        if filter.status is not None:
            values.append(str(filter.status))
            statement = statement.replace("{status}", f"${len(values)}")
        rows = await self._connections.read(statement, *values)
        return page_of([order_of(row) for row in rows], limit)

    async def counts(self, principal: str) -> Counts:
        rows = await self._read("counts_of", principal)
        return Counts({status_of(status): number for status, number in rows if number})

    async def active_orders(self) -> Mapping[str, str]:
        return {row[0]: row[1] for row in await self._read("active")}

    async def events(self, order_id: str, after: int, limit: int) -> tuple[StoredEvent, ...]:
        if not is_order_id(order_id):
            return ()
        return tuple(map(event_of, await self._read("events_of_order", order_id, after, limit)))

    async def events_of(self, order_ids: Sequence[str]) -> Mapping[str, tuple[StoredEvent, ...]]:
        found: dict[str, list[StoredEvent]] = {order_id: [] for order_id in order_ids}
        for row in await self._read("events_of_orders", list(filter(is_order_id, found))):
            found[row[1]].append(event_of(row))
        return {order_id: tuple(events) for order_id, events in found.items()}

    async def feed(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return tuple(map(event_of, await self._read("feed", after, limit)))

    async def feed_head(self) -> int:
        ((position,),) = await self._read("feed_head")
        return int(position)

    async def known_attempts(self, signatures: Sequence[str]) -> frozenset[str]:
        rows = await self._read("known_attempts", list(signatures))
        return frozenset([row[0] for row in rows])

    async def known_to_slot(self) -> int | None:
        return next((row[0] for row in await self._read("known_to_slot")), None)

    async def active_wallets(self) -> frozenset[str]:
        return frozenset([row[0] for row in await self._read("active_wallets")])

    async def resting_wallets(self, after: int, limit: int) -> tuple[tuple[int, str], ...]:
        rows = await self._read("resting_wallets", after, limit)
        return tuple([(row[0], row[1]) for row in rows])

    async def unfinished(self, wallet: str) -> tuple[Order, ...]:
        return tuple(map(order_of, await self._read("unfinished", wallet)))

    async def reserved(self, wallet: str) -> Mapping[str, int]:
        rows = await self._read("reserved_of_wallet", wallet)
        return {asset: int(atoms) for asset, atoms in rows}

    async def next_due_ms(self) -> int | None:
        first: dict[str, int] = {}
        for status, due in await self._read("first_waiting", CLAIMABLE):
            first[status] = min(due, first.get(status, due))
        if OrderStatus.PENDING in first and self._rate_limit is not None:
            opens_ms = await self._window_opens_ms(self._rate_limit)
            first[OrderStatus.PENDING] = max(first[OrderStatus.PENDING], opens_ms)
        return min(first.values(), default=None)

    async def _window_opens_ms(self, limit: RateLimit) -> int:
        """When the rate limit next lets a new order begin; 0 when it does now."""
        since_ms = self._clock.now_ms() - limit.window_ms
        ((claims, oldest_ms),) = await self._read("claims_in_window", since_ms)
        return 0 if claims < limit.orders else int(oldest_ms) + limit.window_ms

    async def triggers(
        self, after: int, limit: int, *, resting_only: bool
    ) -> tuple[TriggerState, ...]:
        name = "resting_triggers" if resting_only else "triggers"
        return tuple(map(trigger_of, await self._read(name, after, limit)))

    async def queue(self, now_ms: int) -> QueueState:
        ((waiting,),) = await self._read("count_of_status", OrderStatus.PENDING)
        # A pending order is due from its creation on, a fired one since it fired.
        first = await self._read("first_waiting", [OrderStatus.PENDING])
        oldest_ms = min((due for _, due in first if due <= now_ms), default=None)
        ((workers,),) = await self._read("live_workers", now_ms)
        return QueueState(waiting, oldest_ms, workers)
