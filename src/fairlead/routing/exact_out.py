"""The pool that brings an exact output for the least input, network costs included.

One pool alone: an exact output is not split, and takes no path of two hops. What a pool takes for
it is the venue's own `quote_exact_out`, to the atom; a pool whose program cannot name its output is
among the candidates, with the reason.
"""

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, mul_div_ceil
from fairlead.ports import PoolSnapshot
from fairlead.routing.costs import LamportPrice, lamport_price, lamports_of
from fairlead.routing.model import Candidate, NetworkCosts, NoRoute, Route, alone, route_of
from fairlead.routing.single import no_route
from fairlead.venues.venue import ChainTime, ErrorClass, LoadedPool, Venue, VenueError

NAMES_NO_OUTPUT = frozenset({Venue.METEORA_DAMM_V1})
"""Programs whose one swap takes all of its input: an output comes of it exactly by chance only."""


class ExactOutRequest(msgspec.Struct, frozen=True, gc=False):
    """What is to be bought, and within which limits."""

    token_in: Pubkey
    token_out: Pubkey
    amount_out_atoms: int
    # Allow-list of venue names; None allows all.
    venues: tuple[str, ...] | None = None
    max_price_impact_bps: int | None = None


def exact_out_route(
    request: ExactOutRequest, snapshot: PoolSnapshot, costs: NetworkCosts
) -> Route | NoRoute:
    """The route with the least input, network costs added; ties go to the lower address.

    Its candidates are every pool of the pair: those that serve, best first, then those that refuse.
    No pool is left out for its price: what an order may spend is for its owner to say.
    """
    price = lamport_price(request.token_in, request.token_out, snapshot.others, snapshot.time)
    asked = [_asked(pool, request, snapshot.time, costs, price) for pool in snapshot.pools]
    served = [each for each in asked if each.quote is not None]
    refused = [each for each in asked if each.quote is None]
    if not served:
        return no_route(refused, snapshot.left_out)
    spent = {each.pool.address: _spent(each, costs, price) for each in served}
    served.sort(key=lambda each: (spent[each.pool.address], bytes(each.pool.address)))
    best = alone(served[0], request.token_in, request.token_out)
    reason = _reason(served, [spent[each.pool.address] for each in served])
    return route_of(best, (*served, *refused), (best,), reason)


def _asked(
    pool: LoadedPool,
    request: ExactOutRequest,
    time: ChainTime,
    costs: NetworkCosts,
    price: LamportPrice,
) -> Candidate:
    if request.venues is not None and pool.venue.value not in request.venues:
        return Candidate(
            pool, error="venue is not in the order's allow-list", error_class=ErrorClass.TERMINAL
        )
    if pool.venue in NAMES_NO_OUTPUT:
        return Candidate(
            pool, error="has no swap of an exact output", error_class=ErrorClass.TERMINAL
        )
    try:
        quote = pool.quote_exact_out(request.token_in, request.amount_out_atoms, time)
    except VenueError as error:
        return Candidate(pool, error=str(error), error_class=error.error_class)
    out = quote.amount_out_atoms
    if out < request.amount_out_atoms or quote.amount_in_atoms <= 0:
        reason = f"would bring {out} atoms for {quote.amount_in_atoms}"
        return Candidate(pool, error=reason, error_class=ErrorClass.LIQUIDITY)
    limit = request.max_price_impact_bps
    if limit is not None and quote.price_impact_bps > limit:
        reason = f"price impact {quote.price_impact_bps} bps is above {limit}"
        return Candidate(pool, error=reason, error_class=ErrorClass.STALE)
    lamports = lamports_of(quote.compute_units, costs)
    return Candidate(pool, quote, out - price.worth(lamports, quote.amount_in_atoms, out))


def _spent(candidate: Candidate, costs: NetworkCosts, price: LamportPrice) -> int:
    """Its input with the network costs in the same token, rounded up."""
    quote = candidate.quote
    assert quote is not None
    lamports = lamports_of(quote.compute_units, costs)
    atoms = mul_div_ceil(lamports, price.atoms, price.lamports)
    if not price.is_of_input:
        atoms = mul_div_ceil(atoms, quote.amount_in_atoms, quote.amount_out_atoms)
    return quote.amount_in_atoms + atoms


def _reason(served: list[Candidate], spent: list[int]) -> str:
    best = served[0].pool.venue.value
    if len(served) == 1:
        return f"{best} is the only pool that can serve the order"
    less = (spent[1] - spent[0]) * BPS // spent[1]
    return f"{best} takes {less} bps less, fees included, than {served[1].pool.venue.value}"
