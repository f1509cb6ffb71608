"""What ended orders have lent, in the PostgreSQL store. Its writes are functions that may be called
again when an answer was lost: they go the way of reads, beside the flush."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fairlead.orders.lent import Lent, LentLatch, Reclaim, ReclaimSettled
from fairlead.store.rows import latch_of, lent_of, reclaim_of, reclaim_row


class PostgresReclaims:
    """Methods of `ports.Store` about latches that hold rent."""

    _read: Callable[..., Awaitable[list[Any]]]

    async def note_latches(self, events: int) -> bool:
        ((more,),) = await self._read("note_latches", events)
        return bool(more)

    async def due_latches(self, height: int, limit: int) -> tuple[LentLatch, ...]:
        return tuple(map(latch_of, await self._read("due_latches", height, limit)))

    async def begin_reclaim(self, reclaim: Reclaim) -> bool:
        ((begun,),) = await self._read("begin_reclaim", *reclaim_row(reclaim))
        return bool(begun)

    async def live_reclaims(self, limit: int) -> tuple[Reclaim, ...]:
        return tuple(map(reclaim_of, await self._read("live_reclaims", limit)))

    async def settle_reclaim(self, settled: ReclaimSettled) -> None:
        await self._read(
            "settle_reclaim",
            settled.signature,
            str(settled.state),
            settled.slot,
            settled.error,
            settled.due_after_height,
        )

    async def absent_latches(self, addresses: Sequence[str]) -> None:
        await self._read("absent_latches", list(addresses))

    async def lent(self) -> Lent:
        return lent_of((await self._read("lent"))[0])

    async def lent_by(self, wallets: Sequence[str]) -> Mapping[str, int]:
        return {row[0]: int(row[1]) for row in await self._read("lent_by", list(wallets))}
