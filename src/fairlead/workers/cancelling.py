"""An attempt that takes an order's latch without a swap (rule 21): made and stored, not sent; and
the proof that it won."""

from collections.abc import Sequence

import structlog
from solders.pubkey import Pubkey

from fairlead.orders import budget, changes
from fairlead.orders.model import Attempt, AttemptKind, AttemptState, live_of
from fairlead.orders.plan import latch_of
from fairlead.ports import Chain
from fairlead.solana import evidence
from fairlead.solana.agreement import agreed, needed_of
from fairlead.solana.evidence import Testimony
from fairlead.solana.fees import affordable_price, raised_price
from fairlead.solana.proof import Fill, LandedEvidence, Settled, judge_landed
from fairlead.solana.transaction import UNSIGNED, SwapPlan, assemble, swap_message
from fairlead.workers.attempting import is_signed, signed_attempt
from fairlead.workers.proving import Proven, ask_each
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.cancelling")

COMPUTE_UNITS = 2_000
"""The limit it asks for: creating the account takes 150, each of the two budget instructions 150;
the rest is margin, and costs nothing next to the base fee."""


NOTHING = Fill(0, 0)
"""What a cancel moves."""


async def cancel_beside(bench: Workbench, work: Work) -> bool:
    """Store an attempt that takes the latch of the live ones; False, and nothing is stored, where
    it would fail: something may hold the latch already, and the chain will say what."""
    order, parts = work.order, bench.parts
    blockhash = await parts.chain.latest_blockhash()
    live, margin = live_of(work.attempts), bench.settings.landing.reclaim_margin
    if not budget.still_excludes(live, blockhash.block_height, margin):
        log.info("no_cancel", order_id=order.order_id, why="its latch may be taken back")
        return False
    # Its payer is the base of the latch, without which it would exclude nothing (rule 9).
    latch = latch_of(order, await parts.chain.rent_minimum(0))
    price = _price(bench, work)
    plan = SwapPlan(
        Pubkey.from_string(order.terms.wallet), blockhash.blockhash, COMPUTE_UNITS, price, latch
    )
    message = swap_message(plan)
    if is_signed(message, work.attempts):
        # The endpoint knows no newer blockhash, and no higher price can be had.
        return False
    simulation = await parts.chain.simulate(assemble(message, (UNSIGNED,)))
    if simulation.error is not None:
        log.info("no_cancel", order_id=order.order_id, why=simulation.error)
        return False
    number = len(work.attempts) + 1
    attempt = signed_attempt(bench, order, plan, blockhash, message, number, 0, ())
    await bench.commit(work, changes.cancel_sent(order, attempt, bench.now_ms()))
    return True


def _price(bench: Workbench, work: Work) -> int:
    """More than any attempt it races against offers, within our cap and its own allowance."""
    settings = bench.settings
    offered = max(a.compute_unit_price_micro_lamports for a in live_of(work.attempts))
    cap = settings.max_compute_unit_price_micro_lamports
    wanted = raised_price(offered, settings.fee_raise_percent, cap)
    room = budget.room_lamports(work.order, work.attempts, AttemptKind.CANCEL)
    return min(wanted, affordable_price(room, COMPUTE_UNITS))


async def prove_cancel(chain: Chain, attempt: Attempt) -> Proven | None:
    """Whether enough witnesses say that the attempt without a swap is finalized with success."""
    witnesses = chain.witnesses
    needed = needed_of(len(witnesses))

    async def ask(witness: Chain) -> Testimony:
        (status,) = await witness.signature_statuses((attempt.signature,), search_history=True)
        found = LandedEvidence(status)
        if status is not None and status.commitment == "finalized":
            landed = await witness.transaction(attempt.signature, "finalized")
            found = LandedEvidence(status, landed, NOTHING)
        said = evidence.of_landing(witness.name, attempt, found)
        return Testimony(said, judge_landed(found))

    def verdict(heard: Sequence[Testimony]) -> Settled | None:
        return agreed([each.verdict for each in heard], needed)

    heard = await ask_each(witnesses, ask, lambda heard: verdict(heard) is not None)
    settled = verdict(heard)
    if settled is None or settled.state is not AttemptState.SUCCEEDED:
        return None
    return Proven(settled, evidence.document(attempt, settled, heard, needed))
