"""Many orders at once: sent, followed to their end, summed up."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from fairlead.client import Client, Submitted, Update
from fairlead.clock import SystemClock
from fairlead.errors import FairleadError

# More connections than this only wait for each other in the client.
SENDERS = 16
# An order that said nothing for so long may have ended unheard: ask.
SILENCE_S = 5.0
_ENDED = frozenset({"confirmed", "failed", "cancelled", "expired"})


class Times(msgspec.Struct, frozen=True, rename="camel"):
    """Milliseconds; None without a single one."""

    p50_ms: float | None
    p99_ms: float | None


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    orders: int
    # Orders by the status they ended with; `refused` and `unended` beside the statuses.
    by_status: dict[str, int]
    seconds: float
    orders_per_second: float
    # From the POST to its answer, and to `confirmed`.
    accepted: Times
    confirmed: Times
    # The first refusals, word by word.
    refusals: tuple[str, ...] = ()


# Sends one order under this idempotency key.
Submit = Callable[[str | None], Awaitable[Submitted]]


class Burst:
    """`run` to the end; `accepted` and `ended` count on the way."""

    def __init__(self, client: Client, submit: Submit, count: int, key: str | None) -> None:
        self.count = count
        self.accepted = 0
        self.refused = 0
        self._client = client
        self._submit = submit
        self._key = key
        self._clock = SystemClock()
        self._sent_at: dict[str, float] = {}
        self._ended: dict[str, str] = {}
        self._accept_s: list[float] = []
        self._confirm_s: list[float] = []
        self._refusals: list[str] = []
        # Updates may overtake the answer to the POST.
        self._early: dict[str, Update] = {}
        self._progress = asyncio.Event()
        self._began_at = 0.0
        self._ended_at = 0.0

    @property
    def ended(self) -> int:
        return len(self._ended)

    async def run(self) -> None:
        connected = asyncio.Event()
        self._began_at = self._ended_at = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            listener = group.create_task(self._listen(connected))
            await connected.wait()
            self._began_at = self._clock.monotonic()
            numbers = iter(range(1, self.count + 1))
            async with asyncio.TaskGroup() as senders:
                for _ in range(min(SENDERS, self.count)):
                    senders.create_task(self._send(numbers))
            await self._wait_for_the_rest()
            listener.cancel()

    def summary(self) -> Summary:
        by_status = Counter(self._ended.values())
        unended = self.accepted - len(self._ended)
        told = {**by_status, "refused": self.refused, "unended": unended}
        seconds = self._ended_at - self._began_at
        return Summary(
            orders=self.count,
            by_status={status: number for status, number in told.items() if number},
            seconds=round(seconds, 3),
            orders_per_second=round(len(self._ended) / seconds, 1) if seconds > 0 else 0.0,
            accepted=_times(self._accept_s),
            confirmed=_times(self._confirm_s),
            refusals=tuple(self._refusals),
        )

    async def _send(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            at = self._clock.monotonic()
            key = None if self._key is None else f"{self._key}-{number}"
            try:
                order = await self._submit(key)
            except FairleadError as error:
                self.refused += 1
                if len(self._refusals) < 3 and str(error) not in self._refusals:
                    self._refusals.append(str(error))
                continue
            self.accepted += 1
            self._accept_s.append(self._clock.monotonic() - at)
            self._sent_at[order.order_id] = at
            early = self._early.pop(order.order_id, None)
            if early is not None:
                self._end(early.order_id, early.status)

    async def _listen(self, connected: asyncio.Event) -> None:
        async for update in self._client.watch_all(on_connect=connected.set):
            if update.status not in _ENDED:
                continue
            if update.order_id in self._sent_at:
                self._end(update.order_id, update.status)
            elif self.accepted + self.refused < self.count:
                self._early[update.order_id] = update

    def _end(self, order_id: str, status: str) -> None:
        if order_id not in self._ended:
            self._ended_at = self._clock.monotonic()
            if status == "confirmed":
                self._confirm_s.append(self._ended_at - self._sent_at[order_id])
        self._ended[order_id] = status
        self._progress.set()

    async def _wait_for_the_rest(self) -> None:
        while len(self._ended) < self.accepted:
            self._progress.clear()
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._progress.wait()
            except TimeoutError:
                await self._ask()

    async def _ask(self) -> None:
        for order_id in [i for i in self._sent_at if i not in self._ended][:SENDERS]:
            with contextlib.suppress(FairleadError):
                order = await self._client.get(order_id)
                if order.status in _ENDED:
                    self._end(order_id, order.status)


def _times(seconds: Sequence[float]) -> Times:
    ranked = sorted(seconds)
    if not ranked:
        return Times(None, None)
    return Times(_rank_ms(ranked, 50), _rank_ms(ranked, 99))


def _rank_ms(ranked: Sequence[float], percent: int) -> float:
    """The nearest rank: the smallest value that this share of all does not exceed."""
    rank = -(-len(ranked) * percent // 100)
    return round(ranked[max(rank, 1) - 1] * 1_000, 1)
