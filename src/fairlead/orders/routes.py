"""What is asked of routing for an order, and where more may be won by asking further. Pure."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.orders.model import OrderTerms
from fairlead.routing import NoRoute, Route, RouteRequest
from fairlead.routing.model import DEFAULT_HOP_TOLERANCE_BPS, DEFAULT_MIN_GAIN_BPS
from fairlead.solana.accounts import WSOL_MINT, associated_token_address
from fairlead.tokens import MIDDLES as MIDDLE_TOKENS

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
    )


def with_middles(request: RouteRequest) -> RouteRequest:
    """The same question to the pools around the pair too."""
    return msgspec.structs.replace(request, middles=MIDDLES)


def may_gain_around(direct: Route | NoRoute, policy: RoutingPolicy) -> bool:
    """Whether a path of two hops may beat the best route over the pair's own pools, so that the
    pools around it are worth a read.

    Two hops escape what the direct route loses to price impact and fees, and lose the tolerance of
    the first hop instead (docs/routing.md). Where pairs disagree on a price by more than that,
    arbitrage has it within slots; it is not looked for.
    """
    if isinstance(direct, NoRoute) or not policy.allows_hops:
        return policy.allows_hops
    # Two hops that win no more than this are not taken.
    least_bps = DEFAULT_HOP_TOLERANCE_BPS + policy.min_gain_bps - direct.price_impact_bps
    for leg in direct.legs:
        quote = leg.quote
        # What the pool keeps, of what is swapped without the fee: that is no less.
        is_of_input = quote.fee_mint == leg.input_mint
        swapped = quote.amount_in_atoms if is_of_input else quote.amount_out_atoms
        if quote.fee_atoms * BPS > least_bps * swapped:
            return True
    return False


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
