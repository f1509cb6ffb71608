"""Gathers the evidence that ends an attempt: of each witness alone, in the order that makes it
evidence, and judged alone; then held together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import structlog
from solders.pubkey import Pubkey

from fairlead.errors import FairleadError, Unavailable
from fairlead.orders.model import Attempt, AttemptState
from fairlead.ports import Chain, EpochInfo, SignatureStatus
from fairlead.solana import evidence
from fairlead.solana.agreement import (
    agreed,
    agreed_height,
    agreed_value,
    likely_status,
    needed_of,
    reached_height,
)
from fairlead.solana.evidence import Testimony
from fairlead.solana.landing import LandingPolicy, Progress
from fairlead.solana.proof import (
    DeathEvidence,
    LandedEvidence,
    Settled,
    death_height,
    has_landed,
    is_before_reclaim,
    is_unheard_of,
    judge,
    judge_landed,
)

log = structlog.get_logger("fairlead.proving")

PATIENCE_S = 1.0
"""How long the other witnesses may still take once enough of them agree. What they say is kept."""

_T = TypeVar("_T")


class Proven(msgspec.Struct, frozen=True):
    """A verdict on which enough witnesses agree, with the answers as they are stored."""

    settled: Settled
    evidence: bytes
    # Of a failed transaction, as enough witnesses show them; None while they do not.
    logs: tuple[str, ...] | None = None


async def ask_each(
    witnesses: Sequence[Chain],
    ask: Callable[[Chain], Awaitable[_T]],
    is_enough: Callable[[Sequence[_T]], bool],
) -> tuple[_T, ...]:
    """What the witnesses say that answer, asked at the same time; `Unavailable` when none does.

    All are waited for, unless what was said is enough: one that hangs must not hold up an end.
    """
    if len(witnesses) == 1:
        return (await ask(witnesses[0]),)
    tasks = [asyncio.ensure_future(ask(each)) for each in witnesses]
    loop = asyncio.get_running_loop()
    until_s: float | None = None
    try:
        pending = set(tasks)
        while pending:
            left_s = None if until_s is None else max(until_s - loop.time(), 0.0)
            done, pending = await asyncio.wait(
                pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            if until_s is None and is_enough(_answers(tasks)):
                until_s = loop.time() + PATIENCE_S
        return _heard(witnesses, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _answers(tasks: Sequence["asyncio.Future[_T]"]) -> list[_T]:
    return [t.result() for t in tasks if t.done() and not t.cancelled() and not t.exception()]


def _heard(witnesses: Sequence[Chain], tasks: Sequence["asyncio.Future[_T]"]) -> tuple[_T, ...]:
    """The answers, in the witnesses' order. Whatever one fails with, the others are heard."""
    failures: list[BaseException] = []
    for witness, task in zip(witnesses, tasks, strict=True):
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None:
            failures.append(error)
            if not isinstance(error, FairleadError):
                log.error("witness_error", witness=witness.name, exc_info=error)
    answers = _answers(tasks)
    if not answers:
        raise failures[0] if failures else Unavailable("chain", "no witness answers")
    return tuple(answers)


class _AboutDeath(msgspec.Struct, frozen=True):
    testimony: Testimony
    found: DeathEvidence


async def prove(
    chain: Chain,
    attempt: Attempt,
    progress: Progress,
    own: tuple[str, ...],
    now_ms: int,
    policy: LandingPolicy,
) -> Proven | None:
    """Whether the attempt is proven dead, or finalized with an error, by enough witnesses."""
    window, margin = policy.max_blockhash_window, policy.reclaim_margin
    witnesses = chain.witnesses
    needed = needed_of(len(witnesses))

    async def ask(witness: Chain) -> _AboutDeath:
        found = await _about_death(witness, attempt, window, margin)
        verdict = judge(attempt, found, window, own, reclaim_margin=margin)
        if verdict is None and _is_final_success(found.status):
            # It settles nothing here, where no fill was read; but it contradicts the others.
            verdict = Settled(AttemptState.SUCCEEDED)
        return _AboutDeath(
            Testimony(evidence.of_death(witness.name, attempt, found), verdict), found
        )

    heard = await ask_each(
        witnesses, ask, lambda all: agreed([a.testimony.verdict for a in all], needed) is not None
    )
    _learn(attempt, progress, [each.found for each in heard], needed, now_ms, window)
    settled = agreed([each.testimony.verdict for each in heard], needed)
    if settled is None or settled.state is AttemptState.SUCCEEDED:
        return None
    said = [each.testimony for each in heard]
    last = death_height(attempt, window)
    return Proven(settled, evidence.document(attempt, settled, said, needed, last))


def _is_final_success(status: SignatureStatus | None) -> bool:
    return status is not None and status.error is None and status.commitment == "finalized"


def _learn(
    attempt: Attempt,
    progress: Progress,
    found: Sequence[DeathEvidence],
    needed: int,
    now_ms: int,
    window: int,
) -> None:
    """What was heard on the way may be news, and a hint where to look next."""
    height = agreed_height([each.before.block_height for each in found], needed) or 0
    asked = [each.status for each in found if each.status_asked]
    status = likely_status(asked, needed) if asked else progress.status
    progress.learn(attempt, now_ms, window, status, finalized_height=height)


async def _about_death(witness: Chain, attempt: Attempt, window: int, margin: int) -> DeathEvidence:
    """The answers of rules 14 and 15 in their order; no more of them than are needed."""
    before = await witness.epoch_info("finalized")
    if before.block_height < death_height(attempt, window):
        return DeathEvidence(before)
    latch_present: bool | None = None
    latch_slot: int | None = None
    takers: tuple[str, ...] = ()
    absent: DeathEvidence | None = None
    if attempt.latch_address is not None:
        latch = Pubkey.from_string(attempt.latch_address)
        read = await witness.accounts((latch,), "finalized", min_context_slot=before.slot)
        latch_present, latch_slot = latch in read.accounts, read.slot
        if latch_present:
            named = await witness.signatures_for_address(latch)
            takers = tuple([each.signature for each in named if each.error is None])
        else:
            seen = DeathEvidence(before, latch_present=False, latch_slot=latch_slot)
            if is_before_reclaim(attempt, seen, window, margin):
                absent = seen
    try:
        (status,) = await witness.signature_statuses((attempt.signature,), search_history=True)
        after = await witness.epoch_info("finalized")
        first = await witness.first_available_block()
    except Unavailable:
        if absent is None:
            raise
        return absent
    found = DeathEvidence(
        before, latch_present, takers, status, True, after, first, latch_slot=latch_slot
    )
    if absent is None or has_landed(found) or is_unheard_of(attempt, found):
        return found
    # It did not win, and whether it landed with an error is not known here.
    return absent


async def reached(chain: Chain, of: Callable[[EpochInfo], int]) -> int | None:
    """How far enough witnesses say that the chain is final, in blocks or in slots."""
    needed = needed_of(len(chain.witnesses))

    async def ask(witness: Chain) -> int:
        return of(await witness.epoch_info("finalized"))

    heard = await ask_each(chain.witnesses, ask, lambda heard: len(heard) >= needed)
    return reached_height(heard, needed)


class _AboutFailure(msgspec.Struct, frozen=True):
    testimony: Testimony
    logs: tuple[str, ...] | None


async def prove_failure(chain: Chain, attempt: Attempt) -> Proven | None:
    """Whether enough witnesses say that the attempt is finalized with the same error."""
    witnesses = chain.witnesses
    needed = needed_of(len(witnesses))

    async def ask(witness: Chain) -> _AboutFailure:
        (status,) = await witness.signature_statuses((attempt.signature,), search_history=True)
        found = LandedEvidence(status)
        if status is not None and status.commitment == "finalized":
            landed = await witness.transaction(attempt.signature, "finalized")
            found = LandedEvidence(status, landed)
        landed = found.transaction
        logs = landed.logs if landed is not None and landed.error is not None else None
        said = evidence.of_landing(witness.name, attempt, found)
        return _AboutFailure(Testimony(said, judge_landed(found)), logs)

    def is_enough(all: Sequence[_AboutFailure]) -> bool:
        has_logs = agreed_value([a.logs for a in all], needed) is not None
        return has_logs and agreed([a.testimony.verdict for a in all], needed) is not None

    heard = await ask_each(witnesses, ask, is_enough)
    settled = agreed([each.testimony.verdict for each in heard], needed)
    if settled is None or settled.state is not AttemptState.ERRORED:
        return None
    logs = agreed_value([each.logs for each in heard], needed)
    said = [each.testimony for each in heard]
    return Proven(settled, evidence.document(attempt, settled, said, needed), logs)
