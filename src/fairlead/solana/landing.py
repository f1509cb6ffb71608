"""Landing one attempt: given what is known, the next step. The shell performs it and feeds the
answer back.

Rules are those of docs/exactly-once.md. One attempt of an order is alive at a time; the next may
be signed only
when this one is proven dead or finalized with an error (rule 17 a, b).
"""

import msgspec

from fairlead.orders.model import Attempt, AttemptState
from fairlead.ports import SignatureStatus
from fairlead.solana.proof import Settled, death_height


class LandingPolicy(msgspec.Struct, frozen=True, gc=False):
    """Liveness only: none of these decides an outcome, except the window."""

    # Identical bytes again after this long without a sign of them (rule 8).
    resend_ms: int = 1_500
    # How often to ask for the status.
    poll_ms: int = 400
    # Blocks after its blockhash's that may hold an attempt: at least any window the cluster may
    # switch to
    # while attempts live (rule 13).
    max_blockhash_window: int = 300
    # How often to look for proof once the attempt can be assumed expired.
    prove_ms: int = 2_000
    # Say "still proving" when nothing was learnt for so long (rule 18).
    tell_unknown_after_ms: int = 120_000


class Progress(msgspec.Struct, gc=False):
    """What this process knows of one live attempt. Lost in a crash, and not missed."""

    # Stop sending: cancel or expiry was asked, only the outcome matters now.
    sending: bool = True
    last_sent_ms: int | None = None
    sends: int = 0
    last_asked_ms: int | None = None
    asks: int = 0
    last_proof_ms: int | None = None
    # The last answer; None is no proof of anything (rule 16).
    status: SignatureStatus | None = None
    # Newest block height seen at `confirmed`: for liveness, proves nothing.
    confirmed_height: int = 0
    # Newest block height seen at `finalized` while it proved nothing yet.
    finalized_height: int = 0
    # When an answer last brought the end nearer.
    learnt_ms: int | None = None
    # Asked for the logs of its failure in vain so often.
    log_asks: int = 0

    def learn(
        self,
        attempt: Attempt,
        now_ms: int,
        max_blockhash_window: int,
        status: SignatureStatus | None,
        confirmed_height: int = 0,
        finalized_height: int = 0,
    ) -> None:
        """Take over answers. A height is news until the attempt can be proven dead at it; from
        then on only proof is."""
        last = death_height(attempt, max_blockhash_window)
        is_news = (
            status != self.status
            or self.confirmed_height < confirmed_height <= last
            or self.finalized_height < finalized_height <= last
        )
        self.status = status
        self.confirmed_height = max(self.confirmed_height, confirmed_height)
        self.finalized_height = max(self.finalized_height, finalized_height)
        if is_news:
            self.learnt_ms = now_ms


class Send(msgspec.Struct, frozen=True):
    """Send the stored bytes (again)."""


class Ask(msgspec.Struct, frozen=True):
    """Ask for the signature's status."""


class Prove(msgspec.Struct, frozen=True):
    """Gather the evidence of rules 14 and 15 and judge it."""


class Confirmed(msgspec.Struct, frozen=True):
    """It succeeded and is confirmed: read the fill, provisionally (rule 20)."""

    slot: int


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do for so long, unless the chain says something."""

    milliseconds: int
    # Only finality or proof is waited for: the order needs no place.
    proof_only: bool = False


Step = Send | Ask | Prove | Confirmed | Settled | Wait


def next_step(attempt: Attempt, known: Progress, now_ms: int, policy: LandingPolicy) -> Step:
    """What to do next for a live attempt."""
    status = known.status
    if status is not None:
        if status.error is None and status.commitment in ("confirmed", "finalized"):
            return Confirmed(status.slot)
        if status.error is not None and status.commitment == "finalized":
            # Rule 16: an error settles only when finalized, since a fork may flip it.
            return Settled(AttemptState.ERRORED, status.slot, status.error)
    if known.sending and status is None and _due(known.last_sent_ms, policy.resend_ms, now_ms):
        return Send()
    if _due(known.last_asked_ms, policy.poll_ms, now_ms):
        return Ask()
    expired = known.confirmed_height > attempt.last_valid_block_height
    if expired and status is None and _due(known.last_proof_ms, policy.prove_ms, now_ms):
        return Prove()
    errored = status is not None and status.error is not None
    assert known.last_asked_ms is not None
    wait_ms = known.last_asked_ms + policy.poll_ms - now_ms
    return Wait(max(wait_ms, 1), proof_only=expired or errored or not known.sending)


def _due(last_ms: int | None, every_ms: int, now_ms: int) -> bool:
    return last_ms is None or now_ms - last_ms >= every_ms
