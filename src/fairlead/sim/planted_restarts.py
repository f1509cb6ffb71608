"""Bugs about what a start, a restore or a cancel leaves to be found out. Their first lines say what
the engine then does."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fairlead.errors import FairleadError
from fairlead.orders import budget, changes
from fairlead.orders.model import Attempt, AttemptKind
from fairlead.sim.planted_proofs import Planting
from fairlead.workers import histories, landing, proving, reconciling
from fairlead.workers.cancelling import prove_cancel
from fairlead.workers.work import Work, Workbench


def skip_reconciliation(planting: Planting) -> None:
    """Goes on after a start without a look at what its wallets did."""

    def begin(self: Any) -> None:
        self._begin.set()

    async def begin_once(self: Any) -> None:
        return

    planting.replace(reconciling.Reconciler, "begin", begin)
    planting.replace(reconciling.Reconciler, "_begin_once", begin_once)


def ignore_history_gaps(planting: Planting) -> None:
    """Takes what providers have not forgotten for all that a wallet did."""

    async def cut(witness: Any, known_to: Any) -> None:
        return None

    planting.replace(histories, "_cut", cut)


def know_too_early(planting: Planting) -> None:
    """Says that all is known up to now before it has looked."""

    async def begin_once(self: Any) -> None:
        with suppress(FairleadError):
            slot = await proving.reached(self._parts.chain, lambda epoch: epoch.slot)
            await self._parts.store.know_to_slot(slot or 0)
        await real(self)

    real = planting.replace(reconciling.Reconciler, "_begin_once", begin_once)


def dead_is_free(planting: Planting) -> None:
    """Forgets that what did not win may have failed, and paid its fee."""
    planting.replace(budget, "may_have_paid", lambda attempt: False)


def won_cancel_is_executed(planting: Planting) -> None:
    """Takes the success of its own cancel for that of the swap."""

    async def cancel_won(bench: Workbench, work: Work, attempt: Attempt) -> bool:
        if await prove_cancel(bench.parts.chain, attempt) is None:
            return False
        swap = next(a for a in reversed(work.attempts) if a.kind is AttemptKind.SWAP)
        in_atoms, least = work.order.terms.amount_in_atoms, swap.minimum_out_atoms
        change = changes.confirmed(work.order, swap, in_atoms, least, 0, bench.now_ms())
        await bench.commit(work, change)
        return True

    planting.replace(landing, "_cancel_won", cancel_won)


BUGS: Sequence[Any] = (
    skip_reconciliation,
    ignore_history_gaps,
    know_too_early,
    dead_is_free,
    won_cancel_is_executed,
)
