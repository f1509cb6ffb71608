"""What is asked of routing for an order, and where more may be won by asking further. Pure."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, div_ceil
from fairlead.orders.model import OrderTerms
from fairlead.routing import Alternative, NoRoute, Route, RouteRequest, Shape
from fairlead.routing.model import (
    DEFAULT_HOP_TOLERANCE_BPS,
    DEFAULT_MIN_GAIN_BPS,
    whole_impact_bps,
)
from fairlead.solana.accounts import WSOL_MINT, associated_token_address
from fairlead.tokens import MIDDLES as MIDDLE_TOKENS
from fairlead.venues.venue import SwapQuote

EDGE_HOLDS_MS = 2_000
"""For so long the pools around a pair are not read again where they had nothing to offer: five
slots, in which pools of one token do not part by more than fees without being brought back."""

MIDDLES = tuple([Pubkey.from_string(token.mint) for token in MIDDLE_TOKENS])


class RoutingPolicy(msgspec.Struct, frozen=True):
    """What the operator may set about routes."""

    # Swaps in one transaction; with 1 no path has two hops either.
    max_legs: int = 3
    two_hop: bool = True
    # What each further leg must gain.
    min_gain_bps: int = DEFAULT_MIN_GAIN_BPS

    @property
    def allows_hops(self) -> bool:
        return self.two_hop and self.max_legs > 1


_mint = lru_cache(maxsize=4_096)(Pubkey.from_string)


def request_of(terms: OrderTerms, policy: RoutingPolicy) -> RouteRequest:
    """The question to the pools of the pair alone."""
    return RouteRequest(
        _mint(terms.token_in),
        _mint(terms.token_out),
        terms.amount_in_atoms,
        terms.venues,
        terms.max_price_impact_bps,
        policy.max_legs,
        (),
        policy.min_gain_bps,
        hop_tolerance_of(terms.slippage_bps),
    )


def hop_tolerance_of(slippage_bps: int) -> int:
    """What the first hop of two may fall short of its quote: half of the order's own slippage at
    most, rounded down. What is then left in the middle token is not what the client asked for."""
    return min(DEFAULT_HOP_TOLERANCE_BPS, slippage_bps // 2)


def with_middles(request: RouteRequest) -> RouteRequest:
    """The same question to the pools around the pair too."""
    return msgspec.structs.replace(request, middles=MIDDLES)


class Edge(msgspec.Struct, frozen=True, gc=False):
    """How the best path of two hops compared with a pair's own pools when both were last read, at
    their prices before the swap: fees count. Price impact does not, nor the first hop's tolerance,
    which is each order's own.
    """

    seen_ms: int
    # Negative where the path pays less.
    gain_bps: int


def edge_of(result: Route | NoRoute, now_ms: int, tolerance_bps: int) -> Edge | None:
    """The edge that an answer over all pools shows; None where no pool of the pair serves.
    `tolerance_bps`: of the first hop, as it was asked for."""
    direct = max([_unmoved(c.quote) for c in result.candidates if c.quote is not None], default=0)
    if not direct or isinstance(result, NoRoute):
        return None
    # Of those that could be had; others do not fit a transaction, whatever they pay.
    most = 0
    for path in result.alternatives:
        if path.shape is Shape.TWO_HOP and path.is_offered:
            most = max(most, _unmoved_route(path))
    whole = div_ceil(most * BPS, max(BPS - tolerance_bps, 1))
    return Edge(now_ms, whole * BPS // direct - BPS)


def may_gain_around(
    direct: Route | NoRoute,
    policy: RoutingPolicy,
    edge: Edge | None,
    now_ms: int,
    tolerance_bps: int = 0,
) -> bool:
    """Whether a path of two hops may beat the best route over the pair's own pools, so that the
    pools around it are worth a read.

    Where they were read lately, no path pays more than its edge, less the order's tolerance, and
    what the direct route loses to price impact; an edge of so long ago says nothing any more.
    """
    if isinstance(direct, NoRoute) or not policy.allows_hops:
        return policy.allows_hops
    if edge is None or now_ms - edge.seen_ms > EDGE_HOLDS_MS:
        return True
    left_bps = div_ceil((BPS + edge.gain_bps) * (BPS - tolerance_bps), BPS)
    return left_bps - BPS + direct.price_impact_bps > policy.min_gain_bps


def _unmoved(quote: SwapQuote) -> int:
    return quote.amount_out_atoms * BPS // max(BPS - quote.price_impact_bps, 1)


def _unmoved_route(route: Alternative) -> int:
    impact_bps = whole_impact_bps(route.path, route.legs)
    return route.amount_out_atoms * BPS // max(BPS - impact_bps, 1)


def middle_accounts(
    request: RouteRequest, wallet: Pubkey, mints: Iterable[Pubkey] = MIDDLES
) -> dict[Pubkey, Pubkey]:
    """By middle token, the account in which this wallet would keep what a first hop brings too
    much. SOL needs none that stays."""
    ends = (request.token_in, request.token_out, WSOL_MINT)
    return {mint: associated_token_address(wallet, mint) for mint in mints if mint not in ends}


def narrower(request: RouteRequest, route: Route) -> RouteRequest | None:
    """The question whose answer has fewer legs than this route; None where it has one."""
    legs = len(route.legs)
    if legs == 1:
        return None
    if legs == route.path.hops:
        return msgspec.structs.replace(request, middles=())
    return msgspec.structs.replace(request, max_legs=legs - 1)
