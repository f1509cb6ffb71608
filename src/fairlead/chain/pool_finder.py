"""Finds the pools of a pair: by a search of each venue's program, and among those the operator
names. What cannot be traded is left out with the reason; the rest is ranked by depth.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from solders.pubkey import Pubkey

from fairlead.chain.pool_list import MAX_POOLS, FoundPools, beyond_bound
from fairlead.chain.rpc_answers import CLOCK_SYSVAR, clock_time
from fairlead.chain.slot_reads import read_in_parts
from fairlead.errors import Unavailable
from fairlead.ports import Chain, Clock, ListedPool
from fairlead.venues.depth import accounts_weighed, depth
from fairlead.venues.pools import PoolLayout, decode_pool
from fairlead.venues.venue import ChainTime, ErrorClass, Pool, VenueError

log = structlog.get_logger("fairlead.pools")

MAX_WEIGHED = 1_000
"""Pools of one pair that are read to be ranked: 30 reads. More are left out unread."""

MAX_AT_ONCE = 2
"""Pairs looked for at the same time; searches are the dearest thing to ask an endpoint for."""

EMPTY = "empty: nothing is in its vaults"


class PoolFinder:
    """A source of pools over a chain."""

    def __init__(
        self,
        chain: Chain,
        clock: Clock,
        *,
        layouts: Sequence[PoolLayout],
        named: Sequence[Pubkey] = (),
        refresh_s: float,
    ) -> None:
        """`layouts` are searched for, none to find nothing; `named` pools are always looked at."""
        self.refresh_s: float | None = refresh_s
        self._chain = chain
        self._clock = clock
        self._layouts = layouts
        self._named = named
        # By address: the mints of named pools, once they were read.
        self._mints: dict[Pubkey, frozenset[Pubkey]] = {}
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def find(self, mint_a: Pubkey, mint_b: Pubkey) -> FoundPools:
        """Every pool of the two mints. `Unavailable` where no search had an answer and none of the
        pair is named."""
        async with self._places:
            return await self._find(mint_a, mint_b)

    async def _find(self, mint_a: Pubkey, mint_b: Pubkey) -> FoundPools:
        named = await self._named_of(frozenset((mint_a, mint_b)))
        found = await self._searched(mint_a, mint_b, bool(named))
        addresses = tuple(dict.fromkeys((*named, *sorted(found, key=bytes))))
        now_ms = self._clock.now_ms()
        read = await read_in_parts(self._chain, (CLOCK_SYSVAR, *addresses[:MAX_WEIGHED]))
        clock = read.accounts.get(CLOCK_SYSVAR)
        if clock is None:
            raise Unavailable("chain", "the endpoint has no clock")
        pools: list[Pool] = []
        left_out = [_unread(address, "too_many_pools") for address in addresses[MAX_WEIGHED:]]
        for address in addresses[:MAX_WEIGHED]:
            account = read.accounts.get(address)
            try:
                if account is None:
                    left_out.append(_unread(address, "pool_missing"))
                else:
                    pools.append(decode_pool(address, account))
            except VenueError as error:
                left_out.append(_unread(address, str(error)))
        time = clock_time(clock.data)
        ranked = [
            msgspec.structs.replace(pool, slot=read.slot, read_at_ms=now_ms)
            for pool in await weighed(self._chain, pools, time)
        ]
        served = [pool for pool in ranked if not pool.reason]
        left_out += [pool for pool in ranked if pool.reason]
        left_out += map(beyond_bound, served[MAX_POOLS:])
        return FoundPools(tuple(served[:MAX_POOLS]), tuple(left_out))

    async def _searched(self, mint_a: Pubkey, mint_b: Pubkey, may_fail: bool) -> set[Pubkey]:
        """What the searches find, made at the same time: the first order of a pair waits."""
        answers = await asyncio.gather(
            *[self._of_program(layout, mint_a, mint_b) for layout in self._layouts]
        )
        failures = [answer for answer in answers if isinstance(answer, Unavailable)]
        if failures:
            why = {
                layout.venue.value: str(answer)
                for layout, answer in zip(self._layouts, answers, strict=True)
                if isinstance(answer, Unavailable)
            }
            log.warning("venues_not_searched", why=why)
            if len(failures) == len(self._layouts) and not may_fail:
                raise failures[0]
        return {key for found in answers if isinstance(found, list) for key in found}

    async def _of_program(
        self, layout: PoolLayout, mint_a: Pubkey, mint_b: Pubkey
    ) -> list[Pubkey] | Unavailable:
        """The pools of one program, or why they cannot be told."""
        try:
            found = await asyncio.gather(
                *[self._chain.search(search) for search in layout.searches(mint_a, mint_b)]
            )
        except Unavailable as error:
            return error
        return [key for keys in found for key in keys]

    async def _named_of(self, pair: frozenset[Pubkey]) -> list[Pubkey]:
        """The named pools of this pair. What could not be read yet is read again each time."""
        unread = [address for address in self._named if address not in self._mints]
        if unread:
            accounts = (await read_in_parts(self._chain, unread)).accounts
            for address, account in accounts.items():
                try:
                    self._mints[address] = frozenset(decode_pool(address, account).mints)
                except VenueError as error:
                    log.warning("named_pool_unusable", pool=str(address), why=str(error))
        return [address for address in self._named if self._mints.get(address) == pair]


async def weighed(chain: Chain, pools: Sequence[Pool], time: ChainTime) -> list[ListedPool]:
    """The pools with what they hold, the deepest first; with a reason where it is to be left out.

    Depth is the product of both sides. Those that are not open yet come last, and are no reason:
    their quotes say so, until they open.
    """
    keys = dict.fromkeys(key for pool in pools for key in accounts_weighed(pool))
    accounts = dict((await read_in_parts(chain, tuple(keys))).accounts)
    more = dict.fromkeys(key for pool in pools for key in pool.more_needed(accounts))
    accounts |= (await read_in_parts(chain, [key for key in more if key not in keys])).accounts
    ranked = []
    for pool in pools:
        atoms, reason, is_open = None, "", True
        try:
            atoms = depth(pool, accounts)
            if not any(atoms):
                reason = EMPTY
            pool.check_open(time)
        except VenueError as error:
            is_open = False
            if error.error_class is not ErrorClass.NOT_YET:
                reason = reason or str(error)
        listed = ListedPool(pool.address, pool.venue.value, pool.mints, atoms, None, None, reason)
        ranked.append((not is_open, _depth_key(atoms), bytes(pool.address), listed))
    ranked.sort(key=lambda one: one[:3])
    return [listed for _, _, _, listed in ranked]


def _depth_key(atoms: tuple[int, int] | None) -> tuple[int, int]:
    """Sorts the deepest first, those with one side alone after all that have both."""
    if atoms is None:
        return 0, 0
    return -atoms[0] * atoms[1], -max(atoms)


def _unread(address: Pubkey, reason: str) -> ListedPool:
    return ListedPool(address, "", None, None, None, None, reason)
