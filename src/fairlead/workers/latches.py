"""A latch that is taken though none of the order's known attempts took it: by whom?

Only a stranger shown to have paid into it lets a new generation be opened (rule 11). A transaction
of ours that the store does not know, as after a restore, is adopted (rule 23). While neither is
shown the order signs nothing.
"""

from collections.abc import Sequence

import msgspec
import structlog
from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.orders import adopting, round_ends
from fairlead.orders.model import Attempt, AttemptKind, AttemptSettled, AttemptState, Order
from fairlead.ports import Chain, LandedTransaction, SignatureStatus
from fairlead.solana.adoption import Swapped, attempt_of, is_cancel, swap_in
from fairlead.solana.agreement import needed_of
from fairlead.solana.latch import latch_address, latch_seed
from fairlead.solana.lost import (
    Nobody,
    Ours,
    Stranger,
    Taker,
    TakerEvidence,
    agreed_taker,
    seeds_in,
    taker_of,
)
from fairlead.solana.proof import Settled, compact
from fairlead.workers.proving import Proven, ask_each, prove_failure
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.latches")

PAGE = 1_000
MAX_PAGES = 20
MAX_NAMED = 1_000
"""Successful transactions naming a latch that are looked at. Where there are more, the order
waits."""

MAX_FAILURE_ASKS = 20
"""Times that the witnesses are asked about a failed transaction that was found before it is stored
as it was found, without a proof: it moved nothing, and one of them may have forgotten it."""

NOT_SHOWN = "its latch is taken, and the chain does not show yet by whom"


async def taken(bench: Workbench, work: Work, settled: tuple[AttemptSettled, ...] = ()) -> bool:
    """Store what follows from a latch that is taken; False while that is not known.

    `settled`: the attempts that lived, with one that failed for it.
    """
    order = work.order
    taker = await _who_took(bench.parts.chain, order, order.latch_generation)
    now_ms = bench.now_ms()
    if isinstance(taker, Stranger):
        change = round_ends.latch_taken(order, now_ms, bench.settings.retry, settled)
        await bench.commit(work, change)
        return True
    if not isinstance(taker, Ours):
        return False
    if settled and any(a.signature == taker.transaction.signature for a in work.attempts):
        # An attempt beside the one that failed: it is brought to its end like any other.
        await bench.commit(work, adopting.beaten(order, settled, now_ms))
        return True
    return await adopt(bench, work, taker.transaction, settled)


async def is_over(bench: Workbench, work: Work, dead: tuple[AttemptSettled, ...]) -> bool | None:
    """Whether nothing of the order took the latch of its live attempts, now proven dead. False when
    one that did is adopted; None while that is not known."""
    for generation in range(work.order.latch_generation, round_ends.MAX_LATCH_GENERATIONS):
        taker = await _who_took(bench.parts.chain, work.order, generation)
        if not isinstance(taker, Stranger):
            break
    if isinstance(taker, Ours):
        known = {each.signature for each in work.attempts}
        if taker.transaction.signature in known:
            return True
        return False if await adopt(bench, work, taker.transaction, dead) else None
    return True if isinstance(taker, Nobody | Stranger) else None


async def adopt(
    bench: Workbench,
    work: Work,
    transaction: LandedTransaction,
    settled: tuple[AttemptSettled, ...] = (),
) -> bool:
    """Make a transaction of this order one of its attempts; False where it is no swap of it, or is
    one already."""
    order = work.order
    attempt = await _attempt_of(bench, order, work.attempts, transaction)
    if attempt is None:
        return False
    over = {each.signature for each in settled}
    if any(a.state is AttemptState.LIVE and a.signature not in over for a in work.attempts):
        # Each of them comes to its own end first.
        return False
    told = adopting.adopted if attempt.kind is AttemptKind.SWAP else adopting.adopted_cancel
    await bench.commit(work, told(order, attempt, settled, bench.now_ms()))
    # It was shown as finalized: nothing has to be sent to learn of it.
    work.progress_for(attempt).status = SignatureStatus(transaction.slot, None, "finalized")
    log.warning("adopted", order_id=order.order_id, signature=transaction.signature)
    return True


async def add_failed(bench: Workbench, work: Work, transaction: LandedTransaction) -> None:
    """Store a transaction of this order that is finalized with an error, and what proves it."""
    attempt = await _attempt_of(bench, work.order, work.attempts, transaction)
    if attempt is None:
        return
    assert transaction.error is not None
    # As it was found, unless it is proven.
    settled, evidence = (
        Settled(AttemptState.ERRORED, attempt.slot, compact(transaction.error)),
        None,
    )
    proven = await _proven_failure(bench, attempt)
    if proven is None:
        log.warning("failure_not_proven", signature=attempt.signature)
    else:
        settled, evidence = proven.settled, proven.evidence
    failed = msgspec.structs.replace(
        attempt, state=settled.state, slot=settled.slot, error=settled.error, evidence=evidence
    )
    await bench.commit(work, adopting.failed(work.order, failed, bench.now_ms()))


async def _proven_failure(bench: Workbench, attempt: Attempt) -> Proven | None:
    """The failure as enough witnesses tell it; None where they still do not when asked again."""
    for asked in range(MAX_FAILURE_ASKS):
        if asked:
            await bench.parts.clock.sleep(bench.settings.landing.poll_ms / 1000)
        failed = await prove_failure(bench.parts.chain, attempt)
        if failed is not None:
            return failed
    return None


async def _attempt_of(
    bench: Workbench, order: Order, attempts: Sequence[Attempt], transaction: LandedTransaction
) -> Attempt | None:
    """The transaction as an attempt of this order; None where it is one already, or is no swap."""
    if any(each.signature == transaction.signature for each in attempts):
        return None
    parts, terms = bench.parts, order.terms
    if transaction.error is None and is_cancel(transaction):
        height = (await parts.chain.epoch_info("finalized")).block_height
        latch, number = _latch_of(order, transaction), len(attempts) + 1
        nothing = Swapped((), 0)
        return attempt_of(order, number, transaction, latch, nothing, height, bench.now_ms())
    mints = Pubkey.from_string(terms.token_in), Pubkey.from_string(terms.token_out)
    snapshot = await parts.pools.around(*mints)
    swapped = swap_in(transaction, terms, (*snapshot.pools, *snapshot.others))
    if swapped is None:
        log.error("not_adoptable", order_id=order.order_id, signature=transaction.signature)
        return None
    height = (await parts.chain.epoch_info("finalized")).block_height
    latch, number = _latch_of(order, transaction), len(attempts) + 1
    return attempt_of(order, number, transaction, latch, swapped, height, bench.now_ms())


def _latch_of(order: Order, transaction: LandedTransaction) -> tuple[str, int] | None:
    """Address and generation of the latch that it took."""
    wallet = order.terms.wallet
    seed = seeds_in(transaction, wallet).latch
    for generation in range(round_ends.MAX_LATCH_GENERATIONS):
        if seed == latch_seed(order.secret, generation):
            return str(latch_address(Pubkey.from_string(wallet), seed)), generation
    return None


async def _who_took(chain: Chain, order: Order, generation: int) -> Taker | None:
    wallet = order.terms.wallet
    seed = latch_seed(order.secret, generation)
    latch = latch_address(Pubkey.from_string(wallet), seed)
    witnesses = chain.witnesses
    needed = needed_of(len(witnesses))

    async def ask(witness: Chain) -> Taker | None:
        return taker_of(await _about(witness, latch), wallet, str(latch))

    def is_enough(said: Sequence[Taker | None]) -> bool:
        return agreed_taker(said, needed) is not None

    return agreed_taker(await ask_each(witnesses, ask, is_enough), needed)


async def _about(witness: Chain, latch: Pubkey) -> TakerEvidence:
    """What one witness says of it at `finalized`: the account first, then who named it."""
    before = await witness.epoch_info("finalized")
    read = await witness.accounts((latch,), "finalized", min_context_slot=before.slot)
    named: list[str] = []
    oldest: str | None = None
    is_complete = False
    for _ in range(MAX_PAGES):
        page = await witness.signatures_for_address(latch, limit=PAGE, before=oldest)
        named += [each.signature for each in page if each.error is None]
        if len(page) < PAGE:
            is_complete = len(named) <= MAX_NAMED
            break
        oldest = page[-1].signature
    shown = [await witness.transaction(each, "finalized") for each in named[:MAX_NAMED]]
    return TakerEvidence(latch in read.accounts, tuple(shown), is_complete)


async def wait(bench: Workbench, work: Work) -> None:
    """Nothing is signed for the order until it is known who took its latch: ask again soon."""
    retry = bench.settings.retry
    now_ms = bench.now_ms()
    reason = bench.gate.reason_to_tell(work.order.order_id, NOT_SHOWN, bench.elapsed_ms())
    change = adopting.waits(work.order, reason, now_ms + retry.outage_ms, now_ms)
    await bench.commit(work, change)


async def taken_before(bench: Workbench, work: Work) -> None:
    """The simulation met a latch that is taken; nothing was signed."""
    try:
        if await taken(bench, work):
            bench.gate.goes_on(work.order.order_id)
            return
    except Unavailable as error:
        if error.part != "chain":
            raise
    await wait(bench, work)
