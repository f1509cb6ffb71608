"""Landing one attempt: the next step, and what proves it dead (rules 8, 13–17)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders.model import AttemptState
from fairlead.ports import EpochInfo, SignatureStatus
from fairlead.solana.landing import (
    Ask,
    Confirmed,
    DeathEvidence,
    LandingPolicy,
    Progress,
    Prove,
    Send,
    Settled,
    Wait,
    death_height,
    judge,
    next_step,
)
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


def evidence(**given: object) -> DeathEvidence:
    """All that rule 15 asks for."""
    full = DeathEvidence(
        before=EpochInfo(2_000, DEATH, 0),
        status=None,
        status_asked=True,
        after=EpochInfo(2_001, DEATH + 1, 0),
        first_available_block=0,
    )
    return msgspec.structs.replace(full, **given)


def test_the_full_chain_of_rule_15_proves_death() -> None:
    assert Settled(AttemptState.DEAD) == judge(BARE, evidence(), 150)


@pytest.mark.parametrize(
    "missing",
    [
        {"before": EpochInfo(2_000, DEATH - 1, 0)},
        {"status_asked": False},
        {"after": None},
        {"after": EpochInfo(1_999, DEATH, 0)},
        {"first_available_block": None},
        {"first_available_block": BARE.blockhash_slot + 1},
        {"status": SignatureStatus(7, None, "finalized")},
        {"status": SignatureStatus(7, "{}", "confirmed")},
    ],
)
def test_any_missing_piece_of_rule_15_leaves_it_unknown(missing: dict[str, object]) -> None:
    assert judge(BARE, evidence(**missing), 150) is None


def test_an_absent_latch_beyond_the_death_height_proves_death() -> None:
    before = EpochInfo(2_000, DEATH, 0)
    assert Settled(AttemptState.DEAD) == judge(
        LATCHED, DeathEvidence(before, latch_present=False), 150
    )
    early = EpochInfo(2_000, DEATH - 1, 0)
    assert judge(LATCHED, DeathEvidence(early, latch_present=False), 150) is None


def test_a_present_latch_alone_proves_nothing() -> None:
    before = EpochInfo(2_000, DEATH, 0)
    assert judge(LATCHED, DeathEvidence(before, latch_present=True), 150) is None


def test_a_latch_that_an_own_attempt_or_nobody_took_contradicts_a_null_status() -> None:
    for takers in ((), ("an earlier own",), (LATCHED.signature, "a stranger's")):
        found = evidence(latch_present=True, latch_takers=takers)
        assert judge(LATCHED, found, 150, own=("an earlier own",)) is None
    found = evidence(latch_present=True, latch_takers=("a stranger's",))
    assert Settled(AttemptState.DEAD) == judge(LATCHED, found, 150)


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


@given(st.integers(150, 1_000), st.integers(0, 5_000))
def test_nothing_is_dead_below_the_death_height(window: int, height: int) -> None:
    """Rule 13: a window that grew in flight must not fool us."""
    given_height = evidence(before=EpochInfo(9_000, height, 0), after=EpochInfo(9_000, height, 0))
    verdict = judge(BARE, given_height, window)
    assert (verdict is not None) == (height >= BARE.blockhash_height + window + 1)
