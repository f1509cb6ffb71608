"""The comparison of all shapes of routes: the best single pool, the best split, the best path
through each middle token."""

from collections.abc import Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.ports import PoolSnapshot
from fairlead.routing.costs import LamportPrice, further_leg_lamports, lamport_price, lamports_of
from fairlead.routing.hops import HopSearch
from fairlead.routing.limits import Room
from fairlead.routing.model import (
    Alternative,
    Binding,
    Candidate,
    NetworkCosts,
    NoRoute,
    Path,
    Route,
    RouteLeg,
    RouteRequest,
    Shape,
    alone,
    route_of,
    whole_impact_bps,
)
from fairlead.routing.single import candidates_of, no_route, reason_of
from fairlead.routing.split import SplitRequest, best_split, vessels_of
from fairlead.venues.venue import ErrorClass


def best_route(
    request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts
) -> Route | NoRoute:
    """The route with the highest net output; what has more legs must net `min_gain_bps` more. Ties
    go to the lower address.

    Never below the best single pool. By default single pools only: `max_legs` allows more.
    """
    price = lamport_price(request.token_in, request.token_out, snapshot.others, snapshot.time)
    served, refused = candidates_of(request, snapshot, costs, price)
    found = [alone(served[0], request.token_in, request.token_out)] if served else []
    if request.max_legs > 1:
        found += _splits(request, snapshot, costs, price, served, refused)
        if request.middles and snapshot.others:
            found += _through_middles(request, snapshot, costs, price, found)
    if len(found) == 1 and served:
        return route_of(found[0], (*served, *refused), (found[0],), reason_of(served))
    return _chosen(request, found, served, refused, snapshot.left_out)


def _splits(
    request: RouteRequest,
    snapshot: PoolSnapshot,
    costs: NetworkCosts,
    price: LamportPrice,
    served: list[Candidate],
    refused: list[Candidate],
) -> list[Alternative]:
    """The best split over pools of the pair, and before it a better one that does not fit; nothing
    where none can earn its cost."""
    maybe = [c for c in refused if _may_take_a_part(c)] if refused else refused
    if len(served) + len(maybe) < 2:
        return []
    if not maybe and _is_near_its_bound(request, served):
        return []
    quotes = {c.pool.address: c.quote for c in served if c.quote is not None}
    most = max([quote.amount_out_atoms for quote in quotes.values()], default=0)
    token_in, token_out, amount = request.token_in, request.token_out, request.amount_in_atoms

    def cost(units: int) -> int:
        return price.worth(further_leg_lamports(units, costs), amount, most)

    pools = [c.pool for c in (*served, *maybe)]
    vessels = vessels_of(pools, token_in, amount, snapshot.time, quotes, cost)
    hop = SplitRequest(
        token_in, token_out, amount, snapshot.time, request.max_legs, request.min_gain_bps
    )
    room = Room(request.lookup_tables, has_tip=costs.tip_lamports > 0)
    split = best_split(hop, vessels, room)
    if split is None:
        return []
    found = []
    if split.binding is not None:
        why = f"exceeds {split.binding.value} of one transaction"
        found.append(_priced(request, costs, price, split.unfit, split.binding, why))
    if len(split.legs) > 1:
        found.append(_priced(request, costs, price, split.legs, split.binding, None))
    return found


def _priced(
    request: RouteRequest,
    costs: NetworkCosts,
    price: LamportPrice,
    legs: tuple[RouteLeg, ...],
    binding: Binding | None,
    why: str | None,
) -> Alternative:
    """A split with what it nets."""
    path = Path((request.token_in, request.token_out))
    out = sum([leg.quote.amount_out_atoms for leg in legs])
    lamports = lamports_of(sum([leg.quote.compute_units for leg in legs]), costs)
    net = out - price.worth(lamports, request.amount_in_atoms, out)
    impact, limit = whole_impact_bps(path, legs), request.max_price_impact_bps
    if why is None and limit is not None and impact > limit:
        why = f"price impact {impact} bps is above {limit}"
    return Alternative(Shape.SPLIT, path, legs, out, net, binding, why)


def _may_take_a_part(candidate: Candidate) -> bool:
    """Whether a pool that refuses the whole may serve less."""
    return candidate.error_class in (ErrorClass.LIQUIDITY, ErrorClass.STALE)


def _is_near_its_bound(request: RouteRequest, served: list[Candidate]) -> bool:
    """Whether no split can gain enough over the best single pool.

    No split pays more than the whole amount at the best price before the swap, and a quote says
    that price by its impact.
    """
    # Every order asks this: plain loops.
    best, gained = 0, BPS - request.min_gain_bps
    for candidate in served:
        quote = candidate.quote
        if quote is not None and quote.amount_out_atoms > best:
            best = quote.amount_out_atoms
    for candidate in served:
        quote = candidate.quote
        if quote is None:
            continue
        if best * (BPS - quote.price_impact_bps) < quote.amount_out_atoms * gained:
            return False
    return True


def _through_middles(
    request: RouteRequest,
    snapshot: PoolSnapshot,
    costs: NetworkCosts,
    price: LamportPrice,
    found: list[Alternative],
) -> list[Alternative]:
    to_beat = max([each.net_out_atoms for each in found if each.why is None], default=None)
    ends = (request.token_in, request.token_out)
    return [
        HopSearch(request, snapshot, costs, middle).best(price, to_beat)
        for middle in dict.fromkeys(request.middles)
        if middle not in ends
    ]


def _chosen(
    request: RouteRequest,
    found: list[Alternative],
    served: list[Candidate],
    refused: list[Candidate],
    left_out: Sequence[tuple[Pubkey, str]],
) -> Route | NoRoute:
    """The best of all that can be had; what comes later in the list must gain something over it."""
    best: Alternative | None = None
    for each in found:
        if each.why is None and each.legs and (best is None or _gains(request, each, best)):
            best = each
    if best is None:
        none = no_route(refused, left_out)
        reasons = [none.reason, *[f"{_name(each)}: {each.why}" for each in found]]
        return NoRoute(none.error_class, "; ".join(reasons), none.candidates, tuple(found))
    winner = msgspec.structs.replace(_bound(best, found), is_offered=True)
    had = [each for each in found if each.why is None and each.legs and each is not best]
    others = [_with_why(each, winner) for each in found if each is not best]
    others.sort(key=lambda each: -each.net_out_atoms if each.legs else 1 << 64)
    reason = _reason(winner, had, served)
    return route_of(winner, (*served, *refused), (winner, *others), reason)


def _bound(best: Alternative, found: list[Alternative]) -> Alternative:
    """The best, with the limit of one transaction that keeps a better one from being had."""
    net = best.net_out_atoms
    for each in found:
        if each.binding is not None and each.why is not None and each.net_out_atoms > net:
            return msgspec.structs.replace(best, binding=each.binding)
    return best


def _gains(request: RouteRequest, more: Alternative, best: Alternative) -> bool:
    """Whether it nets enough more; rounded up, and an atom at least."""
    needed = max(-(-abs(best.net_out_atoms) * request.min_gain_bps // BPS), 1)
    return more.net_out_atoms - best.net_out_atoms >= needed


def _with_why(lost: Alternative, winner: Alternative) -> Alternative:
    if lost.why is not None:
        return lost
    less = winner.net_out_atoms - lost.net_out_atoms
    why = f"nets {less} atoms less" if less > 0 else "gains too little for its legs"
    return msgspec.structs.replace(lost, why=why, is_offered=True)


def _reason(winner: Alternative, had: list[Alternative], served: list[Candidate]) -> str:
    """Why the winner is the best of those that could be had."""
    if winner.shape is Shape.SINGLE:
        reason = reason_of(served)
    elif not had:
        reason = f"{_name(winner)} is the only route that can serve the order"
    else:
        second = max(had, key=lambda each: each.net_out_atoms)
        more = winner.net_out_atoms - second.net_out_atoms
        gain = more * BPS // max(second.net_out_atoms, 1)
        reason = f"{_name(winner)} pays {gain} bps more, net of fees, than {_name(second)}"
    if winner.binding is not None:
        reason += f"; the {_IN_WORDS[winner.binding]} of one transaction keep better ones out"
    return reason


_IN_WORDS = {
    Binding.BYTES: "bytes",
    Binding.ACCOUNT_LOCKS: "account locks",
    Binding.COMPUTE_UNITS: "compute units",
}


def _name(route: Alternative) -> str:
    venues = [leg.pool.venue.value for leg in route.legs]
    if route.shape is Shape.TWO_HOP:
        return f"the path through {route.path.mints[1]}"
    if route.shape is Shape.SPLIT:
        return f"a split over {', '.join(venues)}"
    return venues[0]
