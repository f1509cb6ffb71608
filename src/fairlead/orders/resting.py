"""Orders with a limit: what holds at the least, and how they leave their rest and come back to it.
Pure.
"""

from fairlead.orders import lifecycle, narration
from fairlead.orders.model import (
    NEVER_MS,
    AttemptSettled,
    Change,
    Order,
    OrderStatus,
)
from fairlead.orders.model import EventType as E
from fairlead.routing import Alternative, Candidate, Route, alone, route_of


def floor_of(order: Order) -> int | None:
    """The least that may reach the user (EXACTLY-ONCE 6): the limit, or else what the first routing
    fixed; None before that."""
    limit = order.terms.limit_out_atoms
    return order.minimum_out_atoms if limit is None else limit


def reaching(route: Route, floor_atoms: int | None) -> Route | None:
    """The route, or the best of those beside it where its own output is below the floor; None if
    none reaches it.

    Routes are compared net of network costs and the floor speaks of what reaches the account, so
    that near a tie the best may fall short where the second does not.
    """
    if floor_atoms is None or route.amount_out_atoms >= floor_atoms:
        return route
    reach = [each for each in _beside(route) if each.amount_out_atoms >= floor_atoms]
    if not reach:
        return None
    chosen = max(reach, key=lambda each: each.net_out_atoms)
    first = chosen.legs[0].pool
    # Of single pools, what is told of first is what was chosen.
    told = sorted(route.candidates, key=lambda each: each.pool is not first)
    venues = " and ".join(dict.fromkeys(leg.pool.venue.value for leg in chosen.legs))
    reason = f"{venues} reaches the minimum; what nets more does not"
    return route_of(chosen, tuple(told), route.alternatives, reason)


def _beside(route: Route) -> list[Alternative]:
    """All routes that could be had: the best of each shape, and every single pool."""
    ends = route.path.mints[0], route.path.mints[-1]
    singles = [alone(each, *ends) for each in route.candidates if each.quote is not None]
    return [*singles, *[each for each in route.alternatives if each.is_offered]]


def fired(order_id: str, sequence: int, now_ms: int) -> Change:
    """An open order may be claimed from now on. No event: the claim is what is told. Doing it twice
    does no harm."""
    return Change(
        order_id,
        None,
        sequence,
        OrderStatus.OPEN,
        OrderStatus.OPEN,
        now_ms,
        due_at_ms=now_ms,
        release=True,
    )


def expired(order_id: str, sequence: int, now_ms: int) -> Change:
    """The end of an open order whose time is over: nothing of it can land."""
    event = lifecycle.event(OrderStatus.OPEN, E.EXPIRED)
    return Change(
        order_id,
        None,
        sequence,
        OrderStatus.OPEN,
        event.status,
        now_ms,
        (event,),
        release=True,
        end=True,
    )


def reopened(
    order: Order,
    code: str,
    reason: str,
    candidates: tuple[Candidate, ...],
    now_ms: int,
    settled: tuple[AttemptSettled, ...],
) -> Change:
    """Back to rest, since the limit does not hold any more and nothing can land. The next firing
    starts with all rounds."""
    told = narration.failed_round(order, code, reason, None, candidates)
    event = lifecycle.event(order.status, E.REOPENED, told)
    return lifecycle.change(
        order,
        now_ms,
        (event,),
        settled=settled,
        due_at_ms=NEVER_MS,
        earlier_rounds=order.round,
        release=True,
    )
