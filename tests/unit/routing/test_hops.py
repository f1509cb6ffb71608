"""Routes through a middle token."""

import random
from typing import Any

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
    leg_minimums,
)
from fairlead.routing.limits import Room
from fairlead.venues.raydium.clmm_encode import Position
from tests.unit.routing.markets import (
    NOW,
    Made,
    Mints,
    a_clmm,
    a_cpmm,
    a_damm_v1,
    a_damm_v2,
    an_amm_v4,
    ordered,
    random_market,
    snapshot_of,
    tables_of,
)
from tests.vectors.pools import key

A, B, MIDDLE = key("hops a"), key("hops b"), key("hops middle")
ONE = 10**9
DEEP, SHALLOW = 10**6 * ONE, 100 * ONE
FREE = NetworkCosts()


def pair(one: Any, other: Any) -> Mints:
    return ordered(one, other)


def routed(
    direct: list[Made], others: list[Made], amount: int, costs: NetworkCosts = FREE, **given: Any
) -> Route | NoRoute:
    settings = {"max_legs": 4, "middles": (MIDDLE,), **given}
    return best_route(RouteRequest(A, B, amount, **settings), snapshot_of(direct, others), costs)


def route(direct: list[Made], others: list[Made], amount: int, **given: Any) -> Route:
    found = routed(direct, others, amount, **given)
    assert isinstance(found, Route), found
    return found


def hops(depth: int = DEEP, middle: Any = MIDDLE) -> list[Made]:
    """One small pool for each hop: small in bytes, so that both fit."""
    return [
        an_amm_v4(f"first {middle}", pair(A, middle), depth, 1, 500),
        an_amm_v4(f"second {middle}", pair(middle, B), depth, 1, 500),
    ]


def direct(depth: int = SHALLOW) -> list[Made]:
    return [a_cpmm("direct", pair(A, B), depth, 1, 2_500)]


def test_deep_path_beats_a_shallow_pool() -> None:
    found = route(direct(), hops(), 50 * ONE)
    assert (A, MIDDLE, B) == found.path.mints
    assert 2 == found.path.hops
    first, second = found.legs
    assert (A, MIDDLE, MIDDLE, B) == (
        first.input_mint,
        first.output_mint,
        second.input_mint,
        second.output_mint,
    )
    assert 50 * ONE == found.amount_in_atoms == first.quote.amount_in_atoms
    assert found.amount_out_atoms == second.quote.amount_out_atoms
    assert found.legs == found.alternatives[0].legs
    assert Shape.SINGLE is found.alternatives[1].shape
    assert "the path through" in found.reason


@pytest.mark.parametrize("tolerance_bps", [0, 50, 300])
def test_second_hop_takes_what_the_first_is_told_to_bring(tolerance_bps: int) -> None:
    found = route(direct(), hops(), 50 * ONE, hop_tolerance_bps=tolerance_bps)
    first, second = found.legs
    brought = first.quote.amount_out_atoms
    assert brought * (10_000 - tolerance_bps) // 10_000 == second.quote.amount_in_atoms
    # What is left over in the middle token is not part of the output.
    amount = second.quote.amount_in_atoms
    assert second.quote == second.pool.quote_exact_in(MIDDLE, amount, NOW)
    assert (amount, found.amount_out_atoms) == leg_minimums(found, found.amount_out_atoms)


def test_tolerance_counts_as_lost() -> None:
    # The pool alone loses 1 % by its depth; the path 0.1 % by its fees, and its tolerance.
    amount, pools = 50 * ONE, direct(100 * 50 * ONE)
    assert 2 == len(route(pools, hops(), amount, hop_tolerance_bps=50).legs)
    lost = route(pools, hops(), amount, hop_tolerance_bps=200)
    assert 1 == len(lost.legs)
    why = lost.alternatives[-1].why
    assert why is not None
    assert "atoms less" in why


def test_missing_middle_account_must_be_paid_for() -> None:
    sol = a_cpmm("price", ordered(WSOL_MINT, B), DEEP, 1, 100)
    others = [*hops(), sol]
    amount, pools = 2 * ONE, direct(100 * 50 * ONE)
    # The path gains 0.14 % of 2e9 atoms; an account costs 2,039,280 lamports of about an atom each.
    given: dict[str, Any] = {"hop_tolerance_bps": 0}
    assert 2 == len(route(pools, others, amount, **given).legs)
    costs = NetworkCosts(middle_rents=((MIDDLE, 2_039_280 * 4),))
    assert 1 == len(route(pools, others, amount, costs=costs, **given).legs)
    elsewhere = NetworkCosts(middle_rents=((WSOL_MINT, 2_039_280 * 4),))
    assert 2 == len(route(pools, others, amount, costs=elsewhere, **given).legs)


def test_path_serves_where_no_pool_trades_the_pair() -> None:
    found = route([], hops(), ONE)
    assert 2 == found.path.hops
    assert "only route" in found.reason
    assert () == found.candidates


def test_path_without_a_hop_says_so() -> None:
    found = routed([], hops()[:1], ONE)
    assert isinstance(found, NoRoute)
    assert "a pool of this path is missing" in found.reason
    assert [Shape.TWO_HOP] == [each.shape for each in found.alternatives]


def test_one_leg_or_no_middle_asks_for_no_path() -> None:
    assert 1 == len(route(direct(), hops(), 50 * ONE, max_legs=1).alternatives)
    assert 1 == len(route(direct(), hops(), 50 * ONE, middles=()).alternatives)
    assert 1 == len(route(direct(), hops(), 50 * ONE, middles=(A, B)).alternatives)


def test_best_of_several_middles_is_chosen() -> None:
    other = key("another middle")
    others = [*hops(DEEP // 100), *hops(DEEP, other)]
    found = route(direct(), others, 500 * ONE, middles=(MIDDLE, other))
    assert other == found.path.middle
    assert 2 == sum(each.shape is Shape.TWO_HOP for each in found.alternatives)


def test_allow_list_holds_for_every_hop() -> None:
    found = route(direct(), hops(), 50 * ONE, venues=("raydium_cpmm",))
    assert 1 == len(found.legs)


def test_whole_path_is_held_to_the_price_impact_limit() -> None:
    others = hops(50 * 100 * ONE)
    assert 2 == len(route(direct(), others, 50 * ONE, max_price_impact_bps=250).legs)
    found = routed(direct(), others, 50 * ONE, max_price_impact_bps=150)
    assert isinstance(found, NoRoute)
    assert "is above 150" in found.reason


def test_hops_are_split_where_that_pays() -> None:
    twins = [
        make(f"twin {place} {n}", mints, 1_000 * ONE, 1, 500)
        for place, mints in enumerate((pair(A, MIDDLE), pair(MIDDLE, B)))
        for n, make in enumerate((an_amm_v4, a_damm_v2))
    ]
    tables = tables_of(twins)
    found = route(direct(ONE), twins, 100 * ONE, lookup_tables=tables)
    assert 4 == len(found.legs)
    assert [A, A, MIDDLE, MIDDLE] == [leg.input_mint for leg in found.legs]
    brought = sum(leg.quote.amount_out_atoms for leg in found.legs[:2])
    taken = sum(leg.quote.amount_in_atoms for leg in found.legs[2:])
    assert brought * 9_950 // 10_000 == taken
    three = route(direct(ONE), twins, 100 * ONE, lookup_tables=tables, max_legs=3)
    assert 3 == len(three.legs)
    assert found.amount_out_atoms > three.amount_out_atoms


def test_pair_of_pools_that_fits_takes_the_place_of_one_that_does_not() -> None:
    wide = [Position(-6_000, 6_000, DEEP)]
    large = [
        a_clmm(f"large {n}", mints, wide, 1, 100)
        for n, mints in enumerate((pair(A, MIDDLE), pair(MIDDLE, B)))
    ]
    found = route(direct(), [*large, *hops()], 50 * ONE)
    assert 2 == len(found.legs)
    assert Binding.BYTES is found.binding
    assert Room().exceeded(found.legs) is None
    free = route(direct(), [*large, *hops()], 50 * ONE, lookup_tables=tables_of(large))
    assert {each.pool.address for each in large} == {leg.pool.address for leg in free.legs}


@given(st.integers(0, 2**32), st.integers(2, 5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_paths_never_net_less_than_the_best_single_pool(
    seed: int, max_legs: int, with_tables: bool
) -> None:
    rng = random.Random(seed)
    pools = random_market(rng, 3, pair(A, B), price=1)
    others = [
        each
        for ends in ((A, MIDDLE), (MIDDLE, B))
        for each in random_market(rng, rng.randrange(1, 4), pair(*ends), price=1)
    ]
    amount = int(10 ** rng.uniform(6, 13.5))
    tables = tables_of([*pools, *others]) if with_tables else ()
    alone = routed(pools, others, amount, max_legs=1)
    found = routed(pools, others, amount, max_legs=max_legs, lookup_tables=tables)
    if isinstance(alone, Route):
        assert isinstance(found, Route)
        assert found.net_out_atoms >= alone.net_out_atoms
    if isinstance(found, Route):
        assert amount == found.amount_in_atoms
        assert len(found.legs) <= max_legs
        first = [leg for leg in found.legs if leg.input_mint == A]
        assert amount == sum(leg.quote.amount_in_atoms for leg in first)
        if found.path.middle is not None:
            brought = sum(leg.quote.amount_out_atoms for leg in first)
            taken = sum(leg.quote.amount_in_atoms for leg in found.legs if leg not in first)
            assert brought * 9_950 // 10_000 == taken
        if len(found.legs) > 1:
            assert Room(tables).exceeded(found.legs) is None


def test_pools_of_a_vault_program_serve_a_hop_too() -> None:
    others = [hops()[0], a_damm_v1("vaults", pair(MIDDLE, B), DEEP, 1, 500)]
    tables = tables_of(others)
    assert 2 == route(direct(), others, 50 * ONE, lookup_tables=tables).path.hops
