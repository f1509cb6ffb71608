"""The answers that settled an attempt, as they are kept with it: who said what, at which slot and
height, in the order asked. From them a proof for outsiders can be written. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from fairlead.orders.model import Attempt, AttemptState
from fairlead.orders.proofs import AGREED, SINGLE_SOURCE
from fairlead.ports import EpochInfo, SignatureStatus
from fairlead.solana.proof import DeathEvidence, LandedEvidence, Settled, compact


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One answer of one provider."""

    # Its host.
    provider: str
    # The method of Solana JSON-RPC, with what it was asked for.
    question: str
    # In few words; errors as their JSON.
    answer: str
    # Of the bank or block that the answer speaks of, where it names one.
    slot: int | None = None
    block_height: int | None = None


class Testimony(msgspec.Struct, frozen=True):
    """What one provider was asked about an attempt, and what its answers prove by themselves."""

    answers: tuple[Evidence, ...]
    verdict: Settled | None


class Proof(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Why an attempt counts as settled. Stored as JSON with the change that says so."""

    # `agreed` or `single-source`.
    proof: str
    state: AttemptState
    signature: str
    # What the evidence is held against: rule 13, and rule 14 where there is a latch.
    death_height: int | None
    latch: str | None
    # Of all providers that answered, those that prove nothing or contradict included.
    answers: tuple[Evidence, ...]


FIRST_BLOCK = "getFirstAvailableBlock"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Proof).decode


def document(
    attempt: Attempt,
    settled: Settled,
    heard: Iterable[Testimony],
    needed: int,
    death_height: int | None = None,
) -> bytes:
    """The proof as it is stored."""
    return _encode(
        Proof(
            SINGLE_SOURCE if needed == 1 else AGREED,
            settled.state,
            attempt.signature,
            death_height,
            attempt.latch_address,
            tuple([answer for each in heard for answer in each.answers]),
        )
    )


def of_death(provider: str, attempt: Attempt, found: DeathEvidence) -> tuple[Evidence, ...]:
    """The answers of rules 14 and 15, those that were asked for."""
    told = [_epoch(provider, found.before)]
    if found.latch_present is not None:
        # Rule 14: of a bank at least as new as the one that told the height.
        since = f"minContextSlot {found.before.slot}"
        question = f"getMultipleAccounts {attempt.latch_address} finalized {since}"
        answer = "present" if found.latch_present else "absent"
        told.append(Evidence(provider, question, answer, found.latch_slot))
    if found.latch_present:
        question = f"getSignaturesForAddress {attempt.latch_address} finalized"
        told.append(Evidence(provider, question, " ".join(found.latch_takers) or "no success"))
    if found.status_asked:
        told.append(_status(provider, attempt, found.status))
    if found.after is not None:
        told.append(_epoch(provider, found.after))
    if found.first_available_block is not None:
        first = found.first_available_block
        told.append(Evidence(provider, FIRST_BLOCK, str(first), first))
    return tuple(told)


def may_have_paid(attempt: Attempt) -> bool:
    """Whether a dead attempt may have landed with an error and paid its fee: so it is where only
    the absence of its latch was proven, as it is by providers that have forgotten (rule 14)."""
    if attempt.evidence is None:
        return True
    proof = _decode(attempt.evidence)
    heard = {(each.provider, each.question): each for each in proof.answers}
    never_landed = 0
    for (provider, question), first in heard.items():
        if question != FIRST_BLOCK or first.slot is None or first.slot > attempt.blockhash_slot:
            continue
        status = heard.get((provider, _status_question(attempt)))
        never_landed += status is not None and status.answer == "null"
    return never_landed < (1 if proof.proof == SINGLE_SOURCE else 2)


def of_landing(
    provider: str, attempt: Attempt, found: LandedEvidence, finalized: EpochInfo | None = None
) -> tuple[Evidence, ...]:
    """The answers about a transaction that landed."""
    told = [] if finalized is None else [_epoch(provider, finalized)]
    told.append(_status(provider, attempt, found.status))
    landed = found.transaction
    if landed is not None:
        answer = "success" if landed.error is None else compact(landed.error)
        if landed.error is None and found.fill is not None:
            answer = f"success in {found.fill.in_atoms} out {found.fill.out_atoms} atoms"
        question = f"getTransaction {attempt.signature} finalized"
        told.append(Evidence(provider, question, answer, landed.slot))
    return tuple(told)


def _epoch(provider: str, info: EpochInfo) -> Evidence:
    return Evidence(
        provider, "getEpochInfo finalized", f"epoch {info.epoch}", info.slot, info.block_height
    )


def _status_question(attempt: Attempt) -> str:
    return f"getSignatureStatuses {attempt.signature} searchTransactionHistory"


def _status(provider: str, attempt: Attempt, status: SignatureStatus | None) -> Evidence:
    question = _status_question(attempt)
    if status is None:
        return Evidence(provider, question, "null")
    outcome = "success" if status.error is None else compact(status.error)
    return Evidence(provider, question, f"{status.commitment} {outcome}", status.slot)


def verdicts(heard: Sequence[Testimony]) -> list[Settled | None]:
    """What each came to by itself."""
    return [each.verdict for each in heard]
