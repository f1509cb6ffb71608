"""What the writes of a SQLite flush share, gathered as they are done and written at its end."""

import sqlite3
from typing import Any

from fairlead.orders.model import EventType, OrderStatus, StoredEvent


class Gathered:
    """Events, counts, reserved sums, and which triggers moved."""

    def __init__(
        self, connection: sqlite3.Connection, queries: dict[str, str], position: int
    ) -> None:
        self._many = connection.executemany
        self._queries = queries
        # Of the last event.
        self.position = position
        self.events: list[StoredEvent] = []
        # By wallet and asset, as they will be.
        self.reserved: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, OrderStatus], int] = {}
        # By order: position and sequence of the event by which it came to rest or ceased to; which.
        self._triggers: dict[str, tuple[int, int, bool]] = {}

    def tell(
        self,
        order_id: str,
        sequence: int,
        principal: str,
        at_ms: int,
        type: EventType,
        status: OrderStatus,
        data: bytes,
    ) -> None:
        """The next event of the feed."""
        self.position += 1
        self.events.append(
            StoredEvent(self.position, order_id, sequence, principal, at_ms, type, status, data)
        )

    def move(self, principal: str, before: OrderStatus | None, after: OrderStatus) -> None:
        """An order is counted under another status."""
        if before is after:
            return
        counts = self._counts
        counts[principal, after] = counts.get((principal, after), 0) + 1
        if before is not None:
            counts[principal, before] = counts.get((principal, before), 0) - 1

    def move_trigger(self, order_id: str, sequence: int, resting: bool) -> None:
        """The last event was one by which the order came to rest or ceased to."""
        self._triggers[order_id] = (self.position, sequence, resting)

    def write(self) -> None:
        self._write(
            "insert_event",
            [
                (e.position, e.order_id, e.sequence, e.principal, e.at_ms, e.type, e.status, e.data)
                for e in self.events
            ],
        )
        self._write("add_count", [(*key, moved) for key, moved in self._counts.items() if moved])
        self._write("set_reserved", [(*key, str(atoms)) for key, atoms in self.reserved.items()])
        self._write("move_trigger", [(one, *moved) for one, moved in self._triggers.items()])

    def _write(self, query: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            self._many(self._queries[query], rows)
