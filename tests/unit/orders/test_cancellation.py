"""Nothing that may still land is ever called cancelled."""

from itertools import product

import pytest

from fairlead.errors import CannotCancel
from fairlead.orders.cancellation import cancel
from fairlead.orders.model import AttemptState as A
from fairlead.orders.model import OrderStatus as S
from tests.unit.orders import facts

SETTLED = (A.DEAD, A.ERRORED)


@pytest.mark.parametrize("status", [S.PENDING, S.OPEN, S.ROUTING, S.BUILDING])
def test_with_nothing_stored_it_ends_at_once(status: S):
    change = cancel(facts.order(status), (), 7)
    assert change is not None
    assert (S.CANCELLED, True, True, None) == (
        change.status,
        change.end,
        change.release,
        change.owner,
    )


@pytest.mark.parametrize(
    ("status", "states"), list(product([S.ROUTING, S.BUILDING], product(A, A)))
)
def test_in_a_round_it_ends_only_when_every_attempt_is_settled(status: S, states: tuple[A, A]):
    attempts = [facts.attempt(state=state) for state in states]
    change = cancel(facts.order(status), attempts, 7)
    assert change is not None
    ends = all(state in SETTLED for state in states)
    assert (S.CANCELLED if ends else S.CANCELLING, ends) == (change.status, change.end)
    assert change.cancel_requested


@pytest.mark.parametrize("state", list(A))
def test_once_submitted_the_chain_decides(state: A):
    change = cancel(facts.order(S.SUBMITTED), [facts.attempt(state=state)], 7)
    assert change is not None
    assert (S.CANCELLING, False, False) == (change.status, change.end, change.release)


def test_asked_twice_is_asked_once():
    assert cancel(facts.order(S.CANCELLING), [facts.attempt()], 7) is None


@pytest.mark.parametrize("status", [S.CONFIRMED, S.FAILED, S.CANCELLED, S.EXPIRED])
def test_what_has_ended_is_not_cancelled(status: S):
    with pytest.raises(CannotCancel) as raised:
        cancel(facts.order(status), (), 7)
    assert f"already_{status}" == raised.value.code


def test_the_change_is_fenced_by_the_sequence_it_was_decided_on():
    change = cancel(facts.order(S.ROUTING, sequence=9), (), 7)
    assert change is not None
    assert (9, S.ROUTING) == (change.sequence, change.status_before)
