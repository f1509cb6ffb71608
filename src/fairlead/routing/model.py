"""What is asked of routing, and what it answers. Amounts are atoms unless the name says else."""

from collections.abc import Sequence
from enum import Enum

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, div_ceil, mul_div_ceil
from fairlead.venues.venue import ErrorClass, LoadedPool, SwapQuote

DEFAULT_MIN_GAIN_BPS = 1
"""What a further leg must gain: more legs lock more accounts, and fail together."""

DEFAULT_HOP_TOLERANCE_BPS = 50
"""What the first hop of two may fall short of its quote."""


class RouteRequest(msgspec.Struct, frozen=True, gc=False):
    """What is to be swapped, and within which limits."""

    token_in: Pubkey
    token_out: Pubkey
    amount_in_atoms: int
    # Allow-list of venue names; None allows all.
    venues: tuple[str, ...] | None = None
    # Of the whole route, and of each single pool that is compared.
    max_price_impact_bps: int | None = None
    # Swaps in one transaction; 1 asks for the best single pool.
    max_legs: int = 1
    # The tokens that a path of two hops may go through; empty allows none.
    middles: tuple[Pubkey, ...] = ()
    # A further leg must pay its network costs and this part of the output.
    min_gain_bps: int = DEFAULT_MIN_GAIN_BPS
    # The second hop takes the first one's quote less this; what is left over stays with the user.
    hop_tolerance_bps: int = DEFAULT_HOP_TOLERANCE_BPS
    # Each an address lookup table's contents; what it holds costs one byte instead of 32.
    lookup_tables: tuple[frozenset[Pubkey], ...] = ()


class NetworkCosts(msgspec.Struct, frozen=True, gc=False):
    """What landing costs besides the swap."""

    compute_unit_price_micro_lamports: int = 0
    tip_lamports: int = 0
    # Rent of accounts that stay with the user (a new token account), not what comes back.
    rent_lamports: int = 0
    # The same of a middle token's account, where the wallet has none: (mint, lamports).
    middle_rents: tuple[tuple[Pubkey, int], ...] = ()


class RouteLeg(msgspec.Struct, frozen=True, gc=False):
    """One swap of a route. The quote has its amounts: `amount_in_atoms` is what the instruction
    takes, for a second hop fixed when signing."""

    pool: LoadedPool
    input_mint: Pubkey
    output_mint: Pubkey
    quote: SwapQuote


class Path(msgspec.Struct, frozen=True, gc=False):
    """The tokens a route goes through: two for one hop, three for two."""

    mints: tuple[Pubkey, ...]

    @property
    def hops(self) -> int:
        return len(self.mints) - 1

    @property
    def middle(self) -> Pubkey | None:
        return self.mints[1] if len(self.mints) == 3 else None


class Shape(Enum):
    """The kinds of routes that are compared."""

    SINGLE = "single"
    SPLIT = "split"
    TWO_HOP = "two_hop"


class Binding(Enum):
    """The limit of one transaction that took legs from a route which would pay more."""

    BYTES = "bytes"
    ACCOUNT_LOCKS = "account_locks"
    COMPUTE_UNITS = "compute_units"


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One pool's answer: a quote with its net output, or the reason why it cannot serve."""

    pool: LoadedPool
    quote: SwapQuote | None = None
    # Output less network costs in atoms of tokenOut; may be negative.
    net_out_atoms: int = 0
    error: str | None = None
    error_class: ErrorClass | None = None


class Alternative(msgspec.Struct, frozen=True, gc=False):
    """The best route of one shape over one path, and why it was not chosen."""

    shape: Shape
    path: Path
    # Empty where there is none; then `why` says so.
    legs: tuple[RouteLeg, ...] = ()
    amount_out_atoms: int = 0
    net_out_atoms: int = 0
    binding: Binding | None = None
    # Why it lost; None for the one that was chosen.
    why: str | None = None
    # Whether it could be had: it is there, fits a transaction, and keeps to the request.
    is_offered: bool = False


class Route(msgspec.Struct, frozen=True, gc=False):
    """The chosen legs with all that was compared.

    Legs are in execution order: of a split all trade the same pair; of two hops those of the first
    come before those of the second, whose amounts in add up to what the first brings at least.
    """

    path: Path
    legs: tuple[RouteLeg, ...]
    # What leaves the user's account: the sum of the first hop's amounts in.
    amount_in_atoms: int
    # What reaches the user's account, by the quotes: the sum of the last hop.
    amount_out_atoms: int
    # The same less network costs; what routes are compared by. May be negative.
    net_out_atoms: int
    price_impact_bps: int
    # Of all swaps together; what is around them comes on top.
    compute_units: int
    # Every single pool of the pair, best first.
    candidates: tuple[Candidate, ...]
    # Every shape that was considered: the chosen one, then the others by what they net.
    alternatives: tuple[Alternative, ...]
    binding: Binding | None
    reason: str


class NoRoute(msgspec.Struct, frozen=True, gc=False):
    """No pool can serve the request; `error_class` is the most hopeful of the pools' reasons."""

    error_class: ErrorClass
    reason: str
    candidates: tuple[Candidate, ...]
    alternatives: tuple[Alternative, ...] = ()


def alone(candidate: Candidate, token_in: Pubkey, token_out: Pubkey) -> Alternative:
    """The pool of a candidate that serves, as a route of one leg."""
    quote = candidate.quote
    assert quote is not None
    leg = RouteLeg(candidate.pool, token_in, token_out, quote)
    path = Path((token_in, token_out))
    return Alternative(
        Shape.SINGLE,
        path,
        (leg,),
        quote.amount_out_atoms,
        candidate.net_out_atoms,
        is_offered=True,
    )


def route_of(
    chosen: Alternative,
    candidates: tuple[Candidate, ...],
    alternatives: tuple[Alternative, ...],
    reason: str,
) -> Route:
    """The chosen legs as a route."""
    path, legs = chosen.path, chosen.legs
    if len(legs) == 1:
        # Nearly every order: 1 µs less than the sums below.
        quote = legs[0].quote
        amount_in, units = quote.amount_in_atoms, quote.compute_units
        impact_bps = quote.price_impact_bps
    else:
        first = path.mints[0]
        amount_in = sum([leg.quote.amount_in_atoms for leg in legs if leg.input_mint == first])
        units = sum([leg.quote.compute_units for leg in legs])
        impact_bps = whole_impact_bps(path, legs)
    return Route(
        path,
        legs,
        amount_in,
        chosen.amount_out_atoms,
        chosen.net_out_atoms,
        impact_bps,
        units,
        candidates,
        alternatives,
        chosen.binding,
        reason,
    )


def whole_impact_bps(path: Path, legs: Sequence[RouteLeg]) -> int:
    """The price impact of all legs together, rounded up, 0 … 10,000.

    Of parallel legs what they pay against what they would at their pools' own prices before; of two
    hops what is left by the first times what is left by the second.
    """
    left_bps = BPS
    for mint in path.mints[:-1]:
        left_bps = left_bps * (BPS - _hop_impact_bps(mint, legs)) // BPS
    return BPS - left_bps


def _hop_impact_bps(input_mint: Pubkey, legs: Sequence[RouteLeg]) -> int:
    quotes = [leg.quote for leg in legs if leg.input_mint == input_mint]
    if len(quotes) == 1:
        return quotes[0].price_impact_bps
    paid = unmoved = 0
    for quote in quotes:
        if quote.price_impact_bps >= BPS:
            return BPS
        paid += quote.amount_out_atoms
        unmoved += mul_div_ceil(quote.amount_out_atoms, BPS, BPS - quote.price_impact_bps)
    return BPS - paid * BPS // unmoved


def leg_minimums(route: Route, minimum_out_atoms: int) -> tuple[int, ...]:
    """The least that each leg's instruction must pay, in execution order.

    Of the last hop together at least `minimum_out_atoms`; of the first of two together at least
    what the second takes. Pro rata of the quotes, each rounded up: no leg is asked for more than
    its quote as long as the whole is not.
    """
    middle = route.path.middle
    taken = sum(leg.quote.amount_in_atoms for leg in route.legs if leg.input_mint == middle)
    brought = sum(leg.quote.amount_out_atoms for leg in route.legs if leg.output_mint == middle)
    return tuple(
        [
            _share(leg, taken, brought)
            if leg.output_mint == middle
            else _share(leg, minimum_out_atoms, route.amount_out_atoms)
            for leg in route.legs
        ]
    )


def _share(leg: RouteLeg, minimum: int, quoted: int) -> int:
    return div_ceil(leg.quote.amount_out_atoms * minimum, quoted)
