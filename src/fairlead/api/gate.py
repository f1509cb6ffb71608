"""The bounds of one process: orders that wait or rest, live streams, and the end of its service."""

import asyncio
import contextlib
from collections.abc import Iterator

from fairlead.api.access import LOCAL
from fairlead.api.dependencies import ApiDependencies, ApiSettings
from fairlead.api.problems import Refusal
from fairlead.errors import FairleadError, Overloaded
from fairlead.orders.model import OrderStatus

RETRY_AFTER_S = 1
RETRY_RESTING_AFTER_S = 10
"""Orders at rest leave one by one, when a price is reached or somebody cancels."""
LOOK_AGAIN_S = 0.05
"""While the bound seems reached, how old a count may be that an order is refused by."""


class Gate:
    """Says whether new work may come in. What was accepted before is never refused by it."""

    def __init__(self, deps: ApiDependencies, settings: ApiSettings) -> None:
        self._store = deps.store
        self._clock = deps.clock
        self._open_sockets = deps.metrics.sockets
        self._max_waiting = settings.max_waiting
        self._max_sockets = settings.max_sockets
        self._max_resting = settings.max_resting
        # Orders are counted by who sent them: these are all who may.
        self._principals = tuple(dict.fromkeys(p for p, _ in settings.tokens)) or (LOCAL,)
        self._poll_s = settings.poll_s
        self._task: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._counted_at = -self._poll_s
        # As last read from the store, and accepted here since.
        self.waiting = 0
        self.resting = 0
        self.draining = False
        self.sockets = 0

    async def start(self) -> None:
        await self._look()
        self._task = asyncio.create_task(self._look_forever(), name="api-gate")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def is_open(self) -> bool:
        """Whether a new order may come in, as far as is known without asking."""
        return self.waiting < self._max_waiting and not self.draining

    async def check(self) -> None:
        """`Overloaded` or a refusal when it may not, after another look at the queue."""
        if self.draining:
            raise Refusal("draining", headers={"retry-after": str(RETRY_AFTER_S)})
        # What was claimed since the last look is not counted off here, so look before refusing.
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_AGAIN_S:
            await self._look()
        if self.waiting >= self._max_waiting:
            raise Overloaded(self.waiting, RETRY_AFTER_S)

    async def check_resting(self) -> None:
        """A refusal when no further order may rest. Counted only while such orders come, and so the
        bound may be passed by what comes during a count."""
        age_s = self._clock.monotonic() - self._counted_at
        is_full = self.resting >= self._max_resting
        if age_s >= (LOOK_AGAIN_S if is_full else self._poll_s):
            await self._count_resting()
        if self.resting >= self._max_resting:
            raise Refusal(
                "too_many_resting",
                f"at most {self._max_resting} orders may rest; cancel some, or try again later",
                {"retry-after": str(RETRY_RESTING_AFTER_S)},
            )

    @contextlib.contextmanager
    def socket(self) -> Iterator[None]:
        """One of the bounded number of live streams."""
        if self.draining:
            raise Refusal("draining", headers={"retry-after": str(RETRY_AFTER_S)})
        if self.sockets >= self._max_sockets:
            raise Refusal("too_many_sockets", headers={"retry-after": str(RETRY_AFTER_S)})
        self.sockets += 1
        self._open_sockets.inc()
        try:
            yield
        finally:
            self.sockets -= 1
            self._open_sockets.dec()

    async def _look(self) -> None:
        self._looked_at = self._clock.monotonic()
        self.waiting = (await self._store.queue(self._clock.now_ms())).waiting

    async def _count_resting(self) -> None:
        self._counted_at = self._clock.monotonic()
        counts = [await self._store.counts(principal) for principal in self._principals]
        self.resting = sum(of_one.of(OrderStatus.OPEN) for of_one in counts)

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            # What does not answer now is asked again; the store refuses orders by itself meanwhile.
            with contextlib.suppress(FairleadError):
                await self._look()
