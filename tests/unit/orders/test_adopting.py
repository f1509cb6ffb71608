"""What is stored of a cancel of ours that is found, and of a failure beside a winner."""

import pytest

from fairlead.orders import adopting
from fairlead.orders.model import AttemptSettled, AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from tests.unit.orders.facts import NOW_MS, attempt, order, terms

FOUND = attempt(legs=(), signature="found", latch_generation=2)


@pytest.mark.parametrize("status", [OrderStatus.ROUTING, OrderStatus.BUILDING])
@pytest.mark.parametrize(
    ("expires_at_ms", "was_asked", "event"),
    [
        (None, False, E.CANCEL_REQUESTED),
        (NOW_MS + 1, False, E.CANCEL_REQUESTED),
        (NOW_MS, False, E.EXPIRY_REACHED),
        (NOW_MS, True, E.CANCEL_REQUESTED),
    ],
)
def test_a_found_cancel_says_why_it_was_sent(
    status: OrderStatus, expires_at_ms: int | None, was_asked: bool, event: E
):
    known = order(status, terms=terms(expires_at_ms=expires_at_ms), cancel_requested=was_asked)
    change = adopting.adopted_cancel(known, FOUND, (), NOW_MS)
    assert [(event, OrderStatus.CANCELLING)] == [(e.type, e.status) for e in change.events]
    assert (event is E.CANCEL_REQUESTED) is change.cancel_requested
    assert (FOUND, 2, False) == (change.new_attempt, change.latch_generation, change.end)


def test_a_found_cancel_of_an_order_that_is_cancelling_is_one_more():
    known = order(OrderStatus.CANCELLING, cancel_requested=True)
    change = adopting.adopted_cancel(known, FOUND, (), NOW_MS)
    assert [E.CANCEL_SENT] == [each.type for each in change.events]
    assert (OrderStatus.CANCELLING, FOUND) == (change.status, change.new_attempt)


def test_what_failed_beside_another_of_the_order_is_settled_and_the_order_goes_on():
    failed = AttemptSettled("lost", AttemptState.ERRORED, 7, "latch taken", None)
    change = adopting.beaten(order(OrderStatus.SUBMITTED), (failed,), NOW_MS)
    assert ((failed,), (), OrderStatus.SUBMITTED) == (change.settled, change.events, change.status)
    assert not change.end
    assert not change.release


@pytest.mark.parametrize(
    ("known", "found", "told"), [(None, 200, 200), (250, 200, 200), (200, 250, 200)]
)
def test_what_is_found_was_promised_the_lower_minimum_of_its_two_lives(
    known: int | None, found: int, told: int
):
    row = order(OrderStatus.ROUTING, minimum_out_atoms=known)
    change = adopting.adopted(row, attempt(minimum_out_atoms=found), (), NOW_MS)
    assert told == change.minimum_out_atoms


def test_what_a_limit_order_was_promised_is_its_limit():
    row = order(OrderStatus.ROUTING, terms=terms(limit_out_atoms=150))
    change = adopting.adopted(row, attempt(minimum_out_atoms=200), (), NOW_MS)
    assert 150 == change.minimum_out_atoms
