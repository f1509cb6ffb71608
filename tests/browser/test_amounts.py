"""The page's own arithmetic, run in the browser: it takes what the engine takes, to the digit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.amounts import AmountError, atoms_from_decimal, decimal_from_atoms
from tests.browser.desk import Desk

pytestmark = pytest.mark.xdist_group("browser")

# One page serves all examples: what is asked of it leaves nothing behind.
MANY = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXTS = st.one_of(
    st.from_regex(r"[0-9]{1,22}(\.[0-9]{1,20})?", fullmatch=True),
    st.text(alphabet="0123456789.,-+eE ٣", max_size=12),
)
DECIMALS = st.integers(0, 18)


def run(desk: Desk, function: str, calls: list[list[Any]]) -> list[Any]:
    """What a function of amounts.js answers to each call."""
    answers = desk.page.evaluate(
        """async ([name, calls]) => {
          const module = await import('/web/amounts.js');
          return calls.map(call => module[name](...call));
        }""",
        [function, calls],
    )
    assert isinstance(answers, list)
    return answers


def is_amount(text: str, decimals: int) -> bool:
    try:
        atoms_from_decimal(text, decimals)
    except AmountError as error:
        # That it fits into 64 bits is left to the engine.
        return error.code == "out_of_range"
    return True


@MANY
@given(calls=st.lists(st.tuples(TEXTS, DECIMALS), min_size=20, max_size=60))
def test_it_takes_the_amounts_that_the_engine_takes(
    desk: Desk, calls: list[tuple[str, int]]
) -> None:
    answers = run(desk, "whyNoAmount", [list(call) for call in calls])
    expected = [is_amount(*call) for call in calls]
    assert expected == [answer is None for answer in answers], list(
        zip(calls, answers, strict=True)
    )


@MANY
@given(calls=st.lists(st.tuples(st.integers(0, 2**64 - 1), DECIMALS), min_size=20, max_size=60))
def test_atoms_become_the_same_decimals_as_in_the_engine(
    desk: Desk, calls: list[tuple[int, int]]
) -> None:
    answers = run(desk, "fromAtoms", [[str(atoms), decimals] for atoms, decimals in calls])
    assert [decimal_from_atoms(*call) for call in calls] == answers


def test_a_price_is_cut_and_exact_in_each_digit_it_keeps(desk: Desk) -> None:
    calls = [["3", "1"], ["1.5", "219.405913"], ["0.000000001", "1"], ["7", "20000000000000000000"]]
    answers = run(desk, "priceOf", calls)
    for (paid, got), answer in zip(calls, answers, strict=True):
        exact = Decimal(got) / Decimal(paid)
        assert 0 <= exact - Decimal(answer) < Decimal("1e-9"), (paid, got, answer)
    assert [None] == run(desk, "priceOf", [["0.0", "1"]])


def test_numbers_are_grouped_and_cut_for_reading(desk: Desk) -> None:
    calls: list[list[Any]] = [["1234567.891"], ["12.3400"], ["0.000001"], ["1000", 2], ["1.239", 2]]
    expected = ["1,234,567.891", "12.34", "0.000001", "1,000", "1.23"]
    assert expected == run(desk, "shown", calls)
    rough: list[list[Any]] = [
        ["146.197051333333333333", 8],
        ["0.0000123456789", 4],
        ["123456789.5", 4],
    ]
    assert ["146.19705", "0.00001234", "123,456,789"] == run(desk, "roughly", rough)
