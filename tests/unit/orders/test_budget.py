"""What attempts may cost together, and when one more may live beside others."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders import budget
from fairlead.orders.budget import (
    CANCEL_ALLOWANCE_LAMPORTS,
    Bidding,
    may_sign,
    room_lamports,
    still_excludes,
)
from fairlead.orders.model import Attempt, AttemptKind, AttemptState, OrderStatus
from fairlead.solana.fees import (
    LEAST_RAISE_MICRO_LAMPORTS,
    affordable_price,
    base_fee_lamports,
    priority_fee_lamports,
    raised_price,
)
from fairlead.solana.landing import May
from tests.unit.orders.facts import attempt, never_landed, order, terms

ROW = order(OrderStatus.SUBMITTED)
BIDDING = Bidding(max_attempts_per_round=3)
LIVE, DEAD, ERRORED = AttemptState.LIVE, AttemptState.DEAD, AttemptState.ERRORED


def attempts(*each: dict[str, Any]) -> tuple[Attempt, ...]:
    return tuple(
        attempt(number=n, signature=f"{n}" * 88, **given) for n, given in enumerate(each, 1)
    )


def test_all_but_those_that_never_landed_count_against_the_cap() -> None:
    row = order(OrderStatus.SUBMITTED, terms=terms(fee_cap_lamports=100_000))
    paid = attempts(*[{"fee_lamports": 10_000, "state": state} for state in AttemptState])
    all_of_them = 100_000 - 10_000 * len(AttemptState)
    # Dead without a word about its status: it may have landed with an error.
    assert all_of_them == room_lamports(row, paid, AttemptKind.SWAP)
    told = tuple(never_landed(each) if each.state is DEAD else each for each in paid)
    assert all_of_them + 10_000 == room_lamports(row, told, AttemptKind.SWAP)


def test_cancels_have_an_allowance_of_their_own() -> None:
    both = attempts({"fee_lamports": 7_000}, {"fee_lamports": 5_000, "legs": ()})
    cap = ROW.terms.fee_cap_lamports
    assert cap - 7_000 == room_lamports(ROW, both, AttemptKind.SWAP)
    left = CANCEL_ALLOWANCE_LAMPORTS - 5_000
    assert left == room_lamports(ROW, both, AttemptKind.CANCEL)


def test_under_a_latch_the_newest_may_be_outbid_or_renewed() -> None:
    assert May(raise_fee=True, renew=True) == may_sign(ROW, attempts({}), True, BIDDING)


@pytest.mark.parametrize(
    ("each", "bidding"),
    [
        (({},), Bidding(latch=False)),
        (({"latch_address": None},), BIDDING),
        (({"latch_generation": 1},), BIDDING),
        (({}, {}, {}), BIDDING),
        (({"state": DEAD}, {"state": DEAD}, {}), BIDDING),
        (({"state": ERRORED}, {}), BIDDING),
    ],
    ids=["off", "unlatched", "another generation", "as many as a round has", "dead ones count",
         "one has failed"],
)  # fmt: skip
def test_nothing_is_signed_beside(each: tuple[dict[str, Any], ...], bidding: Bidding) -> None:
    assert May() == may_sign(ROW, attempts(*each), True, bidding)


def test_no_raise_where_the_price_is_at_its_cap_and_no_renewal_without_its_base_fee() -> None:
    at_cap = attempts({"compute_unit_price_micro_lamports": BIDDING.max_price_micro_lamports})
    assert May(renew=True) == may_sign(ROW, at_cap, True, BIDDING)
    poor = order(OrderStatus.SUBMITTED, terms=terms(fee_cap_lamports=9_999))
    assert May() == may_sign(poor, attempts({}), True, BIDDING)


def test_a_cancel_needs_a_swap_to_race_and_is_tried_as_often_as_a_round() -> None:
    row = order(OrderStatus.CANCELLING)
    cancel = {"legs": ()}
    for each, may in (
        (({},), True),
        (({}, cancel, cancel), True),
        (({}, cancel, cancel, cancel), False),
        (({"state": DEAD}, cancel), False),
        (({"latch_address": None},), False),
    ):
        assert May(cancel=may) == may_sign(row, attempts(*each), False, BIDDING), each


@given(
    st.integers(0, 2_000_000),
    st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 1_400_000)), max_size=6),
    st.integers(100, 400),
)
def test_raises_never_exceed_the_cap_over_all_that_may_pay(
    cap: int, moves: list[tuple[int, int]], percent: int
) -> None:
    """A raise that is allowed, at the price it would take, fits: whatever came before."""
    row = order(OrderStatus.SUBMITTED, terms=terms(fee_cap_lamports=cap))
    bidding = Bidding(raise_percent=percent, max_attempts_per_round=20)
    made: list[Attempt] = []
    for number, (asked, units) in enumerate(moves, 1):
        room = room_lamports(row, made, AttemptKind.SWAP)
        if made and not may_sign(row, made, True, bidding).renew:
            break
        price = min(asked, affordable_price(room, units))
        fee = base_fee_lamports(1) + priority_fee_lamports(units, price)
        one = attempt(number=number, compute_unit_limit=units, fee_lamports=fee)
        made.append(msgspec.structs.replace(one, compute_unit_price_micro_lamports=price))
    assert sum(a.fee_lamports for a in made) <= max(cap, base_fee_lamports(1))
    if made and may_sign(row, made, True, bidding).raise_fee:
        last = made[-1]
        price = raised_price(last.compute_unit_price_micro_lamports, percent, 1_000_000)
        assert price > last.compute_unit_price_micro_lamports
        fee = base_fee_lamports(1) + priority_fee_lamports(last.compute_unit_limit, price)
        assert fee <= room_lamports(row, made, AttemptKind.SWAP)


@pytest.mark.parametrize(
    ("price", "percent", "expected"),
    [(0, 150, LEAST_RAISE_MICRO_LAMPORTS), (100_000, 150, 150_000), (100_001, 150, 150_002),
     (999_999, 150, 1_000_000), (1_000_000, 150, 1_000_000)],
)  # fmt: skip
def test_a_raise_is_a_multiple_and_at_the_least_something(
    price: int, percent: int, expected: int
) -> None:
    assert expected == raised_price(price, percent, 1_000_000)


def test_a_first_attempt_may_cost_its_base_fee_and_a_further_one_only_what_is_left() -> None:
    row = order(OrderStatus.ROUTING, terms=terms(fee_cap_lamports=4_000))

    def is_spent(earlier: tuple[Attempt, ...]) -> bool:
        return budget.is_spent(row, room_lamports(row, earlier, AttemptKind.SWAP))

    assert not is_spent(())
    assert is_spent(attempts({"state": ERRORED}))
    assert is_spent(attempts({"state": DEAD}))
    assert not is_spent(tuple(never_landed(each) for each in attempts({})))


def test_a_latch_excludes_until_it_may_be_taken_back() -> None:
    live = attempts({"blockhash_height": 1_000}, {"blockhash_height": 1_150})
    # A reclaim lands past the first one's death and the margin: what dies before is excluded.
    assert still_excludes(live, 1_300, 300)
    assert not still_excludes(live, 1_301, 300)
    assert still_excludes(live[1:], 1_450, 300)
    assert still_excludes((), 10_000, 0)


def test_nothing_is_excluded_by_what_was_seen_to_land() -> None:
    assert not still_excludes(attempts({"blockhash_height": 1_000, "slot": 7}), 1_000, 300)
