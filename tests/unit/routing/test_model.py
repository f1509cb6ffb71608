"""What a route says of its legs."""

from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.routing import Alternative, Path, Route, RouteLeg, Shape, leg_minimums, route_of
from fairlead.routing.model import whole_impact_bps
from fairlead.venues.venue import LoadedPool, SwapQuote
from tests.vectors.pools import key

A, MIDDLE, B = key("a"), key("middle"), key("b")
outs = st.lists(st.integers(1, 2**63), min_size=1, max_size=5)


def leg(source: Pubkey, target: Pubkey, amount: int, out: int, impact_bps: int = 0) -> RouteLeg:
    quote = SwapQuote(amount, out, 0, source, impact_bps, 50_000)
    return RouteLeg(cast(LoadedPool, None), source, target, quote)


def route(path: Path, *legs: RouteLeg) -> Route:
    out = sum(each.quote.amount_out_atoms for each in legs if each.output_mint == path.mints[-1])
    chosen = Alternative(Shape.SPLIT, path, legs, out, out)
    return route_of(chosen, (), (chosen,), "")


@given(outs, st.data())
def test_minimums_of_a_split_add_up_to_the_orders(paid: list[int], data: st.DataObject) -> None:
    split = route(Path((A, B)), *[leg(A, B, 1, out) for out in paid])
    minimum = data.draw(st.integers(1, sum(paid)))
    least = leg_minimums(split, minimum)
    assert minimum <= sum(least) < minimum + len(paid)
    assert all(0 < one <= out for one, out in zip(least, paid, strict=True))


@given(st.integers(1, 2**63), st.data())
def test_minimum_of_a_single_pool_is_the_orders(out: int, data: st.DataObject) -> None:
    minimum = data.draw(st.integers(1, out))
    assert (minimum,) == leg_minimums(route(Path((A, B)), leg(A, B, 1, out)), minimum)


@given(outs, outs, st.integers(0, 5_000), st.data())
def test_first_hop_brings_at_least_what_the_second_takes(
    brought: list[int], paid: list[int], tolerance_bps: int, data: st.DataObject
) -> None:
    taken = max(sum(brought) * (10_000 - tolerance_bps) // 10_000, 1)
    parts = [taken // len(paid)] * len(paid)
    parts[0] += taken - sum(parts)
    legs = [leg(A, MIDDLE, 1, out) for out in brought]
    legs += [leg(MIDDLE, B, part, out) for part, out in zip(parts, paid, strict=True)]
    minimum = data.draw(st.integers(1, sum(paid)))
    least = leg_minimums(route(Path((A, MIDDLE, B)), *legs), minimum)
    first, second = least[: len(brought)], least[len(brought) :]
    assert sum(first) >= taken
    assert all(one <= out for one, out in zip(first, brought, strict=True))
    assert sum(second) >= minimum


def test_route_takes_what_its_first_hop_takes() -> None:
    legs = (leg(A, MIDDLE, 60, 6), leg(A, MIDDLE, 40, 4), leg(MIDDLE, B, 9, 900))
    found = route(Path((A, MIDDLE, B)), *legs)
    assert (100, 900, 150_000) == (
        found.amount_in_atoms,
        found.amount_out_atoms,
        found.compute_units,
    )


def test_impact_of_parallel_legs_is_that_of_their_sum() -> None:
    # 9,900 of 10,000 and 5,000 of 10,000: 14,900 of 20,000.
    legs = (leg(A, B, 1, 9_900, 100), leg(A, B, 1, 5_000, 5_000))
    assert 2_550 == whole_impact_bps(Path((A, B)), legs)


def test_impact_of_two_hops_is_of_what_the_first_leaves() -> None:
    legs = (leg(A, MIDDLE, 1, 1, 1_000), leg(MIDDLE, B, 1, 1, 2_000))
    assert 10_000 - 9_000 * 8_000 // 10_000 == whole_impact_bps(Path((A, MIDDLE, B)), legs)


def test_worthless_leg_is_all_impact() -> None:
    legs = (leg(A, B, 1, 1, 10_000), leg(A, B, 1, 1, 0))
    assert 10_000 == whole_impact_bps(Path((A, B)), legs)
