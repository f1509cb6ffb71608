"""Gathers the evidence that an attempt can never land, in the order that makes it evidence."""

from solders.pubkey import Pubkey

from fairlead.orders.model import Attempt
from fairlead.ports import Chain
from fairlead.solana.landing import Progress
from fairlead.solana.proof import DeathEvidence, Settled, death_height, judge


async def prove(
    chain: Chain,
    attempt: Attempt,
    progress: Progress,
    own: tuple[str, ...],
    now_ms: int,
    window: int,
) -> Settled | None:
    """Gather evidence in the order of rules 14 and 15; stop as soon as it is judged."""
    before = await chain.epoch_info("finalized")
    progress.learn(attempt, now_ms, window, progress.status, finalized_height=before.block_height)
    if before.block_height < death_height(attempt, window):
        return None
    latch_present: bool | None = None
    takers: tuple[str, ...] = ()
    if attempt.latch_address is not None:
        latch = Pubkey.from_string(attempt.latch_address)
        read = await chain.accounts((latch,), "finalized", min_context_slot=before.slot)
        latch_present = latch in read.accounts
        if not latch_present:
            return judge(attempt, DeathEvidence(before, latch_present=False), window)
        found = await chain.signatures_for_address(latch)
        takers = tuple([each.signature for each in found if each.error is None])
    (status,) = await chain.signature_statuses((attempt.signature,), search_history=True)
    progress.learn(attempt, now_ms, window, status)
    after = await chain.epoch_info("finalized")
    first = await chain.first_available_block()
    evidence = DeathEvidence(before, latch_present, takers, status, True, after, first)
    return judge(attempt, evidence, window, own)
