"""What proves that an attempt can never land (rules 13–17)."""

from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders.model import AttemptState
from fairlead.ports import EpochInfo, SignatureStatus
from fairlead.solana import proof
from fairlead.solana.landing import (
    LandingPolicy,
)
from fairlead.solana.proof import DeathEvidence, Settled, death_height
from tests.unit.orders.facts import attempt

POLICY = LandingPolicy(resend_ms=1_500, poll_ms=400, max_blockhash_window=150, prove_ms=2_000)
LATCHED = attempt()
BARE = attempt(latch_address=None)
DEATH = death_height(BARE, 150)
MARGIN = 300
judge = partial(proof.judge, reclaim_margin=MARGIN)


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
    absent = DeathEvidence(before, latch_present=False, latch_slot=2_000)
    assert Settled(AttemptState.DEAD) == judge(LATCHED, absent, 150)
    early = msgspec.structs.replace(absent, before=EpochInfo(2_000, DEATH - 1, 0))
    assert judge(LATCHED, early, 150) is None


def test_what_landed_with_an_error_is_not_called_dead_for_its_latch_is_absent() -> None:
    failed = SignatureStatus(7, "{}", "finalized")
    found = evidence(latch_present=False, latch_slot=2_000, status=failed)
    assert Settled(AttemptState.ERRORED, 7, "{}") == judge(LATCHED, found, 150)


@given(st.integers(0, 2 * MARGIN), st.integers(0, 2 * MARGIN))
def test_a_latch_that_may_have_been_taken_back_proves_nothing_by_its_absence(
    blocks: int, slots: int
) -> None:
    """Rule 12: a store that was restored to a moment before the reclaim knows nothing of it."""
    before = EpochInfo(2_000, DEATH + blocks, 0)
    absent = DeathEvidence(before, latch_present=False, latch_slot=2_000 + slots)
    assert (judge(LATCHED, absent, 150) is not None) == (blocks + slots < MARGIN)


def test_beyond_the_margin_the_full_chain_of_rule_15_proves_death_all_the_same() -> None:
    late = EpochInfo(2_000, DEATH + MARGIN, 0)
    found = evidence(before=late, latch_present=False, latch_slot=2_000)
    assert Settled(AttemptState.DEAD) == judge(LATCHED, found, 150)
    won = msgspec.structs.replace(found, status=SignatureStatus(7, None, "finalized"))
    assert judge(LATCHED, won, 150) is None


def test_an_absent_latch_of_an_unknown_bank_proves_nothing() -> None:
    before = EpochInfo(2_000, DEATH, 0)
    assert judge(LATCHED, DeathEvidence(before, latch_present=False), 150) is None


def test_a_present_latch_alone_proves_nothing() -> None:
    before = EpochInfo(2_000, DEATH, 0)
    assert judge(LATCHED, DeathEvidence(before, latch_present=True), 150) is None


def test_a_latch_that_an_own_attempt_or_nobody_took_contradicts_a_null_status() -> None:
    for takers in ((), ("an earlier own",), (LATCHED.signature, "a stranger's")):
        found = evidence(latch_present=True, latch_takers=takers)
        assert judge(LATCHED, found, 150, own=("an earlier own",)) is None
    found = evidence(latch_present=True, latch_takers=("a stranger's",))
    assert Settled(AttemptState.DEAD) == judge(LATCHED, found, 150)


@given(st.integers(150, 1_000), st.integers(0, 5_000))
def test_nothing_is_dead_below_the_death_height(window: int, height: int) -> None:
    """Rule 13: a window that grew in flight must not fool us."""
    given_height = evidence(before=EpochInfo(9_000, height, 0), after=EpochInfo(9_000, height, 0))
    verdict = judge(BARE, given_height, window)
    assert (verdict is not None) == (height >= BARE.blockhash_height + window + 1)
