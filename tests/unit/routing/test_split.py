"""Routes over several pools of a pair."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.routing import (
    WSOL_MINT,
    Binding,
    NetworkCosts,
    NoRoute,
    Route,
    RouteRequest,
    Shape,
    best_route,
)
from fairlead.routing.limits import Room
from fairlead.routing.split import SplitRequest, _exact, vessels_of
from fairlead.routing.water import Level
from fairlead.venues.raydium.clmm_encode import Position
from fairlead.venues.venue import ChainTime, LoadedPool, SwapQuote
from tests.unit.routing.cases import random_case
from tests.unit.routing.markets import (
    MINTS,
    NOW,
    Made,
    Mints,
    a_clmm,
    a_cpmm,
    a_damm_v2,
    a_dlmm,
    an_amm_v4,
    ordered,
    snapshot_of,
    tables_of,
)
from tests.unit.routing.reference import capacity

ONE_SOL = 10**9
SOL_PAIR = ordered(WSOL_MINT, MINTS[0])
assert WSOL_MINT == SOL_PAIR[0]
seeds = st.integers(0, 2**32)
RANGE = [Position(-19_500, -18_500, 2_000 * ONE_SOL)]
FREE = NetworkCosts()


def routed(
    made: list[Made], amount: int, side: int = 0, costs: NetworkCosts = FREE, **given: Any
) -> Route | NoRoute:
    mints = made[0].pool.mints
    request = RouteRequest(mints[side], mints[1 - side], amount, **{"max_legs": 4, **given})
    return best_route(request, snapshot_of(made), costs)


def route(made: list[Made], amount: int, **given: Any) -> Route:
    found = routed(made, amount, **given)
    assert isinstance(found, Route), found
    return found


def twins(count: int, mints: Mints = MINTS) -> list[Made]:
    return [a_cpmm(f"twin {n}", mints, 1_000 * ONE_SOL, 0.15, 2_500) for n in range(count)]


@given(seeds, st.integers(2, 6), st.sampled_from((0, 1_000, 1_000_000)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_route_never_nets_less_than_the_best_single_pool(
    seed: int, max_legs: int, price: int, tables: bool
) -> None:
    case = random_case(random.Random(seed))
    costs = NetworkCosts(price)
    held = tables_of(case.made) if tables else ()
    given: dict[str, Any] = {"side": case.side, "costs": costs}
    alone = routed(case.made, case.amount, max_legs=1, **given)
    found = routed(case.made, case.amount, max_legs=max_legs, lookup_tables=held, **given)
    if isinstance(alone, Route):
        assert isinstance(found, Route)
        assert found.net_out_atoms >= alone.net_out_atoms
    if isinstance(found, Route):
        assert case.amount == found.amount_in_atoms
        assert case.amount == sum(leg.quote.amount_in_atoms for leg in found.legs)
        assert found.amount_out_atoms == sum(leg.quote.amount_out_atoms for leg in found.legs)
        assert len(found.legs) <= max_legs
        assert len(found.legs) == len({leg.pool.address for leg in found.legs})
        for leg in found.legs:
            amount = leg.quote.amount_in_atoms
            assert leg.quote == leg.pool.quote_exact_in(leg.input_mint, amount, NOW)
        if len(found.legs) > 1:
            assert Room(held).exceeded(found.legs) is None


@given(seeds, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_of_the_pools_decides_nothing(seed: int, order: random.Random) -> None:
    case = random_case(random.Random(seed))
    held = tables_of(case.made)
    first = route(case.made, case.amount, side=case.side, lookup_tables=held)
    shuffled = list(case.made)
    order.shuffle(shuffled)
    second = route(shuffled, case.amount, side=case.side, lookup_tables=held)
    assert [leg.pool.address for leg in first.legs] == [leg.pool.address for leg in second.legs]
    assert first.amount_out_atoms == second.amount_out_atoms
    assert first.reason == second.reason


def test_equal_pools_share_equally() -> None:
    made = twins(3)
    found = route(made, 90 * ONE_SOL, lookup_tables=tables_of(made))
    assert [30 * ONE_SOL] * 3 == [leg.quote.amount_in_atoms for leg in found.legs]
    assert Shape.SPLIT is found.alternatives[0].shape


def test_atoms_left_over_go_where_they_pay_most() -> None:
    made = twins(3)
    found = route(made, 90 * ONE_SOL + 2, lookup_tables=tables_of(made))
    amounts = sorted(leg.quote.amount_in_atoms for leg in found.legs)
    assert [30 * ONE_SOL, 30 * ONE_SOL, 30 * ONE_SOL + 2] == amounts


@given(st.integers(100, 5_000), st.integers(100, 5_000))
@settings(deadline=None)
def test_atom_left_over_is_tried_with_every_leg(first: int, second: int) -> None:
    # Of few atoms, each worth a million of the output, the last one counts.
    pools = [a_cpmm(f"dear {n}", MINTS, 10_007 * (n + 1), 1e6, 100).pool for n in range(2)]
    request = SplitRequest(*MINTS, first + second + 1, NOW, 2, 0)
    vessels = vessels_of(pools, MINTS[0], request.amount_in_atoms, NOW, {}, lambda _: 0)
    parts = {pools[0].address: first, pools[1].address: second}
    amounts = [parts[vessel.pool.address] + 0.5 for vessel in vessels]
    legs = _exact(request, vessels, Level(1.0, amounts))
    assert isinstance(legs, tuple)
    best = max(
        sum(
            pool.quote_exact_in(
                MINTS[0], parts[pool.address] + (pool is lucky), NOW
            ).amount_out_atoms
            for pool in pools
        )
        for lucky in pools
    )
    assert best == sum(leg.quote.amount_out_atoms for leg in legs)


def test_pools_that_refuse_the_whole_serve_it_together() -> None:
    bins = dict.fromkeys(range(-5, 6), 10 * ONE_SOL)
    made = [a_dlmm(f"end {n}", MINTS, bins, 0.15, 500) for n in range(2)]
    amount = int(capacity(made[0].curves[0]) * 1.5)
    assert isinstance(routed(made, amount, max_legs=1), NoRoute)
    found = route(made, amount, lookup_tables=tables_of(made))
    assert 2 == len(found.legs)
    assert amount == found.amount_in_atoms
    assert "only route" in found.reason


def test_more_than_all_pools_take_has_no_route() -> None:
    bins = dict.fromkeys(range(-5, 6), 10 * ONE_SOL)
    made = [a_dlmm(f"end {n}", MINTS, bins, 0.15, 500) for n in range(2)]
    amount = int(capacity(made[0].curves[0]) * 2.1)
    assert isinstance(routed(made, amount), NoRoute)


@pytest.mark.parametrize(("price", "legs"), [(0, 2), (10_000_000, 2), (2_000_000_000, 1)])
def test_leg_must_earn_its_compute_units(price: int, legs: int) -> None:
    # Half of it to the twin saves 50 bps of 10 SOL; a leg asks for 55,800 units more.
    made = twins(2, SOL_PAIR)
    found = route(
        made, 10 * ONE_SOL, costs=NetworkCosts(price), lookup_tables=tables_of(made), min_gain_bps=0
    )
    assert legs == len(found.legs)


@pytest.mark.parametrize(("gain_bps", "legs"), [(40, 2), (60, 1)])
def test_leg_must_gain_what_the_order_asks_of_it(gain_bps: int, legs: int) -> None:
    made = twins(2)
    found = route(made, 10 * ONE_SOL, min_gain_bps=gain_bps, lookup_tables=tables_of(made))
    assert legs == len(found.legs)


class Counted:
    """A pool that counts what it is asked."""

    def __init__(self, pool: LoadedPool) -> None:
        self.pool = pool
        self.quotes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    def quote_exact_in(self, mint: Any, amount: int, time: ChainTime) -> SwapQuote:
        self.quotes += 1
        return self.pool.quote_exact_in(mint, amount, time)


def test_small_order_asks_each_pool_once() -> None:
    counted = [Counted(each.pool) for each in twins(2)]
    made: list[Any] = [Made(pool, ([], [])) for pool in counted]  # type: ignore[arg-type]
    assert 1 == len(route(made, ONE_SOL // 100).legs)
    assert [1, 1] == [pool.quotes for pool in counted]
    route(made, 100 * ONE_SOL)
    assert all(pool.quotes > 2 for pool in counted)


def test_every_alternative_says_what_it_would_pay_and_why_it_lost() -> None:
    made = twins(2)
    found = route(made, 50 * ONE_SOL, lookup_tables=tables_of(made))
    chosen, lost = found.alternatives
    assert (Shape.SPLIT, Shape.SINGLE) == (chosen.shape, lost.shape)
    assert (None, found.legs) == (chosen.why, chosen.legs)
    less = found.net_out_atoms - lost.net_out_atoms
    assert f"nets {less} atoms less" == lost.why
    assert (
        lost.amount_out_atoms
        == made[0].pool.quote_exact_in(MINTS[0], 50 * ONE_SOL, NOW).amount_out_atoms
    )
    assert "a split over raydium_cpmm, raydium_cpmm pays" in found.reason
    assert 2 == len(found.candidates)


def test_the_whole_is_held_to_the_price_impact_limit() -> None:
    # Alone each moves by 476 bps, together by half of it.
    made = twins(2)
    tables = tables_of(made)
    found = route(made, 50 * ONE_SOL, max_price_impact_bps=300, lookup_tables=tables)
    assert 2 == len(found.legs)
    assert 245 == found.price_impact_bps
    refused = routed(made, 50 * ONE_SOL, max_price_impact_bps=200, lookup_tables=tables)
    assert isinstance(refused, NoRoute)
    assert "245 bps is above 200" in refused.reason


def test_route_that_a_limit_keeps_from_paying_more_says_so() -> None:
    made = [a_clmm(f"deep {n}", SOL_PAIR, RANGE, 0.15, 500) for n in range(3)]
    small = route(made, 100 * ONE_SOL)
    assert (1, Binding.BYTES) == (len(small.legs), small.binding)
    unfit = [each for each in small.alternatives if each.binding is not None and each.why]
    assert ["exceeds bytes of one transaction"] == [each.why for each in unfit]
    assert unfit[0].net_out_atoms > small.net_out_atoms
    large = route(made, 100 * ONE_SOL, lookup_tables=tables_of(made))
    assert (3, None) == (len(large.legs), large.binding)


def test_pools_that_fit_together_take_the_place_of_a_better_one_that_does_not() -> None:
    deep = a_clmm("deep", SOL_PAIR, RANGE, 0.15, 500)
    made = [
        deep,
        an_amm_v4("small", SOL_PAIR, 1_000 * ONE_SOL, 0.15, 2_500),
        a_damm_v2("other", SOL_PAIR, 1_000 * ONE_SOL, 0.15, 2_500),
    ]
    tables = tables_of(made)
    assert deep.pool.address in {
        leg.pool.address for leg in route(made, 300 * ONE_SOL, lookup_tables=tables).legs
    }
    found = route(made, 300 * ONE_SOL)
    addresses = {leg.pool.address for leg in found.legs}
    assert {each.pool.address for each in made[1:]} == addresses
    assert Binding.BYTES is found.binding
    assert "bytes of one transaction keep better ones out" in found.reason


def test_venues_outside_the_allow_list_take_no_part() -> None:
    made = [*twins(1), an_amm_v4("other", MINTS, 1_000 * ONE_SOL, 0.15, 2_500)]
    found = route(made, 50 * ONE_SOL, venues=("raydium_cpmm",), lookup_tables=tables_of(made))
    assert [made[0].pool.address] == [leg.pool.address for leg in found.legs]


def test_unknown_kind_of_pool_is_split_by_its_quotes_alone() -> None:
    known = twins(2)
    made: list[Any] = [Made(Counted(each.pool), each.curves) for each in known]  # type: ignore[arg-type]
    found = route(made, 50 * ONE_SOL, lookup_tables=tables_of(known))
    exact = route(known, 50 * ONE_SOL, lookup_tables=tables_of(known))
    assert 2 == len(found.legs)
    assert found.amount_out_atoms >= exact.amount_out_atoms * 99_999 // 100_000


def test_request_for_one_leg_is_not_searched() -> None:
    found = route(twins(4), 100 * ONE_SOL, max_legs=1)
    assert [Shape.SINGLE] == [each.shape for each in found.alternatives]
    assert msgspec.structs.asdict(found)["binding"] is None
