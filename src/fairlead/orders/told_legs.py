"""Routes and fills of several legs in words: the legs, what is left over, and the names of where
they go. Pure."""

from collections.abc import Sequence

from fairlead.amounts import BPS, mul_div_floor
from fairlead.orders.events import (
    LeftoverData,
    LegData,
    Number,
    QuoteData,
    number_from_atoms,
    percent_from_bps,
)
from fairlead.orders.model import Leg, NumberForm, OrderTerms
from fairlead.routing import Alternative, Route
from fairlead.routing.model import whole_impact_bps
from fairlead.solana.legs import Leftover, LegFill, leg_of
from fairlead.tokens import MIDDLES

SPLIT = "split"
"""What stands for a dex where the legs of one order go to several."""

_MIDDLE_DECIMALS = {token.mint: token.decimals for token in MIDDLES}


def minimum_out_atoms(quoted_atoms: int, slippage_bps: int) -> int:
    """The least that may reach the user's account for this quote: rounded down, never below 1."""
    return max(mul_div_floor(quoted_atoms, BPS - slippage_bps, BPS), 1)


def least_of(quoted_atoms: int, terms: OrderTerms) -> int:
    """The same of an order of these terms: never below its limit."""
    least = minimum_out_atoms(quoted_atoms, terms.slippage_bps)
    return least if terms.limit_out_atoms is None else max(least, terms.limit_out_atoms)


def names_of(venues: Sequence[str]) -> tuple[str, str | None]:
    """The short name of where legs of these venues go, `split` where to several; and the venue,
    None where there are several."""
    first = venues[0]
    dex = first.partition("_")[0]
    if len(venues) == 1:
        return dex, first
    if any(venue.partition("_")[0] != dex for venue in venues):
        return SPLIT, None
    return dex, first if all(venue == first for venue in venues) else None


def told_leg(leg: Leg, amount_in: Number | None, amount_out: Number | None) -> LegData:
    """A leg with what it takes and pays; None where that is not known."""
    return LegData(
        leg.program, leg.pool, leg.venue, leg.token_in, leg.token_out, amount_in, amount_out
    )


def told_legs(
    legs: Sequence[Leg], fills: Sequence[LegFill], terms: OrderTerms, form: NumberForm
) -> tuple[LegData, ...]:
    """The legs with what each takes and pays, in its own tokens."""
    ends = legs[0].token_in, legs[-1].token_out
    return tuple(
        [
            told_leg(
                leg,
                _told(fill.in_atoms, _decimals(leg.token_in, ends, terms), form),
                _told(fill.out_atoms, _decimals(leg.token_out, ends, terms), form),
            )
            for leg, fill in zip(legs, fills, strict=True)
        ]
    )


def told_leftover(leftover: Leftover | None, form: NumberForm) -> LeftoverData | None:
    """What the wallet keeps of the middle token; None where nothing stays."""
    if leftover is None or leftover.atoms == 0:
        return None
    amount = number_from_atoms(leftover.atoms, _MIDDLE_DECIMALS[leftover.token], form)
    return LeftoverData(leftover.token, amount)


def route_quote(route: Route | Alternative, terms: OrderTerms, form: NumberForm) -> QuoteData:
    """A route as one quote, with its legs. Their fees are in several tokens: they are not added
    up."""
    out, decimals = route.amount_out_atoms, terms.token_out_decimals
    dex, venue = names_of([leg.pool.venue.value for leg in route.legs])
    impact_bps = whole_impact_bps(route.path, route.legs)
    quotes = [leg.quote for leg in route.legs]
    return QuoteData(
        dex=dex,
        venue=venue,
        amount_out=number_from_atoms(out, decimals, form),
        minimum_out=number_from_atoms(least_of(out, terms), decimals, form),
        net_amount_out=number_from_atoms(route.net_out_atoms, decimals, form),
        price_impact=percent_from_bps(impact_bps, form),
        price_impact_bps=impact_bps,
        route=tuple([str(mint) for mint in route.path.mints]),
        legs=told_legs(
            [leg_of(leg.pool, leg.input_mint) for leg in route.legs],
            [LegFill(quote.amount_in_atoms, quote.amount_out_atoms) for quote in quotes],
            terms,
            form,
        ),
        leftover=told_leftover(_expected_leftover(route), form),
        unproven=", ".join(dict.fromkeys(each.unproven for each in quotes if each.unproven))
        or None,
    )


def _expected_leftover(route: Route | Alternative) -> Leftover | None:
    """What the first hop brings by its quotes, less what the second takes."""
    middle = route.path.middle
    if middle is None:
        return None
    atoms = 0
    for leg in route.legs:
        quote = leg.quote
        atoms += quote.amount_out_atoms if leg.output_mint == middle else -quote.amount_in_atoms
    return Leftover(str(middle), atoms)


def _told(atoms: int | None, decimals: int, form: NumberForm) -> Number | None:
    return None if atoms is None else number_from_atoms(atoms, decimals, form)


def _decimals(mint: str, ends: tuple[str, str], terms: OrderTerms) -> int:
    """Of a token on the path between these."""
    if mint == ends[0]:
        return terms.token_in_decimals
    return terms.token_out_decimals if mint == ends[1] else _MIDDLE_DECIMALS[mint]
