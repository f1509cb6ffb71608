"""Pools as last read, decoded again only where their bytes changed, and groups of them that are
read together.

A pool needs further accounts, and those may lead on to more: a group names what it lacks until
nothing is missing. Pools are shared by groups: what one has decoded the others need not.
"""

from collections.abc import Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.chain.rpc_answers import CLOCK_SYSVAR, clock_time
from fairlead.errors import Unavailable
from fairlead.ports import AccountsAtSlot, PoolSnapshot
from fairlead.venues.pools import decode_pool, load
from fairlead.venues.venue import Account, ChainTime, LoadedPool, Pool, VenueError

LeftOut = tuple[tuple[Pubkey, str], ...]
"""Pools with the reasons why they are left out."""


class SeenPool(msgspec.Struct, gc=False):
    """A pool as last read: the accounts it was made from, and what they made."""

    address: Pubkey
    # Its own address and those of the accounts it needs, as far as they are known.
    keys: tuple[Pubkey, ...]
    # At those addresses; empty while something is missing.
    accounts: tuple[Account | None, ...] = ()
    pool: Pool | None = None
    loaded: LoadedPool | None = None
    why_not: str = ""


class PoolCache:
    """All pools seen. `changes` counts new states of pools, `layouts` new sets of keys; `unproven`
    allows modes that were never held against a program."""

    def __init__(self, *, unproven: bool = True) -> None:
        self._unproven = unproven
        self._seen: dict[Pubkey, SeenPool] = {}
        self.changes = 0
        self.layouts = 0

    def pool(self, address: Pubkey) -> SeenPool:
        seen = self._seen.get(address)
        if seen is None:
            seen = self._seen[address] = SeenPool(address, (address,))
        return seen

    def known(self, address: Pubkey) -> SeenPool | None:
        return self._seen.get(address)

    def keep(self, addresses: frozenset[Pubkey]) -> None:
        """Forget all others."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in addresses}

    def update(self, seen: SeenPool, accounts: Mapping[Pubkey, Account]) -> bool:
        """Decode the pool anew. False when it needs accounts that were not asked for."""
        self.changes += 1
        seen.loaded, seen.pool, seen.why_not = None, None, ""
        try:
            own = accounts.get(seen.address)
            if own is None:
                seen.why_not = "pool_missing"
            else:
                seen.pool = pool = decode_pool(seen.address, own)
                if not self._has_all(seen, pool, accounts):
                    return False
                seen.loaded = load(pool, accounts, unproven=self._unproven)
        except VenueError as error:
            seen.why_not = str(error)
        seen.accounts = tuple(map(accounts.get, seen.keys))
        return True

    def _has_all(self, seen: SeenPool, pool: Pool, accounts: Mapping[Pubkey, Account]) -> bool:
        needed = (*pool.accounts_needed, *pool.more_needed(accounts))
        keys = tuple(dict.fromkeys((seen.address, *needed)))
        if keys == seen.keys:
            return True
        had = set(seen.keys)
        seen.keys, seen.accounts = keys, ()
        self.layouts += 1
        return had.issuperset(keys)


class PoolGroup:
    """Pools that are read together: those of a pair first, then others. `take` makes a snapshot."""

    def __init__(
        self,
        cache: PoolCache,
        own: Sequence[Pubkey],
        others: Sequence[Pubkey] = (),
        left_out: LeftOut = (),
        others_left_out: LeftOut = (),
    ) -> None:
        """`left_out`, `others_left_out`: what was left out before anything was read."""
        self._cache = cache
        self._own = [cache.pool(address) for address in own]
        self._others = [cache.pool(address) for address in others]
        self._pools = self._own + self._others
        self._left_out = left_out
        self._others_left_out = others_left_out
        self._time: tuple[bytes, ChainTime] = (b"", ChainTime(0, 0, 0))
        # The pools and those left out, then the same of the others: as of this number of changes.
        self._made: tuple[tuple[LoadedPool, ...], LeftOut, tuple[LoadedPool, ...], LeftOut] = (
            (),
            (),
            (),
            (),
        )
        self._made_at = -1
        # The last snapshot, and what it was read from.
        self._last: tuple[AccountsAtSlot, PoolSnapshot] | None = None
        self._name_keys()

    @property
    def addresses(self) -> tuple[Pubkey, ...]:
        return tuple(seen.address for seen in self._pools)

    def seen(self, address: Pubkey) -> SeenPool:
        return self._cache.pool(address)

    def _name_keys(self) -> None:
        needed = dict.fromkeys(key for seen in self._pools for key in seen.keys)
        self.keys = (CLOCK_SYSVAR, *needed)
        self._layout = self._cache.layouts

    def take(self, read: AccountsAtSlot) -> PoolSnapshot | None:
        """The snapshot from a read of `keys`; None when they have become more: read again.

        They do when a pool turns out to need more, and when another group found that meanwhile.
        """
        cache, last = self._cache, self._last
        if last is not None and last[0] is read:
            # The paper chain gives the same answer while nothing changed.
            return last[1]
        if self._layout != cache.layouts:
            asked = set(self.keys)
            self._name_keys()
            if not asked.issuperset(self.keys):
                return None
        accounts = read.accounts
        get = accounts.get
        is_complete = True
        for seen in self._pools:
            # Identity first: an account of the paper chain is the same object until it changes.
            if tuple(map(get, seen.keys)) != seen.accounts:
                is_complete &= cache.update(seen, accounts)
        if not is_complete:
            self._name_keys()
            return None
        return self._snapshot(read)

    def _snapshot(self, read: AccountsAtSlot) -> PoolSnapshot:
        if self._made_at != self._cache.changes:
            self._made_at = self._cache.changes
            self._made = (
                *_sorted(self._own, self._left_out),
                *_sorted(self._others, self._others_left_out),
            )
        clock = read.accounts.get(CLOCK_SYSVAR)
        if clock is None:
            raise Unavailable("chain", "the endpoint has no clock")
        if clock.data != self._time[0]:
            self._time = (clock.data, clock_time(clock.data))
        snapshot = PoolSnapshot(read.slot, self._time[1], *self._made)
        self._last = (read, snapshot)
        return snapshot


def _sorted(pools: Sequence[SeenPool], left_out: LeftOut) -> tuple[tuple[LoadedPool, ...], LeftOut]:
    """The usable pools, and those left out: by what was read, then those that never were."""
    return (
        tuple([seen.loaded for seen in pools if seen.loaded is not None]),
        (*[(seen.address, seen.why_not) for seen in pools if seen.loaded is None], *left_out),
    )
