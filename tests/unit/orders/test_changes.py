"""What each thing learnt of an order changes, and what is known after it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders import changes
from fairlead.orders.model import AttemptSettled, AttemptState, EventType, OrderStatus
from fairlead.orders.retry import RetryPolicy
from fairlead.ports import SignatureStatus
from tests.unit.orders.facts import NOW_MS, attempt, order, terms

POLICY = RetryPolicy(max_rounds=3, base_ms=1_000, max_attempts_per_round=2)
S, E = OrderStatus, EventType


def test_an_outage_uses_up_no_round() -> None:
    change = changes.outage(order(S.ROUTING), NOW_MS, POLICY)
    assert (None, True, S.ROUTING) == (change.round, change.release, change.status)
    assert not change.events


def test_a_fork_takes_the_fill_away_and_lands_the_same_bytes_again() -> None:
    change = changes.dropped(order(S.CONFIRMED), NOW_MS)
    assert (S.SUBMITTED, True) == (change.status, change.clear_fill)
    asked = changes.dropped(order(S.CONFIRMED, cancel_requested=True), NOW_MS)
    assert S.CANCELLING is asked.status
    # Its expiry had sent a cancel, which may win now.
    cancel = attempt(signature="6" * 88, number=2, legs=())
    expired = changes.dropped(order(S.CONFIRMED), NOW_MS, (attempt(), cancel))
    assert [E.EXPIRY_REACHED] == [event.type for event in expired.events]


def test_what_a_winner_excludes_is_told_and_what_was_seen_to_fail_with_its_error() -> None:
    won, seen, unseen = (attempt(signature=f"{n}" * 88, number=n) for n in (5, 6, 7))
    dead = attempt(signature="8" * 88, number=8, state=AttemptState.DEAD)
    statuses = {
        seen.signature: SignatureStatus(9, "{}", "finalized"),
        unseen.signature: SignatureStatus(9, "{}", "confirmed"),
    }
    lost = changes.lost_to(won, (won, seen, unseen, dead), statuses)
    excluded = AttemptState.EXCLUDED
    assert (
        AttemptSettled(seen.signature, excluded, 9, "{}"),
        AttemptSettled(unseen.signature, excluded),
    ) == lost
    stranger = attempt(signature="9" * 88, latch_address=None)
    with pytest.raises(AssertionError):
        changes.lost_to(won, (won, stranger), {})


@pytest.mark.parametrize(("asked", "end"), [(True, E.CANCELLED), (False, E.EXPIRED)])
def test_a_cancel_that_won_ends_the_order_without_a_swap(asked: bool, end: EventType) -> None:
    swap, cancel = attempt(), attempt(signature="6" * 88, number=2, legs=())
    row = order(S.CANCELLING, cancel_requested=asked, signature=swap.signature)
    won = AttemptSettled(cancel.signature, AttemptState.SUCCEEDED, 9)
    change = changes.cancel_won(row, cancel, won, (swap, cancel), {}, NOW_MS)
    assert [end] == [event.type for event in change.events]
    assert (won, AttemptSettled(swap.signature, AttemptState.EXCLUDED)) == change.settled
    assert (True, None, None) == (change.end, change.signature, change.amount_out_atoms)
    with pytest.raises(AssertionError):
        changes.cancel_won(row, swap, won, (swap, cancel), {}, NOW_MS)


def test_every_attempt_moves_the_fence() -> None:
    """Who has not seen it can prove nothing about the others (rule 14 wants a closed set)."""
    cancel = attempt(signature="6" * 88, number=2, legs=())
    assert changes.cancel_sent(order(S.CANCELLING), cancel, NOW_MS).events
    told = msgspec.json.decode(changes.cancel_sent(order(S.CANCELLING), cancel, 1).events[0].data)
    assert ("cancel", cancel.signature) == (told["attempt"]["kind"], told["attempt"]["txSignature"])


@given(st.lists(st.integers(1, 2**63), min_size=1, max_size=5), st.integers(0, 5_000))
def test_no_round_lowers_the_minimum(quotes: list[int], slippage_bps: int) -> None:
    row = order(S.ROUTING, terms=terms(slippage_bps=slippage_bps))
    first = None
    for quoted in quotes:
        minimum = changes.minimum_for(row, quoted)
        first = minimum if first is None else first
        assert minimum >= first
        row = msgspec.structs.replace(row, minimum_out_atoms=first)


def test_what_is_applied_in_memory_is_what_was_stored() -> None:
    row = order(S.SUBMITTED)
    change = changes.confirmed(row, attempt(), 1_500_000_000, 225_000_000, 7, NOW_MS)
    after = changes.applied(row, change, 5)
    assert (S.CONFIRMED, 5, 225_000_000) == (after.status, after.sequence, after.amount_out_atoms)
    (seen,) = changes.settle((attempt(),), change)
    assert (AttemptState.LIVE, 7) == (seen.state, seen.slot)
    told = msgspec.json.decode(change.events[0].data)
    assert ("150", "225", True) == (told["executedPrice"], told["amountOut"], told["provisional"])
