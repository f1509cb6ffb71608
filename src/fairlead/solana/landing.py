"""Landing an order's live attempts: given what is known of each, the next step. The shell performs
it and feeds the answer back.

Rules are those of docs/exactly-once.md. Several attempts may live at once under one latch, which
lets at most one of them succeed: one whose fee was too low is outbid (`Purpose.RAISE`), one whose
blockhash died is followed at once (`Purpose.RENEW`), and a cancel takes the latch itself
(`Purpose.CANCEL`). `May` says what the order's terms and the latch allow; without a latch nothing
new is signed until proof or a final failure (rule 17 a, b).
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from fairlead.orders.model import Attempt, AttemptKind
from fairlead.ports import SignatureStatus
from fairlead.solana.proof import death_height


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
    # Blocks from the death of a latch's last attempt until its rent may be taken back (rule 12),
    # and so as long as its absence proves that nothing won (rule 14).
    reclaim_margin: int = 300
    # How often to look for proof once the attempt can be assumed expired.
    prove_ms: int = 2_000
    # Say "still proving" when nothing was learnt for so long (rule 18).
    tell_unknown_after_ms: int = 120_000
    # Offer a higher fee when the newest attempt has not been seen for so long; None: never.
    bump_after_ms: int | None = None


class Purpose(StrEnum):
    """Why an attempt is signed."""

    FIRST = "first"  # of its round
    REPLACE = "replace"  # the last one is proven dead
    RENEW = "renew"  # the last one's blockhash died: at once, under the same latch
    RAISE = "raise"  # the last one is not seen: a higher fee, under the same latch
    CANCEL = "cancel"  # takes the latch instead of the swaps


class May(msgspec.Struct, frozen=True, gc=False):
    """What may be signed beside what lives."""

    raise_fee: bool = False
    renew: bool = False
    cancel: bool = False


class Progress(msgspec.Struct, gc=False):
    """What this process knows of one live attempt. Lost in a crash, and not missed."""

    first_sent_ms: int | None = None
    last_sent_ms: int | None = None
    sends: int = 0
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
        is_news = status != self.status
        self.status = status
        if confirmed_height > self.confirmed_height:
            is_news |= confirmed_height <= death_height(attempt, max_blockhash_window)
            self.confirmed_height = confirmed_height
        if finalized_height > self.finalized_height:
            is_news |= finalized_height <= death_height(attempt, max_blockhash_window)
            self.finalized_height = finalized_height
        if is_news:
            self.learnt_ms = now_ms

    @property
    def has_failed(self) -> bool:
        """Whether it was last seen with an error."""
        return self.status is not None and self.status.error is not None

    def has_expired(self, attempt: Attempt) -> bool:
        """Whether no block can hold it any more, as far as `confirmed` says: liveness, no proof."""
        return self.status is None and self.confirmed_height > attempt.last_valid_block_height


class Flight(msgspec.Struct):
    """What this process knows of an order's live attempts together."""

    each: dict[str, Progress] = msgspec.field(default_factory=dict)
    last_asked_ms: int | None = None
    # When the last question was asked that all signatures had an answer to.
    answered_ms: int | None = None
    asks: int = 0
    last_proof_ms: int | None = None
    # The last try to sign another came to nothing: none before this time.
    hold_until_ms: int = 0

    def of(self, attempt: Attempt) -> Progress:
        """The progress of this attempt, fresh for a new one."""
        found = self.each.get(attempt.signature)
        if found is None:
            found = self.each[attempt.signature] = Progress()
        return found


class Send(msgspec.Struct, frozen=True):
    """Send the stored bytes (again)."""

    attempt: Attempt


class Ask(msgspec.Struct, frozen=True):
    """Ask for the statuses of all signatures, in one question."""


class Prove(msgspec.Struct, frozen=True):
    """Gather the evidence of rules 14 and 15 and judge it: those that can be dead first, first."""

    attempts: tuple[Attempt, ...]


class Sign(msgspec.Struct, frozen=True):
    """Sign and store another attempt under the same latch (rule 17 c)."""

    purpose: Purpose


class Confirmed(msgspec.Struct, frozen=True):
    """It succeeded and is confirmed: read the fill, provisionally (rule 20)."""

    attempt: Attempt
    slot: int


class CancelWon(msgspec.Struct, frozen=True):
    """Our own cancel seems to hold the latch at `finalized`: no swap could succeed (rule 21)."""

    attempt: Attempt


class Errored(msgspec.Struct, frozen=True):
    """It seems to have landed and failed, for good (rule 16)."""

    attempt: Attempt


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do for so long, unless the chain says something."""

    milliseconds: int
    # Only finality or proof is waited for: the order needs no place.
    proof_only: bool = False


_Each = Sequence[tuple[Attempt, Progress]]
"""Live attempts with what is known of each, oldest first."""

Step = Send | Ask | Prove | Sign | Confirmed | CancelWon | Errored | Wait


def next_step(
    attempts: Sequence[Attempt],
    known: Flight,
    now_ms: int,
    policy: LandingPolicy,
    sending: bool,
    may_sign: Callable[[], May],
) -> Step:
    """What to do next for an order with these live attempts, oldest first.

    `sending`: swaps are sent (again). Off once cancel or expiry was asked: only the outcome matters
    then. `may_sign` is asked where another attempt is wanted: most orders never need one.
    """
    assert attempts
    each = [(attempt, known.of(attempt)) for attempt in attempts]
    seen = _seen(each)
    if seen is not None:
        return seen
    to_send = _to_send(each, now_ms, policy, sending)
    if to_send is not None:
        return Send(to_send)
    if _due(known.last_asked_ms, policy.poll_ms, now_ms):
        return Ask()
    purpose = _to_sign(each, known, now_ms, policy, sending, may_sign)
    if purpose is not None:
        return Sign(purpose)
    expired = [attempt for attempt, progress in each if progress.has_expired(attempt)]
    if expired and _due(known.last_proof_ms, policy.prove_ms, now_ms):
        window = policy.max_blockhash_window
        return Prove(tuple(sorted(expired, key=lambda a: death_height(a, window))))
    assert known.last_asked_ms is not None
    wait_ms = known.last_asked_ms + policy.poll_ms - now_ms
    only_proof = not sending or all(a in expired or p.has_failed for a, p in each)
    return Wait(max(wait_ms, 1), proof_only=only_proof)


def _seen(each: _Each) -> CancelWon | Confirmed | Errored | None:
    """What the chain says that has to be stored. What is final comes before what is provisional."""
    confirmed: Confirmed | None = None
    errored: Errored | None = None
    for attempt, progress in each:
        status = progress.status
        if status is None:
            continue
        final = status.commitment == "finalized"
        if status.error is not None:
            if final and errored is None:
                # Rule 16: an error settles only when finalized, since a fork may flip it.
                errored = Errored(attempt)
        elif attempt.kind is AttemptKind.CANCEL:
            if final:
                return CancelWon(attempt)
        elif final or status.commitment == "confirmed":
            confirmed = Confirmed(attempt, status.slot)
    return confirmed or errored


def _to_send(each: _Each, now_ms: int, policy: LandingPolicy, sending: bool) -> Attempt | None:
    """The attempt whose bytes are to be sent (again), newest first; none once one has succeeded,
    at whatever commitment: others could only fail, and pay for it."""
    for _, progress in each:
        if progress.status is not None and progress.status.error is None:
            return None
    newest, _ = each[-1]
    for attempt, progress in reversed(each):
        if not sending and attempt.kind is AttemptKind.SWAP:
            continue
        if progress.status is not None or (attempt is not newest and progress.has_expired(attempt)):
            continue
        if _due(progress.last_sent_ms, policy.resend_ms, now_ms):
            return attempt
    return None


def _to_sign(
    each: _Each,
    known: Flight,
    now_ms: int,
    policy: LandingPolicy,
    sending: bool,
    may_sign: Callable[[], May],
) -> Purpose | None:
    """Why another attempt is to be signed now. Only while nothing is seen of any, which takes an
    answer: silence says nothing."""
    answered_ms = known.answered_ms
    if answered_ms is None or now_ms < known.hold_until_ms:
        return None
    if any(progress.status is not None for _, progress in each):
        return None
    may = may_sign()
    kind = AttemptKind.SWAP if sending else AttemptKind.CANCEL
    bids = [(attempt, progress) for attempt, progress in each if attempt.kind is kind]
    if not bids:
        return Purpose.CANCEL if may.cancel else None
    is_dead = all(progress.has_expired(attempt) for attempt, progress in bids)
    sent_ms = bids[-1][1].first_sent_ms
    is_late = (
        policy.bump_after_ms is not None
        and sent_ms is not None
        and answered_ms - sent_ms >= policy.bump_after_ms
    )
    if not sending:
        return Purpose.CANCEL if may.cancel and (is_dead or is_late) else None
    if is_dead:
        return Purpose.RENEW if may.renew else None
    return Purpose.RAISE if is_late and may.raise_fee else None


def _due(last_ms: int | None, every_ms: int, now_ms: int) -> bool:
    return last_ms is None or now_ms - last_ms >= every_ms
