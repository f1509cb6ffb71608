"""What each event of an order tells: the data stored with it, in the order's own number form."""

from fairlead.amounts import price_from_atoms
from fairlead.orders.events import (
    AttemptData,
    EventData,
    LegData,
    QuoteData,
    encode,
    number,
    number_from_atoms,
    percent_from_bps,
)
from fairlead.orders.exact_out import maximum_in_atoms
from fairlead.orders.model import Attempt, AttemptKind, NumberForm, Order, OrderTerms
from fairlead.orders.told_legs import minimum_out_atoms as minimum_out_atoms
from fairlead.orders.told_legs import (
    names_of,
    route_quote,
    told_leftover,
    told_leg,
    told_legs,
)
from fairlead.routing import Candidate, Route
from fairlead.solana.fees import priority_fee_lamports
from fairlead.solana.landing import Purpose
from fairlead.solana.legs import Detail, LegFill


def quote_data(candidate: Candidate, terms: OrderTerms, form: NumberForm) -> QuoteData:
    """One pool's quote as the answer and the event show it."""
    pool, quote = candidate.pool, candidate.quote
    name = pool.venue
    if quote is None:
        return QuoteData(name.dex, name.value, str(pool.address), error=candidate.error)
    out = terms.token_out_decimals
    fee_mint = str(quote.fee_mint)
    fee_in_token_in = fee_mint == terms.token_in
    fee_decimals = terms.token_in_decimals if fee_in_token_in else out
    least = minimum_out_atoms(quote.amount_out_atoms, terms.slippage_bps)
    taken = most = None
    if terms.exact_out_atoms is not None:
        least = terms.exact_out_atoms
        taken = number_from_atoms(quote.amount_in_atoms, terms.token_in_decimals, form)
        maximum = maximum_in_atoms(quote.amount_in_atoms, terms.slippage_bps)
        most = number_from_atoms(min(maximum, terms.amount_in_atoms), terms.token_in_decimals, form)
    if terms.limit_out_atoms is not None:
        least = max(least, terms.limit_out_atoms)
    return QuoteData(
        dex=name.dex,
        venue=name.value,
        pool=str(pool.address),
        amount_in=taken,
        maximum_in=most,
        amount_out=number_from_atoms(quote.amount_out_atoms, out, form),
        minimum_out=number_from_atoms(least, out, form),
        net_amount_out=number_from_atoms(candidate.net_out_atoms, out, form),
        price_impact=percent_from_bps(quote.price_impact_bps, form),
        price_impact_bps=quote.price_impact_bps,
        fee=number_from_atoms(quote.fee_atoms, fee_decimals, form),
        fee_token=None if fee_in_token_in else fee_mint,
        route=(terms.token_in, terms.token_out),
        unproven=quote.unproven or None,
    )


def quotes_data(
    candidates: tuple[Candidate, ...], terms: OrderTerms, form: NumberForm
) -> tuple[QuoteData, ...]:
    """All pools' quotes, best first."""
    return tuple([quote_data(candidate, terms, form) for candidate in candidates])


def routed(
    order: Order, route: Route, minimum_atoms: int, maximum_atoms: int | None = None
) -> bytes:
    """All quotes, the chosen route, and why."""
    terms, form = order.terms, order.terms.number_form
    quote, quotes = _quotes(order, route)
    return encode(
        EventData(
            quote=quote,
            quotes=quotes,
            selected_dex=quote.dex,
            dex=quote.dex,
            venue=quote.venue,
            minimum_out=number_from_atoms(minimum_atoms, terms.token_out_decimals, form),
            maximum_in=(
                None
                if maximum_atoms is None
                else number_from_atoms(maximum_atoms, terms.token_in_decimals, form)
            ),
            retry_count=order.round - 1,
            reason=route.reason,
        )
    )


def _quotes(order: Order, route: Route) -> tuple[QuoteData, tuple[QuoteData, ...]]:
    """The chosen route's quote, and those of all pools of the pair."""
    terms, form = order.terms, order.terms.number_form
    quotes = quotes_data(route.candidates, terms, form)
    # What is told of first of several pools is what was chosen.
    return quotes[0] if len(route.legs) == 1 else route_quote(route, terms, form), quotes


def submitted(order: Order, attempt: Attempt) -> bytes:
    """The signature, known before the first byte is sent."""
    return encode(
        EventData(
            tx_signature=attempt.signature,
            tx_hash=attempt.signature,
            attempt=attempt_data(attempt),
            retry_count=attempt.round - 1,
        )
    )


_WHY_ANOTHER = {
    Purpose.REPLACE: "the blockhash of the last attempt expired without it; proven dead",
    Purpose.RENEW: "the blockhash of the last attempt expired without it; the latch excludes both",
    Purpose.RAISE: "not seen on chain yet; a higher fee under the same latch",
}


def another_attempt(order: Order, route: Route, attempt: Attempt, purpose: Purpose) -> bytes:
    """The same limit once more: under a new blockhash, or for a higher fee."""
    quote, quotes = _quotes(order, route)
    return encode(
        EventData(
            quote=quote,
            quotes=quotes,
            selected_dex=quote.dex,
            dex=quote.dex,
            venue=quote.venue,
            tx_signature=attempt.signature,
            tx_hash=attempt.signature,
            attempt=attempt_data(attempt),
            retry_count=attempt.round - 1,
            reason=_WHY_ANOTHER[purpose],
        )
    )


def cancel_sent(attempt: Attempt) -> bytes:
    """The attempt that takes the latch. The order's own signature stays that of its swap."""
    why = "takes the latch without a swap; the chain says which wins"
    return encode(EventData(attempt=attempt_data(attempt), reason=why))


def attempt_data(attempt: Attempt) -> AttemptData:
    """The attempt that an event speaks of."""
    return AttemptData(
        number=attempt.number,
        round=attempt.round,
        tx_signature=attempt.signature,
        last_valid_block_height=attempt.last_valid_block_height,
        priority_fee_lamports=priority_fee_lamports(
            attempt.compute_unit_limit, attempt.compute_unit_price_micro_lamports
        ),
        latch=attempt.latch_address,
        kind=None if attempt.kind is AttemptKind.SWAP else attempt.kind.value,
    )


def dex_of(attempt: Attempt) -> str:
    """The short name of where an attempt swaps."""
    return names_of([leg.venue for leg in attempt.legs])[0]


def filled(
    order: Order,
    attempt: Attempt,
    in_atoms: int,
    out_atoms: int,
    slot: int,
    *,
    provisional: bool,
    detail: Detail | None = None,
) -> bytes:
    """What the chain says was exchanged. `detail`: leg by leg, where there are several."""
    terms, form = order.terms, order.terms.number_form
    price = price_from_atoms(out_atoms, terms.token_out_decimals, in_atoms, terms.token_in_decimals)
    amount_in = number_from_atoms(in_atoms, terms.token_in_decimals, form)
    amount_out = number_from_atoms(out_atoms, terms.token_out_decimals, form)
    if len(attempt.legs) == 1:
        legs: tuple[LegData, ...] = (told_leg(attempt.legs[0], amount_in, amount_out),)
    else:
        # Where the transaction contradicts itself, nothing is told of its legs' amounts.
        nothing = [LegFill(None, None)] * len(attempt.legs)
        legs = told_legs(attempt.legs, nothing if detail is None else detail.legs, terms, form)
    dex, venue = names_of([leg.venue for leg in attempt.legs])
    return encode(
        EventData(
            selected_dex=dex,
            dex=dex,
            venue=venue,
            legs=legs,
            leftover=None if detail is None else told_leftover(detail.leftover, form),
            tx_signature=attempt.signature,
            tx_hash=attempt.signature,
            executed_price=number(price, form),
            amount_in=amount_in,
            amount_out=amount_out,
            network_fee_lamports=attempt.fee_lamports,
            slot=slot,
            provisional=True if provisional else None,
            retry_count=attempt.round - 1,
        )
    )


def failed_round(
    order: Order, code: str, reason: str, next_try_at: str | None, candidates: tuple[Candidate, ...]
) -> bytes:
    """Why a round ended, and when the next begins."""
    terms = order.terms
    return encode(
        EventData(
            quotes=quotes_data(candidates, terms, terms.number_form) if candidates else None,
            retry_count=order.round if next_try_at else max(order.round - 1, 0),
            reason=reason,
            failure_code=code,
            next_try_at=next_try_at,
        )
    )


def because(reason: str) -> bytes:
    """An event that only has a reason."""
    return encode(EventData(reason=reason))
