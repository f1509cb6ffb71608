"""Between the values of `orders.model` and the columns of the tables, for both databases."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.errors import Rejected
from fairlead.orders.lent import Lent, LentLatch, Reclaim
from fairlead.orders.model import (
    Attempt,
    AttemptSettled,
    AttemptState,
    EventType,
    Leg,
    NewOrder,
    Order,
    OrderFilter,
    OrderStatus,
    OrderTerms,
    OrderType,
    PriceSource,
    StoredEvent,
    Trigger,
    TriggerSide,
    TriggerState,
)
from fairlead.ports import OrderPage

Row = Sequence[Any]

MAX_U64 = 2**64 - 1

_encode = msgspec.json.Encoder().encode
_terms = msgspec.json.Decoder(OrderTerms)
_legs = msgspec.json.Decoder(tuple[Leg, ...])
_venues = msgspec.json.Decoder(tuple[str, ...])
_addresses = msgspec.json.Decoder(tuple[str, ...])
_reservations = msgspec.json.Decoder(tuple[tuple[str, str, str], ...])
# Looking a member up by value costs a third of calling the enum.
_STATUSES = {str(status): status for status in OrderStatus}
_TYPES = {str(type): type for type in EventType}
_STATES = {str(state): state for state in AttemptState}


def terms_row(order: NewOrder, reservations: str | None) -> tuple[Any, ...]:
    """The columns of `terms`, in the order of the insert statements."""
    terms = order.terms
    return (
        order.order_id,
        order.principal,
        order.idempotency_key,
        order.request_hash,
        order.secret,
        terms.user_id,
        terms.wallet,
        terms.wallet_address,
        str(terms.type),
        _encode(terms).decode(),
        reservations,
        order.created_at_ms,
    )


def encode_json(value: object) -> str:
    return _encode(value).decode()


def encode_reservations(order: NewOrder) -> str | None:
    """[[wallet, asset, atoms as text], …]: what exactly is given back when the order ends."""
    if not order.reservations:
        return None
    return _encode([(r.wallet, r.asset, str(r.atoms)) for r in order.reservations]).decode()


def decode_reservations(text: str | None) -> list[tuple[str, str, int]]:
    if text is None:
        return []
    return [(wallet, asset, int(atoms)) for wallet, asset, atoms in _reservations.decode(text)]


def u64_text(value: int | None) -> str | None:
    """Atoms as text: u64 does not fit a signed 64-bit column."""
    if value is None:
        return None
    assert 0 <= value <= MAX_U64, value
    return str(value)


def order_of(row: Row) -> Order:
    """An order from the columns of `-- order columns` in the .sql files."""
    return Order(
        row[0],
        row[1],
        _terms.decode(row[2]),
        row[3],
        _STATUSES[row[4]],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        None if row[11] is None else int(row[11]),
        row[12],
        bool(row[13]),
        row[14],
        row[15],
        None if row[16] is None else int(row[16]),
        row[17],
        row[18],
        row[19],
        row[20],
    )


def attempt_row(attempt: Attempt) -> tuple[Any, ...]:
    """The columns of `attempts`, in the order of the struct. Mostly there is no evidence as yet: it
    comes when the attempt is settled, or with one that was found settled."""
    evidence = attempt.evidence
    return (
        attempt.signature,
        attempt.order_id,
        attempt.round,
        attempt.number,
        attempt.raw,
        attempt.blockhash,
        attempt.blockhash_slot,
        attempt.blockhash_height,
        attempt.last_valid_block_height,
        attempt.compute_unit_limit,
        u64_text(attempt.compute_unit_price_micro_lamports),
        u64_text(attempt.tip_lamports),
        u64_text(attempt.fee_lamports),
        attempt.latch_address,
        attempt.latch_generation,
        u64_text(attempt.minimum_out_atoms),
        _encode(attempt.legs).decode(),
        attempt.created_at_ms,
        str(attempt.state),
        attempt.slot,
        attempt.error,
        None if evidence is None else evidence.decode(),
    )


def attempt_of(row: Row) -> Attempt:
    return Attempt(
        row[0],
        str(row[1]),
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        int(row[10]),
        int(row[11]),
        int(row[12]),
        row[13],
        row[14],
        int(row[15]),
        _legs.decode(row[16]),
        row[17],
        _STATES[row[18]],
        row[19],
        row[20],
        None if row[21] is None else row[21].encode(),
    )


def settled_row(settled: AttemptSettled) -> tuple[Any, ...]:
    """What was proven about an attempt, in the order of the struct."""
    evidence = settled.evidence
    return (
        settled.signature,
        settled.state,
        settled.slot,
        settled.error,
        None if evidence is None else evidence.decode(),
    )


def trigger_row(trigger: Trigger) -> tuple[Any, ...]:
    """The columns of `triggers` that never change, in the order of the struct."""
    return (
        trigger.order_id,
        str(trigger.kind),
        str(trigger.side),
        str(trigger.price_source),
        trigger.priority,
        trigger.token_in,
        trigger.token_out,
        u64_text(trigger.amount_in_atoms),
        u64_text(trigger.threshold_out_atoms),
        None if trigger.venues is None else _encode(trigger.venues).decode(),
        trigger.max_price_impact_bps,
        trigger.expires_at_ms,
    )


def trigger_of(row: Row) -> TriggerState:
    """A trigger from the columns of `triggers`."""
    trigger = Trigger(
        str(row[0]),
        OrderType(row[1]),
        TriggerSide(row[2]),
        PriceSource(row[3]),
        row[4],
        row[5],
        row[6],
        int(row[7]),
        int(row[8]),
        None if row[9] is None else _venues.decode(row[9]),
        row[10],
        row[11],
    )
    return TriggerState(trigger, row[12], row[13], bool(row[14]))


def latch_of(row: Row) -> LentLatch:
    """A latch from (address, order_id, generation, wallet, wallet_address, secret,
    due_after_height, failures)."""
    return LentLatch(row[0], str(row[1]), *row[2:8])


def reclaim_row(reclaim: Reclaim) -> tuple[Any, ...]:
    """The columns of `reclaims` up to its state, in the order of the struct."""
    return (
        reclaim.signature,
        reclaim.wallet,
        reclaim.raw,
        reclaim.blockhash_slot,
        reclaim.blockhash_height,
        encode_json(reclaim.latches),
        reclaim.lamports,
        reclaim.fee_lamports,
        reclaim.created_at_ms,
    )


def reclaim_of(row: Row) -> Reclaim:
    return Reclaim(
        row[0], row[1], row[2], row[3], row[4], _addresses.decode(row[5]), row[6], row[7], row[8]
    )


def lent_of(row: Row) -> Lent:
    """Sums from (latches, taken, reclaimed_lamports)."""
    return Lent(int(row[0]), int(row[1]), int(row[2]))


def event_of(row: Row) -> StoredEvent:
    """An event from (position, order_id, sequence, principal, at_ms, type, status, data)."""
    data = row[7]
    return StoredEvent(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        _TYPES[row[5]],
        _STATUSES[row[6]],
        data.encode() if isinstance(data, str) else data,
    )


def status_of(text: str) -> OrderStatus:
    return _STATUSES[text]


def is_order_id(text: str) -> bool:
    """Whether it is a UUID in its plain form: what is not names no order."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def page_of(found: list[Order], limit: int) -> OrderPage:
    """A page out of up to one order more than it holds."""
    page = tuple(found[:limit])
    return OrderPage(page, page[-1].order_id if len(found) > limit else None)


def list_conditions(filter: OrderFilter, cursor: str | None) -> list[tuple[str, str]]:
    """(condition, the value of each `?` in it) of a page: ids are UUIDv7, so newest first is by id.

    The cursor is the id of the last order of the page before. `Rejected` when it is not one.
    """
    conditions = [("t.principal = ?", filter.principal)]
    if cursor is not None:
        if not is_order_id(cursor):
            raise Rejected("the cursor is not one of this list")
        # Of both tables: a merge join then begins at the cursor in both.
        conditions.append(("t.order_id < ? AND o.order_id < ?", cursor))
    if filter.status is not None:
        conditions.append(("o.principal = ?", filter.principal))
        conditions.append(("o.status = ?", str(filter.status)))
    if filter.user_id is not None:
        conditions.append(("t.user_id = ?", filter.user_id))
    if filter.wallet is not None:
        other = "(t.wallet_address <> t.wallet AND t.wallet_address = ?)"
        conditions.append((f"(t.wallet = ? OR {other})", filter.wallet))
    if filter.type is not None:
        conditions.append(("t.type = ?", str(filter.type)))
    return conditions
