"""What to do next for an order."""

import msgspec
import pytest

from fairlead.orders import execution, lifecycle
from fairlead.orders.execution import AwaitFinality, Commit, Done, Explain, FindRoute, Land
from fairlead.orders.model import AttemptState, EventType, OrderStatus
from fairlead.orders.retry import RetryPolicy
from fairlead.solana.landing import Purpose
from tests.unit.orders.facts import NOW_MS, attempt, order, terms

POLICY = RetryPolicy(max_rounds=3, base_ms=1_000, max_attempts_per_round=2)
S, E = OrderStatus, EventType


def test_a_claimed_order_finds_its_route() -> None:
    assert FindRoute() == execution.next_action(order(S.ROUTING), (), NOW_MS, POLICY)


def test_live_attempts_are_landed_before_anything_else() -> None:
    both = (attempt(), attempt(signature="6" * 88, number=2))
    assert Land(True) == execution.next_action(order(S.SUBMITTED), both, NOW_MS, POLICY)
    settled = msgspec.structs.replace(both[0], state=AttemptState.ERRORED)
    action = execution.next_action(order(S.SUBMITTED), (settled, both[1]), NOW_MS, POLICY)
    assert Land(True) == action


def test_a_cancelling_order_stops_sending_and_waits_for_the_chain() -> None:
    action = execution.next_action(order(S.CANCELLING), (attempt(),), NOW_MS, POLICY)
    assert Land(False) == action


@pytest.mark.parametrize(("asked", "end"), [(True, E.CANCELLED), (False, E.EXPIRED)])
def test_a_cancelling_order_ends_once_nothing_can_land(asked: bool, end: EventType) -> None:
    dead = attempt(state=AttemptState.DEAD)
    cancelling = order(S.CANCELLING, cancel_requested=asked)
    action = execution.next_action(cancelling, (dead,), NOW_MS, POLICY)
    assert isinstance(action, Commit)
    assert [end] == [event.type for event in action.change.events]
    assert action.change.end


def test_a_confirmed_order_awaits_finality_of_the_attempt_that_was_seen() -> None:
    seen, last = attempt(slot=7), attempt(signature="6" * 88, number=2)
    row = order(S.CONFIRMED, signature=seen.signature)
    assert AwaitFinality() == execution.next_action(row, (seen, last), NOW_MS, POLICY)
    assert seen is execution.winner_of(row, (seen, last))


@pytest.mark.parametrize("status", sorted(lifecycle.ENDED))
def test_an_ended_order_is_left_alone(status: OrderStatus) -> None:
    assert Done() == execution.next_action(order(status), (), NOW_MS, POLICY)


def test_a_dead_attempt_is_replaced_in_the_same_round() -> None:
    dead = attempt(state=AttemptState.DEAD)
    assert FindRoute(Purpose.REPLACE) == execution.next_action(
        order(S.SUBMITTED), (dead,), NOW_MS, POLICY
    )


def test_a_round_ends_when_its_attempts_are_used_up() -> None:
    dead = tuple(attempt(number=n, state=AttemptState.DEAD) for n in (1, 2))
    action = execution.next_action(order(S.SUBMITTED), dead, NOW_MS, POLICY)
    assert isinstance(action, Commit)
    assert [E.ROUND_FAILED] == [event.type for event in action.change.events]
    assert 2 == action.change.round


def test_a_round_one_of_whose_attempts_failed_ends_by_what_its_logs_say() -> None:
    failed = attempt(state=AttemptState.ERRORED, error="{}")
    dead = attempt(signature="6" * 88, number=2, state=AttemptState.DEAD)
    action = execution.next_action(order(S.SUBMITTED), (failed, dead), NOW_MS, POLICY)
    assert Explain(failed) == action
    # Of an earlier round it says nothing about this one.
    later = msgspec.structs.replace(dead, round=2)
    action = execution.next_action(order(S.SUBMITTED, round=2), (failed, later), NOW_MS, POLICY)
    assert FindRoute(Purpose.REPLACE) == action


def test_expiry_before_the_first_attempt_ends_the_order() -> None:
    late = order(S.ROUTING, terms=terms(expires_at_ms=NOW_MS))
    action = execution.next_action(late, (), NOW_MS, POLICY)
    assert isinstance(action, Commit)
    assert S.EXPIRED is action.change.status


def test_expiry_in_flight_waits_for_proof() -> None:
    late = order(S.SUBMITTED, terms=terms(expires_at_ms=NOW_MS))
    action = execution.next_action(late, (attempt(),), NOW_MS, POLICY)
    assert isinstance(action, Commit)
    assert S.CANCELLING is action.change.status
    assert not action.change.end
