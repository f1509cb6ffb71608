"""What every pool of the pair pays alone, and why the best of them is that."""

from fairlead.amounts import mul_div_ceil
from fairlead.ports import PoolSnapshot
from fairlead.routing.model import Candidate, NetworkCosts, NoRoute, RouteRequest
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.fees import base_fee_lamports, priority_fee_lamports
from fairlead.venues.venue import ErrorClass, LoadedPool, SwapQuote, VenueError


def candidates_of(
    request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts
) -> tuple[list[Candidate], list[Candidate]]:
    """Every pool of the pair asked for the whole amount: those that serve, best first, ties by the
    lower address; and those that refuse."""
    candidates = [_candidate(pool, request, snapshot, costs) for pool in snapshot.pools]
    served = [c for c in candidates if c.quote is not None]
    refused = [c for c in candidates if c.quote is None]
    if len(served) > 1:
        served.sort(key=lambda c: (-c.net_out_atoms, bytes(c.pool.address)))
    return served, refused


def _candidate(
    pool: LoadedPool, request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts
) -> Candidate:
    if request.venues is not None and pool.venue.value not in request.venues:
        return Candidate(
            pool, error="venue is not in the order's allow-list", error_class=ErrorClass.TERMINAL
        )
    try:
        quote = pool.quote_exact_in(request.token_in, request.amount_in_atoms, snapshot.time)
    except VenueError as error:
        return Candidate(pool, error=str(error), error_class=error.error_class)
    if quote.amount_out_atoms <= 0:
        return Candidate(pool, error="pays nothing", error_class=ErrorClass.LIQUIDITY)
    limit = request.max_price_impact_bps
    if limit is not None and quote.price_impact_bps > limit:
        reason = f"price impact {quote.price_impact_bps} bps is above {limit}"
        return Candidate(pool, error=reason, error_class=ErrorClass.STALE)
    net = quote.amount_out_atoms - _costs_in_token_out(quote, request, costs)
    return Candidate(pool, quote, net)


def _costs_in_token_out(quote: SwapQuote, request: RouteRequest, costs: NetworkCosts) -> int:
    """Network costs at the quote's own price, rounded up; 0 where the pair has no SOL side to
    price them by.

    Between single pools of one pair only the compute units differ, so leaving it out decides
    nothing but near ties; routes over several pools bring their own SOL price.
    """
    price = costs.compute_unit_price_micro_lamports
    priority = priority_fee_lamports(quote.compute_units, price)
    lamports = base_fee_lamports(signatures=1) + priority + costs.tip_lamports + costs.rent_lamports
    if request.token_out == WSOL_MINT:
        return lamports
    if request.token_in == WSOL_MINT:
        return mul_div_ceil(lamports, quote.amount_out_atoms, quote.amount_in_atoms)
    return 0


def reason_of(served: list[Candidate]) -> str:
    """Why the first of the candidates that serve is the best."""
    best = served[0]
    if len(served) == 1:
        return f"{best.pool.venue.value} is the only pool that can serve the order"
    second = served[1]
    gain = (best.net_out_atoms - second.net_out_atoms) * 10_000 // max(second.net_out_atoms, 1)
    return (
        f"{best.pool.venue.value} pays {gain} bps more, net of fees, than {second.pool.venue.value}"
    )


# The most hopeful first: what may pass by itself is worth another try.
_HOPE = (ErrorClass.STALE, ErrorClass.NOT_YET, ErrorClass.LIQUIDITY, ErrorClass.TERMINAL)


def no_route(refused: list[Candidate]) -> NoRoute:
    """What the pools' refusals mean together."""
    if not refused:
        return NoRoute(ErrorClass.TERMINAL, "no pool trades this pair", ())
    best = min(refused, key=lambda c: _HOPE.index(c.error_class or ErrorClass.TERMINAL))
    reasons = "; ".join(f"{c.pool.venue.value}: {c.error}" for c in refused)
    return NoRoute(best.error_class or ErrorClass.TERMINAL, reasons, tuple(refused))
