"""Failure codes are a closed list."""

import pytest

from fairlead.orders.failures import FAILURE_CODES, Failure
from fairlead.solana.program_errors import code_of
from fairlead.venues.venue import ErrorClass


def test_a_code_that_is_not_listed_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Failure("something_else", "for no listed reason")


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_every_class_of_venue_errors_has_a_listed_code(error_class: ErrorClass) -> None:
    assert code_of(error_class) in FAILURE_CODES
