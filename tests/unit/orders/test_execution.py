"""What to do next for an order, and what each outcome changes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders import execution, lifecycle
from fairlead.orders.execution import (
    AwaitFinality,
    Commit,
    Done,
    Explain,
    Failure,
    FindRoute,
    Land,
)
from fairlead.orders.model import AttemptSettled, AttemptState, EventType, OrderStatus
from fairlead.orders.retry import RetryPolicy
from fairlead.ports import SignatureStatus
from fairlead.solana.landing import Purpose
from tests.unit.orders.facts import NOW_MS, attempt, order, terms

POLICY = RetryPolicy(max_rounds=3, base_ms=1_000, max_attempts_per_round=2)
S, E = OrderStatus, EventType
WHY = Failure("stale_price", "the price moved")


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


def test_back_off_doubles_from_the_base() -> None:
    waits = []
    for round in (1, 2):
        change = execution.round_failed(order(S.ROUTING, round=round), WHY, NOW_MS, POLICY)
        assert change.due_at_ms is not None
        waits.append(change.due_at_ms - NOW_MS)
    assert [1_000, 2_000] == waits


def test_the_last_round_fails_the_order_and_keeps_the_reason() -> None:
    change = execution.round_failed(order(S.ROUTING, round=3), WHY, NOW_MS, POLICY)
    assert (S.FAILED, "stale_price", "the price moved", True) == (
        change.status,
        change.failure_code,
        change.failure_reason,
        change.end,
    )


def test_a_terminal_error_fails_at_once() -> None:
    terminal = msgspec.structs.replace(WHY, terminal=True)
    assert S.FAILED is execution.round_failed(order(S.ROUTING), terminal, NOW_MS, POLICY).status


def test_a_failed_swap_of_a_cancelling_order_means_the_cancel_won() -> None:
    settled = (AttemptSettled("5" * 88, AttemptState.ERRORED, 7, "{}"),)
    cancelling = order(S.CANCELLING, cancel_requested=True)
    change = execution.round_failed(cancelling, WHY, NOW_MS, POLICY, settled)
    assert (S.CANCELLED, settled, True) == (change.status, change.settled, change.end)


def test_an_outage_uses_up_no_round() -> None:
    change = execution.outage(order(S.ROUTING), NOW_MS, POLICY)
    assert (None, True, S.ROUTING) == (change.round, change.release, change.status)
    assert not change.events


def test_a_stranger_in_the_latch_opens_the_next_generation() -> None:
    change = execution.latch_taken(order(S.ROUTING), NOW_MS, POLICY)
    assert 1 == change.latch_generation
    last = order(S.ROUTING, latch_generation=execution.MAX_LATCH_GENERATIONS - 1)
    assert S.FAILED is execution.latch_taken(last, NOW_MS, POLICY).status


def test_a_fork_takes_the_fill_away_and_lands_the_same_bytes_again() -> None:
    change = execution.dropped(order(S.CONFIRMED), NOW_MS)
    assert (S.SUBMITTED, True) == (change.status, change.clear_fill)
    asked = execution.dropped(order(S.CONFIRMED, cancel_requested=True), NOW_MS)
    assert S.CANCELLING is asked.status
    # Its expiry had sent a cancel, which may win now.
    cancel = attempt(signature="6" * 88, number=2, legs=())
    expired = execution.dropped(order(S.CONFIRMED), NOW_MS, (attempt(), cancel))
    assert [E.EXPIRY_REACHED] == [event.type for event in expired.events]


def test_what_a_winner_excludes_is_told_and_what_was_seen_to_fail_with_its_error() -> None:
    won, seen, unseen = (attempt(signature=f"{n}" * 88, number=n) for n in (5, 6, 7))
    dead = attempt(signature="8" * 88, number=8, state=AttemptState.DEAD)
    statuses = {
        seen.signature: SignatureStatus(9, "{}", "finalized"),
        unseen.signature: SignatureStatus(9, "{}", "confirmed"),
    }
    lost = execution.lost_to(won, (won, seen, unseen, dead), statuses)
    excluded = AttemptState.EXCLUDED
    assert (
        AttemptSettled(seen.signature, excluded, 9, "{}"),
        AttemptSettled(unseen.signature, excluded),
    ) == lost
    stranger = attempt(signature="9" * 88, latch_address=None)
    with pytest.raises(AssertionError):
        execution.lost_to(won, (won, stranger), {})


@pytest.mark.parametrize(("asked", "end"), [(True, E.CANCELLED), (False, E.EXPIRED)])
def test_a_cancel_that_won_ends_the_order_without_a_swap(asked: bool, end: EventType) -> None:
    swap, cancel = attempt(), attempt(signature="6" * 88, number=2, legs=())
    row = order(S.CANCELLING, cancel_requested=asked, signature=swap.signature)
    won = AttemptSettled(cancel.signature, AttemptState.SUCCEEDED, 9)
    change = execution.cancel_won(row, cancel, won, (swap, cancel), {}, NOW_MS)
    assert [end] == [event.type for event in change.events]
    assert (won, AttemptSettled(swap.signature, AttemptState.EXCLUDED)) == change.settled
    assert (True, None, None) == (change.end, change.signature, change.amount_out_atoms)
    with pytest.raises(AssertionError):
        execution.cancel_won(row, swap, won, (swap, cancel), {}, NOW_MS)


def test_every_attempt_moves_the_fence() -> None:
    """Who has not seen it can prove nothing about the others (rule 14 wants a closed set)."""
    cancel = attempt(signature="6" * 88, number=2, legs=())
    assert execution.cancel_sent(order(S.CANCELLING), cancel, NOW_MS).events
    told = msgspec.json.decode(execution.cancel_sent(order(S.CANCELLING), cancel, 1).events[0].data)
    assert ("cancel", cancel.signature) == (told["attempt"]["kind"], told["attempt"]["txSignature"])


@given(st.lists(st.integers(1, 2**63), min_size=1, max_size=5), st.integers(0, 5_000))
def test_no_round_lowers_the_minimum(quotes: list[int], slippage_bps: int) -> None:
    row = order(S.ROUTING, terms=terms(slippage_bps=slippage_bps))
    first = None
    for quoted in quotes:
        minimum = execution.minimum_for(row, quoted)
        first = minimum if first is None else first
        assert minimum >= first
        row = msgspec.structs.replace(row, minimum_out_atoms=first)


def test_what_is_applied_in_memory_is_what_was_stored() -> None:
    row = order(S.SUBMITTED)
    change = execution.confirmed(row, attempt(), 1_500_000_000, 225_000_000, 7, NOW_MS)
    after = execution.applied(row, change, 5)
    assert (S.CONFIRMED, 5, 225_000_000) == (after.status, after.sequence, after.amount_out_atoms)
    (seen,) = execution.settle((attempt(),), change)
    assert (AttemptState.LIVE, 7) == (seen.state, seen.slot)
    told = msgspec.json.decode(change.events[0].data)
    assert ("150", "225", True) == (told["executedPrice"], told["amountOut"], told["provisional"])
