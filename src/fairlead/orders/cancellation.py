"""Cancelling an order: what may be stored for the row as it was read. Pure."""

from collections.abc import Sequence

from fairlead.errors import CannotCancel
from fairlead.orders import lifecycle, proofs
from fairlead.orders.model import Attempt, AttemptState, Change, EventType, Order, OrderStatus

_CANNOT_LAND = (AttemptState.DEAD, AttemptState.ERRORED)


def cancel(order: Order, attempts: Sequence[Attempt], now_ms: int) -> Change | None:
    """The change that cancels or asks for it; None when it is asked already.

    `CannotCancel` for an order that is confirmed or has ended. Nothing that may still land is ever
    called cancelled: such an order is cancelling until the chain says which won.
    """
    if order.status is OrderStatus.CANCELLING:
        return None
    if order.status is OrderStatus.CONFIRMED or order.status in lifecycle.ENDED:
        raise CannotCancel(order.order_id, order.status.value)
    in_flight = order.status is OrderStatus.SUBMITTED or any(
        attempt.state not in _CANNOT_LAND for attempt in attempts
    )
    type = EventType.CANCEL_REQUESTED if in_flight else EventType.CANCELLED
    event = lifecycle.event(order.status, type)
    change = Change(
        order_id=order.order_id,
        owner=None,
        sequence=order.sequence,
        status_before=order.status,
        status=event.status,
        at_ms=now_ms,
        events=(event,),
        cancel_requested=True,
        release=not in_flight,
        end=not in_flight,
    )
    # Attempts of earlier rounds may be what its end is proven by.
    return proofs.marked(change, tuple(attempts))
