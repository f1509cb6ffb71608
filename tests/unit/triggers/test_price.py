"""The book fires every order whose limit holds at its own size, and no other."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.orders.model import TriggerState
from fairlead.triggers import price
from fairlead.triggers.offers import Offers
from fairlead.triggers.price import Book
from fairlead.venues.meteora.damm_v2_fees import RATE_LIMITER, BaseFee
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import LoadedPool, Venue, VenueError
from tests.unit.triggers.facts import PAIR, A, B, decide_all, fired, fires, resting, snapshot
from tests.unit.venues.pools import MINTS, NOW, cpmm_pool, damm_v2_pool

DEPTH = 10**12
SIZES = st.integers(1, 2_000) | st.integers(1, DEPTH // 10) | st.sampled_from([10**6, 10**9])
LIMITER = BaseFee(2_500_000, RATE_LIMITER, 100, 10_000, 5_000, 10**8)
VENUES = (None, (Venue.RAYDIUM_CPMM.value,), (Venue.METEORA_DAMM_V2.value,))


def pools_at(
    mils: int, *, limiter: bool = False, fee: TransferFee | None = None
) -> list[LoadedPool]:
    """A pool of each venue at mils/1,000 atoms of B for one of A, a little apart."""
    root = int((1 << 64) * (mils / 1_000) ** 0.5)
    return [
        cpmm_pool((DEPTH, DEPTH * mils // 1_000), fees=(fee, None)),
        damm_v2_pool(LIMITER if limiter else None, sqrt_price=root * 1_001 // 1_000),
    ]


@st.composite
def orders(draw: st.DrawFn, number: int) -> TriggerState:
    """An order whose limit is near what its size is paid at some price of the path."""
    token_in, token_out = draw(st.sampled_from([(A, B), (B, A)]))
    amount, mils = draw(SIZES), draw(st.integers(950, 1_050))
    pool = pools_at(mils)[0]
    try:
        paid = pool.quote_exact_in(MINTS[token_in != A], amount, NOW).amount_out_atoms
    except VenueError:
        paid = 1
    threshold = max(1, paid + draw(st.integers(-3, 3) | st.integers(-paid // 500, paid // 500)))
    return resting(
        number, amount, threshold, token_in=token_in, token_out=token_out,
        venues=draw(st.sampled_from(VENUES)),
        max_price_impact_bps=draw(st.sampled_from([None, None, 0, 1, 30, 100])),
        priority=draw(st.sampled_from([0, 0, 9])),
    )  # fmt: skip


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "add", "remove", "tick"]), st.integers(950, 1_050)),
    min_size=1,
    max_size=60,
)


def check_tick(book: Book, known: dict[str, TriggerState], pools: list[LoadedPool]) -> None:
    wanted = {name for name, each in known.items() if fires(each.trigger, pools)}
    assert wanted == fired(book, snapshot(*pools))


@given(STEPS, st.booleans(), st.data())
@settings(max_examples=150)
def test_book_fires_what_a_scan_of_all_orders_would(
    steps: list[tuple[str, int]], limiter: bool, data: st.DataObject
) -> None:
    book, known = Book(), dict[str, TriggerState]()
    for number, (what, mils) in enumerate(steps, 1):
        if what == "add":
            state = data.draw(orders(number))
            known[state.trigger.order_id] = state
            book.put(state)
        elif what == "remove" and known:
            name = sorted(known)[mils % len(known)]
            gone = known.pop(name)
            book.put(msgspec.structs.replace(gone, position=1_000 + number, resting=False))
        else:
            check_tick(book, known, pools_at(mils, limiter=limiter))
        assert len(known) == len(book)


@given(
    SIZES,
    st.lists(
        st.tuples(st.integers(0, 60) | st.integers(0, 10**7), st.integers(-1, 1)),
        min_size=2,
        max_size=40,
    ),
    st.booleans(),
)
@settings(max_examples=100)
def test_book_is_exact_among_neighbours_whose_limits_are_an_atom_apart(
    smallest: int, steps: list[tuple[int, int]], limiter: bool
) -> None:
    pools = pools_at(1_000, limiter=limiter)
    states = []
    for number, (more, off) in enumerate(steps, 1):
        amount = smallest + more
        best, _ = Offers(pools, MINTS[0], NOW).best(amount, 10_000)
        states.append(resting(number, amount, max(best + off, 1)))
    known = {state.trigger.order_id: state for state in states}
    check_tick(book_of(*states), known, pools)


@given(st.data())
@settings(max_examples=30)
def test_book_misses_none_though_a_transfer_fee_makes_prices_rise_with_the_size(
    data: st.DataObject,
) -> None:
    fee = TransferFee(0, data.draw(st.integers(1, 10**6)), 1_000)
    states = [data.draw(orders(number)) for number in range(1, 30)]
    book = Book()
    for state in states:
        book.put(state)
    known = {state.trigger.order_id: state for state in states}
    check_tick(book, known, pools_at(data.draw(st.integers(950, 1_050)), fee=fee))


def book_of(*states: TriggerState) -> Book:
    book = Book()
    for state in states:
        book.put(state)
    return book


def paid(amount: int, mils: int = 1_000) -> int:
    quotes = [pool.quote_exact_in(MINTS[0], amount, NOW) for pool in pools_at(mils)]
    return max(quote.amount_out_atoms for quote in quotes)


def test_priority_fires_first_and_then_who_rested_first() -> None:
    book = book_of(
        resting(1, 100, 1), resting(2, 10, 1, priority=9), resting(3, 50, 1), resting(4, 7, 1)
    )
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    assert ["order-2", "order-1", "order-3", "order-4"] == [o.order_id for o in decision.fired]


def test_threshold_is_met_to_the_atom() -> None:
    amount = 10**9 + 7
    exact, one_more = resting(1, amount, paid(amount)), resting(2, amount, paid(amount) + 1)
    assert {"order-1"} == fired(book_of(exact, one_more), snapshot(*pools_at(1_000)))


def test_orders_of_one_size_share_a_quote() -> None:
    book = book_of(*[resting(n, 10**9, 1) for n in range(1, 101)])
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    assert (100, 1) == (len(decision.fired), decision.quotes)


def test_orders_far_from_their_limit_are_not_quoted() -> None:
    sizes = range(10**9, 10**10, 10**6)
    book = book_of(*[resting(n, n, paid(n) * 101 // 100) for n in sizes])
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    assert (1, 1) == (decision.candidates, decision.quotes)


def test_sizes_whose_limit_lies_between_the_small_price_and_their_own_cost_few_quotes() -> None:
    # Each would fire were it small, and none at its own size.
    sizes = range(10**9, 10**11, 2 * 10**7)
    book = book_of(*[resting(n, n, paid(n) + paid(n) // 1_000) for n in sizes])
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    assert not decision.fired
    assert decision.quotes < 200


def test_decision_stops_at_its_bound_and_the_next_goes_on() -> None:
    count = price.MAX_CANDIDATES * 2 + 10
    book = book_of(*[resting(n, 1_000 + n, 1) for n in range(1, count)], resting(count, 9, 10**9))
    decisions = decide_all(book, snapshot(*pools_at(1_000)))
    assert [price.MAX_CANDIDATES] * 2 == [each.candidates for each in decisions[:2]]
    assert count - 1 == len({o.order_id for each in decisions for o in each.fired})


def test_walk_goes_on_though_the_group_it_stopped_in_is_gone() -> None:
    count = price.MAX_CANDIDATES + 1
    book = book_of(
        *[resting(n, n, 1, priority=9) for n in range(10, 10 + count)],
        resting(1, 10**6, 1, token_in=B, token_out=A, priority=5),
    )
    seen = snapshot(*pools_at(1_000))
    first = book.decide(PAIR, seen)
    assert not first.is_complete
    for n in range(10, 10 + count):
        book.put(msgspec.structs.replace(resting(n, n, 1), position=10_000 + n, resting=False))
    assert ["order-1"] == [order.order_id for order in book.decide(PAIR, seen).fired]


def test_fired_order_leaves_the_book_until_it_is_put_anew() -> None:
    state = resting(1, 10**6, 1)
    book = book_of(state)
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    (order,) = decision.fired
    book.fire(order)
    assert (0, ()) == (len(book), book.pairs)
    assert "order-1" in book
    book.put(state)
    assert set() == fired(book, snapshot(*pools_at(1_000)))
    book.put(msgspec.structs.replace(state, position=9, sequence=5))
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    assert [5] == [order.sequence for order in decision.fired]


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    late = resting(1, 10**6, 1, position=9, sequence=5)
    book = book_of(late, resting(1, 10**6, 1, position=3))
    gone = msgspec.structs.replace(resting(1, 10**6, 1, position=8), resting=False)
    book.put(gone)
    assert 1 == len(book)
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    # What is said of an order as it was changes nothing of what it is.
    book.put(msgspec.structs.replace(late, position=10, sequence=7))
    book.fire(decision.fired[0])
    book.drop(decision.fired[0])
    assert 1 == len(book)


def test_expired_orders_are_told_until_they_are_dropped() -> None:
    book = book_of(
        resting(1, 10, 1, expires_at_ms=500),
        resting(2, 10, 1, expires_at_ms=400),
        resting(3, 10, 1),
        resting(4, 10, 1, expires_at_ms=501),
    )
    assert () == book.expired(399, 10)
    assert ["order-2"] == [order.order_id for order in book.expired(500, 1)]
    both = book.expired(500, 10)
    assert ["order-2", "order-1"] == [order.order_id for order in both]
    for order in both:
        book.drop(order)
    assert () == book.expired(500, 10)
    assert 2 == len(book)


def test_order_that_fired_and_was_not_claimed_expires_too() -> None:
    book = book_of(resting(1, 10**6, 1, expires_at_ms=500))
    (decision,) = decide_all(book, snapshot(*pools_at(1_000)))
    book.fire(decision.fired[0])
    assert ["order-1"] == [order.order_id for order in book.expired(500, 10)]


def test_expiries_of_orders_that_come_and_go_do_not_pile_up() -> None:
    book = Book()
    for position in range(1, 20_000):
        book.put(resting(1, 10, 1, position=position, expires_at_ms=10**9))
    assert len(book._expiries) <= price.STALE_EXPIRIES + 3


@pytest.mark.parametrize("venues", VENUES)
def test_allow_list_and_price_impact_are_the_orders_own(venues: Any) -> None:
    amount = DEPTH // 50
    wide = resting(1, amount, 1, venues=venues)
    narrow = resting(2, amount, 1, venues=venues, max_price_impact_bps=10)
    assert {"order-1"} == fired(book_of(wide, narrow), snapshot(*pools_at(1_000)))
