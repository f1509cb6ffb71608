"""Which pools there are of a pair: the answer of whoever finds them, and the list that never
changes."""

from collections.abc import Iterable
from typing import Protocol

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.market import all_pools
from fairlead.ports import ListedPool

MAX_POOLS = 24
"""Pools of one pair that are read and quoted, the deepest; the rest are left out and named."""


class FoundPools(msgspec.Struct, frozen=True, gc=False):
    """The pools of a pair."""

    # The deepest first; at most `MAX_POOLS`.
    pools: tuple[ListedPool, ...] = ()
    # With their reasons.
    left_out: tuple[ListedPool, ...] = ()


class PoolSource(Protocol):
    """Finds pools."""

    @property
    def refresh_s(self) -> float | None:
        """Seconds for which an answer holds; None: for good, and it is there at once."""
        ...

    async def find(self, mint_a: Pubkey, mint_b: Pubkey) -> FoundPools:
        """The pools of these mints, in whatever order they are given; `Unavailable`."""
        ...


def beyond_bound(pool: ListedPool) -> ListedPool:
    """The pool, left out because there are deeper ones enough."""
    reason = f"too_many_pools: of a pair the {MAX_POOLS} deepest are read"
    return msgspec.structs.replace(pool, reason=reason)


class PoolList:
    """Pools that are given, in their order."""

    refresh_s = None

    def __init__(self, pools: Iterable[tuple[Pubkey, Pubkey, Pubkey]]) -> None:
        """`pools`: (mint, other mint, pool address)."""
        self._pools: dict[frozenset[Pubkey], list[ListedPool]] = {}
        for mint_a, mint_b, address in pools:
            listed = ListedPool(address, "", None, None, None, None)
            self._pools.setdefault(frozenset((mint_a, mint_b)), []).append(listed)

    async def find(self, mint_a: Pubkey, mint_b: Pubkey) -> FoundPools:
        found = self._pools.get(frozenset((mint_a, mint_b)), [])
        return FoundPools(tuple(found[:MAX_POOLS]), tuple(map(beyond_bound, found[MAX_POOLS:])))


def paper_pool_list() -> PoolList:
    """The pools that the paper market begins with."""
    key = Pubkey.from_bytes
    return PoolList(
        (key(pool.base.mint), key(pool.quote.mint), key(pool.address)) for pool in all_pools()
    )
