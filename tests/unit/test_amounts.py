"""Exact amounts: what is read, what is refused, and that nothing is lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.amounts import (
    U64_MAX,
    AmountError,
    atoms_from_decimal,
    decimal_from_atoms,
    div_ceil,
    div_floor,
    plain_decimal,
    price_from_atoms,
)


@given(st.integers(1, U64_MAX), st.integers(0, 18))
def test_atoms_survive_the_way_to_a_decimal_and_back(atoms: int, decimals: int) -> None:
    assert atoms == atoms_from_decimal(decimal_from_atoms(atoms, decimals), decimals)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1.5", "1.5"),
        ("1e-7", "0.0000001"),
        ("1E2", "100"),
        ("1.25e1", "12.5"),
        ("125e-1", "12.5"),
        ("0e5", "0"),
        ("1e-18", "0.000000000000000001"),
        ("1e19", "10000000000000000000"),
    ],
)
def test_a_json_number_is_read_as_its_plain_form(text: str, plain: str) -> None:
    assert plain == plain_decimal(text, is_json_number=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1e400", "out_of_range"),
        ("1e-400", "out_of_range"),
        ("1e99999999999999999999", "out_of_range"),
        ("1e20", "out_of_range"),
        ("1e-19", "out_of_range"),
        ("-1", "not_positive"),
        ("-0.5", "not_positive"),
        ("9" * 30, "too_many_digits"),
        ("9" * 100, "too_many_digits"),
        ("0." + "1" * 19, "too_many_digits"),
        ("NaN", "not_a_number"),
        ("Infinity", "not_a_number"),
        ("", "not_a_number"),
        ("1.", "not_a_number"),
        (".5", "not_a_number"),
        ("0x10", "not_a_number"),
        ("1_000", "not_a_number"),
        ("١", "not_a_number"),
    ],
)
def test_what_is_no_amount_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(AmountError) as refused:
        plain_decimal(text, is_json_number=True)
    assert code == refused.value.code


def test_a_string_takes_no_exponent() -> None:
    with pytest.raises(AmountError) as refused:
        plain_decimal("1e-7", is_json_number=False)
    assert "not_a_number" == refused.value.code


@pytest.mark.parametrize(
    ("text", "decimals", "code"),
    [
        ("0", 9, "not_positive"),
        ("0.0", 9, "not_positive"),
        ("0.0000000001", 9, "too_many_decimals"),
        ("18446744073.709551616", 9, "out_of_range"),
    ],
)
def test_an_amount_has_to_fit_the_token(text: str, decimals: int, code: str) -> None:
    with pytest.raises(AmountError) as refused:
        atoms_from_decimal(text, decimals)
    assert code == refused.value.code


def test_zeros_at_the_end_are_no_decimals() -> None:
    assert 1_500_000 == atoms_from_decimal("1.500000000000000000", 6)


@given(st.integers(0, 10**30), st.integers(1, 10**15))
def test_divisions_enclose_the_quotient(numerator: int, denominator: int) -> None:
    floor, ceil = div_floor(numerator, denominator), div_ceil(numerator, denominator)
    assert floor * denominator <= numerator <= ceil * denominator
    assert ceil - floor == (1 if numerator % denominator else 0)


def test_a_price_is_token_units_per_token_unit_rounded_down() -> None:
    assert "0.333333333333333333" == price_from_atoms(1, 0, 3, 0)
    assert "150" == price_from_atoms(225_000_000, 6, 1_500_000_000, 9)
