"""The comparison of all shapes of routes."""

from fairlead.ports import PoolSnapshot
from fairlead.routing.model import NetworkCosts, NoRoute, Route, RouteRequest, alone, route_of
from fairlead.routing.single import candidates_of, no_route, reason_of


def best_route(
    request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts
) -> Route | NoRoute:
    """Quote every pool of the snapshot and choose the highest net output; ties go to the lower
    address."""
    served, refused = candidates_of(request, snapshot, costs)
    if not served:
        return no_route(refused)
    best = alone(served[0], request.token_in, request.token_out)
    return route_of(best, (*served, *refused), (best,), reason_of(served))
