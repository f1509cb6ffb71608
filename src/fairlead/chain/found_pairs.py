"""What was found of each pair, looked for again now and then while orders go on with what is
known."""

import asyncio
from collections.abc import Callable, Sequence
from math import inf

import structlog
from solders.pubkey import Pubkey

from fairlead.chain.pool_list import FoundPools, PoolSource
from fairlead.chain.shared_reads import SharedReads
from fairlead.errors import FairleadError
from fairlead.ports import Clock

log = structlog.get_logger("fairlead.pools")

Pair = tuple[Pubkey, Pubkey]
"""Two mints, the smaller address first."""

MAX_PAIRS = 1_000
"""Pairs remembered; when there are more, the one that was found first is forgotten."""

MOMENT_S = 1.0
"""How long an order waits for the pools around its own pair, the first time."""

RETRY_S = 5.0
"""After this long a search that had no answer is made again."""


def pair_of(mint_a: Pubkey, mint_b: Pubkey) -> Pair:
    return (mint_a, mint_b) if bytes(mint_a) < bytes(mint_b) else (mint_b, mint_a)


class FoundPairs:
    """The source's answers. `changed` is told of each pair whose pools are others now."""

    def __init__(self, source: PoolSource, clock: Clock, changed: Callable[[Pair], None]) -> None:
        self._source = source
        self._monotonic = clock.monotonic
        self._changed = changed
        # With the time from when on it is looked for again.
        self._found: dict[Pair, tuple[FoundPools, float]] = {}
        self._searches: SharedReads[Pair, FoundPools] = SharedReads()

    async def close(self) -> None:
        await self._searches.close()

    async def of(self, pair: Pair) -> FoundPools:
        """What is known of this pair; one not known yet is looked for. `Unavailable`."""
        while pair not in self._found:
            # One who gives up must not stop it for the others.
            await asyncio.shield(await self._begin(pair))
        return self._found[pair][0]

    async def of_those_known(self, pairs: Sequence[Pair]) -> list[FoundPools]:
        """What is known of these pairs. Those that are not are looked for, and waited for a moment;
        what comes later is told by `changed`."""
        looked_for = [await self._begin(pair) for pair in pairs if pair not in self._found]
        if looked_for:
            await asyncio.wait(looked_for, timeout=MOMENT_S)
        nothing = FoundPools()
        return [self._found[pair][0] if pair in self._found else nothing for pair in pairs]

    def refresh(self, pairs: Sequence[Pair]) -> float:
        """Look again, in the background, for those that are due; when the next will be."""
        now = self._monotonic()
        next_due = inf
        for pair in pairs:
            found, due = self._found.get(pair, (None, now))
            if due <= now:
                due = now + RETRY_S
                if found is not None:
                    self._found[pair] = (found, due)
                self._start(pair)
            next_due = min(next_due, due)
        return next_due

    def known(self) -> dict[Pair, FoundPools]:
        return {pair: found for pair, (found, _) in self._found.items()}

    async def _begin(self, pair: Pair) -> "asyncio.Future[FoundPools]":
        if self._source.refresh_s is not None:
            return self._start(pair)
        # A list has its answer at once.
        found = await self._source.find(*pair)
        self._take(pair, found, inf)
        done: asyncio.Future[FoundPools] = asyncio.get_running_loop().create_future()
        done.set_result(found)
        return done

    def _start(self, pair: Pair) -> "asyncio.Task[FoundPools]":
        return self._searches.start(pair, lambda: self._find(pair))

    async def _find(self, pair: Pair) -> FoundPools:
        try:
            found = await self._source.find(*pair)
        except FairleadError as error:
            log.warning("pools_not_looked_for", mints=[str(mint) for mint in pair], why=str(error))
            raise
        except Exception as error:
            log.error("pools_not_looked_for", why=repr(error))
            raise
        refresh_s = self._source.refresh_s
        self._take(pair, found, inf if refresh_s is None else self._monotonic() + refresh_s)
        return found

    def _take(self, pair: Pair, found: FoundPools, due: float) -> None:
        before = self._found.pop(pair, None)
        if len(self._found) >= MAX_PAIRS:
            oldest = next(iter(self._found))
            del self._found[oldest]
            self._changed(oldest)
        self._found[pair] = (found, due)
        if before is None or _addresses(before[0]) != _addresses(found):
            self._changed(pair)


def _addresses(found: FoundPools) -> tuple[tuple[Pubkey, str], ...]:
    """By what two answers are the same to a quote."""
    return tuple((pool.address, pool.reason) for pool in (*found.pools, *found.left_out))
