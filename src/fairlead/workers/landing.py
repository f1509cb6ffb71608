"""Landing one attempt: performs the steps that `solana.landing` names, and feeds the answers
back."""

import structlog

from fairlead.errors import Unavailable
from fairlead.orders import execution, resting
from fairlead.orders.execution import Failure
from fairlead.orders.failures import ABOUT_PRICE
from fairlead.orders.model import Attempt, AttemptSettled, AttemptState, Order
from fairlead.ports import Chain, LandedTransaction, SignatureStatus
from fairlead.solana import program_errors
from fairlead.solana.fill import FillMismatch, fill_of
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
from fairlead.solana.proof import Settled
from fairlead.venues.venue import ErrorClass
from fairlead.workers import latches
from fairlead.workers.proving import Proven, prove, prove_failure
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.landing")

MAX_LOG_ASKS = 50
"""Times a finalized, failed transaction is asked for before it is judged without its logs: they may
be gone for good from an endpoint of short history."""


async def land(bench: Workbench, work: Work, attempt: Attempt, sending: bool) -> None:
    """Bring a stored attempt to `confirmed` or to its proven end, and store which."""
    policy = bench.settings.landing
    progress = work.progress_for(attempt)
    progress.sending = sending
    if progress.learnt_ms is None:
        progress.learnt_ms = bench.elapsed_ms()
    while work.order.order_id not in bench.changed:
        if _expired(work.order, bench.now_ms(), progress):
            # The core says what an expiry in flight means.
            return
        # Paced by time that passes: the wall clock may be set.
        elapsed_ms = bench.elapsed_ms()
        why = "the chain's answers prove nothing yet"
        try:
            if await _step(bench, work, attempt, progress, elapsed_ms):
                return
        except Unavailable as error:
            if error.part != "chain":
                raise
            why = str(error)
            await bench.parts.clock.sleep(policy.poll_ms / 1000)
        if elapsed_ms - progress.learnt_ms >= policy.tell_unknown_after_ms:
            # Unknown stays unknown, and visible (rule 18).
            work.place.release()
            progress.learnt_ms = elapsed_ms
            await bench.commit(work, execution.still_proving(work.order, why, bench.now_ms()))


async def _step(
    bench: Workbench, work: Work, attempt: Attempt, progress: Progress, elapsed_ms: int
) -> bool:
    """Perform the next step; True when the attempt's end, or its fill, is stored."""
    parts, policy = bench.parts, bench.settings.landing
    step = next_step(attempt, progress, elapsed_ms, policy)
    match step:
        case Confirmed(slot):
            if await _confirm(bench, work, attempt, slot):
                return True
            progress.status = None
            await parts.clock.sleep(policy.poll_ms / 1000)
            return False
        case Settled():
            # Its status hints at a finalized error: is it proven?
            failed = await prove_failure(parts.chain, attempt)
            if failed is not None:
                return await _settle(bench, work, attempt, failed)
            progress.status = None
            await parts.clock.sleep(policy.poll_ms / 1000)
            return False
        case Wait(milliseconds, proof_only):
            if proof_only:
                work.place.release()
            await parts.chain.wait_for_signature(attempt.signature, milliseconds / 1000)
            # Either it is time to ask, or the chain has just said that there may be news.
            progress.last_asked_ms = None
            return False
        case Send() | Ask() | Prove():
            own = tuple([each.signature for each in work.attempts])
            proven = await _perform(parts.chain, attempt, progress, step, own, elapsed_ms, policy)
            return proven is not None and await _settle(bench, work, attempt, proven)


def _expired(order: Order, now_ms: int, progress: Progress) -> bool:
    expires_at = order.terms.expires_at_ms
    return progress.sending and expires_at is not None and expires_at <= now_ms


async def _perform(
    chain: Chain,
    attempt: Attempt,
    progress: Progress,
    step: Send | Ask | Prove,
    own: tuple[str, ...],
    now_ms: int,
    policy: LandingPolicy,
) -> Proven | None:
    window = policy.max_blockhash_window
    match step:
        case Send():
            # Whatever the answer: unknown, never failed (rule 8), and no news. Ask next.
            await chain.send(attempt.raw)
            progress.last_sent_ms, progress.sends = now_ms, progress.sends + 1
            progress.last_asked_ms = None
        case Ask():
            progress.last_asked_ms = now_ms
            (status,) = await chain.signature_statuses((attempt.signature,))
            progress.asks += 1
            progress.learn(attempt, now_ms, window, status)
            # The first answer mostly says it all; only later does the height matter.
            if status is None and progress.asks > 1:
                height = (await chain.epoch_info("confirmed")).block_height
                progress.learn(attempt, now_ms, window, status, confirmed_height=height)
        case Prove():
            progress.last_proof_ms = now_ms
            return await prove(chain, attempt, progress, own, now_ms, window)
    return None


async def _confirm(bench: Workbench, work: Work, attempt: Attempt, slot: int) -> bool:
    """Read the provisional fill and store it; False when the node does not show the transaction
    yet."""
    landed = await bench.parts.chain.transaction(attempt.signature, "confirmed")
    if landed is None or landed.error is not None:
        return False
    in_atoms, out_atoms = fill_amounts(landed, work.order, attempt)
    if in_atoms <= 0 or out_atoms <= 0:
        # What is called a success and moved nothing is invented: ours cannot.
        return False
    now_ms = bench.now_ms()
    change = execution.confirmed(work.order, attempt, in_atoms, out_atoms, slot, now_ms)
    await bench.commit(work, change)
    return True


def fill_amounts(landed: LandedTransaction, order: Order, attempt: Attempt) -> tuple[int, int]:
    """Atoms in and out as the chain moved them (rule 20), never the quote."""
    try:
        fill = fill_of(
            landed,
            order.terms.wallet,
            attempt.legs,
            latch_address=attempt.latch_address,
            tip_lamports=attempt.tip_lamports,
        )
    except FillMismatch as mismatch:
        # It did swap; the vaults' word stands, and somebody should look.
        log.error("fill_mismatch", order_id=order.order_id, why=mismatch.why, **mismatch.facts)
        return mismatch.facts["vault_in_atoms"], mismatch.facts["vault_out_atoms"]
    return fill.amount_in_atoms, fill.amount_out_atoms


async def _settle(bench: Workbench, work: Work, attempt: Attempt, proven: Proven) -> bool:
    """Store a proven end that is not a fill; False while the failed transaction is not shown, whose
    logs say why it failed."""
    parts, order, settled = bench.parts, work.order, proven.settled
    if settled.state is AttemptState.DEAD:
        dead = AttemptSettled(attempt.signature, settled.state, evidence=proven.evidence)
        over = attempt.latch_address is None or await latches.is_over(bench, work, dead)
        if over:
            now_ms = bench.now_ms()
            change = execution.attempt_died(order, attempt, now_ms, proven.evidence)
            await bench.commit(work, change)
        return over is not None
    assert settled.error is not None
    progress = work.progress_for(attempt)
    if proven.logs is None:
        # Found on the way to another proof, or shown by too few as yet. Without logs a moved price
        # would look like a broken order.
        progress.status = SignatureStatus(settled.slot or 0, settled.error, "finalized")
        if progress.log_asks < MAX_LOG_ASKS:
            progress.log_asks += 1
            await parts.clock.sleep(bench.settings.landing.poll_ms / 1000)
            return False
    failure = program_errors.failure_of(settled.error, proven.logs or ())
    known = (
        AttemptSettled(
            attempt.signature, settled.state, settled.slot, settled.error, proven.evidence
        ),
    )
    now_ms, retry = bench.now_ms(), bench.settings.retry
    if failure.latch_taken:
        if await latches.taken(bench, work, known):
            return True
        await parts.clock.sleep(bench.settings.landing.prove_ms / 1000)
        return False
    terminal = failure.error_class is ErrorClass.TERMINAL
    at_floor = attempt.minimum_out_atoms == resting.floor_of(order)
    below = at_floor and failure.code in ABOUT_PRICE
    why = Failure(failure.code, failure.reason, terminal, below_floor=below)
    await bench.commit(work, execution.round_failed(order, why, now_ms, retry, known))
    return True
