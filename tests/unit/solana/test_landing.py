"""Landing one attempt: the next step (rules 8, 16)."""

import pytest

from fairlead.orders.model import AttemptState
from fairlead.ports import SignatureStatus
from fairlead.solana.landing import (
    Ask,
    Confirmed,
    LandingPolicy,
    Progress,
    Prove,
    Send,
    Wait,
    next_step,
)
from fairlead.solana.proof import Settled, death_height
from tests.unit.orders.facts import NOW_MS, attempt

POLICY = LandingPolicy(resend_ms=1_500, poll_ms=400, max_blockhash_window=150, prove_ms=2_000)
LATCHED = attempt()
BARE = attempt(latch_address=None)
DEATH = death_height(BARE, 150)


def test_a_stored_attempt_is_sent_first() -> None:
    assert Send() == next_step(LATCHED, Progress(), NOW_MS, POLICY)


def test_after_a_send_the_status_is_asked_whatever_the_answer_was() -> None:
    known = Progress(last_sent_ms=NOW_MS, sends=1)
    assert Ask() == next_step(LATCHED, known, NOW_MS, POLICY)


def test_identical_bytes_are_sent_again_while_nothing_is_seen() -> None:
    known = Progress(last_sent_ms=NOW_MS, last_asked_ms=NOW_MS)
    assert Wait(400) == next_step(LATCHED, known, NOW_MS, POLICY)
    assert Send() == next_step(LATCHED, known, NOW_MS + 1_500, POLICY)


def test_a_cancelling_attempt_is_never_sent() -> None:
    known = Progress(sending=False)
    assert Ask() == next_step(LATCHED, known, NOW_MS, POLICY)


@pytest.mark.parametrize("commitment", ["confirmed", "finalized"])
def test_success_counts_from_confirmed_on(commitment: str) -> None:
    known = Progress(status=SignatureStatus(7, None, commitment))
    assert Confirmed(7) == next_step(LATCHED, known, NOW_MS, POLICY)


def test_an_error_settles_only_when_finalized() -> None:
    seen = Progress(last_asked_ms=NOW_MS, status=SignatureStatus(7, "{}", "confirmed"))
    assert Wait(400, proof_only=True) == next_step(LATCHED, seen, NOW_MS, POLICY)
    final = Progress(status=SignatureStatus(7, "{}", "finalized"))
    assert Settled(AttemptState.ERRORED, 7, "{}") == next_step(LATCHED, final, NOW_MS, POLICY)


def test_proof_is_sought_once_the_blockhash_has_expired() -> None:
    height = LATCHED.last_valid_block_height
    known = Progress(last_sent_ms=NOW_MS, last_asked_ms=NOW_MS, confirmed_height=height)
    assert isinstance(next_step(LATCHED, known, NOW_MS, POLICY), Wait)
    known.confirmed_height = height + 1
    assert Prove() == next_step(LATCHED, known, NOW_MS, POLICY)


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
