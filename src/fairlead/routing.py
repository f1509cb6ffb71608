"""The route with the highest net output, over all pools of a pair. Pure: quotes in, a decision out.

Net output is what reaches the user's token account less the network costs turned into tokenOut.
Limits and
reported prices speak of what reaches the account; only the comparison of routes subtracts the
network costs.
"""

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import mul_div_ceil
from fairlead.ports import PoolSnapshot
from fairlead.solana.fees import base_fee_lamports, priority_fee_lamports
from fairlead.venues.venue import ErrorClass, LoadedPool, SwapQuote, VenueError

WSOL_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")


class RouteRequest(msgspec.Struct, frozen=True, gc=False):
    """What is to be swapped, and within which limits."""

    token_in: Pubkey
    token_out: Pubkey
    amount_in_atoms: int
    # Allow-list of venue names; None allows all.
    venues: tuple[str, ...] | None = None
    max_price_impact_bps: int | None = None


class NetworkCosts(msgspec.Struct, frozen=True, gc=False):
    """What landing costs besides the swap."""

    compute_unit_price_micro_lamports: int = 0
    tip_lamports: int = 0
    # Rent of accounts that stay with the user (a new token account), not what comes back.
    rent_lamports: int = 0


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One pool's answer: a quote with its net output, or the reason why it cannot serve."""

    pool: LoadedPool
    quote: SwapQuote | None = None
    # Output less network costs in atoms of tokenOut; may be negative.
    net_out_atoms: int = 0
    error: str | None = None
    error_class: ErrorClass | None = None


class Route(msgspec.Struct, frozen=True, gc=False):
    """The chosen pool with all that was compared, best first."""

    pool: LoadedPool
    quote: SwapQuote
    candidates: tuple[Candidate, ...]
    reason: str


class NoRoute(msgspec.Struct, frozen=True, gc=False):
    """No pool can serve the request; `error_class` is the most hopeful of the pools' reasons."""

    error_class: ErrorClass
    reason: str
    candidates: tuple[Candidate, ...]


def best_route(
    request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts
) -> Route | NoRoute:
    """Quote every pool of the snapshot and choose the highest net output; ties go to the lower
    address."""
    candidates = [_candidate(pool, request, snapshot, costs) for pool in snapshot.pools]
    served = [c for c in candidates if c.quote is not None]
    refused = [c for c in candidates if c.quote is None]
    if not served:
        return _no_route(refused)
    if len(served) > 1:
        served.sort(key=lambda c: (-c.net_out_atoms, bytes(c.pool.address)))
    best = served[0]
    assert best.quote is not None
    return Route(best.pool, best.quote, (*served, *refused), _reason(served))


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
    nothing but
    near ties; routes over several pools bring their own SOL price.
    """
    price = costs.compute_unit_price_micro_lamports
    priority = priority_fee_lamports(quote.compute_units, price)
    lamports = base_fee_lamports(signatures=1) + priority + costs.tip_lamports + costs.rent_lamports
    if request.token_out == WSOL_MINT:
        return lamports
    if request.token_in == WSOL_MINT:
        return mul_div_ceil(lamports, quote.amount_out_atoms, quote.amount_in_atoms)
    return 0


def _reason(served: list[Candidate]) -> str:
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


def _no_route(refused: list[Candidate]) -> NoRoute:
    if not refused:
        return NoRoute(ErrorClass.TERMINAL, "no pool trades this pair", ())
    best = min(refused, key=lambda c: _HOPE.index(c.error_class or ErrorClass.TERMINAL))
    reasons = "; ".join(f"{c.pool.venue.value}: {c.error}" for c in refused)
    return NoRoute(best.error_class or ErrorClass.TERMINAL, reasons, tuple(refused))
