"""Landing an order's live attempts: performs the steps that `solana.landing` names, and feeds the
answers back."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from fairlead.errors import Unavailable
from fairlead.orders import changes
from fairlead.orders.budget import may_sign
from fairlead.orders.model import Attempt, AttemptSettled, AttemptState, Order, live_of
from fairlead.ports import Chain, LandedTransaction, SignatureStatus
from fairlead.solana.fill import FillMismatch, fill_of
from fairlead.solana.landing import (
    Ask,
    CancelWon,
    Confirmed,
    Errored,
    Flight,
    LandingPolicy,
    Prove,
    Purpose,
    Send,
    Sign,
    Wait,
    next_step,
)
from fairlead.solana.proof import Fill
from fairlead.workers import latches
from fairlead.workers.attempting import attempt_beside
from fairlead.workers.cancelling import cancel_beside, prove_cancel
from fairlead.workers.proving import Proven, prove, prove_failure
from fairlead.workers.rounds import MAX_LOG_ASKS, end_round
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.landing")

SIGN_AGAIN_MS = 2_000
"""Wait after another attempt could not be made: the price moved, or the latch seems taken."""


async def land(bench: Workbench, work: Work, sending: bool) -> None:
    """Bring the live attempts nearer to `confirmed` or to their proven end, and store what came:
    a fill, an end of one of them, or another attempt beside them."""
    policy, flight = bench.settings.landing, work.flight
    attempts = live_of(work.attempts)
    known = [flight.of(attempt) for attempt in attempts]
    for progress in known:
        if progress.learnt_ms is None:
            progress.learnt_ms = bench.elapsed_ms()
    expires_at_ms = work.order.terms.expires_at_ms if sending else None
    while work.order.order_id not in bench.changed:
        if expires_at_ms is not None and expires_at_ms <= bench.now_ms():
            # The core says what an expiry in flight means.
            return
        # Paced by time that passes: the wall clock may be set.
        elapsed_ms = bench.elapsed_ms()
        why = "the chain's answers prove nothing yet"
        try:
            if await _step(bench, work, attempts, sending, elapsed_ms):
                return
        except Unavailable as error:
            if error.part != "chain":
                raise
            why = str(error)
            await bench.parts.clock.sleep(policy.poll_ms / 1000)
        learnt_ms = max([progress.learnt_ms or 0 for progress in known])
        if elapsed_ms - learnt_ms >= policy.tell_unknown_after_ms:
            # Unknown stays unknown, and visible (rule 18).
            work.place.release()
            known[-1].learnt_ms = elapsed_ms
            await bench.commit(work, changes.still_proving(work.order, why, bench.now_ms()))


async def _step(
    bench: Workbench, work: Work, attempts: Sequence[Attempt], sending: bool, elapsed_ms: int
) -> bool:
    """Perform the next step; True when something is stored that the core should look at."""
    flight, policy = work.flight, bench.settings.landing
    may = partial(may_sign, work.order, work.attempts, sending, bench.bidding)
    step = next_step(attempts, flight, elapsed_ms, policy, sending, may)
    match step:
        case Send(attempt):
            return await _send(bench, work, attempt, elapsed_ms)
        case Ask():
            await _ask(bench.parts.chain, flight, attempts, elapsed_ms, policy)
        case Confirmed(attempt, slot):
            if await _confirm(bench, work, attempt, slot):
                return True
            await _doubt(bench, work, attempt)
        case CancelWon(attempt):
            if await _cancel_won(bench, work, attempt):
                return True
            await _doubt(bench, work, attempt)
        case Errored(attempt):
            # Its status hints at a finalized error: is it proven?
            failed = await prove_failure(bench.parts.chain, attempt)
            if failed is not None:
                return await _settle(bench, work, [(attempt, failed)])
            await _doubt(bench, work, attempt)
        case Prove(expired):
            flight.last_proof_ms = elapsed_ms
            return await _settle(bench, work, await _prove(bench, work, expired, elapsed_ms))
        case Sign(purpose):
            # Until it is known to be stored: what it took is not to be tried at once again.
            flight.hold_until_ms = elapsed_ms + SIGN_AGAIN_MS
            stored = await _sign(bench, work, purpose)
            if stored:
                flight.hold_until_ms = 0
            return stored
        case Wait(milliseconds, proof_only):
            if proof_only:
                work.place.release()
            await _wait(bench.parts.chain, attempts, milliseconds)
            # Either it is time to ask, or the chain has just said that there may be news.
            flight.last_asked_ms = None
    return False


async def _send(bench: Workbench, work: Work, attempt: Attempt, now_ms: int) -> bool:
    # Whatever the answer: unknown, never failed (rule 8), and no news. Ask next.
    await bench.parts.chain.send(attempt.raw)
    progress = work.flight.of(attempt)
    if progress.first_sent_ms is None:
        progress.first_sent_ms = now_ms
    progress.last_sent_ms, progress.sends = now_ms, progress.sends + 1
    work.flight.last_asked_ms = None
    return False


async def _ask(
    chain: Chain, flight: Flight, attempts: Sequence[Attempt], now_ms: int, policy: LandingPolicy
) -> None:
    flight.last_asked_ms = now_ms
    window = policy.max_blockhash_window
    statuses = await chain.signature_statuses([attempt.signature for attempt in attempts])
    flight.asks += 1
    for attempt, status in zip(attempts, statuses, strict=True):
        flight.of(attempt).learn(attempt, now_ms, window, status)
    # The first answer mostly says it all; only later does the height matter.
    if None in statuses and flight.asks > 1:
        height = (await chain.epoch_info("confirmed")).block_height
        for attempt, status in zip(attempts, statuses, strict=True):
            flight.of(attempt).learn(attempt, now_ms, window, status, confirmed_height=height)
    flight.answered_ms = now_ms


async def _wait(chain: Chain, attempts: Sequence[Attempt], milliseconds: int) -> None:
    """Until the chain hints at news of any of them, or for so long."""
    timeout_s = milliseconds / 1000
    if len(attempts) == 1:
        await chain.wait_for_signature(attempts[0].signature, timeout_s)
        return
    waits = [
        asyncio.ensure_future(chain.wait_for_signature(attempt.signature, timeout_s))
        for attempt in attempts
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _sign(bench: Workbench, work: Work, purpose: Purpose) -> bool:
    if purpose is Purpose.CANCEL:
        return await cancel_beside(bench, work)
    return await attempt_beside(bench, work, purpose)


async def _prove(
    bench: Workbench, work: Work, expired: Sequence[Attempt], now_ms: int
) -> list[tuple[Attempt, Proven]]:
    """Those that are proven now. All are asked about, with history, though the first proves
    nothing: another may have won long ago, which nobody tells unasked."""
    chain, policy = bench.parts.chain, bench.settings.landing
    own = tuple([each.signature for each in work.attempts])
    found: list[tuple[Attempt, Proven]] = []
    for attempt in expired:
        progress = work.flight.of(attempt)
        proven = await prove(chain, attempt, progress, own, now_ms, policy)
        if proven is None:
            continue
        # An absent latch proves that it never won. What landed and failed has paid, all the same.
        (status,) = await chain.signature_statuses((attempt.signature,), search_history=True)
        if proven.settled.state is AttemptState.DEAD and status is not None:
            progress.status = status
            continue
        found.append((attempt, proven))
    return found


async def _confirm(bench: Workbench, work: Work, attempt: Attempt, slot: int) -> bool:
    """Read the provisional fill and store it; False when the node does not show the transaction
    yet."""
    landed = await bench.parts.chain.transaction(attempt.signature, "confirmed")
    if landed is None or landed.error is not None:
        return False
    fill = fill_amounts(landed, work.order, attempt)
    if fill.in_atoms <= 0 or fill.out_atoms <= 0:
        # What is called a success and moved nothing is invented: ours cannot.
        return False
    now_ms = bench.now_ms()
    change = changes.confirmed(
        work.order, attempt, fill.in_atoms, fill.out_atoms, slot, now_ms, fill.detail
    )
    await bench.commit(work, change)
    return True


async def _cancel_won(bench: Workbench, work: Work, attempt: Attempt) -> bool:
    """Store that the cancel won (rule 21), once its finalized success is proven."""
    chain = bench.parts.chain
    won = await prove_cancel(chain, attempt)
    if won is None:
        return False
    settled = _told(attempt, won)
    others = [other.signature for other in live_of(work.attempts) if other is not attempt]
    statuses = dict(zip(others, await chain.signature_statuses(others), strict=True))
    now_ms = bench.now_ms()
    change = changes.cancel_won(work.order, attempt, settled, work.attempts, statuses, now_ms)
    await bench.commit(work, change)
    return True


async def _doubt(bench: Workbench, work: Work, attempt: Attempt) -> None:
    """The endpoint does not show what its status says: ask again."""
    work.flight.of(attempt).status = None
    await bench.parts.clock.sleep(bench.settings.landing.poll_ms / 1000)


def fill_amounts(landed: LandedTransaction, order: Order, attempt: Attempt) -> Fill:
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
        return Fill(mismatch.facts["vault_in_atoms"], mismatch.facts["vault_out_atoms"])
    return Fill(fill.amount_in_atoms, fill.amount_out_atoms, fill.detail)


async def _settle(bench: Workbench, work: Work, proven: Sequence[tuple[Attempt, Proven]]) -> bool:
    """Store proven ends that are no fill; False while there are none, or while a failed transaction
    is not shown, whose logs say why it failed.

    While others live, the order goes on with those; with the last one the round ends.
    """
    failed: tuple[Attempt, str, tuple[str, ...]] | None = None
    for attempt, each in proven:
        if each.settled.error is not None:
            if not await _is_shown(bench, work, attempt, each):
                return False
            failed = (attempt, each.settled.error, each.logs or ())
    if not proven:
        return False
    known = tuple(_told(attempt, each) for attempt, each in proven)
    if len(known) == len(live_of(work.attempts)):
        if failed is not None:
            return await end_round(bench, work, *failed, known)
        if proven[-1][0].latch_address is not None:
            over = await latches.is_over(bench, work, known)
            if not over:
                return over is not None
    await bench.commit(work, changes.settled(work.order, known, bench.now_ms()))
    return True


async def _is_shown(bench: Workbench, work: Work, attempt: Attempt, failed: Proven) -> bool:
    """Whether the logs of a failure are there, or have been asked for long enough."""
    progress, settled = work.flight.of(attempt), failed.settled
    if failed.logs is not None:
        return True
    # Found on the way to another proof, or shown by too few as yet. Without logs a moved price
    # would look like a broken order.
    progress.status = SignatureStatus(settled.slot or 0, settled.error, "finalized")
    if progress.log_asks >= MAX_LOG_ASKS:
        return True
    progress.log_asks += 1
    await bench.parts.clock.sleep(bench.settings.landing.poll_ms / 1000)
    return False


def _told(attempt: Attempt, proven: Proven) -> AttemptSettled:
    settled = proven.settled
    return AttemptSettled(
        attempt.signature, settled.state, settled.slot, settled.error, proven.evidence
    )
