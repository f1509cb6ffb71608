"""Pools and mints, as they are on the chain."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.token_facts import TokenFacts
from fairlead.venues.venue import ChainTime, LoadedPool


class PoolSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Every usable pool of a pair, read from one bank, with the clock its quotes hold at."""

    slot: int
    time: ChainTime
    pools: tuple[LoadedPool, ...]
    # Pools left out, with the reason.
    left_out: tuple[tuple[Pubkey, str], ...] = ()
    # Pools of other pairs, of the same bank: for paths of two hops, and for the price of a lamport.
    others: tuple[LoadedPool, ...] = ()
    # Of other pairs too, those left out, with the reason.
    others_left_out: tuple[tuple[Pubkey, str], ...] = ()


class ListedPool(msgspec.Struct, frozen=True, gc=False):
    """A pool as it was last read, and why it is left out if it is."""

    address: Pubkey
    # The venue's name; "" for an account that no venue knows.
    venue: str
    # None where they are not known.
    mints: tuple[Pubkey, Pubkey] | None
    # What it holds of each mint when it was last weighed; None where that is not known.
    atoms: tuple[int, int] | None
    # Slot of the bank that its accounts were read from, and wall time; None if they never were.
    slot: int | None
    read_at_ms: int | None
    # "" for one that is quoted.
    reason: str = ""


class PoolListing(msgspec.Struct, frozen=True, gc=False):
    """Pools with how old they are: against this slot and this time."""

    slot: int
    now_ms: int
    pools: tuple[ListedPool, ...]


class Pools(Protocol):
    """Pools are found by themselves, or named by the operator; the deepest of a pair are read.

    Reads raise `Unavailable("chain", …)`.
    """

    async def snapshot(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """All pools of the pair in one slot-consistent read."""
        ...

    async def around(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """As `snapshot`, and in the same read, as `others`, the pools of each of the two with SOL,
        USDC and USDT."""
        ...

    async def listed(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolListing:
        """Every pool of the pair that is known, read now, the deepest first; then those left out,
        with the reason."""
        ...

    async def inspected(self, address: Pubkey) -> PoolListing:
        """The pool at this address, read now, whether it is listed or not."""
        ...

    async def known(self) -> PoolListing:
        """Every pool that was read so far, as it was then; only the slot is of now."""
        ...


class Mints(Protocol):
    """What is known of tokens by their mint accounts."""

    async def facts(self, mints: Sequence[str]) -> Mapping[str, TokenFacts]:
        """By mint; one that is not on the chain is absent. A minute old at most."""
        ...
