"""The tree by size: the same answers as a sorted list, whatever was added and removed."""

import random
from bisect import bisect_right
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.triggers.sizes import MOST, Resting, SizeTree, end_of, price_of

GROUP = (0, "A", "B", (), 10_000)
CHANGES = st.lists(
    st.tuples(st.booleans(), st.integers(1, 60), st.integers(1, 1_000)), max_size=600
)


def order(amount: int, threshold: int, position: int) -> Resting:
    return Resting(amount, threshold, position, f"order-{position}", 2, GROUP, None)


def next_in(orders: list[Resting], after: Resting | None, price: float) -> Resting | None:
    later = orders if after is None else orders[bisect_right(orders, after) :]
    return next((each for each in later if price_of(each) <= price), None)


def check(tree: SizeTree, orders: list[Resting], price: float) -> None:
    found, after = [], None
    while (after := tree.find(after, price)) is not None:
        found.append(after)
    assert [each for each in orders if price_of(each) <= price] == found
    assert (not orders) == tree.is_empty


@given(CHANGES, st.sampled_from([0.0, 0.5, 3.0, 20.0, inf]))
def test_tree_finds_what_a_sorted_list_finds(
    changes: list[tuple[bool, int, int]], price: float
) -> None:
    tree, orders = SizeTree(), list[Resting]()
    for position, (adds, amount, threshold) in enumerate(changes):
        if adds or not orders:
            new = order(amount, threshold, position)
            tree.add(new)
            orders.insert(bisect_right(orders, new), new)
        else:
            tree.remove(orders.pop(threshold % len(orders)))
    check(tree, orders, price)
    for amount in range(0, 62, 7):
        expected = next_in(orders, end_of(amount), price)
        assert expected == tree.find(end_of(amount), price)


@pytest.mark.parametrize("seed", range(3))
def test_tree_of_many_levels_is_emptied_again(seed: int) -> None:
    dice = random.Random(seed)
    count = MOST * MOST * 2
    orders = [order(dice.randrange(1, 10**6), dice.randrange(1, 10**9), n) for n in range(count)]
    tree = SizeTree()
    for each in orders:
        tree.add(each)
    check(tree, sorted(orders), 200.0)
    dice.shuffle(orders)
    left = orders[:100]
    for each in orders[100:]:
        tree.remove(each)
    check(tree, sorted(left), inf)
    for each in left:
        tree.remove(each)
    assert tree.is_empty
    tree.add(left[0])
    assert left[0] is tree.find(None, inf)


def test_orders_of_one_size_come_with_the_easiest_first_and_end_before_the_next_size() -> None:
    tree = SizeTree()
    easy, hard, larger = order(5, 10, 3), order(5, 20, 1), order(6, 1, 2)
    for each in (larger, hard, easy):
        tree.add(each)
    assert easy is tree.find(None, inf)
    assert hard is tree.find(easy, inf)
    assert larger is tree.find(end_of(5), inf)
