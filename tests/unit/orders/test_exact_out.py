"""Orders with an exact output: what is agreed, what it may cost, and what a reader sees."""

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.errors import InvalidOrder
from fairlead.orders import exact_out, risk
from fairlead.orders.events import EventData, encode
from fairlead.orders.intake import IntakeRules, OrderRequest, agree
from fairlead.orders.model import (
    EventType,
    Leg,
    NumberForm,
    OrderStatus,
    OrderTerms,
    StoredEvent,
)
from fairlead.orders.view import order_view
from fairlead.ports import PoolSnapshot
from fairlead.routing import WSOL_MINT, NetworkCosts, Route
from fairlead.routing.exact_out import ExactOutRequest, exact_out_route
from fairlead.tokens import SOL
from fairlead.venues.venue import LoadedPool
from tests.unit.orders import facts
from tests.unit.routing.test_exact_out import TIME, USDC, PricedPool

REQUEST = OrderRequest("SOL", "USDC", amount_out="100", max_amount_in="0.7")
NOW_MS = 1_800_000_000_000
LEG = Leg("raydium_cpmm", "p", "a", facts.SOL, facts.USDC, "v", "w")


def agreed(**changes: Any) -> OrderTerms:
    request = msgspec.structs.replace(REQUEST, **changes)
    return agree(request, IntakeRules(), SOL.mint, lambda address: address, NOW_MS)


def refused(**changes: Any) -> set[tuple[str, str]]:
    with pytest.raises(InvalidOrder) as raised:
        agreed(**changes)
    return {(error.field, error.code) for error in raised.value.errors}


def test_it_has_its_output_and_the_most_that_it_may_cost() -> None:
    for terms in (
        agreed(),
        agreed(amount_out=None, amount_out_atoms=100_000_000),
        agreed(max_amount_in=None, max_amount_in_atoms=700_000_000),
        agreed(amount_out_atoms=100_000_000, max_amount_in_atoms=700_000_000),
    ):
        assert (100_000_000, 700_000_000) == (terms.exact_out_atoms, terms.amount_in_atoms)


def test_an_order_with_an_exact_input_has_no_exact_output() -> None:
    assert agreed(amount_out=None, max_amount_in=None, amount_in="1").exact_out_atoms is None


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"amount_in": "1"}, {("amountIn", "conflicting"), ("amountOut", "conflicting")}),
        (
            {"amount_in_atoms": 1, "amount_out": None, "amount_out_atoms": 5},
            {("amountInAtoms", "conflicting"), ("amountOutAtoms", "conflicting")},
        ),
        ({"max_amount_in": None}, {("maxAmountIn", "required")}),
        ({"amount_out": None, "amount_in": "1"}, {("maxAmountIn", "conflicting")}),
        (
            {
                "amount_out": None,
                "amount_in": "1",
                "max_amount_in": None,
                "max_amount_in_atoms": 1,
            },
            {("maxAmountInAtoms", "conflicting")},
        ),
        ({"type": "limit", "limit_price": "150"}, {("amountOut", "not_for_limit")}),
        ({"amount_out": "0"}, {("amountOut", "not_positive")}),
        ({"max_amount_in": "0.0"}, {("maxAmountIn", "not_positive")}),
        ({"amount_out": "NaN"}, {("amountOut", "not_a_number")}),
        ({"amount_out": "-1"}, {("amountOut", "not_a_number")}),
        ({"amount_out": "0.0000001"}, {("amountOut", "too_many_decimals")}),
        ({"max_amount_in": "0.0000000001"}, {("maxAmountIn", "too_many_decimals")}),
        ({"amount_out_atoms": 1}, {("amountOutAtoms", "conflicting")}),
        ({"max_amount_in_atoms": 1}, {("maxAmountInAtoms", "conflicting")}),
        ({"amount_out": None, "amount_out_atoms": 2**64}, {("amountOutAtoms", "out_of_range")}),
        (
            {"max_amount_in": None, "max_amount_in_atoms": 0},
            {("maxAmountInAtoms", "not_positive")},
        ),
        (
            {"amount_out": "x", "max_amount_in": "y"},
            {("amountOut", "not_a_number"), ("maxAmountIn", "not_a_number")},
        ),
        (
            {"token_out": "DOGE", "max_amount_in": "0"},
            {("tokenOut", "unknown_token"), ("maxAmountIn", "not_positive")},
        ),
    ],
)
def test_what_cannot_be_agreed_names_its_field(
    changes: dict[str, Any], errors: set[tuple[str, str]]
) -> None:
    assert errors == refused(**changes)


def test_a_limit_order_is_told_what_it_may_have_instead() -> None:
    with pytest.raises(InvalidOrder) as raised:
        agreed(type="limit", limit_price="150")
    assert "a limit order sells an exact amountIn" in str(raised.value)


def test_the_most_that_it_may_cost_is_held_back() -> None:
    held, more = (
        dict(risk.needs(agreed(max_amount_in=None, max_amount_in_atoms=most)))["lamports"]
        for most in (700_000_000, 700_000_001)
    )
    assert 700_000_000 < held == more - 1
    needed = dict(risk.needs(agreed(token_in="USDC", token_out="SOL")))
    assert 700_000 == needed[facts.USDC]


def test_rows_of_before_have_no_exact_output_and_theirs_stay_small() -> None:
    plain = msgspec.json.encode(facts.terms())
    assert b"exact" not in plain
    assert msgspec.json.decode(plain, type=OrderTerms).exact_out_atoms is None
    leg = msgspec.json.encode(LEG)
    assert b"maximum" not in leg
    assert LEG == msgspec.json.decode(leg, type=Leg)
    kept = msgspec.structs.replace(LEG, maximum_in_atoms=U64_MAX)
    assert kept == msgspec.json.decode(msgspec.json.encode(kept), type=Leg)
    terms = agreed()
    assert terms == msgspec.json.decode(msgspec.json.encode(terms), type=OrderTerms)


@given(st.integers(1, U64_MAX), st.integers(0, 5_000))
def test_a_maximum_is_the_least_that_slippage_allows_rounded_up(quoted: int, bps: int) -> None:
    most = exact_out.maximum_in_atoms(quoted, bps)
    assert quoted <= most <= U64_MAX
    if most < U64_MAX:
        assert (most - 1) * BPS < quoted * (BPS + bps) <= most * BPS


@given(
    st.integers(1, U64_MAX),
    st.lists(st.integers(1, U64_MAX), min_size=1, max_size=6),
    st.integers(0, 5_000),
)
def test_no_attempt_takes_more_than_the_client_said_nor_than_the_first_one(
    most: int, quotes: list[int], bps: int
) -> None:
    order = facts.order(
        OrderStatus.BUILDING,
        terms=facts.terms(amount_in_atoms=most, exact_out_atoms=5, slippage_bps=bps),
    )
    earlier: list[Any] = [facts.attempt(legs=())]
    for quoted in quotes:
        maximum = exact_out.maximum_for(order, earlier, quoted)
        assert maximum <= most
        leg = msgspec.structs.replace(LEG, maximum_in_atoms=maximum)
        earlier.append(facts.attempt(legs=(leg,)))
    swaps = [each.maximum_in_atoms for each in earlier[1:]]
    assert max(swaps) == swaps[0] == min(most, exact_out.maximum_in_atoms(quotes[0], bps))


def routed(*inputs: int) -> Route:
    pools = [PricedPool(number, takes) for number, takes in enumerate(inputs)]
    snapshot = PoolSnapshot(1, TIME, tuple(cast(LoadedPool, pool) for pool in pools))
    request = ExactOutRequest(WSOL_MINT, Pubkey.from_string(facts.USDC), 5)
    found = exact_out_route(request, snapshot, NetworkCosts())
    assert isinstance(found, Route)
    return found


def test_a_route_above_the_ceiling_gives_way_to_one_that_keeps_to_it() -> None:
    assert USDC == Pubkey.from_string(facts.USDC)
    route = routed(70, 80)
    assert route is exact_out.within(route, 70)
    assert None is exact_out.within(route, 69)
    # The one that costs least in all takes the most: its network costs are lower.
    dear = msgspec.structs.replace(route, amount_in_atoms=90)
    told = (
        msgspec.structs.replace(
            route.candidates[0],
            quote=msgspec.structs.replace(cast(Any, route.candidates[0].quote), amount_in_atoms=90),
        ),
        route.candidates[1],
    )
    chosen = exact_out.within(msgspec.structs.replace(dear, candidates=told), 80)
    assert chosen is not None
    assert 80 == chosen.amount_in_atoms
    assert [80, 90] == [cast(Any, each.quote).amount_in_atoms for each in chosen.candidates]
    assert "raydium_cpmm keeps to the maximum; what costs less does not" == chosen.reason


def event(sequence: int, type: EventType, status: OrderStatus, **told: Any) -> StoredEvent:
    data = encode(EventData(**told))
    return StoredEvent(sequence, "o", sequence, "local", NOW_MS, type, status, data)


@pytest.mark.parametrize("form", NumberForm)
def test_a_reader_sees_what_was_asked_and_then_what_it_took(form: NumberForm) -> None:
    terms = facts.terms(amount_in_atoms=700_000_000, exact_out_atoms=100_000_000, number_form=form)
    amount: Any = msgspec.Raw(b"0.6812") if form is NumberForm.JSON else "0.6812"
    confirmed = event(1, EventType.CONFIRMED, OrderStatus.CONFIRMED, amount_in=amount)
    names = ("requestedAmountOut", "maxAmountIn", "amountIn", "amountInAtoms")

    def shown(*events: StoredEvent) -> list[Any]:
        order = facts.order(events[-1].status if events else OrderStatus.PENDING, terms=terms)
        view = order_view(order, events, form=NumberForm.STRING)
        return [view[name] for name in names]

    assert ["100", "0.7", None, None] == shown()
    assert ["100", "0.7", "0.6812", "681200000"] == shown(confirmed)
    dropped = event(2, EventType.DROPPED, OrderStatus.SUBMITTED)
    assert ["100", "0.7", None, None] == shown(confirmed, dropped)


def test_the_others_show_no_such_thing() -> None:
    view = order_view(facts.order(OrderStatus.PENDING), ())
    assert ("1.5", "1500000000") == (view["amountIn"], view["amountInAtoms"])
    assert (None, None) == (view["requestedAmountOut"], view["maxAmountIn"])
