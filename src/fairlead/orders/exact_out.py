"""Orders with an exact output: what they may cost at the most, and which route keeps to it. Pure.

The mirror of a market order's minimum (EXACTLY-ONCE 6): the first attempt fixes the most that may
leave the wallet, never above what the client said, and no later round raises it. It is stored with
the attempt itself, in the commit before its first byte leaves.
"""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX, mul_div_ceil
from fairlead.orders.model import Attempt, Order, OrderTerms
from fairlead.routing import Route, alone, route_of
from fairlead.routing.exact_out import ExactOutRequest


def request_of(terms: OrderTerms) -> ExactOutRequest:
    """The question to the pools of the pair."""
    assert terms.exact_out_atoms is not None
    return ExactOutRequest(
        Pubkey.from_string(terms.token_in),
        Pubkey.from_string(terms.token_out),
        terms.exact_out_atoms,
        terms.venues,
        terms.max_price_impact_bps,
    )


def maximum_in_atoms(quoted_atoms: int, slippage_bps: int) -> int:
    """The most that this quote may come to: rounded up."""
    return min(mul_div_ceil(quoted_atoms, BPS + slippage_bps, BPS), U64_MAX)


def ceiling_of(terms: OrderTerms, earlier: Sequence[Attempt]) -> int:
    """The most that may leave the wallet: what the first swap allowed, or else what the client
    says."""
    for attempt in earlier:
        if attempt.maximum_in_atoms is not None:
            return min(attempt.maximum_in_atoms, terms.amount_in_atoms)
    return terms.amount_in_atoms


def maximum_for(order: Order, earlier: Sequence[Attempt], quoted_atoms: int) -> int:
    """The maximum of an attempt: what slippage makes of its quote, never above the ceiling."""
    fresh = maximum_in_atoms(quoted_atoms, order.terms.slippage_bps)
    return min(fresh, ceiling_of(order.terms, earlier))


def within(route: Route, ceiling_atoms: int) -> Route | None:
    """The route, or the next of the pools beside it where its own input is above the ceiling; None
    if none keeps to it.

    Pools are compared with network costs and the ceiling speaks of what leaves the account, so that
    near a tie the best may exceed what the second does not.
    """
    if route.amount_in_atoms <= ceiling_atoms:
        return route
    for each in route.candidates:
        if each.quote is not None and each.quote.amount_in_atoms <= ceiling_atoms:
            chosen = alone(each, route.path.mints[0], route.path.mints[-1])
            # What is told of first is what was chosen.
            told = (each, *[other for other in route.candidates if other is not each])
            reason = f"{each.pool.venue.value} keeps to the maximum; what costs less does not"
            return route_of(chosen, told, route.alternatives, reason)
    return None
