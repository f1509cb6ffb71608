"""What every pool of the pair pays alone, and why the best of them is that."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.ports import PoolSnapshot
from fairlead.routing.costs import LamportPrice, lamports_of
from fairlead.routing.model import Candidate, NetworkCosts, NoRoute, RouteRequest
from fairlead.venues.venue import ChainTime, ErrorClass, LoadedPool, VenueError


def candidates_of(
    request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts, price: LamportPrice
) -> tuple[list[Candidate], list[Candidate]]:
    """Every pool of the pair asked for the whole amount: those that serve, best first, ties by the
    lower address; and those that refuse."""
    served: list[Candidate] = []
    refused: list[Candidate] = []
    for pool in snapshot.pools:
        candidate = _candidate(pool, request, snapshot.time, costs, price)
        (refused if candidate.quote is None else served).append(candidate)
    if len(served) > 1:
        served.sort(key=lambda c: (-c.net_out_atoms, c.pool.address))
    return served, refused


def _candidate(
    pool: LoadedPool,
    request: RouteRequest,
    time: ChainTime,
    costs: NetworkCosts,
    price: LamportPrice,
) -> Candidate:
    if request.venues is not None and pool.venue not in request.venues:
        return Candidate(
            pool, error="venue is not in the order's allow-list", error_class=ErrorClass.TERMINAL
        )
    try:
        quote = pool.quote_exact_in(request.token_in, request.amount_in_atoms, time)
    except VenueError as error:
        return Candidate(pool, error=str(error), error_class=error.error_class)
    out = quote.amount_out_atoms
    if out <= 0:
        return Candidate(pool, error="pays nothing", error_class=ErrorClass.LIQUIDITY)
    limit = request.max_price_impact_bps
    if limit is not None and quote.price_impact_bps > limit:
        reason = f"price impact {quote.price_impact_bps} bps is above {limit}"
        return Candidate(pool, error=reason, error_class=ErrorClass.STALE)
    lamports = lamports_of(quote.compute_units, costs)
    return Candidate(pool, quote, out - price.worth(lamports, quote.amount_in_atoms, out))


def reason_of(served: list[Candidate]) -> str:
    """Why the first of the candidates that serve is the best."""
    best = served[0]
    if len(served) == 1:
        return f"{best.pool.venue} is the only pool that can serve the order"
    second = served[1]
    gain = (best.net_out_atoms - second.net_out_atoms) * 10_000 // max(second.net_out_atoms, 1)
    return f"{best.pool.venue} pays {gain} bps more, net of fees, than {second.pool.venue}"


# The most hopeful first: what may pass by itself is worth another try.
_HOPE = (ErrorClass.STALE, ErrorClass.NOT_YET, ErrorClass.LIQUIDITY, ErrorClass.TERMINAL)


MAX_TOLD = 3
"""Pools left out that are named where a pair has no others; quotes name them all."""


def no_route(refused: list[Candidate], left_out: Sequence[tuple[Pubkey, str]]) -> NoRoute:
    """What the pools' refusals mean together. `left_out`: pools of the pair that are not among
    them, with the reasons; told where there are no others."""
    if not refused:
        return NoRoute(ErrorClass.TERMINAL, _none_trades(left_out), ())
    best = min(refused, key=lambda c: _HOPE.index(c.error_class or ErrorClass.TERMINAL))
    reasons = "; ".join(f"{c.pool.venue}: {c.error}" for c in refused)
    return NoRoute(best.error_class or ErrorClass.TERMINAL, reasons, tuple(refused))


def _none_trades(left_out: Sequence[tuple[Pubkey, str]]) -> str:
    if not left_out:
        return "no pool trades this pair"
    told = [f"{address}: {reason}" for address, reason in left_out[:MAX_TOLD]]
    more = len(left_out) - MAX_TOLD
    told += [f"and {more} more"] if more > 0 else []
    return f"every pool of this pair is left out: {'; '.join(told)}"
