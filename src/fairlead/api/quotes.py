"""Quotes without an order: the same routing that orders get."""

from typing import Any

from solders.pubkey import Pubkey

from fairlead.amounts import AmountError, plain_decimal
from fairlead.api.problems import invalid
from fairlead.errors import FieldError, InvalidOrder
from fairlead.orders import intake
from fairlead.orders.events import QuoteData, number_from_atoms
from fairlead.orders.model import NumberForm, OrderTerms, OrderType
from fairlead.orders.narration import quotes_data
from fairlead.ports import Mints, Pools
from fairlead.routing import NetworkCosts, NoRoute, RouteRequest, best_route
from fairlead.tokens import TokenList
from fairlead.venues.token_facts import TokenFacts

COSTS = NetworkCosts()
"""Quotes without an order know no priority fee: base fees only."""


def quote_terms(query: dict[str, str], slippage_bps: int, tokens: TokenList) -> OrderTerms:
    """The question as the terms of an order that nobody pays for, or `InvalidOrder`."""
    errors = [
        FieldError(name, "required", "must be given")
        for name in ("tokenIn", "tokenOut", "amountIn")
        if name not in query
    ]
    if errors:
        raise InvalidOrder(tuple(errors))
    try:
        amount = plain_decimal(query["amountIn"], is_json_number=False)
    except AmountError as error:
        raise invalid("amountIn", error.code, str(error)) from None
    token_in, token_out = intake.pair(query["tokenIn"], query["tokenOut"], tokens, errors)
    atoms = intake.amount_atoms(amount, None, token_in, errors) if token_in is not None else 0
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
        amount_in_atoms=atoms,
        slippage_bps=slippage_bps,
        fee_cap_lamports=0,
    )


async def quote(pools: Pools, mints: Mints, terms: OrderTerms, form: NumberForm) -> dict[str, Any]:
    """Every pool's quote, best first, and the best one; null with the reason when there is none."""
    token_in, token_out = Pubkey.from_string(terms.token_in), Pubkey.from_string(terms.token_out)
    snapshot = await pools.snapshot(token_in, token_out)
    facts = await mints.facts([terms.token_in, terms.token_out])
    request = RouteRequest(token_in, token_out, terms.amount_in_atoms)
    route = best_route(request, snapshot, COSTS)
    quotes = quotes_data(route.candidates, terms, form)
    best: QuoteData | None = None if isinstance(route, NoRoute) else quotes[0]
    return {
        "tokenIn": terms.token_in_name,
        "tokenOut": terms.token_out_name,
        "tokenInMint": terms.token_in,
        "tokenOutMint": terms.token_out,
        "amountIn": number_from_atoms(terms.amount_in_atoms, terms.token_in_decimals, form),
        "amountInAtoms": str(terms.amount_in_atoms),
        "slippageBps": terms.slippage_bps,
        "slot": snapshot.slot,
        "quotes": quotes,
        "best": best,
        "reason": route.reason,
        "leftOut": [{"pool": str(pool), "reason": reason} for pool, reason in snapshot.left_out],
        "tokenInWarnings": _warnings(facts.get(terms.token_in)),
        "tokenOutWarnings": _warnings(facts.get(terms.token_out)),
    }


def _warnings(facts: TokenFacts | None) -> list[str]:
    return [] if facts is None else list(facts.warnings)
