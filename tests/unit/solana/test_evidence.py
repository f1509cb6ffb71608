"""What the answers kept with a settled attempt still say later."""

from collections.abc import Sequence

import msgspec
import pytest

from fairlead.orders.model import AttemptState
from fairlead.ports import EpochInfo
from fairlead.solana import evidence
from fairlead.solana.evidence import may_have_paid
from fairlead.solana.proof import DeathEvidence, Settled
from tests.unit.orders.facts import attempt

DEAD = Settled(AttemptState.DEAD)
TRIED = attempt()
BEYOND = EpochInfo(2_000, TRIED.blockhash_height + 151, 0)
ABSENT = DeathEvidence(BEYOND, latch_present=False, latch_slot=2_000)
UNHEARD = msgspec.structs.replace(
    ABSENT, status_asked=True, after=BEYOND, first_available_block=TRIED.blockhash_slot
)
FORGOTTEN = msgspec.structs.replace(UNHEARD, first_available_block=TRIED.blockhash_slot + 1)


@pytest.mark.parametrize(
    ("found", "needed", "expected"),
    [
        ((UNHEARD,), 1, False),
        ((ABSENT,), 1, True),
        ((FORGOTTEN,), 1, True),
        ((UNHEARD, UNHEARD), 2, False),
        ((UNHEARD, ABSENT, ABSENT), 2, True),
        ((UNHEARD, FORGOTTEN), 2, True),
        ((UNHEARD, ABSENT, UNHEARD), 2, False),
    ],
)
def test_a_dead_attempt_is_free_only_where_enough_never_heard_of_it(
    found: Sequence[DeathEvidence], needed: int, expected: bool
) -> None:
    """Without its latch it did not win; whether it failed and paid is another question."""
    said = [
        evidence.Testimony(evidence.of_death(f"provider {n}", TRIED, each), DEAD)
        for n, each in enumerate(found)
    ]
    proof = evidence.document(TRIED, DEAD, said, needed, BEYOND.block_height)
    dead = msgspec.structs.replace(TRIED, state=AttemptState.DEAD, evidence=proof)
    assert expected == may_have_paid(dead)


def test_a_dead_attempt_of_which_nothing_is_kept_may_have_paid() -> None:
    assert may_have_paid(msgspec.structs.replace(TRIED, state=AttemptState.DEAD))
