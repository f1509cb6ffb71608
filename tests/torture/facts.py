"""Everything that the books are checked by, as plain values: the store's rows, the chain's blocks,
and what clients were told."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg

from fairlead.api.frames import cursor_at
from tests.torture.ledger import Ledger
from tests.torture.listeners import line_of
from tests.torture.orders import Sent


class Violation(NamedTuple):
    """What must never be, and was."""

    rule: str
    text: str
    order_id: str = ""


@dataclass(frozen=True)
class OrderRow:
    order_id: str
    status: str
    ended: bool
    owner: str | None
    signature: str | None
    minimum_out_atoms: int | None
    amount_out_atoms: int | None
    terms: Mapping[str, Any]
    failure_code: str | None = None


@dataclass(frozen=True)
class EventRow:
    position: int
    order_id: str
    sequence: int
    at_ms: int
    type: str
    status: str
    failure_code: str | None = None


@dataclass(frozen=True)
class AttemptRow:
    signature: str
    order_id: str
    number: int
    round: int
    state: str
    minimum_out_atoms: int
    # Address; None where it was signed without one.
    latch: str | None = None
    blockhash_height: int = 0
    # Of an exact output: the most that its swap takes.
    maximum_in_atoms: int | None = None
    legs: int = 1


@dataclass(frozen=True)
class LatchRow:
    """A latch of an ended order, as the engine keeps it in mind."""

    address: str
    order_id: str
    # Whether an attempt took it.
    taken: bool
    state: str


@dataclass(frozen=True)
class ReclaimRow:
    """A transaction that takes latches back."""

    signature: str
    wallet: str
    latches: tuple[str, ...]
    lamports: int
    fee_lamports: int
    state: str


@dataclass(frozen=True)
class LentRow:
    """The engine's own sums, and up to which event it has looked for ended orders."""

    position: int = 0
    latches: int = 0
    taken: int = 0
    reclaimed_lamports: int = 0


@dataclass
class Facts:
    """As they are once nothing moves any more."""

    orders: dict[str, OrderRow] = field(default_factory=dict)
    # In the order of their positions.
    events: list[EventRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    # By address, and by signature.
    latches: dict[str, LatchRow] = field(default_factory=dict)
    reclaims: dict[str, ReclaimRow] = field(default_factory=dict)
    lent: LentRow = LentRow()
    # (wallet, asset) -> atoms that are still held back.
    reserved: dict[tuple[str, str], int] = field(default_factory=dict)
    # Orders by status, as the engine keeps count.
    counts: dict[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    # By order: what the client that got a 202 for it knows.
    sent: dict[str, Sent] = field(default_factory=dict)
    # What was answered, and never with a 202.
    refused: list[Sent] = field(default_factory=list)
    # Accepted from the harness itself.
    probes: set[str] = field(default_factory=set)

    def events_by_order(self) -> dict[str, list[EventRow]]:
        found: dict[str, list[EventRow]] = defaultdict(list)
        for event in self.events:
            found[event.order_id].append(event)
        return found

    def attempts_by_order(self) -> dict[str, list[AttemptRow]]:
        found: dict[str, list[AttemptRow]] = defaultdict(list)
        for attempt in sorted(self.attempts, key=lambda attempt: attempt.number):
            found[attempt.order_id].append(attempt)
        return found

    def head(self) -> str:
        """The cursor of the last event."""
        return cursor_at(len(self.events))

    def digest(self) -> str:
        """Of the frames that a listener of all must have seen."""
        digest = hashlib.sha256()
        for event in self.events:
            cursor = cursor_at(event.position)
            digest.update(line_of(event.order_id, event.sequence, cursor, event.type))
        return digest.hexdigest()


_ORDERS = """SELECT o.order_id::text, o.status, o.ended, o.owner, o.signature,
    o.minimum_out_atoms::text AS minimum, o.amount_out_atoms::text AS filled,
    o.failure_code, t.terms::text AS terms
    FROM fairlead.orders o LEFT JOIN fairlead.terms t USING (order_id)"""
_EVENTS = """SELECT position, order_id::text, sequence, at_ms, type, status,
    data::json->>'failureCode' FROM fairlead.events ORDER BY position"""
_ATTEMPTS = """SELECT signature, order_id::text, number, round, state,
    minimum_out_atoms::text AS minimum, latch_address, blockhash_height,
    legs::json->0->>'maximum_in_atoms' AS maximum, json_array_length(legs::json) AS legs
    FROM fairlead.attempts"""
_LATCHES = "SELECT address, order_id::text, taken, state FROM fairlead.latches"
_RECLAIMS = """SELECT signature, wallet, latches::text AS latches, lamports, fee_lamports, state
    FROM fairlead.reclaims"""
_LENT = "SELECT position, latches, taken, reclaimed_lamports FROM fairlead.lent"
_RESERVED = """SELECT wallet, asset, sum(atoms)::text AS atoms FROM fairlead.reserved
    GROUP BY wallet, asset HAVING sum(atoms) <> 0"""
_COUNTS = "SELECT status, sum(orders)::bigint AS orders FROM fairlead.counts GROUP BY status"


async def read_store(url: str) -> Facts:
    """The store's side of them."""
    connection = await asyncpg.connect(url)
    try:
        return Facts(
            orders={row["order_id"]: _order(row) for row in await connection.fetch(_ORDERS)},
            events=[EventRow(*row) for row in await connection.fetch(_EVENTS)],
            attempts=[_attempt(row) for row in await connection.fetch(_ATTEMPTS)],
            latches={row["address"]: LatchRow(*row) for row in await connection.fetch(_LATCHES)},
            reclaims={row["signature"]: _reclaim(row) for row in await connection.fetch(_RECLAIMS)},
            lent=LentRow(*(await connection.fetch(_LENT))[0]),
            reserved={
                (row["wallet"], row["asset"]): int(row["atoms"])
                for row in await connection.fetch(_RESERVED)
            },
            counts={
                row["status"]: row["orders"]
                for row in await connection.fetch(_COUNTS)
                if row["orders"]
            },
        )
    finally:
        await connection.close()


def _order(row: Any) -> OrderRow:
    return OrderRow(
        row["order_id"],
        row["status"],
        row["ended"],
        row["owner"],
        row["signature"],
        _int(row["minimum"]),
        _int(row["filled"]),
        json.loads(row["terms"] or "{}"),
        row["failure_code"],
    )


def _attempt(row: Any) -> AttemptRow:
    return AttemptRow(
        row["signature"], row["order_id"], row["number"], row["round"], row["state"],
        int(row["minimum"]), row["latch_address"], row["blockhash_height"],
        _int(row["maximum"]), row["legs"],
    )  # fmt: skip


def _reclaim(row: Any) -> ReclaimRow:
    return ReclaimRow(
        row["signature"], row["wallet"], tuple(json.loads(row["latches"])), row["lamports"],
        row["fee_lamports"], row["state"],
    )  # fmt: skip


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


def statuses(facts: Facts) -> Counter[str]:
    return Counter(order.status for order in facts.orders.values())
