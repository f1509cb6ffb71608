"""Limit orders as they are agreed: the price, and the floor that it makes."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.amounts import (
    U64_MAX,
    AmountError,
    decimal_from_atoms,
    out_atoms_at_price,
    plain_price,
    price_from_atoms,
)
from fairlead.errors import InvalidOrder
from fairlead.orders.acceptance import new_order
from fairlead.orders.events import decode_exact
from fairlead.orders.intake import IntakeRules, OrderRequest, agree
from fairlead.orders.model import EventType, NumberForm, OrderTerms, OrderType
from fairlead.tokens import SOL

REQUEST = OrderRequest("SOL", "USDC", type="limit", amount_in="1.5", limit_price="162.5")
NOW_MS = 1_800_000_000_000

decimals = st.integers(0, 12)
amounts = st.integers(1, U64_MAX)
prices = st.builds(
    lambda atoms: decimal_from_atoms(atoms, 18), st.integers(1, 10**38 - 1)
)  # 20 digits before and 18 after the point


def agreed(**changes: Any) -> OrderTerms:
    request = msgspec.structs.replace(REQUEST, **changes)
    return agree(request, IntakeRules(), SOL.mint, lambda address: address, NOW_MS)


def refused(**changes: Any) -> tuple[tuple[str, str], ...]:
    with pytest.raises(InvalidOrder) as raised:
        agreed(**changes)
    return tuple((error.field, error.code) for error in raised.value.errors)


@given(prices, amounts, decimals, decimals)
def test_the_floor_is_the_least_that_meets_the_price(
    price: str, in_atoms: int, in_decimals: int, out_decimals: int
) -> None:
    floor = out_atoms_at_price(price, in_atoms, in_decimals, out_decimals)
    gives = Fraction(in_atoms, 10**in_decimals)
    assert floor >= 1
    assert Fraction(floor, 10**out_decimals) / gives >= Fraction(price)
    assert Fraction(floor - 1, 10**out_decimals) / gives < Fraction(price)


@given(prices, amounts, decimals, decimals, st.integers(0, 10**6))
def test_a_fill_at_the_floor_or_above_is_never_shown_below_the_limit(
    price: str, in_atoms: int, in_decimals: int, out_decimals: int, more: int
) -> None:
    # The shown price is rounded down, yet not past the limit: both have 18 digits.
    floor = out_atoms_at_price(price, in_atoms, in_decimals, out_decimals)
    shown = price_from_atoms(floor + more, out_decimals, in_atoms, in_decimals)
    assert Fraction(shown) >= Fraction(price)


@given(prices, st.integers(0, 3), st.integers(0, 3))
def test_one_price_has_one_form(price: str, leading: int, trailing: int) -> None:
    whole, _, fraction = price.partition(".")
    written = f"{'0' * min(leading, 20 - len(whole))}{whole}"
    if fraction or trailing:
        written += "." + (fraction + "0" * trailing)[: max(len(fraction), 18)]
    assert price == plain_price(written) == plain_price(price)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", "not_positive"),
        ("0.000", "not_positive"),
        ("-1", "not_a_number"),
        ("NaN", "not_a_number"),
        ("1e3", "not_a_number"),
        ("", "not_a_number"),
        ("1" * 21, "too_many_digits"),
        ("0." + "0" * 18 + "1", "too_many_digits"),
    ],
)
def test_what_is_no_price_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(AmountError) as raised:
        plain_price(text)
    assert code == raised.value.code
    assert (("limitPrice", code),) == refused(limit_price=text)


def test_a_limit_order_has_its_price_and_its_floor() -> None:
    terms = agreed(limit_price="0162.50")
    assert (OrderType.LIMIT, "162.5", 243_750_000) == (
        terms.type,
        terms.limit_price,
        terms.limit_out_atoms,
    )


def test_the_floor_is_rounded_up() -> None:
    # 0.3 atoms of USDC for the smallest amount, and a third of an atom more than 1.
    assert 1 == agreed(amount_in=None, amount_in_atoms=1, limit_price="0.0003").limit_out_atoms
    assert 2 == agreed(amount_in="0.000000004", limit_price="333.333333").limit_out_atoms


def test_a_market_order_has_neither() -> None:
    terms = agreed(type="market", limit_price=None)
    assert (None, None) == (terms.limit_price, terms.limit_out_atoms)


def test_a_limit_that_would_be_ignored_is_refused() -> None:
    assert (("limitPrice", "not_for_market"),) == refused(type="market")


def test_a_limit_order_needs_its_price() -> None:
    assert (("limitPrice", "required"),) == refused(limit_price=None)


@pytest.mark.parametrize("type", ["sniper", "LIMIT", "stop", ""])
def test_other_types_are_refused_with_those_that_are(type: str) -> None:
    with pytest.raises(InvalidOrder) as raised:
        agreed(type=type)
    (error,) = raised.value.errors
    assert ("type", "unsupported_type") == (error.field, error.code)
    assert all(offered in error.message for offered in OrderType)


def test_a_floor_that_no_account_can_hold_is_out_of_range_and_says_what_to_do() -> None:
    most = decimal_from_atoms(U64_MAX, 6)
    assert U64_MAX == agreed(amount_in="1", limit_price=most).limit_out_atoms
    with pytest.raises(InvalidOrder) as raised:
        agreed(amount_in="1.000000001", limit_price=most)
    (error,) = raised.value.errors
    assert ("limitPrice", "out_of_range") == (error.field, error.code)
    assert "lower the price" in error.message


def test_a_wrong_price_is_told_beside_what_else_is_wrong() -> None:
    wrong = refused(token_in="DOGE", limit_price="0", expires_at_ms=NOW_MS)
    assert {"tokenIn", "limitPrice", "expiresAt"} == {field for field, _ in wrong}


@pytest.mark.parametrize(
    ("form", "least"), [(NumberForm.STRING, '"243.75"'), (NumberForm.JSON, "243.75")]
)
def test_a_limit_order_rests_and_says_for_what(form: NumberForm, least: str) -> None:
    terms = agreed(number_form=form)
    order = new_order("id", "local", None, b"\x01", terms, bytes(32), NOW_MS, ())
    assert [EventType.ACCEPTED, EventType.RESTED] == [event.type for event in order.events]
    assert order.trigger is not None
    assert 243_750_000 == order.trigger.threshold_out_atoms
    told = order.events[1].data
    assert f'"minimumOut":{least}'.encode() in told
    assert "waits until 1.5 SOL give at least 243.75 USDC" == decode_exact(told)["reason"]


def test_without_both_tokens_the_price_has_no_floor_to_be_held_to():
    assert (("tokenOut", "unknown_token"),) == refused(token_out="NOPE")
