"""Bugs about what a start, a restore or a cancel leaves to be found out. Their first lines say what
the engine then does."""

from collections.abc import Sequence
from typing import Any

from fairlead.orders import changes
from fairlead.orders.model import Attempt, AttemptKind
from fairlead.sim.planted_proofs import Planting
from fairlead.workers import landing, reconciling
from fairlead.workers.cancelling import prove_cancel
from fairlead.workers.work import Work, Workbench


def skip_reconciliation(planting: Planting) -> None:
    """Goes on after a start without a look at what its wallets did."""

    def begin(self: Any) -> None:
        return

    planting.replace(reconciling.Reconciler, "begin", begin)


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


BUGS: Sequence[Any] = (skip_reconciliation, won_cancel_is_executed)
