"""Several providers of one cluster: whom to ask, how long to wait, from whom to stay away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from fairlead.errors import FairleadError, Unavailable
from fairlead.ports import Chain, Faucet

log = structlog.get_logger("fairlead.chain")

HEDGE_S = 1.0
"""How long one provider has before the next is asked the same."""

WITHIN_S = 2.0
"""How long those who are asked together are waited for, once any has answered."""

AWAY_MIN_S, AWAY_MAX_S = 1.0, 30.0
"""How long to stay away from a provider that failed: doubled with each failure in a row."""

_T = TypeVar("_T")

Ask = Callable[[Chain], Awaitable[_T]]


class Endpoint(Chain, Faucet, Protocol):
    """A single provider, started and stopped with its process."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Provider:
    """An endpoint, and how it has fared."""

    def __init__(self, chain: Endpoint) -> None:
        self.chain = chain
        self.away_until_s = 0.0
        self._failures = 0

    def answered(self) -> None:
        self._failures = 0
        self.away_until_s = 0.0

    def failed(self, now_s: float) -> None:
        """Leave it alone for a while."""
        self._failures += 1
        away_s = min(AWAY_MIN_S * 2 ** min(self._failures - 1, 10), AWAY_MAX_S)
        self.away_until_s = now_s + away_s


class Providers:
    """All of them, in the order of preference."""

    def __init__(
        self, chains: Sequence[Endpoint], needed: int, monotonic: Callable[[], float]
    ) -> None:
        names = [chain.name for chain in chains]
        # One that is there twice would agree with itself.
        assert len(set(names)) == len(names), names
        self.all = tuple([Provider(chain) for chain in chains])
        self._needed = needed
        self._turn = -1
        self._monotonic = monotonic

    def in_order(self) -> list[Provider]:
        """Those that are well, then those that failed lately: the one soonest to be tried again
        first."""
        now_s = self._monotonic()
        return sorted(self.all, key=lambda each: max(each.away_until_s - now_s, 0.0))

    def present(self) -> list[Provider]:
        """Those that are well; never fewer than must agree."""
        now_s = self._monotonic()
        well = [each for each in self.in_order() if each.away_until_s <= now_s]
        return well if len(well) >= self._needed else self.in_order()[: self._needed]

    def failed(self, provider: Provider, error: BaseException | None = None) -> None:
        provider.failed(self._monotonic())
        if error is not None and not isinstance(error, FairleadError | TimeoutError):
            # An answer that nobody foresaw: the others go on without it.
            log.error("provider_error", provider=provider.chain.name, exc_info=error)

    def in_turn(self) -> list[Provider]:
        """In another order each time: nobody's answer is taken every time."""
        self._turn += 1
        present = self.present()
        first = self._turn % len(present)
        turned = present[first:] + present[:first]
        return turned + [each for each in self.in_order() if each not in turned]

    async def first(
        self, ask: Ask[_T], order: Sequence[Provider] | None = None
    ) -> tuple[Provider, _T]:
        """The first answer. A provider that fails or takes long is passed over for the next."""
        waiting = deque(order or self.in_order())
        running: dict[asyncio.Future[_T], Provider] = {}
        failure: BaseException = Unavailable("chain", "no provider")
        try:
            while waiting or running:
                if waiting:
                    provider = waiting.popleft()
                    running[asyncio.ensure_future(ask(provider.chain))] = provider
                done, _ = await asyncio.wait(
                    running,
                    timeout=HEDGE_S if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    provider = running.pop(task)
                    error = task.exception()
                    if error is None:
                        provider.answered()
                        for slower in running.values():
                            self.failed(slower)
                        return provider, task.result()
                    self.failed(provider, error)
                    failure = error
            raise failure
        finally:
            await _cancel(running)

    async def together(
        self, ask: Ask[_T], is_enough: Callable[[Sequence[_T]], bool] = lambda answers: False
    ) -> list[tuple[Provider, _T]]:
        """What those say that are well, asked at the same time; `Unavailable` when none answers.

        They are waited for until what was said is enough, or all have spoken, or `WITHIN_S`.
        """
        tasks: dict[asyncio.Future[_T], Provider] = {
            asyncio.ensure_future(ask(each.chain)): each for each in self.present()
        }
        loop = asyncio.get_running_loop()
        until_s = loop.time() + WITHIN_S
        pending = set(tasks)
        try:
            while pending and not is_enough([answer for _, answer in _answers(tasks)]):
                left_s = until_s - loop.time()
                has_any = bool(_answers(tasks))
                if has_any and left_s <= 0:
                    break
                _, pending = await asyncio.wait(
                    pending,
                    timeout=left_s if left_s > 0 else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            return self._judged(tasks, is_late=loop.time() >= until_s)
        finally:
            await _cancel(tasks)

    def _judged(
        self, tasks: dict["asyncio.Future[_T]", Provider], *, is_late: bool
    ) -> list[tuple[Provider, _T]]:
        failure: BaseException = Unavailable("chain", "no provider answers")
        for task, provider in tasks.items():
            if not task.done():
                if is_late:
                    self.failed(provider)
            elif (error := task.exception()) is not None:
                failure = error
                self.failed(provider, error)
            else:
                provider.answered()
        answers = _answers(tasks)
        if not answers:
            raise failure
        return answers


def _answers(tasks: dict["asyncio.Future[_T]", Provider]) -> list[tuple[Provider, _T]]:
    return [
        (provider, task.result())
        for task, provider in tasks.items()
        if task.done() and not task.cancelled() and task.exception() is None
    ]


async def _cancel(tasks: "dict[asyncio.Future[_T], Provider]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
