"""The order lifecycle: one table of (status, event) -> status. A pair not in the table is a bug
and raises.

The table is the status table of the API contract (docs/how-an-order-lives.md shows it). Nothing
else in fairlead decides a status.
"""

from fairlead.orders.model import Change, NewEvent, Order
from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus as S

_IN_FLIGHT = (S.ROUTING, S.BUILDING, S.SUBMITTED)
_UNSENT = (S.PENDING, S.OPEN, S.ROUTING, S.BUILDING)
_LIVE = (*_IN_FLIGHT, S.CONFIRMED, S.CANCELLING)

TRANSITIONS: dict[tuple[S | None, E], S] = {
    (None, E.ACCEPTED): S.PENDING,
    (S.PENDING, E.RESTED): S.OPEN,
    (S.PENDING, E.CLAIMED): S.ROUTING,
    (S.OPEN, E.CLAIMED): S.ROUTING,
    (S.ROUTING, E.ROUTED): S.BUILDING,
    (S.BUILDING, E.SUBMITTED): S.SUBMITTED,
    (S.SUBMITTED, E.ATTEMPT_REPLACED): S.SUBMITTED,
    (S.SUBMITTED, E.FEE_RAISED): S.SUBMITTED,
    (S.SUBMITTED, E.CONFIRMED): S.CONFIRMED,
    (S.CONFIRMED, E.FINALIZED): S.CONFIRMED,
    # A fork may drop what was only confirmed.
    (S.CONFIRMED, E.DROPPED): S.SUBMITTED,
    # A fork dropped it and cancel or expiry had been asked meanwhile.
    (S.CONFIRMED, E.CANCEL_REQUESTED): S.CANCELLING,
    (S.CONFIRMED, E.EXPIRY_REACHED): S.CANCELLING,
    # The swap may win the race against its own cancel.
    (S.CANCELLING, E.CONFIRMED): S.CONFIRMED,
    (S.CANCELLING, E.CANCEL_SENT): S.CANCELLING,
    (S.CANCELLING, E.CANCELLED): S.CANCELLED,
    (S.CANCELLING, E.EXPIRED): S.EXPIRED,
    **{(s, E.ROUND_FAILED): S.ROUTING for s in _IN_FLIGHT},
    **{(s, E.REOPENED): S.OPEN for s in _IN_FLIGHT},
    **{(s, E.FAILED): S.FAILED for s in _IN_FLIGHT},
    **{(s, E.CANCEL_REQUESTED): S.CANCELLING for s in _IN_FLIGHT},
    **{(s, E.EXPIRY_REACHED): S.CANCELLING for s in _IN_FLIGHT},
    **{(s, E.CANCELLED): S.CANCELLED for s in _UNSENT},
    **{(s, E.EXPIRED): S.EXPIRED for s in _UNSENT},
    (S.ROUTING, E.TAKEN_OVER): S.ROUTING,
    (S.BUILDING, E.TAKEN_OVER): S.ROUTING,
    **{(s, E.TAKEN_OVER): s for s in (S.SUBMITTED, S.CONFIRMED, S.CANCELLING)},
    **{(s, E.STILL_PROVING): s for s in _LIVE},
}

# Nothing can land any more and nothing more will be said. `confirmed` ends with the event
# `finalized`.
ENDED = frozenset({S.FAILED, S.CANCELLED, S.EXPIRED})
# Claimed by a worker and not yet settled: what a dead worker leaves behind is among these.
OWNED = frozenset(_LIVE)

WAITING = (S.PENDING,)
ACTIVE = (S.ROUTING, S.BUILDING, S.SUBMITTED, S.CANCELLING)
COMPLETED = (S.CONFIRMED,)


class IllegalTransition(AssertionError):
    """A bug: this event cannot happen in this status."""


def status_after(status: S | None, event: E) -> S:
    """The status that follows, or `IllegalTransition`."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to an order that is {status}") from None


def event(status: S | None, type: E, data: bytes = b"{}") -> NewEvent:
    """The event of this type as it follows `status`."""
    return NewEvent(type, status_after(status, type), data)


def change(order: Order, now_ms: int, events: tuple[NewEvent, ...] = (), **known: object) -> Change:
    """The owner's write of these events, and of what else is `known`, on the row as it was read."""
    return Change(
        order.order_id,
        order.owner,
        order.sequence,
        order.status,
        events[-1].status if events else order.status,
        now_ms,
        events,
        **known,  # type: ignore[arg-type]
    )


def is_last(type: E) -> bool:
    """Whether an order has nothing more to say after this event."""
    return type in (E.FINALIZED, E.FAILED, E.CANCELLED, E.EXPIRED)
