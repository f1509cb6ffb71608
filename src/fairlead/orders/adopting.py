"""What is stored when a transaction of an order is found that the store did not know, and while
nobody can tell yet whether there is one (EXACTLY-ONCE 23). Pure."""

import msgspec

from fairlead.orders import lifecycle, narration, resting
from fairlead.orders.events import EventData, encode, number_from_atoms
from fairlead.orders.model import (
    Attempt,
    AttemptSettled,
    AttemptState,
    Change,
    NewEvent,
    Order,
    OrderStatus,
)
from fairlead.orders.model import EventType as E
from fairlead.orders.told_legs import names_of

NOT_ADOPTED = (
    "a transaction of it is on the chain that the store does not know; it is not proven yet"
)
FOUND = "found on the chain: the store did not know this transaction"


def adopted(
    order: Order, attempt: Attempt, settled: tuple[AttemptSettled, ...], now_ms: int
) -> Change:
    """The attempt becomes one of the order's, and is brought to its end like any other.

    `settled`: the attempts that were alive beside it. An order that is cancelling stays so until
    the chain says that the swap won. Where the order was routed anew before this one was found,
    the lower minimum of the two is what it was promised: that of its first life, which filled it.
    """
    events = _events(order, attempt)
    floors = [attempt.minimum_out_atoms, resting.floor_of(order)]
    return lifecycle.change(
        order,
        now_ms,
        events,
        new_attempt=attempt,
        settled=settled,
        minimum_out_atoms=min(floor for floor in floors if floor is not None),
        latch_generation=attempt.latch_generation,
        signature=attempt.signature,
        dex=narration.dex_of(attempt),
    )


def adopted_cancel(
    order: Order, attempt: Attempt, settled: tuple[AttemptSettled, ...], now_ms: int
) -> Change:
    """The same of an attempt that took the latch without a swap: that the order's end was asked
    for is known by it alone."""
    told = encode(EventData(attempt=narration.attempt_data(attempt), reason=FOUND))
    expires_at = order.terms.expires_at_ms
    is_over = expires_at is not None and expires_at <= now_ms
    type = E.EXPIRY_REACHED if is_over and not order.cancel_requested else E.CANCEL_REQUESTED
    if order.status is OrderStatus.CANCELLING:
        type = E.CANCEL_SENT
    event = lifecycle.event(order.status, type, told)
    return lifecycle.change(
        order,
        now_ms,
        (event,),
        new_attempt=attempt,
        settled=settled,
        latch_generation=attempt.latch_generation,
        cancel_requested=type is E.CANCEL_REQUESTED,
    )


def _events(order: Order, attempt: Attempt) -> tuple[NewEvent, ...]:
    if order.status is OrderStatus.CANCELLING:
        return ()
    if order.status is OrderStatus.SUBMITTED:
        told = encode(_replaced(order, attempt))
        return (lifecycle.event(order.status, E.ATTEMPT_REPLACED, told),)
    routed = lifecycle.event(order.status, E.ROUTED, encode(_told(order, attempt)))
    sent = lifecycle.event(routed.status, E.SUBMITTED, narration.submitted(order, attempt))
    return routed, sent


def _told(order: Order, attempt: Attempt) -> EventData:
    terms = order.terms
    dex, venue = names_of([leg.venue for leg in attempt.legs])
    least = number_from_atoms(
        attempt.minimum_out_atoms, terms.token_out_decimals, terms.number_form
    )
    return EventData(
        selected_dex=dex,
        dex=dex,
        venue=venue,
        minimum_out=least,
        retry_count=attempt.round - 1,
        reason=FOUND,
    )


def _replaced(order: Order, attempt: Attempt) -> EventData:
    return msgspec.structs.replace(
        _told(order, attempt),
        tx_signature=attempt.signature,
        tx_hash=attempt.signature,
        attempt=narration.attempt_data(attempt),
    )


def waits(order: Order, reason: str | None, due_at_ms: int, now_ms: int) -> Change:
    """Nothing may be signed for the order as yet: let go of it until then. No round is used up; a
    reason is told (rule 18)."""
    told: tuple[NewEvent, ...] = ()
    if reason is not None:
        told = (lifecycle.event(order.status, E.STILL_PROVING, narration.because(reason)),)
    return lifecycle.change(
        order,
        now_ms,
        told,
        due_at_ms=due_at_ms,
        release=True,
    )


def failed(order: Order, attempt: Attempt, now_ms: int) -> Change:
    """An attempt that is finalized with an error: no news of the order."""
    assert attempt.state is AttemptState.ERRORED
    return lifecycle.change(
        order,
        now_ms,
        new_attempt=attempt,
    )


def beaten(order: Order, settled: tuple[AttemptSettled, ...], now_ms: int) -> Change:
    """An attempt failed because another one of the order took the latch. No event of its own: what
    becomes of the other tells it."""
    return lifecycle.change(
        order,
        now_ms,
        settled=settled,
    )
