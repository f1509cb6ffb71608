"""What a reader sees of an order: its events folded over its terms. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fairlead.amounts import atoms_from_decimal, decimal_from_atoms
from fairlead.orders.events import decode_exact, in_form, iso, number_from_atoms
from fairlead.orders.model import (
    Attempt,
    EventType,
    NumberForm,
    Order,
    OrderStatus,
    OrderTerms,
    SlippageUnit,
    StoredEvent,
)

# What an event may know that stays known until a later event says otherwise.
_LASTING = (
    "quote",
    "quotes",
    "selectedDex",
    "dex",
    "venue",
    "legs",
    "leftover",
    "minimumOut",
    "txSignature",
    "txHash",
    "executedPrice",
    "amountOut",
    "networkFeeLamports",
    "slot",
    "provisional",
    "retryCount",
    "nextTryAt",
    "proof",
)
# What a fork takes back.
_FILL = ("executedPrice", "amountOut", "leftover", "networkFeeLamports", "slot", "provisional")
# The same of an exact output: what it cost.
_TAKEN = ("amountIn", "amountInAtoms")
# What an order that rests again has no more: the next firing routes and signs anew.
_ROUTED = ("quote", "selectedDex", "dex", "venue", "legs", "txSignature", "txHash")
_FILLING = (EventType.CONFIRMED, EventType.FINALIZED)


def order_view(
    order: Order,
    events: Sequence[StoredEvent],
    attempts: Iterable[Attempt] = (),
    form: NumberForm | None = None,
) -> dict[str, Any]:
    """Everything known about an order, as the JSON object of the API, in its own number form or
    `form`. `attempts` adds what the chain proved about each."""
    view = _of_terms(order)
    view.update(_of_events(order, events, {a.signature: a for a in attempts}))
    shown = in_form(view, form or order.terms.number_form)
    assert isinstance(shown, dict)
    return shown


def slippage_as_sent(terms: OrderTerms) -> str:
    """Slippage in the unit the client used: 100 bps is 1 percent, or a fraction of 0.01."""
    digits = 2 if terms.slippage_unit is SlippageUnit.PERCENT else 4
    return decimal_from_atoms(terms.slippage_bps, digits)


def _of_terms(order: Order) -> dict[str, Any]:
    terms = order.terms
    expires, asked = terms.expires_at_ms, terms.exact_out_atoms
    gives = decimal_from_atoms(terms.amount_in_atoms, terms.token_in_decimals)
    return {
        "orderId": order.order_id,
        "status": order.status.value,
        "sequence": order.sequence,
        "type": terms.type.value,
        "orderType": terms.type.value,
        "wallet": terms.wallet,
        "walletAddress": terms.wallet_address,
        "userId": terms.user_id,
        "clientOrderId": terms.client_order_id,
        "tokenIn": terms.token_in_name,
        "tokenOut": terms.token_out_name,
        "tokenInMint": terms.token_in,
        "tokenOutMint": terms.token_out,
        "tokenInWarnings": terms.token_in_warnings,
        "tokenOutWarnings": terms.token_out_warnings,
        # What an exact output took is told by its fill.
        "amountIn": gives if asked is None else None,
        "amountInAtoms": str(terms.amount_in_atoms) if asked is None else None,
        "requestedAmountOut": (
            None if asked is None else decimal_from_atoms(asked, terms.token_out_decimals)
        ),
        "maxAmountIn": None if asked is None else gives,
        "slippageBps": terms.slippage_bps,
        "slippage": slippage_as_sent(terms),
        "limitPrice": terms.limit_price,
        "priority": terms.priority,
        "expiresAt": iso(expires) if expires is not None else None,
        "venues": list(terms.venues) if terms.venues is not None else None,
        "maxPriceImpactBps": terms.max_price_impact_bps,
        "feeCapLamports": terms.fee_cap_lamports,
        "createdAt": iso(order.created_at_ms),
        "updatedAt": iso(order.updated_at_ms),
    }


def _of_events(
    order: Order, events: Sequence[StoredEvent], proven: dict[str, Attempt]
) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(_LASTING)
    tried: list[dict[str, Any]] = []
    reason: str | None = None
    code: str | None = None
    was: OrderStatus | None = None
    for event in events:
        told = decode_exact(event.data)
        if was is OrderStatus.CONFIRMED and event.status is not was:
            # A fork took the fill away.
            known.update(dict.fromkeys(_FILL))
            if order.terms.exact_out_atoms is not None:
                known.update(dict.fromkeys(_TAKEN))
        was = event.status
        if event.type is EventType.REOPENED:
            known.update(dict.fromkeys(_ROUTED))
        if event.status is not OrderStatus.ROUTING:
            # Nothing waits for that time any more.
            known["nextTryAt"] = None
        if event.type in _FILLING:
            known["provisional"] = False
        if "dex" in told:
            # Where its legs go to several venues, none is named.
            known["venue"] = None
        known.update({name: told[name] for name in _LASTING if name in told})
        if event.type in _FILLING and order.terms.exact_out_atoms is not None:
            known.update(_taken(told["amountIn"], order.terms))
        if "attempt" in told:
            tried.append(_attempt(told["attempt"], event, proven))
        if event.type is EventType.FAILED:
            reason, code = told.get("reason"), told.get("failureCode")
    finalized = order.finalized_at_ms
    limit = order.terms.limit_out_atoms
    minimum = order.minimum_out_atoms if limit is None else limit
    if minimum is not None:
        # The order's own limit; a later round's quote may promise more, never less.
        known["minimumOut"] = number_from_atoms(
            minimum, order.terms.token_out_decimals, NumberForm.STRING
        )
    known.update(
        legs=known["legs"] or [],
        quotes=known["quotes"] or [],
        attempts=tried,
        retryCount=known["retryCount"] or 0,
        failureReason=reason or order.failure_reason,
        failureCode=code or order.failure_code,
        finalizedAt=iso(finalized) if finalized is not None else None,
    )
    return known


def _taken(amount: Any, terms: OrderTerms) -> dict[str, Any]:
    """What a fill took of the input, as it tells it: digits in either number form."""
    plain = bytes(amount).decode() if isinstance(amount, msgspec.Raw) else str(amount)
    return {
        "amountIn": plain,
        "amountInAtoms": str(atoms_from_decimal(plain, terms.token_in_decimals)),
    }


def _attempt(
    told: dict[str, Any], event: StoredEvent, proven: dict[str, Attempt]
) -> dict[str, Any]:
    seen = {**told, "txHash": told.get("txSignature"), "createdAt": iso(event.at_ms)}
    row = proven.get(told.get("txSignature", ""))
    if row is not None:
        seen["state"] = row.state.value
    return seen
