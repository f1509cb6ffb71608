"""The executor: asks the pure core for the next action of one order, performs it, stores what came.

It decides nothing. Attempts are made in `attempting` and brought to their end in `landing`; here is
the loop from action to action, and what to do when somebody else changed the order or a part does
not answer.
"""

from collections.abc import Awaitable

import structlog

from fairlead.errors import Fenced, Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.orders import execution
from fairlead.orders.execution import AwaitFinality, Commit, Done, Explain, FindRoute, Land
from fairlead.orders.model import Claimed
from fairlead.workers import attempting, holding, landing, rounds
from fairlead.workers.places import Place
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.worker")

STORE_RETRY_S = 0.5
"""Wait before asking a store again that did not answer."""

BUG_RETRY_S = 5.0
"""Wait before driving an order again after an error nobody foresaw; it stays visible in the log."""


async def drive(bench: Workbench, claimed: Claimed, place: Place) -> Work | None:
    """Work on an order until it awaits finality (the work comes back) or is no longer ours."""
    work = Work(claimed.order, claimed.attempts, place)
    bench.in_hand[claimed.order.order_id] = work
    try:
        return await _drive(bench, work)
    finally:
        place.release()
        if bench.in_hand.get(claimed.order.order_id) is work:
            del bench.in_hand[claimed.order.order_id]


async def _drive(bench: Workbench, work: Work) -> Work | None:
    while True:
        try:
            if work.order.order_id in bench.changed and not await bench.reload(work):
                return None
            if not bench.gate.is_open and await holding.hold(bench, work):
                continue
            if work.order.owner is None:
                return None
            action = execution.next_action(
                work.order, work.attempts, bench.now_ms(), bench.settings.retry
            )
            if isinstance(action, Done):
                return None
            if isinstance(action, AwaitFinality):
                return work
            await _performing(bench, work, action)
        except Fenced:
            if not await _recover(bench, work):
                return None
        except (WriteOutcomeUnknown, Unavailable, Overloaded) as error:
            log.warning("store_waits", order_id=work.order.order_id, error=str(error))
            # Not at once: a queue that is full empties only while nobody asks.
            await bench.parts.clock.sleep(STORE_RETRY_S)
            if not await _recover(bench, work):
                return None
        except Exception:
            bench.bugs += 1
            log.exception("order_error", order_id=work.order.order_id)
            # Others must not wait behind an order that fails again and again.
            work.place.release()
            await bench.parts.clock.sleep(BUG_RETRY_S)
            if not await _recover(bench, work):
                return None


def _performing(
    bench: Workbench, work: Work, action: FindRoute | Land | Explain | Commit
) -> Awaitable[object]:
    match action:
        case FindRoute(purpose):
            return attempting.attempt(bench, work, purpose)
        case Land(sending):
            return landing.land(bench, work, sending)
        case Explain(attempt):
            return rounds.explain(bench, work, attempt)
        case Commit(change):
            return bench.commit(work, change)


async def _recover(bench: Workbench, work: Work) -> bool:
    """After a write that was refused or whose outcome is unknown: believe only the store."""
    while True:
        try:
            return await bench.reload(work)
        except Unavailable as error:
            log.warning("store_unavailable", order_id=work.order.order_id, error=str(error))
            await bench.parts.clock.sleep(STORE_RETRY_S)
        except Exception:
            # Nobody else would drive an order that this worker owns.
            bench.bugs += 1
            log.exception("order_error", order_id=work.order.order_id)
            await bench.parts.clock.sleep(BUG_RETRY_S)
