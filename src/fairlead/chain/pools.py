"""The Pools port: every pool of a pair from one read, or with the pools around it.

What there is of a pair is found by a source and looked for again now and then; the accounts are
read for every snapshot, all of one slot, and shared by those who ask at the same time.
"""

from collections.abc import Iterable, Sequence
from itertools import chain as joined
from itertools import zip_longest

import msgspec
from solders.pubkey import Pubkey

from fairlead.chain.found_pairs import FoundPairs, Pair, pair_of
from fairlead.chain.pool_cache import PoolCache, PoolGroup
from fairlead.chain.pool_finder import weighed
from fairlead.chain.pool_list import FoundPools, PoolList, PoolSource
from fairlead.chain.pool_list import paper_pool_list as paper_pool_list
from fairlead.chain.shared_reads import LedReads
from fairlead.chain.slot_reads import MAX_ACCOUNTS, read_at_one_slot
from fairlead.errors import Unavailable
from fairlead.ports import Chain, Clock, ListedPool, PoolListing, PoolSnapshot
from fairlead.tokens import MIDDLES as MIDDLE_TOKENS
from fairlead.venues.venue import ChainTime, Pool, VenueError

__all__ = ["ChainPools", "PoolList", "paper_pool_list"]

MIDDLES = tuple(Pubkey.from_string(token.mint) for token in MIDDLE_TOKENS)

MAX_OTHERS_OF_PAIR = 6
"""Pools of each pair around the one that is asked for, the deepest."""
MAX_OTHERS = 40
"""Of all those pairs together: each pair's deepest, then each one's second, and so on."""

BEYOND_AROUND = (
    f"too_many_pools: around a pair the {MAX_OTHERS_OF_PAIR} deepest of each other pair are read,"
    f" and {MAX_OTHERS} in all"
)

MAX_READS = 6
"""Reads of one snapshot: accounts lead to further accounts, in three rounds, and may change."""


class ChainPools:
    """Pools of a source, read from a chain. `latency_s` makes each read take that long, on
    paper; `unproven` allows venue modes that no program at hand knows."""

    def __init__(
        self,
        chain: Chain,
        source: PoolSource,
        clock: Clock,
        *,
        latency_s: float = 0.0,
        unproven: bool = True,
    ) -> None:
        self._chain = chain
        self._clock = clock
        self._monotonic = clock.monotonic
        self._latency_s = latency_s
        self._unproven = unproven
        self._cache = PoolCache(unproven=unproven)
        self._pairs = FoundPairs(source, clock, self._drop)
        # By the two mints as they were asked for; both orders lead to the same group.
        self._direct: dict[Pair, _Group] = {}
        self._around: dict[Pair, _Group] = {}
        self._reads: LedReads[_Group, PoolSnapshot] = LedReads()

    async def stop(self) -> None:
        """Look for nothing any more."""
        await self._pairs.close()

    async def snapshot(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """All pools of the pair in one slot-consistent read, with the clock that programs see."""
        if self._latency_s:
            await self._clock.sleep(self._latency_s)
        now = self._monotonic()
        group = self._direct.get((mint_a, mint_b))
        if group is None or group.due <= now:
            group = await self._group(self._direct, mint_a, mint_b, ())
        return await self._shared(group, now)

    async def around(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """As `snapshot`, with the pools of each of the two and SOL, USDC and USDT as `others`."""
        if self._latency_s:
            await self._clock.sleep(self._latency_s)
        now = self._monotonic()
        group = self._around.get((mint_a, mint_b))
        if group is None or group.due <= now:
            group = await self._group(self._around, mint_a, mint_b, MIDDLES)
        return await self._shared(group, now)

    async def listed(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolListing:
        """Every pool of the pair, read now; those left out come last."""
        snapshot = await self.snapshot(mint_a, mint_b)
        found = await self._pairs.of(pair_of(mint_a, mint_b))
        reason_of = dict(snapshot.left_out)
        read_at_ms = self._clock.now_ms()
        shown = [
            msgspec.structs.replace(
                self._seen(listed, reason_of.get(listed.address, ""), snapshot.time),
                slot=snapshot.slot,
                read_at_ms=read_at_ms,
            )
            for listed in found.pools
        ]
        shown.sort(key=lambda pool: pool.reason != "")
        newest = await self._chain.time()
        return PoolListing(newest.slot, self._clock.now_ms(), (*shown, *found.left_out))

    async def inspected(self, address: Pubkey) -> PoolListing:
        """The pool at this address and why it would be left out; in a cache of its own."""
        cache = PoolCache(unproven=self._unproven)
        now_ms = self._clock.now_ms()
        group = _Group((), PoolGroup(cache, (address,)))
        snapshot = await self._snapshot(group, self._monotonic())
        seen = cache.pool(address)
        listed = ListedPool(address, "", None, None, snapshot.slot, now_ms, seen.why_not)
        if seen.pool is not None:
            (ranked,) = await weighed(self._chain, [seen.pool], snapshot.time)
            reason = seen.why_not or ranked.reason or why_closed(seen.pool, snapshot.time)
            listed = msgspec.structs.replace(
                ranked, slot=snapshot.slot, read_at_ms=now_ms, reason=reason
            )
        newest = await self._chain.time()
        return PoolListing(newest.slot, self._clock.now_ms(), (listed,))

    async def known(self) -> PoolListing:
        """All pools of the pairs that were asked for, as they were last read."""
        read: dict[Pubkey, tuple[int, float]] = {}
        for group in (*self._direct.values(), *self._around.values()):
            for address in group.pools.addresses:
                read[address] = max(read.get(address, (0, 0.0)), (group.slot, group.read_at))
        newest = await self._chain.time()
        now, now_ms = self._monotonic(), self._clock.now_ms()
        shown = []
        for found in self._pairs.known().values():
            for listed in found.pools:
                slot, read_at = read.get(listed.address, (0, 0.0))
                seen = self._seen(listed, "", None)
                if slot:
                    read_at_ms = now_ms - int((now - read_at) * 1000)
                    seen = msgspec.structs.replace(seen, slot=slot, read_at_ms=read_at_ms)
                shown.append(seen)
            shown += found.left_out
        return PoolListing(newest.slot, now_ms, tuple(shown))

    def _seen(self, listed: ListedPool, reason: str, time: ChainTime | None) -> ListedPool:
        """The pool with what its last read says of it."""
        seen = self._cache.known(listed.address)
        if seen is None:
            return listed
        reason = reason or seen.why_not
        pool = seen.pool
        if pool is None:
            return msgspec.structs.replace(listed, reason=reason)
        if time is not None and not reason:
            reason = why_closed(pool, time)
        return msgspec.structs.replace(
            listed, venue=pool.venue.value, mints=pool.mints, reason=reason
        )

    # -- groups ----------------------------------------------------------------------------------

    async def _group(
        self,
        groups: "dict[Pair, _Group]",
        mint_a: Pubkey,
        mint_b: Pubkey,
        middles: Sequence[Pubkey],
    ) -> "_Group":
        """The group of the pair as it is known now; what is due is looked for meanwhile."""
        pair = pair_of(mint_a, mint_b)
        pairs = (pair, *_pairs_around(pair, middles))
        found = await self._pairs.of(pair)
        around = await self._pairs.of_those_known(pairs[1:])
        group = groups.get(pair)
        if group is None:
            group = groups[pair] = _Group(pairs, self._pool_group(found, around))
        groups[mint_a, mint_b] = group
        group.due = self._pairs.refresh(pairs)
        return group

    def _pool_group(self, found: FoundPools, around: Sequence[FoundPools]) -> PoolGroup:
        own = [pool.address for pool in found.pools]
        left_out = tuple((pool.address, pool.reason) for pool in found.left_out)
        others = _deepest_of_each(around)
        return PoolGroup(self._cache, own, others, left_out, _cut_from(around, frozenset(others)))

    def _drop(self, pair: Pair) -> None:
        """The pools of this pair are others now: groups with it are made anew when next asked."""
        for groups in (self._direct, self._around):
            for asked in [key for key, group in groups.items() if pair in group.pairs]:
                del groups[asked]
        kept = [*self._direct.values(), *self._around.values()]
        self._cache.keep(frozenset(joined.from_iterable(g.pools.addresses for g in kept)))

    # -- reads -----------------------------------------------------------------------------------

    async def _shared(self, group: "_Group", now: float) -> PoolSnapshot:
        """The group as read now, by this caller or by one whose read is on its way: the same
        accounts, an instant ago. It is older than the question by a round trip at most, and the
        simulation comes after it."""
        return await self._reads.get(group, lambda: self._snapshot(group, now))

    async def _snapshot(self, group: "_Group", now: float) -> PoolSnapshot:
        """`now`, seconds of the monotonic clock, is from before the read: it cannot be older."""
        pools = group.pools
        for _ in range(MAX_READS):
            keys = pools.keys
            if len(keys) <= MAX_ACCOUNTS:
                read = await self._chain.accounts(keys)
            else:
                read = await read_at_one_slot(self._chain, keys)
            snapshot = pools.take(read)
            if snapshot is not None:
                group.slot, group.read_at = read.slot, now
                return snapshot
        raise Unavailable("chain", "the pools' accounts changed with every read")


class _Group:
    """Pools that are read together, the pairs they are of, and how that stands."""

    # Of the last read; 0 before it. Seconds of the monotonic clock.
    slot = 0
    read_at = 0.0
    # When to see whether any of its pairs is to be looked for again.
    due = 0.0

    def __init__(self, pairs: tuple[Pair, ...], pools: PoolGroup) -> None:
        self.pairs = pairs
        self.pools = pools


def _pairs_around(pair: Pair, middles: Iterable[Pubkey]) -> tuple[Pair, ...]:
    """Each of the two with each middle, the pair itself not among them."""
    around = dict.fromkeys(
        pair_of(mint, middle) for middle in middles for mint in pair if mint != middle
    )
    around.pop(pair, None)
    return tuple(around)


def _deepest_of_each(around: Sequence[FoundPools]) -> tuple[Pubkey, ...]:
    ranks = zip_longest(*[found.pools[:MAX_OTHERS_OF_PAIR] for found in around])
    in_order = [pool.address for rank in ranks for pool in rank if pool is not None]
    return tuple(in_order[:MAX_OTHERS])


def _cut_from(
    around: Sequence[FoundPools], kept: frozenset[Pubkey]
) -> tuple[tuple[Pubkey, str], ...]:
    """The pools around a pair that are not read with it, and why."""
    found = joined.from_iterable(each.pools for each in around)
    cut = [(pool.address, BEYOND_AROUND) for pool in found if pool.address not in kept]
    known = joined.from_iterable(each.left_out for each in around)
    return (*cut, *[(pool.address, pool.reason) for pool in known])


def why_closed(pool: Pool, time: ChainTime) -> str:
    """Why the pool swaps for nobody now; "" where it does."""
    try:
        pool.check_open(time)
    except VenueError as error:
        return str(error)
    return ""
