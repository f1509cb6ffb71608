"""The pool that brings an exact output for the least input, and why."""

import random
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.ports import PoolSnapshot
from fairlead.routing import WSOL_MINT, NetworkCosts, NoRoute, Route
from fairlead.routing.exact_out import NAMES_NO_OUTPUT, ExactOutRequest, exact_out_route
from fairlead.venues.venue import ChainTime, ErrorClass, LoadedPool, SwapQuote, Venue, VenueError
from tests.unit.routing.markets import MINTS, NOW, random_market

USDC = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
TIME = ChainTime(1, 1, 0)
WANTED = 150_000_000


@dataclass(frozen=True)
class PricedPool:
    """Takes a fixed input, or refuses."""

    number: int
    takes: int = 0
    units: int = 0
    impact_bps: int = 0
    refusal: VenueError | None = None
    venue: Venue = Venue.RAYDIUM_CPMM
    # Short of what is asked for, or beyond it.
    more: int = 0

    @property
    def address(self) -> Pubkey:
        return Pubkey(bytes(31) + bytes((self.number,)))

    def quote_exact_out(self, input_mint: Pubkey, amount: int, time: ChainTime) -> SwapQuote:
        if self.refusal is not None:
            raise self.refusal
        out = amount + self.more
        return SwapQuote(self.takes, out, 0, input_mint, self.impact_bps, self.units)


def routed(
    *pools: PricedPool,
    price: int = 0,
    pair: tuple[Pubkey, Pubkey] = (WSOL_MINT, USDC),
    **given: Any,
) -> Route | NoRoute:
    request = ExactOutRequest(*pair, WANTED, **given)
    snapshot = PoolSnapshot(1, TIME, tuple(cast(LoadedPool, pool) for pool in pools))
    return exact_out_route(request, snapshot, NetworkCosts(price))


@given(st.lists(st.integers(1, 2**63), min_size=1, max_size=8))
def test_no_pool_takes_less_than_the_chosen_one(inputs: list[int]) -> None:
    route = routed(*(PricedPool(number, takes) for number, takes in enumerate(inputs)))
    assert isinstance(route, Route)
    assert (min(inputs), WANTED) == (route.amount_in_atoms, route.amount_out_atoms)
    assert len(inputs) == len(route.candidates)
    told = [each.quote.amount_in_atoms for each in route.candidates if each.quote is not None]
    assert sorted(told) == told


@pytest.mark.parametrize("pair", [(WSOL_MINT, USDC), (USDC, WSOL_MINT)])
def test_network_costs_decide_between_nearly_equal_inputs(pair: tuple[Pubkey, Pubkey]) -> None:
    # 1,000,000 units more at 1 lamport each are 0.001 SOL: of the input itself, or of 0.15 out.
    cheap, dear = PricedPool(1, 1_000_900_000, 50_000), PricedPool(2, 1_000_000_000, 1_050_000)
    for price, chosen in ((0, dear), (1_000_000, cheap)):
        route = routed(cheap, dear, price=price, pair=pair)
        assert isinstance(route, Route)
        assert chosen.address == route.legs[0].pool.address


def test_ties_go_to_the_lower_address() -> None:
    route = routed(PricedPool(9, 5), PricedPool(3, 5), PricedPool(4, 5))
    assert isinstance(route, Route)
    assert [3, 4, 9] == [bytes(each.pool.address)[31] for each in route.candidates]


def test_the_reason_says_what_it_saves() -> None:
    # The base fee of a signature counts with both.
    dear, cheap = PricedPool(1, 995_000), PricedPool(2, 985_000, venue=Venue.METEORA_DLMM)
    route = routed(dear, cheap)
    assert isinstance(route, Route)
    assert "meteora_dlmm takes 100 bps less, fees included, than raydium_cpmm" == route.reason
    alone = routed(PricedPool(1, 1_000_000))
    assert "raydium_cpmm is the only pool that can serve the order" == alone.reason


def test_a_program_without_an_exact_output_says_so_by_name() -> None:
    cannot = PricedPool(1, 1, venue=Venue.METEORA_DAMM_V1)
    route = routed(cannot, PricedPool(2, 5))
    assert isinstance(route, Route)
    assert [None, "has no swap of an exact output"] == [each.error for each in route.candidates]
    none = routed(cannot)
    assert isinstance(none, NoRoute)
    assert ErrorClass.TERMINAL is none.error_class
    assert "meteora_damm_v1: has no swap of an exact output" == none.reason


@pytest.mark.parametrize(
    ("pool", "limits", "told", "meant"),
    [
        (PricedPool(1, 5, more=-1), {}, "would bring 149999999", ErrorClass.LIQUIDITY),
        (PricedPool(1, 0), {}, "for 0", ErrorClass.LIQUIDITY),
        (
            PricedPool(1, 5, impact_bps=31),
            {"max_price_impact_bps": 30},
            "price impact 31 bps is above 30",
            ErrorClass.STALE,
        ),
        (PricedPool(1, 5), {"venues": ("meteora_dlmm",)}, "allow-list", ErrorClass.TERMINAL),
        (
            PricedPool(1, refusal=VenueError(ErrorClass.NOT_YET, "NotApproved")),
            {},
            "NotApproved",
            ErrorClass.NOT_YET,
        ),
    ],
)
def test_what_does_not_serve_says_why(
    pool: PricedPool, limits: dict[str, Any], told: str, meant: ErrorClass
) -> None:
    none = routed(pool, **limits)
    assert isinstance(none, NoRoute)
    assert told in none.reason
    assert meant is none.error_class


@given(st.integers(0, 2**32), st.integers(0, 1), st.integers(1_000, 10**11))
def test_what_an_input_brings_costs_no_more_than_that_input(
    seed: int, side: int, amount: int
) -> None:
    # Of every venue's own pools: the exact output that an exact input pays.
    pair = MINTS if not side else MINTS[::-1]
    for made in random_market(random.Random(seed), 6):
        pool = made.pool
        try:
            paid = pool.quote_exact_in(pair[0], amount, NOW).amount_out_atoms
        except VenueError:
            continue
        if paid == 0 or pool.venue in NAMES_NO_OUTPUT:
            continue
        quote = pool.quote_exact_out(pair[0], paid, NOW)
        assert quote.amount_in_atoms <= amount, pool.venue
        assert quote.amount_out_atoms >= paid, pool.venue


@given(st.integers(0, 2**32), st.integers(0, 1), st.integers(1, 10**11))
def test_the_route_brings_what_is_asked_for_and_no_pool_does_for_less(
    seed: int, side: int, wanted: int
) -> None:
    token_in, token_out = MINTS if not side else MINTS[::-1]
    pools = tuple(made.pool for made in random_market(random.Random(seed), 6))
    snapshot = PoolSnapshot(1, NOW, pools)
    route = exact_out_route(ExactOutRequest(token_in, token_out, wanted), snapshot, NetworkCosts())
    assert len(pools) == len(route.candidates)
    if isinstance(route, NoRoute):
        return
    (leg,) = route.legs
    assert leg.pool.venue not in NAMES_NO_OUTPUT
    assert wanted <= route.amount_out_atoms <= U64_MAX
    served = [each.quote for each in route.candidates if each.quote is not None]
    assert route.amount_in_atoms == min(quote.amount_in_atoms for quote in served)
