"""The request forms and what they mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import dialects
from fairlead.api.bodies import decode_object
from fairlead.errors import InvalidOrder
from fairlead.orders.model import NumberForm, SlippageUnit

PAIR = '"tokenIn":"SOL","tokenOut":"USDC"'


def read(text: str) -> Any:
    return dialects.read_order(decode_object(f"{{{PAIR},{text}}}".encode()))


def hashed(text: str) -> bytes:
    return dialects.request_hash(decode_object(f"{{{PAIR},{text}}}".encode()))


@pytest.mark.parametrize(
    ("text", "bps", "unit"),
    [
        ('"amountIn":1,"orderType":"market","slippage":1.0', 100, SlippageUnit.PERCENT),
        ('"amountIn":"1","orderType":"market","slippage":"0.05"', 5, SlippageUnit.PERCENT),
        ('"amountIn":1,"orderType":"market","slippage":5e1', 5_000, SlippageUnit.PERCENT),
        ('"amount":"1","type":"market","slippage":"0.01"', 100, SlippageUnit.FRACTION),
        ('"amount":1,"type":"market","slippage":0.5', 5_000, SlippageUnit.FRACTION),
        ('"amount":1,"type":"market","slippage":1e-4', 1, SlippageUnit.FRACTION),
        ('"amount":"1","type":"market","slippage":"0"', 0, SlippageUnit.FRACTION),
        ('"amountIn":"1","slippageBps":250', 250, SlippageUnit.PERCENT),
        ('"amountIn":"1","slippageBps":250.0', 250, SlippageUnit.PERCENT),
        ('"amountIn":"1"', None, SlippageUnit.PERCENT),
        (
            '"amount":"1","type":"market","slippage":"0.01","slippageBps":100',
            100,
            SlippageUnit.FRACTION,
        ),
    ],
)
def test_slippage_is_read_in_the_unit_of_its_form(text: str, bps: int | None, unit: SlippageUnit):
    request = read(text)
    assert (bps, unit) == (request.slippage_bps, request.slippage_unit)


@pytest.mark.parametrize(
    "text",
    [
        '"amountIn":"1","slippage":"0.01"',
        '"amount":"1","slippage":"0.01"',
        '"amountIn":"1","type":"market","slippage":"0.01"',
        '"amount":"1","orderType":"market","slippage":"0.01"',
        '"amountInAtoms":"1","orderType":"market","slippage":"0.01"',
        '"amountIn":"1","amount":"1","orderType":"market","slippage":"0.01"',
        '"amountIn":"1","type":"market","orderType":"market","slippage":"0.01"',
    ],
)
def test_slippage_in_any_other_mix_asks_for_basis_points(text: str):
    with pytest.raises(InvalidOrder) as raised:
        read(text)
    (error,) = raised.value.errors
    assert ("slippage", "ambiguous") == (error.field, error.code)
    assert "slippageBps" in error.message


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('"orderType":"market","amountIn":1.5', NumberForm.JSON),
        ('"orderType":"market","amountIn":2', NumberForm.JSON),
        ('"orderType":"market","amountIn":"1.5"', NumberForm.STRING),
        ('"type":"market","amountIn":1.5', NumberForm.STRING),
        ('"orderType":"market","amount":1.5', NumberForm.STRING),
        ('"amountIn":1.5', NumberForm.STRING),
    ],
)
def test_answers_have_numbers_where_the_request_had(text: str, form: NumberForm):
    assert form is read(text).number_form


@given(st.decimals(min_value="1e-9", max_value="1e9", places=9))
def test_a_number_means_the_same_in_text_and_out_of_it(value: Any):
    plain = f"{value:f}"
    assert read(f'"amountIn":{plain}').amount_in == read(f'"amountIn":"{plain}"').amount_in
    assert read(f'"amountIn":{value:E}').amount_in == read(f'"amountIn":{plain}').amount_in


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"amountIn":1.50', '"amountIn":1.5'),
        ('"amountIn":1.0', '"amountIn":1'),
        ('"amountIn":15e-1', '"amountIn":1.5'),
        ('"amountIn":"1","priority":2', '"priority":2,"amountIn":"1"'),
    ],
)
def test_one_request_spelled_twice_has_one_hash(one: str, other: str):
    assert hashed(one) == hashed(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"amountIn":1.5', '"amountIn":1.50000001'),
        ('"amountIn":9007199254740993', '"amountIn":9007199254740992'),
        ('"amountIn":"1.5"', '"amount":"1.5"'),
        ('"amountIn":"1.5"', '"amountIn":"1.5","type":"market"'),
        ('"amountIn":"1.5"', '"amountIn":"1.5","slippageBps":100'),
    ],
)
def test_other_requests_have_other_hashes(one: str, other: str):
    assert hashed(one) != hashed(other)


def test_hashes_begin_with_their_version():
    assert dialects.HASH_VERSION == hashed('"amountIn":1')[:1]
