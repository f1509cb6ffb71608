"""Bugs about the rent of latches. Their first lines say what the engine then does."""

from collections.abc import Sequence
from typing import Any

from fairlead.sim.planted_proofs import Planting
from fairlead.solana import reclaiming as deciding
from fairlead.solana.landing import LandingPolicy
from fairlead.workers import reclaiming


def reclaim_too_early(planting: Planting) -> None:
    """Takes a latch back once its order has ended, though what lost might still land."""

    def newest_due(height: int, policy: LandingPolicy) -> int:
        return height

    planting.replace(deciding, "newest_due", newest_due)
    planting.replace(reclaiming, "newest_due", newest_due)


def reclaim_before_store(planting: Planting) -> None:
    """Sends what takes latches back, then stores it."""

    async def begin(self: Any, reclaim: Any) -> None:
        await self._parts.chain.send(reclaim.raw)
        await self._parts.store.begin_reclaim(reclaim)

    planting.replace(reclaiming.Reclaimer, "_begin", begin)


BUGS: Sequence[Any] = (reclaim_too_early, reclaim_before_store)
