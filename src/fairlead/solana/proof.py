"""What became of an attempt: what one endpoint answered, and what that proves. Pure.

Rules are those of docs/exactly-once.md (13 to 16). Everything else is no proof: a time-out, a null
from a recent cache, a height at `confirmed`. How many endpoints must come to the same verdict is
said in `agreement`; how their answers are kept, in `evidence`.
"""

from collections.abc import Collection

import msgspec

from fairlead.orders.model import Attempt, AttemptState
from fairlead.ports import EpochInfo, LandedTransaction, SignatureStatus
from fairlead.solana.legs import Detail


class Fill(msgspec.Struct, frozen=True):
    """What a transaction moved, in atoms."""

    in_atoms: int
    out_atoms: int
    # Leg by leg, where there are several.
    detail: Detail | None = None


class Settled(msgspec.Struct, frozen=True):
    """Nothing can change any more: finalized with success or an error, or proven dead.

    Endpoints that came to equal ones agree.
    """

    state: AttemptState
    slot: int | None = None
    # JSON, compact.
    error: str | None = None
    # Of a success.
    fill: Fill | None = None


def death_height(attempt: Attempt, max_blockhash_window: int) -> int:
    """The finalized height from which on no block can hold the attempt any more (rule 13)."""
    return attempt.blockhash_height + max_blockhash_window + 1


class DeathEvidence(msgspec.Struct, frozen=True):
    """Answers of one endpoint, asked for in this order. Later fields stay None where they were
    not needed."""

    before: EpochInfo
    # Rule 14: the latch at `finalized`, minContextSlot = before.slot. None: not asked or no latch.
    # Absent and read too late (`is_before_reclaim`) it says nothing.
    latch_present: bool | None = None
    # Rule 10: the successful transactions that name a latch that is present.
    latch_takers: tuple[str, ...] = ()
    # Rule 15: with searchTransactionHistory, asked after `before`.
    status: SignatureStatus | None = None
    status_asked: bool = False
    after: EpochInfo | None = None
    first_available_block: int | None = None
    # The slot of the bank that told of the latch.
    latch_slot: int | None = None


def is_before_reclaim(
    attempt: Attempt, evidence: DeathEvidence, max_blockhash_window: int, reclaim_margin: int
) -> bool:
    """Whether the bank that told of the latch is too old for a reclaim of it to be in it.

    A latch is taken back no sooner than so many blocks after its last attempt's death (rule 12).
    From then on its absence says nothing, not even to who knows of no reclaim: the store may have
    been restored to a moment before it.
    """
    if evidence.latch_slot is None:
        return False
    before = evidence.before
    # A block takes a slot or more: no higher than this.
    height = before.block_height + max(evidence.latch_slot - before.slot, 0)
    return height < death_height(attempt, max_blockhash_window) + reclaim_margin


def judge(
    attempt: Attempt,
    evidence: DeathEvidence,
    max_blockhash_window: int,
    own: Collection[str] = (),
    *,
    reclaim_margin: int,
) -> Settled | None:
    """DEAD when proven, ERRORED when found so at finalized, None while nothing is proven.

    `own`: the signatures of all attempts of the order.
    """
    window = max_blockhash_window
    if evidence.before.block_height < death_height(attempt, window):
        return None
    status = evidence.status
    if status is not None:
        if status.error is not None and status.commitment == "finalized":
            return Settled(AttemptState.ERRORED, status.slot, compact(status.error))
        return None
    if evidence.latch_present is False and is_before_reclaim(
        attempt, evidence, window, reclaim_margin
    ):
        # Rule 14: finalized beyond the death height and no latch: nothing of this order ever won.
        return Settled(AttemptState.DEAD)
    if evidence.latch_present:
        # Somebody won. "Never heard of" this attempt contradicts that, unless a stranger is named.
        takers = set(evidence.latch_takers)
        if not takers or takers & {attempt.signature, *own}:
            return None
    return Settled(AttemptState.DEAD) if is_unheard_of(attempt, evidence) else None


def is_unheard_of(attempt: Attempt, evidence: DeathEvidence) -> bool:
    """Rule 15: height before status, an endpoint that did not go back, and a history that reaches
    far enough. Beyond the death height such an attempt has not even landed with an error."""
    after, first = evidence.after, evidence.first_available_block
    if not evidence.status_asked or evidence.status is not None or after is None or first is None:
        return False
    return after.slot >= evidence.before.slot and first <= attempt.blockhash_slot


def has_landed(evidence: DeathEvidence) -> bool:
    """Whether this endpoint has it finalized, with success or an error."""
    return evidence.status is not None and evidence.status.commitment == "finalized"


class LandedEvidence(msgspec.Struct, frozen=True):
    """Answers of one endpoint about a transaction that is said to have landed, in this order."""

    # With searchTransactionHistory; None where it was never heard of.
    status: SignatureStatus | None
    # At `finalized`; not asked for unless the status is.
    transaction: LandedTransaction | None = None
    # Read from it, where it succeeded.
    fill: Fill | None = None


def judge_landed(evidence: LandedEvidence) -> Settled | None:
    """SUCCEEDED with the fill, or ERRORED, where it is so at finalized (rule 16); else None.

    The transaction decides: an endpoint whose status contradicts it has said nothing.
    """
    status, landed = evidence.status, evidence.transaction
    if status is None or status.commitment != "finalized":
        return None
    if landed is not None and (landed.error is None) != (status.error is None):
        return None
    if status.error is not None:
        return Settled(AttemptState.ERRORED, status.slot, compact(status.error))
    if landed is None or evidence.fill is None:
        return None
    return Settled(AttemptState.SUCCEEDED, landed.slot, fill=evidence.fill)


def compact(error: str) -> str:
    """An error's JSON as everybody would write it: spaces and order are the endpoint's own."""
    try:
        return msgspec.json.encode(msgspec.json.decode(error), order="sorted").decode()
    except msgspec.DecodeError:
        return error
