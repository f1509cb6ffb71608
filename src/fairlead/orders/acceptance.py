"""An agreed order as it is to be stored: its first events and, if it rests, what it waits for.
Pure."""

from fairlead.amounts import decimal_from_atoms
from fairlead.orders import lifecycle
from fairlead.orders.events import EventData, encode, number
from fairlead.orders.model import (
    Claimed,
    EventType,
    NewEvent,
    NewOrder,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
    PriceSource,
    Reservation,
    Trigger,
    TriggerSide,
)

_ACCEPTED = lifecycle.event(None, EventType.ACCEPTED)
_AT_ONCE = (_ACCEPTED,)

CLAIMED_EVENT = lifecycle.event(OrderStatus.PENDING, EventType.CLAIMED)
"""What a claim tells of an order that was pending."""


def new_order(
    order_id: str,
    principal: str,
    idempotency_key: str | None,
    request_hash: bytes,
    terms: OrderTerms,
    secret: bytes,
    now_ms: int,
    reservations: tuple[Reservation, ...],
) -> NewOrder:
    """The order that these terms make: a market order waits for a worker, a limit order rests."""
    trigger = trigger_of(order_id, terms)
    return NewOrder(
        order_id,
        principal,
        idempotency_key,
        request_hash,
        terms,
        secret,
        now_ms,
        _AT_ONCE if trigger is None else (_ACCEPTED, _rested(terms)),
        reservations,
        trigger,
    )


def trigger_of(order_id: str, terms: OrderTerms) -> Trigger | None:
    """What an order of these terms rests for; None when it is to be executed at once."""
    if terms.type is OrderType.MARKET:
        return None
    assert terms.limit_out_atoms is not None, "a limit order has a limit"
    return Trigger(
        order_id,
        terms.type,
        TriggerSide.AT_LEAST,
        PriceSource.ROUTE,
        terms.priority,
        terms.token_in,
        terms.token_out,
        terms.amount_in_atoms,
        terms.limit_out_atoms,
        terms.venues,
        terms.max_price_impact_bps,
        terms.expires_at_ms,
    )


def _rested(terms: OrderTerms) -> NewEvent:
    """Says what it waits for, in the order's own number form."""
    assert terms.limit_out_atoms is not None, "a limit order has a limit"
    least = decimal_from_atoms(terms.limit_out_atoms, terms.token_out_decimals)
    gives = decimal_from_atoms(terms.amount_in_atoms, terms.token_in_decimals)
    told = EventData(
        minimum_out=number(least, terms.number_form),
        reason=f"waits until {gives} {terms.token_in_name} give at least {least}"
        f" {terms.token_out_name}",
    )
    return lifecycle.event(_ACCEPTED.status, EventType.RESTED, encode(told))


def begun(order: NewOrder, owner: str) -> Claimed:
    """The order as an accept with an owner leaves it."""
    at_ms = order.created_at_ms
    return Claimed(
        Order(
            order.order_id,
            order.principal,
            order.terms,
            order.secret,
            CLAIMED_EVENT.status,
            2,
            at_ms,
            at_ms,
            owner,
            round=1,
            due_at_ms=at_ms,
        )
    )
