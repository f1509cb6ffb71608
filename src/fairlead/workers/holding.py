"""An order that waits until its wallet is known, and one that adopts a transaction of its own that
the store did not know (EXACTLY-ONCE 23)."""

from fairlead.errors import Unavailable
from fairlead.orders import adopting
from fairlead.orders.model import Attempt, AttemptSettled, OrderStatus, live_of
from fairlead.ports import LandedTransaction
from fairlead.workers import latches
from fairlead.workers.proving import prove, prove_failure
from fairlead.workers.work import Work, Workbench

LOOK_S = 0.02
LOOKS = 10
"""How often an order looks whether its wallet is known before others get its place."""

APART_MS = 2
"""Many that wait look again one after the other: asking must not keep others from their places."""

UNKNOWN_WALLET = "its wallet's transactions are not yet known to the last one"


async def hold(bench: Workbench, work: Work) -> bool:
    """Before an order's next step while the gate is not open: whether to look at it again first."""
    gate, order_id = bench.gate, work.order.order_id
    if work.order.owner is None:
        return False
    if gate.waits(work.order):
        for _ in range(0 if work.order.terms.wallet in gate.silent else LOOKS):
            await bench.parts.clock.sleep(LOOK_S)
            if order_id in bench.changed or not gate.waits(work.order):
                return True
        await _put_back(bench, work, UNKNOWN_WALLET)
        return True
    gate.goes_on(order_id)
    lost = gate.lost.get(order_id)
    try:
        await _add_failed(bench, work)
        if lost is None or work.order.status is OrderStatus.CONFIRMED:
            return False
        if any(each.signature == lost.signature for each in work.attempts):
            gate.found(order_id)
            return False
        if await _adopt(bench, work, lost):
            gate.found(order_id)
            return True
    except Unavailable as error:
        if error.part != "chain":
            raise
    await _put_back(bench, work, adopting.NOT_ADOPTED)
    return True


async def _add_failed(bench: Workbench, work: Work) -> None:
    order = work.order
    # What is confirmed is the newest of an order's attempts.
    if order.order_id not in bench.gate.failed or order.status is OrderStatus.CONFIRMED:
        return
    for transaction in bench.gate.failed[order.order_id]:
        await latches.add_failed(bench, work, transaction)
    bench.gate.forget_failed(order.order_id)


async def _adopt(bench: Workbench, work: Work, lost: LandedTransaction) -> bool:
    """Adopt it, once the attempts that the store takes for alive are proven to be over."""
    settled: list[AttemptSettled] = []
    for live in live_of(work.attempts):
        over = await _end_of(bench, work, live)
        if over is None:
            return False
        settled.append(over)
    return await latches.adopt(bench, work, lost, tuple(settled))


async def _end_of(bench: Workbench, work: Work, live: Attempt) -> AttemptSettled | None:
    chain, policy = bench.parts.chain, bench.settings.landing
    proven = await prove_failure(chain, live)
    if proven is None:
        own = tuple([each.signature for each in work.attempts])
        progress = work.progress_for(live)
        proven = await prove(chain, live, progress, own, bench.elapsed_ms(), policy)
    if proven is None:
        return None
    settled = proven.settled
    return AttemptSettled(
        live.signature, settled.state, settled.slot, settled.error, proven.evidence
    )


async def _put_back(bench: Workbench, work: Work, reason: str) -> None:
    """Let others have the place, and look again soon."""
    now_ms = bench.now_ms()
    told = bench.gate.reason_to_tell(work.order.order_id, reason, bench.elapsed_ms())
    due_at_ms = now_ms + max(bench.settings.retry.outage_ms, bench.gate.waiting * APART_MS)
    await bench.commit(work, adopting.waits(work.order, told, due_at_ms, now_ms))
