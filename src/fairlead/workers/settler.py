"""The settler: confirmed orders until they are final, many per question; a fork sends them back
to landing."""

import asyncio
from collections.abc import Callable, Iterator

import structlog

from fairlead.errors import Fenced, Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.orders import execution
from fairlead.orders.model import Attempt, AttemptState, Change, OrderStatus
from fairlead.ports import SignatureStatus
from fairlead.workers.landing import fill_amounts
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.settler")

STATUSES_PER_QUESTION = 256
"""The most that getSignatureStatuses takes."""

FORK_CHECK_EVERY = 5
"""Every so many rounds the orders whose slot is not final yet are asked about too."""

MISSING_BEFORE_DROPPED = 2
"""Times in a row that a confirmed transaction must be unknown before its bytes are sent again."""


class Settler:
    """Holds the work that awaits finality. `land_again` drives an order that a fork dropped."""

    def __init__(self, bench: Workbench, poll_ms: int, land_again: Callable[[Work], None]) -> None:
        self._bench = bench
        self._poll_s = poll_ms / 1000
        self._land_again = land_again
        self._waiting: dict[str, Work] = {}
        self._missing: dict[str, int] = {}
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: Work) -> None:
        """Take over an order that is confirmed."""
        self._waiting[work.order.order_id] = work
        self._arrived.set()

    def drop(self, order_id: str) -> None:
        """Forget an order that is no longer ours."""
        self._waiting.pop(order_id, None)
        self._missing.pop(order_id, None)

    def _forget(self, work: Work) -> None:
        """Forget this work; not what was added for the same order since."""
        if self._waiting.get(work.order.order_id) is work:
            self.drop(work.order.order_id)

    def clear(self) -> None:
        """Forget everything: the worker was declared dead, or stops."""
        self._waiting.clear()
        self._missing.clear()

    async def run(self) -> None:
        """Poll until cancelled."""
        rounds = 0
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            await self._bench.parts.clock.sleep(self._poll_s)
            rounds += 1
            try:
                await self._look(fork_check=rounds % FORK_CHECK_EVERY == 0)
            except Unavailable as error:
                log.warning("finality_unknown", waiting=len(self._waiting), error=str(error))
            except Exception:
                self._bench.bugs += 1
                log.exception("settler_error", waiting=len(self._waiting))

    async def _look(self, *, fork_check: bool) -> None:
        finalized = await self._bench.parts.chain.epoch_info("finalized")
        due = [
            work
            for work in self._waiting.values()
            if fork_check or (_attempt(work).slot or 0) <= finalized.slot
        ]
        for chunk in _chunks(due, STATUSES_PER_QUESTION):
            await self._ask(chunk, finalized.slot)

    async def _ask(self, chunk: list[Work], finalized_slot: int) -> None:
        chain = self._bench.parts.chain
        signatures = [_attempt(work).signature for work in chunk]
        statuses = await chain.signature_statuses(signatures)
        settle = [
            self._settle(work, status, finalized_slot)
            for work, status in zip(chunk, statuses, strict=True)
        ]
        results = await asyncio.gather(*settle, return_exceptions=True)
        for work, result in zip(chunk, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, Unavailable):
                # One order's trouble must not keep the others from their end.
                self._bench.bugs += 1
                log.error("settler_error", order_id=work.order.order_id, exc_info=result)

    async def _settle(
        self, work: Work, status: SignatureStatus | None, finalized_slot: int
    ) -> None:
        order_id, attempt = work.order.order_id, _attempt(work)
        if status is not None and status.error is None:
            self._missing.pop(order_id, None)
            if status.commitment == "finalized":
                await self._book(work, attempt)
            return
        if status is None and (attempt.slot or 0) <= finalized_slot:
            (status,) = await self._bench.parts.chain.signature_statuses(
                (attempt.signature,), search_history=True
            )
            if status is not None and status.error is None:
                if status.commitment == "finalized":
                    await self._book(work, attempt)
                return
        missing = self._missing.get(order_id, 0) + 1
        self._missing[order_id] = missing
        if missing >= MISSING_BEFORE_DROPPED:
            await self._lost(work)

    async def _book(self, work: Work, attempt: Attempt) -> None:
        """Read the fill again at `finalized` and book it (rule 20)."""
        parts = self._bench.parts
        landed = await parts.chain.transaction(attempt.signature, "finalized")
        if landed is None or landed.error is not None:
            return
        in_atoms, out_atoms = fill_amounts(landed, work.order, attempt)
        change = execution.finalized(
            work.order, attempt, in_atoms, out_atoms, landed.slot, parts.clock.now_ms()
        )
        if await self._commit(work, change):
            self._forget(work)

    async def _lost(self, work: Work) -> None:
        """A fork took it (rule 19): back to landing with the same bytes."""
        change = execution.dropped(work.order, self._bench.now_ms())
        if await self._commit(work, change):
            self._forget(work)
            self._land_again(work)

    async def _commit(self, work: Work, change: Change) -> bool:
        try:
            await self._bench.commit(work, change)
        except (Fenced, WriteOutcomeUnknown):
            if not await self._bench.reload(work):
                self._forget(work)
            elif work.order.status is not OrderStatus.CONFIRMED:
                # What was said to be unknown was written: a fork had dropped it.
                self._forget(work)
                self._land_again(work)
            return False
        except Overloaded:
            return False
        return True


def _attempt(work: Work) -> Attempt:
    """The attempt that is confirmed: the last one."""
    attempt = work.attempts[-1]
    assert attempt.state is AttemptState.LIVE
    return attempt


def _chunks(works: list[Work], size: int) -> Iterator[list[Work]]:
    for start in range(0, len(works), size):
        yield works[start : start + size]
