"""Answers that may be told again for a moment, and how long a moment is at this endpoint."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import msgspec

from fairlead.chain.shared_reads import SharedReads

MAX_KEPT = 1_024
"""Answers remembered by one cache; when full, the oldest is forgotten."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Recent(Generic[K, T]):
    """Answers by what was asked, each read at most once in its time, and once for all who ask while
    it is read. Age counts from before the read: no answer is older than it says."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[K, tuple[float, T]] = {}
        self._reads: SharedReads[K, T] = SharedReads()

    async def get(self, key: K, age_s: float, read: Callable[[], Awaitable[T]]) -> T:
        """The answer, from memory if it is not older than `age_s`."""
        kept = self._kept.get(key)
        if kept is not None and self._monotonic() - kept[0] < age_s:
            return kept[1]
        return await self._reads.get(key, lambda: self._read(key, read))

    async def _read(self, key: K, read: Callable[[], Awaitable[T]]) -> T:
        began = self._monotonic()
        answer = await read()
        self._kept.pop(key, None)
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (began, answer)
        return answer


class SlotPace(msgspec.Struct):
    """How long a slot lasts, from the slots that answers name. Clusters differ, and are changing.

    Zero until two slots were seen.
    """

    slot_s: float = 0.0
    # The newest slot and when it was first seen.
    slot: int = -1
    seen_at: float = 0.0

    def learn(self, slot: int, now: float) -> None:
        """Take over the slot of an answer that has just come."""
        if slot == self.slot:
            return
        if 0 <= self.slot < slot:
            self.slot_s = (now - self.seen_at) / (slot - self.slot)
        self.slot, self.seen_at = slot, now
