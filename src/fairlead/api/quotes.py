"""Quotes without an order: the same routing that orders get."""

from typing import Any

from fairlead.amounts import BPS, U64_MAX, AmountError, plain_decimal
from fairlead.api.problems import invalid
from fairlead.errors import FieldError, InvalidOrder
from fairlead.orders import exact_out, intake, routes
from fairlead.orders.events import QuoteData, number_from_atoms
from fairlead.orders.model import NumberForm, OrderTerms, OrderType
from fairlead.orders.narration import quotes_data
from fairlead.orders.routes import RoutingPolicy
from fairlead.orders.told_legs import route_quote
from fairlead.ports import Mints, Pools, PoolSnapshot
from fairlead.routing import Alternative, NetworkCosts, NoRoute, Route, best_route
from fairlead.routing.exact_out import exact_out_route
from fairlead.tokens import TokenList
from fairlead.venues.token_facts import TokenFacts

COSTS = NetworkCosts()
"""Quotes without an order know no priority fee and no wallet: base fees only, and no rent of a
middle token's account."""


def quote_terms(query: dict[str, str], slippage_bps: int, tokens: TokenList) -> OrderTerms:
    """The question as the terms of an order that nobody pays for, or `InvalidOrder`."""
    errors = [
        FieldError(name, "required", "must be given")
        for name in ("tokenIn", "tokenOut")
        if name not in query
    ]
    errors += _side_errors(query)
    if errors:
        raise InvalidOrder(tuple(errors))
    name = "amountIn" if "amountIn" in query else "amountOut"
    try:
        amount = plain_decimal(query[name], is_json_number=False)
    except AmountError as error:
        raise invalid(name, error.code, str(error)) from None
    token_in, token_out = intake.pair(query["tokenIn"], query["tokenOut"], tokens, errors)
    token = token_in if name == "amountIn" else token_out
    atoms = intake.amount_atoms(amount, None, token, errors, name)
    if errors or token_in is None or token_out is None:
        raise InvalidOrder(tuple(errors))
    return OrderTerms(
        type=OrderType.MARKET,
        wallet="",
        wallet_address="",
        token_in=token_in.mint,
        token_out=token_out.mint,
        token_in_name=query["tokenIn"],
        token_out_name=query["tokenOut"],
        token_in_decimals=token_in.decimals,
        token_out_decimals=token_out.decimals,
        # Whoever only asks bounds no input.
        amount_in_atoms=atoms if name == "amountIn" else U64_MAX,
        slippage_bps=slippage_bps,
        fee_cap_lamports=0,
        exact_out_atoms=None if name == "amountIn" else atoms,
    )


def _side_errors(query: dict[str, str]) -> list[FieldError]:
    """One side is exact: the input or the output."""
    if "amountIn" in query and "amountOut" in query:
        return [
            FieldError("amountIn", "conflicting", "excludes amountOut"),
            FieldError("amountOut", "conflicting", "excludes amountIn"),
        ]
    if "amountIn" not in query and "amountOut" not in query:
        return [FieldError("amountIn", "required", "must be given, or amountOut")]
    return []


async def quote(
    pools: Pools, mints: Mints, terms: OrderTerms, form: NumberForm, policy: RoutingPolicy
) -> dict[str, Any]:
    """Every pool's quote, best first, the best route, and what other routes would give; null with
    the reason when there is none."""
    route, snapshot = await _routed(pools, terms, policy)
    facts = await mints.facts([terms.token_in, terms.token_out])
    exact = terms.exact_out_atoms
    quotes = quotes_data(route.candidates, terms, form)
    best: QuoteData | None = None
    if isinstance(route, Route):
        best = quotes[0] if len(route.legs) == 1 else route_quote(route, terms, form)
    return {
        "tokenIn": terms.token_in_name,
        "tokenOut": terms.token_out_name,
        "tokenInMint": terms.token_in,
        "tokenOutMint": terms.token_out,
        "amountIn": (
            number_from_atoms(terms.amount_in_atoms, terms.token_in_decimals, form)
            if exact is None
            else None
        ),
        "amountInAtoms": str(terms.amount_in_atoms) if exact is None else None,
        "requestedAmountOut": (
            None if exact is None else number_from_atoms(exact, terms.token_out_decimals, form)
        ),
        "slippageBps": terms.slippage_bps,
        "slot": snapshot.slot,
        "quotes": quotes,
        "best": best,
        "savingBps": None if exact is not None else _saving_bps(route),
        "alternatives": [_alternative(each, terms, form) for each in route.alternatives],
        "reason": route.reason,
        "leftOut": [
            {"pool": str(pool), "reason": reason}
            for pool, reason in (*snapshot.left_out, *snapshot.others_left_out)
        ],
        "tokenInWarnings": _warnings(facts.get(terms.token_in)),
        "tokenOutWarnings": _warnings(facts.get(terms.token_out)),
    }


async def _routed(
    pools: Pools, terms: OrderTerms, policy: RoutingPolicy
) -> tuple[Route | NoRoute, PoolSnapshot]:
    if terms.exact_out_atoms is not None:
        wanted = exact_out.request_of(terms)
        snapshot = await pools.snapshot(wanted.token_in, wanted.token_out)
        return exact_out_route(wanted, snapshot, COSTS), snapshot
    request = routes.request_of(terms, policy)
    asked = request.token_in, request.token_out
    if policy.allows_hops:
        request, snapshot = routes.with_middles(request), await pools.around(*asked)
    else:
        snapshot = await pools.snapshot(*asked)
    return best_route(request, snapshot, COSTS), snapshot


def _saving_bps(route: Route | NoRoute) -> int | None:
    """What the route nets more than the best pool alone, rounded down; None where either is
    missing."""
    alone = [c.net_out_atoms for c in route.candidates if c.quote is not None]
    if isinstance(route, NoRoute) or not alone or max(alone) <= 0:
        return None
    return (route.net_out_atoms - max(alone)) * BPS // max(alone)


def _alternative(route: Alternative, terms: OrderTerms, form: NumberForm) -> dict[str, Any]:
    """The best route of one shape, and why it was not chosen."""
    told: dict[str, Any] = {
        "shape": route.shape.value,
        "route": [str(mint) for mint in route.path.mints],
        "chosen": route.why is None,
        "why": route.why,
        "limit": None if route.binding is None else route.binding.value,
        "amountOut": None,
        "netAmountOut": None,
        "legs": [],
    }
    if route.legs:
        seen = route_quote(route, terms, form)
        told |= {
            "amountOut": seen.amount_out,
            "netAmountOut": seen.net_amount_out,
            "legs": seen.legs,
        }
    return told


def _warnings(facts: TokenFacts | None) -> list[str]:
    return [] if facts is None else list(facts.warnings)
