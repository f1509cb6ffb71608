"""The route with the highest net output, over all pools of a pair. Pure: quotes in, a decision out.

Net output is what reaches the user's token account less the network costs turned into tokenOut.
Limits and reported prices speak of what reaches the account; only the comparison of routes
subtracts the network costs. docs/routing.md shows how it searches.
"""

from fairlead.routing.best import best_route
from fairlead.routing.limits import compute_unit_limit
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
    leg_minimums,
    route_of,
)
from fairlead.solana.accounts import WSOL_MINT

__all__ = [
    "RouteRequest",
    "NetworkCosts",
    "best_route",
    "Route",
    "RouteLeg",
    "Path",
    "Shape",
    "Binding",
    "Candidate",
    "Alternative",
    "NoRoute",
    "leg_minimums",
    "compute_unit_limit",
    "alone",
    "route_of",
    "WSOL_MINT",
]
