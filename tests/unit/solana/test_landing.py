"""Landing an order's live attempts: the next step (rules 8, 16, 17 c, 21)."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders.model import Attempt
from fairlead.ports import SignatureStatus
from fairlead.solana.landing import (
    Ask,
    CancelWon,
    Confirmed,
    Errored,
    Flight,
    LandingPolicy,
    May,
    Progress,
    Prove,
    Purpose,
    Send,
    Sign,
    Step,
    Wait,
    next_step,
)
from fairlead.solana.proof import death_height
from tests.unit.orders.facts import NOW_MS, attempt

POLICY = LandingPolicy(
    resend_ms=1_500, poll_ms=400, max_blockhash_window=150, prove_ms=2_000, bump_after_ms=4_000
)
FIRST = attempt()
SECOND = attempt(
    signature="6" * 88, number=2, blockhash_height=1_010, last_valid_block_height=1_160
)
CANCEL = attempt(signature="7" * 88, number=3, legs=())
BARE = attempt(latch_address=None)
DEATH = death_height(BARE, 150)
OPEN = May(raise_fee=True, renew=True)
CANCELLING = May(cancel=True)
SENT = {"first_sent_ms": NOW_MS, "last_sent_ms": NOW_MS}
EXPIRED = {"confirmed_height": 1_151, **SENT}


def flight(
    *each: dict[str, Any],
    asked_ms: int | None = NOW_MS,
    answered_ms: int | None = NOW_MS,
    **known: Any,
) -> Flight:
    """What is known of FIRST, SECOND and CANCEL, in this order."""
    signatures = (FIRST.signature, SECOND.signature, CANCEL.signature)
    progress = {s: Progress(**one) for s, one in zip(signatures, each, strict=False)}
    return Flight(progress, last_asked_ms=asked_ms, answered_ms=answered_ms, **known)


def step_of(
    attempts: Sequence[Attempt],
    known: Flight,
    now_ms: int,
    policy: LandingPolicy,
    may: May,
    *,
    sending: bool | None = None,
) -> Step:
    """The next step. Unless said otherwise swaps are sent but where a cancel may be signed."""
    is_sending = not may.cancel if sending is None else sending
    return next_step(attempts, known, now_ms, policy, is_sending, lambda: may)


def status(error: str | None = None, commitment: str = "finalized") -> dict[str, Any]:
    return {**SENT, "status": SignatureStatus(7, error, commitment)}


def test_a_stored_attempt_is_sent_first() -> None:
    assert Send(FIRST) == step_of((FIRST,), Flight(), NOW_MS, POLICY, May())


def test_after_a_send_the_statuses_are_asked_whatever_the_answer_was() -> None:
    known = flight(SENT, SENT, asked_ms=None, answered_ms=None)
    assert Ask() == step_of((FIRST, SECOND), known, NOW_MS, POLICY, May())


def test_identical_bytes_of_each_are_sent_again_while_nothing_is_seen() -> None:
    known = flight(SENT, SENT)
    assert Wait(400) == step_of((FIRST, SECOND), known, NOW_MS, POLICY, May())
    later_ms = NOW_MS + 1_500
    assert Send(SECOND) == step_of((FIRST, SECOND), known, later_ms, POLICY, May())
    known.of(SECOND).last_sent_ms = later_ms
    assert Send(FIRST) == step_of((FIRST, SECOND), known, later_ms, POLICY, May())


@pytest.mark.parametrize("commitment", ["processed", "confirmed", "finalized"])
def test_nothing_is_sent_or_signed_once_one_has_succeeded(commitment: str) -> None:
    known = flight(status(commitment=commitment), {})
    step = step_of((FIRST, SECOND), known, NOW_MS + 60_000, POLICY, OPEN)
    assert not isinstance(step, Send | Sign)


def test_what_has_expired_is_not_sent_beside_a_newer_one() -> None:
    known = flight({**EXPIRED, "last_sent_ms": None}, {"confirmed_height": 1_151, **SENT})
    step = step_of((FIRST, SECOND), known, NOW_MS, POLICY, May())
    assert not isinstance(step, Send)


@pytest.mark.parametrize("commitment", ["confirmed", "finalized"])
def test_success_of_any_counts_from_confirmed_on(commitment: str) -> None:
    known = flight(status(commitment=commitment), SENT)
    assert Confirmed(FIRST, 7) == step_of((FIRST, SECOND), known, NOW_MS, POLICY, May())


def test_an_error_settles_only_when_finalized() -> None:
    seen = flight(status("{}", "confirmed"))
    step = step_of((FIRST,), seen, NOW_MS, POLICY, May())
    assert Wait(400, proof_only=True) == step
    final = flight(status("{}"), SENT)
    assert Errored(FIRST) == step_of((FIRST, SECOND), final, NOW_MS, POLICY, May())


def test_a_win_comes_before_a_failure() -> None:
    known = flight(status("{}"), status(commitment="confirmed"))
    assert Confirmed(SECOND, 7) == step_of((FIRST, SECOND), known, NOW_MS, POLICY, May())


def test_proof_is_sought_once_a_blockhash_has_expired_and_of_the_oldest_first() -> None:
    height = FIRST.last_valid_block_height
    known = flight({"confirmed_height": height, **SENT})
    assert isinstance(step_of((FIRST,), known, NOW_MS, POLICY, May()), Wait)
    known = flight(EXPIRED, {"confirmed_height": 1_161, **SENT})
    step = step_of((SECOND, FIRST), known, NOW_MS, POLICY, May())
    assert Prove((FIRST, SECOND)) == step


def test_a_fee_is_raised_when_the_newest_was_not_seen_for_so_long() -> None:
    seen_ms = NOW_MS + 4_000
    late = {"first_sent_ms": NOW_MS, "last_sent_ms": seen_ms}
    for answered_ms, raised in ((seen_ms - 1, False), (seen_ms, True)):
        known = flight(late, asked_ms=seen_ms, answered_ms=answered_ms)
        step = step_of((FIRST,), known, seen_ms, POLICY, OPEN)
        assert raised == (step == Sign(Purpose.RAISE))
    # The newest counts: it has its own time.
    known = flight(late, {"first_sent_ms": seen_ms, "last_sent_ms": seen_ms}, asked_ms=seen_ms)
    known.answered_ms = seen_ms
    assert isinstance(step_of((FIRST, SECOND), known, seen_ms, POLICY, OPEN), Wait)


@pytest.mark.parametrize(
    "against",
    [
        {"may": May(renew=True)},
        {"policy": msgspec.structs.replace(POLICY, bump_after_ms=None)},
        {"known": {"hold_until_ms": NOW_MS + 9_001}},
        {"known": {"answered_ms": None}},
        {"progress": {"status": SignatureStatus(7, "{}", "processed")}},
    ],
)
def test_no_fee_is_raised_against(against: dict[str, Any]) -> None:
    now_ms = NOW_MS + 9_000
    progress = {"first_sent_ms": NOW_MS, "last_sent_ms": now_ms, **against.get("progress", {})}
    known = flight(progress, asked_ms=now_ms, **{"answered_ms": now_ms, **against.get("known", {})})
    may, policy = against.get("may", OPEN), against.get("policy", POLICY)
    assert not isinstance(step_of((FIRST,), known, now_ms, policy, may), Sign)


def test_a_dead_blockhash_is_followed_by_a_new_one_before_the_proof() -> None:
    known = flight(EXPIRED)
    assert Sign(Purpose.RENEW) == step_of((FIRST,), known, NOW_MS, POLICY, OPEN)
    # One that may still land is awaited.
    known = flight(EXPIRED, {"confirmed_height": 1_151, **SENT})
    assert not isinstance(step_of((FIRST, SECOND), known, NOW_MS, POLICY, OPEN), Sign)


def test_without_a_latch_a_dead_blockhash_waits_for_its_proof() -> None:
    known = flight(EXPIRED)
    assert Prove((FIRST,)) == step_of((FIRST,), known, NOW_MS, POLICY, May())


def test_a_cancelling_order_sends_no_swap_and_takes_the_latch_once_it_has_an_answer() -> None:
    unasked = Flight()
    assert Ask() == step_of((FIRST,), unasked, NOW_MS, POLICY, CANCELLING)
    assert Sign(Purpose.CANCEL) == step_of((FIRST,), flight({}), NOW_MS, POLICY, CANCELLING)
    seen = flight(status(commitment="processed"))
    assert isinstance(step_of((FIRST,), seen, NOW_MS, POLICY, CANCELLING), Wait)


def test_a_cancel_is_sent_raised_and_renewed_like_a_swap() -> None:
    both = (FIRST, CANCEL)
    assert Send(CANCEL) == step_of(both, flight({}), NOW_MS, POLICY, CANCELLING)
    known = flight({}, {}, SENT)
    step = step_of(both, known, NOW_MS, POLICY, CANCELLING)
    assert Wait(400, proof_only=True) == step
    late = flight({}, {}, {"first_sent_ms": NOW_MS - 4_000, "last_sent_ms": NOW_MS})
    assert Sign(Purpose.CANCEL) == step_of(both, late, NOW_MS, POLICY, CANCELLING)
    dead = flight({}, {}, EXPIRED)
    assert Sign(Purpose.CANCEL) == step_of(both, dead, NOW_MS, POLICY, CANCELLING)


def test_a_cancel_has_won_only_when_it_is_final() -> None:
    both = (FIRST, CANCEL)
    known = flight({}, {}, status(commitment="confirmed"))
    assert isinstance(step_of(both, known, NOW_MS, POLICY, CANCELLING), Wait)
    known = flight({}, {}, status())
    assert CancelWon(CANCEL) == step_of(both, known, NOW_MS, POLICY, CANCELLING)
    # What is final comes before what is provisional.
    known = flight(status(commitment="confirmed"), {}, status())
    assert CancelWon(CANCEL) == step_of(both, known, NOW_MS, POLICY, CANCELLING)


_PROGRESS = st.fixed_dictionaries(
    {
        "first_sent_ms": st.sampled_from([None, NOW_MS - 9_000, NOW_MS]),
        "last_sent_ms": st.sampled_from([None, NOW_MS - 2_000, NOW_MS]),
        "confirmed_height": st.sampled_from([0, 1_155, 1_200]),
        "status": st.sampled_from(
            [None]
            + [
                SignatureStatus(7, error, level)
                for error in (None, "{}")
                for level in ("processed", "confirmed", "finalized")
            ]
        ),
    }
)


@given(
    st.tuples(_PROGRESS, _PROGRESS, _PROGRESS),
    st.sampled_from([None, NOW_MS - 500, NOW_MS]),
    st.booleans(),
    st.builds(May, st.booleans(), st.booleans(), st.booleans()),
)
def test_whatever_is_known(
    each: tuple[dict[str, Any], ...], asked_ms: int | None, sending: bool, may: May
) -> None:
    """Nothing is signed that may not be, and nothing at all while anything is seen; no swap is sent
    once only the outcome matters; no end is named that the statuses do not show."""
    known = flight(*each, asked_ms=asked_ms)
    attempts = (FIRST, SECOND, CANCEL)
    step = step_of(attempts, known, NOW_MS, POLICY, may, sending=sending)
    match step:
        case Sign(purpose):
            assert all(one["status"] is None for one in each)
            allowed = {
                Purpose.RAISE: may.raise_fee and sending,
                Purpose.RENEW: may.renew and sending,
                Purpose.CANCEL: may.cancel and not sending,
            }
            assert allowed[purpose]
        case Send(sent):
            assert sending or sent is CANCEL
            assert not any(one["status"] and one["status"].error is None for one in each)
        case Confirmed(won, _):
            seen = known.of(won).status
            assert won is not CANCEL
            assert seen is not None
            assert seen.error is None
        case CancelWon(won):
            assert won is CANCEL
        case Prove(dead):
            assert all(known.of(one).status is None for one in dead)
        case Wait(milliseconds):
            assert milliseconds > 0
        case Errored(failed):
            seen = known.of(failed).status
            assert seen is not None
            assert seen.error is not None
        case Ask():
            pass


def test_only_news_brings_the_end_nearer() -> None:
    known = Progress(learnt_ms=0)
    known.learn(BARE, 10, 150, None, confirmed_height=DEATH - 1)
    assert known.learnt_ms == 10
    known.learn(BARE, 20, 150, None, confirmed_height=DEATH - 1)
    assert known.learnt_ms == 10
    known.learn(BARE, 30, 150, None, confirmed_height=DEATH + 5, finalized_height=DEATH)
    assert known.learnt_ms == 30
    known.learn(BARE, 40, 150, None, confirmed_height=DEATH + 6, finalized_height=DEATH + 1)
    assert known.learnt_ms == 30
    known.learn(BARE, 50, 150, SignatureStatus(1, None, "processed"))
    assert known.learnt_ms == 50
