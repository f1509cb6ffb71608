"""The route with the highest net output, and why."""

from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.ports import PoolSnapshot
from fairlead.routing import WSOL_MINT, NetworkCosts, NoRoute, Route, RouteRequest, best_route
from fairlead.venues.venue import ChainTime, ErrorClass, LoadedPool, SwapQuote, Venue, VenueError

USDC = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
TIME = ChainTime(1, 1, 0)


@dataclass(frozen=True)
class PricedPool:
    """Pays a fixed output, or refuses."""

    number: int
    out: int = 0
    units: int = 0
    impact_bps: int = 0
    refusal: VenueError | None = None
    venue: Venue = Venue.RAYDIUM_CPMM

    @property
    def address(self) -> Pubkey:
        return Pubkey(bytes(31) + bytes((self.number,)))

    def quote_exact_in(self, input_mint: Pubkey, amount: int, time: ChainTime) -> SwapQuote:
        if self.refusal is not None:
            raise self.refusal
        return SwapQuote(amount, self.out, 0, input_mint, self.impact_bps, self.units)


def routed(*pools: PricedPool, price: int = 0, **given: Any) -> Route | NoRoute:
    request = RouteRequest(WSOL_MINT, USDC, 1_000_000_000, **given)
    snapshot = PoolSnapshot(1, TIME, tuple(cast(LoadedPool, pool) for pool in pools))
    return best_route(request, snapshot, NetworkCosts(price))


@given(st.lists(st.integers(1, 2**63), min_size=1, max_size=8))
def test_no_pool_pays_more_than_the_chosen_one(outs: list[int]) -> None:
    route = routed(*(PricedPool(number, out) for number, out in enumerate(outs)))
    assert isinstance(route, Route)
    assert max(outs) == route.amount_out_atoms
    assert len(outs) == len(route.candidates)


def test_network_costs_decide_between_nearly_equal_outputs() -> None:
    # A swap of 1 SOL at 150 USDC; 1,000,000 units more at 1 lamport each cost 0.15 USDC.
    cheap, dear = PricedPool(1, 150_000_000, 50_000), PricedPool(2, 150_100_000, 1_050_000)
    route = routed(cheap, dear, price=1_000_000)
    assert isinstance(route, Route)
    assert cheap.address == route.legs[0].pool.address


def test_every_alternative_is_kept_with_its_reason() -> None:
    closed = VenueError(ErrorClass.NOT_YET, "NotApproved", 6000)
    route = routed(PricedPool(1, 5), PricedPool(2, refusal=closed), PricedPool(3, 9))
    assert isinstance(route, Route)
    assert [9, 5] == [c.quote.amount_out_atoms for c in route.candidates if c.quote]
    assert ["NotApproved (6000)"] == [c.error for c in route.candidates if not c.quote]


def test_the_orders_allow_list_and_price_impact_bind() -> None:
    meteora = PricedPool(1, 9, venue=Venue.METEORA_DAMM_V2)
    route = routed(meteora, PricedPool(2, 5), venues=("raydium_cpmm",))
    assert isinstance(route, Route)
    assert 5 == route.amount_out_atoms
    moved = routed(PricedPool(1, 9, impact_bps=51), max_price_impact_bps=50)
    assert isinstance(moved, NoRoute)
    assert ErrorClass.STALE is moved.error_class


def test_without_a_route_the_most_hopeful_reason_counts() -> None:
    off = VenueError(ErrorClass.TERMINAL, "off")
    soon = VenueError(ErrorClass.NOT_YET, "soon")
    none = routed(PricedPool(1, refusal=off), PricedPool(2, refusal=soon))
    assert isinstance(none, NoRoute)
    assert (ErrorClass.NOT_YET, "raydium_cpmm: off; raydium_cpmm: soon") == (
        none.error_class,
        none.reason,
    )
    empty = routed()
    assert isinstance(empty, NoRoute)
    assert ErrorClass.TERMINAL is empty.error_class


def test_pair_whose_pools_are_all_left_out_says_why_and_names_the_first() -> None:
    request = RouteRequest(WSOL_MINT, USDC, 1_000_000_000)
    left_out = tuple([(PricedPool(n).address, f"reason_{n}") for n in range(5)])
    none = best_route(request, PoolSnapshot(1, TIME, (), left_out), NetworkCosts(0))
    assert isinstance(none, NoRoute)
    assert ErrorClass.TERMINAL is none.error_class
    told = "; ".join(f"{address}: {reason}" for address, reason in left_out[:3])
    assert f"every pool of this pair is left out: {told}; and 2 more" == none.reason
    none = best_route(request, PoolSnapshot(1, TIME, (), left_out[:1]), NetworkCosts(0))
    assert isinstance(none, NoRoute)
    assert none.reason.endswith(": reason_0")
    # Pools around the pair have nothing to do with it.
    around = PoolSnapshot(1, TIME, (), others_left_out=left_out)
    none = best_route(request, around, NetworkCosts(0))
    assert isinstance(none, NoRoute)
    assert "no pool trades this pair" == none.reason
