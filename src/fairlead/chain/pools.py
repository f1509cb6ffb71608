"""The Pools port: every pool of a pair from one read, decoded again only where its bytes
changed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.chain.rpc_answers import CLOCK_SYSVAR, clock_time
from fairlead.errors import Unavailable
from fairlead.ledger.market import all_pools
from fairlead.ports import AccountsAtSlot, Chain, Clock, PoolSnapshot
from fairlead.venues.meteora import damm_v2, damm_v2_accounts
from fairlead.venues.raydium import cpmm, cpmm_accounts
from fairlead.venues.venue import Account, ChainTime, LoadedPool, Pool, VenueError

Decode = Callable[[Pubkey, Account], Pool]

DECODERS: dict[Pubkey, Decode] = {
    cpmm_accounts.PROGRAM_ID: cpmm.decode,
    cpmm_accounts.DEVNET_PROGRAM_ID: cpmm.decode,
    damm_v2_accounts.PROGRAM_ID: damm_v2.decode,
}
"""How the account of a pool is read, by the program that owns it."""

MAX_POOLS = 24
"""Pools of one pair: a pool needs up to four accounts more, and one read takes a hundred."""

MAX_READS = 3
"""Reads of one snapshot: a pool may turn out to need accounts that were not read with it."""


class PoolList:
    """Which pools there are for a pair, in whatever order its mints are named."""

    def __init__(self, pools: Iterable[tuple[Pubkey, Pubkey, Pubkey]]) -> None:
        """`pools`: (mint, other mint, pool address)."""
        self._pools: dict[tuple[Pubkey, Pubkey], list[Pubkey]] = {}
        for mint_a, mint_b, address in pools:
            for pair in ((mint_a, mint_b), (mint_b, mint_a)):
                self._pools.setdefault(pair, []).append(address)

    def of(self, mint_a: Pubkey, mint_b: Pubkey) -> Sequence[Pubkey]:
        return self._pools.get((mint_a, mint_b), ())[:MAX_POOLS]


def paper_pool_list() -> PoolList:
    """The pools of the paper market."""
    key = Pubkey.from_bytes
    return PoolList(
        (key(pool.base.mint), key(pool.quote.mint), key(pool.address)) for pool in all_pools()
    )


class _Seen(msgspec.Struct, gc=False):
    """A pool as last read: the accounts it was made from, and what they made."""

    address: Pubkey
    needed: tuple[Pubkey, ...] = ()
    # Of the pool itself and of those needed.
    accounts: tuple[Account | None, ...] = ()
    loaded: LoadedPool | None = None
    why_not: str = ""


class ChainPools:
    """Pools of a list, read from a chain. `latency_s` makes each read take that long, on paper."""

    def __init__(
        self, chain: Chain, pools: PoolList, clock: Clock, *, latency_s: float = 0.0
    ) -> None:
        self._chain = chain
        self._list = pools
        self._clock = clock
        self._latency_s = latency_s
        self._pairs: dict[tuple[Pubkey, Pubkey], _Pair] = {}

    async def snapshot(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """All pools of the pair in one slot-consistent read, with the clock that programs see."""
        if self._latency_s:
            await self._clock.sleep(self._latency_s)
        pair = self._pairs.get((mint_a, mint_b))
        if pair is None:
            pair = _Pair(self._list.of(mint_a, mint_b))
            self._pairs[mint_a, mint_b] = pair
        while pair.reading is not None:
            # Somebody reads them now: the same accounts, an instant ago. What is on its way is
            # older than the question by a round trip at most, and the simulation comes after it.
            found = await asyncio.shield(pair.reading)
            if isinstance(found, PoolSnapshot):
                return found
            if found is not None:
                raise found
        return await self._read(pair)

    async def _read(self, pair: "_Pair") -> PoolSnapshot:
        """Read for all who come meanwhile. It is no task of its own: on the paper chain in this
        process a read is over at once."""
        reading = pair.reading = asyncio.get_running_loop().create_future()
        found: PoolSnapshot | Unavailable | None = None
        try:
            found = await self._snapshot(pair)
            return found
        except Unavailable as error:
            found = error
            raise
        finally:
            pair.reading = None
            reading.set_result(found)

    async def _snapshot(self, pair: "_Pair") -> PoolSnapshot:
        for _ in range(MAX_READS):
            read = await self._chain.accounts(pair.keys)
            if pair.take(read.accounts):
                return pair.snapshot(read)
        raise Unavailable("chain", "the pools' accounts changed with every read")


class _Pair:
    """The pools of a pair and every account that their quotes need."""

    # Who reads them now tells the others what came of it: the pools, why there is no answer, or
    # nothing when the reader gave up.
    reading: "asyncio.Future[PoolSnapshot | Unavailable | None] | None" = None

    def __init__(self, addresses: Sequence[Pubkey]) -> None:
        self._pools = [_Seen(address) for address in addresses]
        self._made: tuple[tuple[LoadedPool, ...], tuple[tuple[Pubkey, str], ...]] = ((), ())
        self._time: tuple[bytes, ChainTime] = (b"", ChainTime(0, 0, 0))
        self._name_keys()

    def _name_keys(self) -> None:
        needed = dict.fromkeys(key for pool in self._pools for key in (pool.address, *pool.needed))
        self.keys = (CLOCK_SYSVAR, *needed)

    def take(self, accounts: Mapping[Pubkey, Account]) -> bool:
        """Update the pools whose accounts differ; False when one needs accounts not among these."""
        is_complete = True
        is_changed = False
        get = accounts.get
        for pool in self._pools:
            found = (get(pool.address), *[get(key) for key in pool.needed])
            # Identity first: the paper chain gives the same object while nothing changed.
            if found == pool.accounts:
                continue
            is_changed = True
            is_complete &= _update(pool, found, accounts)
        if not is_complete:
            self._name_keys()
        elif is_changed:
            self._made = (
                tuple([p.loaded for p in self._pools if p.loaded is not None]),
                tuple([(p.address, p.why_not) for p in self._pools if p.loaded is None]),
            )
        return is_complete

    def snapshot(self, read: AccountsAtSlot) -> PoolSnapshot:
        clock = read.accounts.get(CLOCK_SYSVAR)
        if clock is None:
            raise Unavailable("chain", "the endpoint has no clock")
        if clock.data != self._time[0]:
            self._time = (clock.data, clock_time(clock.data))
        return PoolSnapshot(read.slot, self._time[1], *self._made)


def _update(
    pool: _Seen, found: tuple[Account | None, ...], accounts: Mapping[Pubkey, Account]
) -> bool:
    """Decode the pool anew. False when it needs accounts that were not read."""
    pool.loaded, pool.why_not = None, ""
    account = found[0]
    try:
        decode = DECODERS.get(account.owner) if account is not None else None
        if account is None or decode is None:
            pool.why_not = "pool_missing" if account is None else "unknown_program"
            pool.accounts = found
            return True
        decoded = decode(pool.address, account)
        if decoded.accounts_needed != pool.needed:
            pool.needed, pool.accounts = decoded.accounts_needed, ()
            return False
        pool.loaded = decoded.load(accounts)
    except VenueError as error:
        pool.why_not = str(error)
    pool.accounts = found
    return True
