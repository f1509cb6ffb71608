"""What the end of a round changes: the next one, or the order's end."""

import msgspec

from fairlead.orders import round_ends
from fairlead.orders.failures import Failure
from fairlead.orders.model import AttemptSettled, AttemptState, EventType, OrderStatus
from fairlead.orders.retry import RetryPolicy
from tests.unit.orders.facts import NOW_MS, order

POLICY = RetryPolicy(max_rounds=3, base_ms=1_000, max_attempts_per_round=2)
S, E = OrderStatus, EventType
WHY = Failure("stale_price", "the price moved")


def test_back_off_doubles_from_the_base() -> None:
    waits = []
    for round in (1, 2):
        change = round_ends.round_failed(order(S.ROUTING, round=round), WHY, NOW_MS, POLICY)
        assert change.due_at_ms is not None
        waits.append(change.due_at_ms - NOW_MS)
    assert [1_000, 2_000] == waits


def test_the_last_round_fails_the_order_and_keeps_the_reason() -> None:
    change = round_ends.round_failed(order(S.ROUTING, round=3), WHY, NOW_MS, POLICY)
    assert (S.FAILED, "stale_price", "the price moved", True) == (
        change.status,
        change.failure_code,
        change.failure_reason,
        change.end,
    )


def test_a_terminal_error_fails_at_once() -> None:
    terminal = msgspec.structs.replace(WHY, terminal=True)
    assert S.FAILED is round_ends.round_failed(order(S.ROUTING), terminal, NOW_MS, POLICY).status


def test_a_failed_swap_of_a_cancelling_order_means_the_cancel_won() -> None:
    settled = (AttemptSettled("5" * 88, AttemptState.ERRORED, 7, "{}"),)
    cancelling = order(S.CANCELLING, cancel_requested=True)
    change = round_ends.round_failed(cancelling, WHY, NOW_MS, POLICY, settled)
    assert (S.CANCELLED, settled, True) == (change.status, change.settled, change.end)


def test_a_stranger_in_the_latch_opens_the_next_generation() -> None:
    change = round_ends.latch_taken(order(S.ROUTING), NOW_MS, POLICY)
    assert 1 == change.latch_generation
    last = order(S.ROUTING, latch_generation=round_ends.MAX_LATCH_GENERATIONS - 1)
    assert S.FAILED is round_ends.latch_taken(last, NOW_MS, POLICY).status
