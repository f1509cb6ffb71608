"""What each event of an order tells: the data stored with it, in the order's own number form."""

from fairlead.amounts import BPS, mul_div_floor, price_from_atoms
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
from fairlead.orders.model import Attempt, AttemptKind, NumberForm, Order, OrderTerms
from fairlead.routing import Candidate, Route
from fairlead.solana.fees import priority_fee_lamports
from fairlead.solana.landing import Purpose


def minimum_out_atoms(quoted_atoms: int, slippage_bps: int) -> int:
    """The least that may reach the user's account for this quote: rounded down, never below 1."""
    return max(mul_div_floor(quoted_atoms, BPS - slippage_bps, BPS), 1)


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
    if terms.limit_out_atoms is not None:
        least = max(least, terms.limit_out_atoms)
    return QuoteData(
        dex=name.dex,
        venue=name.value,
        pool=str(pool.address),
        amount_out=number_from_atoms(quote.amount_out_atoms, out, form),
        minimum_out=number_from_atoms(least, out, form),
        net_amount_out=number_from_atoms(candidate.net_out_atoms, out, form),
        price_impact=percent_from_bps(quote.price_impact_bps, form),
        price_impact_bps=quote.price_impact_bps,
        fee=number_from_atoms(quote.fee_atoms, fee_decimals, form),
        fee_token=None if fee_in_token_in else fee_mint,
        route=(terms.token_in, terms.token_out),
    )


def quotes_data(
    candidates: tuple[Candidate, ...], terms: OrderTerms, form: NumberForm
) -> tuple[QuoteData, ...]:
    """All pools' quotes, best first."""
    return tuple(quote_data(candidate, terms, form) for candidate in candidates)


def routed(order: Order, route: Route, minimum_atoms: int) -> bytes:
    """All quotes, the chosen one, and why."""
    terms, form = order.terms, order.terms.number_form
    quotes = quotes_data(route.candidates, terms, form)
    venue = route.legs[0].pool.venue
    return encode(
        EventData(
            quote=quotes[0],
            quotes=quotes,
            selected_dex=venue.dex,
            dex=venue.dex,
            venue=venue.value,
            minimum_out=number_from_atoms(minimum_atoms, terms.token_out_decimals, form),
            retry_count=order.round - 1,
            reason=route.reason,
        )
    )


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
    quotes = quotes_data(route.candidates, order.terms, order.terms.number_form)
    venue = route.legs[0].pool.venue
    return encode(
        EventData(
            quote=quotes[0],
            quotes=quotes,
            selected_dex=venue.dex,
            dex=venue.dex,
            venue=venue.value,
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
    """The short name of the venue that an attempt swaps on."""
    return attempt.legs[0].venue.partition("_")[0]


def filled(
    order: Order, attempt: Attempt, in_atoms: int, out_atoms: int, slot: int, *, provisional: bool
) -> bytes:
    """What the chain says was exchanged."""
    terms, form = order.terms, order.terms.number_form
    price = price_from_atoms(out_atoms, terms.token_out_decimals, in_atoms, terms.token_in_decimals)
    amount_in = number_from_atoms(in_atoms, terms.token_in_decimals, form)
    amount_out = number_from_atoms(out_atoms, terms.token_out_decimals, form)
    legs = tuple(
        LegData(
            leg.program, leg.pool, leg.venue, leg.token_in, leg.token_out, amount_in, amount_out
        )
        for leg in attempt.legs
    )
    dex = dex_of(attempt)
    return encode(
        EventData(
            selected_dex=dex,
            dex=dex,
            venue=attempt.legs[0].venue,
            legs=legs,
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
