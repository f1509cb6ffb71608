"""Proof that an attempt can never land: what was answered, and what it proves. Pure.

Rules are those of docs/exactly-once.md (13 to 16). Everything else is no proof: a time-out, a null
from a recent cache, a height at `confirmed`.
"""

from collections.abc import Collection

import msgspec

from fairlead.orders.model import Attempt, AttemptState
from fairlead.ports import EpochInfo, SignatureStatus


class Settled(msgspec.Struct, frozen=True):
    """Nothing can change any more: errored at finalized, or proven dead."""

    state: AttemptState
    slot: int | None = None
    error: str | None = None


def death_height(attempt: Attempt, max_blockhash_window: int) -> int:
    """The finalized height from which on no block can hold the attempt any more (rule 13)."""
    return attempt.blockhash_height + max_blockhash_window + 1


class DeathEvidence(msgspec.Struct, frozen=True):
    """Answers of one endpoint, asked for in this order. Later fields stay None where they were
    not needed."""

    before: EpochInfo
    # Rule 14: the latch at `finalized`, minContextSlot = before.slot. None: not asked or no latch.
    latch_present: bool | None = None
    # Rule 10: the successful transactions that name a latch that is present.
    latch_takers: tuple[str, ...] = ()
    # Rule 15: with searchTransactionHistory, asked after `before`.
    status: SignatureStatus | None = None
    status_asked: bool = False
    after: EpochInfo | None = None
    first_available_block: int | None = None


def judge(
    attempt: Attempt,
    evidence: DeathEvidence,
    max_blockhash_window: int,
    own: Collection[str] = (),
) -> Settled | None:
    """DEAD when proven, ERRORED when found so at finalized, None while nothing is proven.

    `own`: the signatures of all attempts of the order.
    """
    if evidence.before.block_height < death_height(attempt, max_blockhash_window):
        return None
    if evidence.latch_present is False:
        # Rule 14: finalized beyond the death height and no latch: nothing of this order ever won.
        return Settled(AttemptState.DEAD)
    status = evidence.status
    if status is not None:
        if status.error is not None and status.commitment == "finalized":
            return Settled(AttemptState.ERRORED, status.slot, status.error)
        return None
    if (
        not evidence.status_asked
        or evidence.after is None
        or evidence.first_available_block is None
    ):
        return None
    if evidence.latch_present:
        # Somebody won. "Never heard of" this attempt contradicts that, unless a stranger is named.
        takers = set(evidence.latch_takers)
        if not takers or takers & {attempt.signature, *own}:
            return None
    # Rule 15: height before status, an endpoint that did not go back, and a history that reaches
    # far enough.
    history_reaches = evidence.first_available_block <= attempt.blockhash_slot
    if evidence.after.slot >= evidence.before.slot and history_reaches:
        return Settled(AttemptState.DEAD)
    return None
