"""The pool in an account of any venue, and how a search among all accounts finds the pools."""

from collections.abc import Callable, Mapping

from solders.pubkey import Pubkey

from fairlead.venues.meteora import (
    damm_v1,
    damm_v1_accounts,
    damm_v2,
    damm_v2_accounts,
    dlmm,
    dlmm_accounts,
)
from fairlead.venues.raydium import (
    amm_v4,
    amm_v4_accounts,
    clmm,
    clmm_accounts,
    cpmm,
    cpmm_accounts,
)
from fairlead.venues.record import Record
from fairlead.venues.venue import (
    Account,
    ErrorClass,
    LoadedPool,
    Pool,
    Venue,
    VenueError,
    refuse_unproven,
)

_DECODERS: Mapping[Pubkey, Callable[[Pubkey, Account], Pool]] = {
    **dict.fromkeys(cpmm.AUTHORITIES, cpmm.decode),
    **dict.fromkeys(amm_v4_accounts.PROGRAM_IDS, amm_v4.decode),
    damm_v2_accounts.PROGRAM_ID: damm_v2.decode,
    damm_v1_accounts.PROGRAM_ID: damm_v1.decode,
    **dict.fromkeys(clmm_accounts.PROGRAM_IDS, clmm.decode),
    dlmm_accounts.PROGRAM_ID: dlmm.decode,
}


def decode_pool(address: Pubkey, account: Account) -> Pool:
    """The pool in this account, by its owner; `VenueError` not_a_pool where no venue knows it."""
    decode = _DECODERS.get(account.owner)
    if decode is None:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    return decode(address, account)


def load(pool: Pool, accounts: Mapping[Pubkey, Account], *, unproven: bool) -> LoadedPool:
    """The pool ready to quote; `VenueError` unproven_… where no program at hand knows its mode.

    `unproven` allows such modes: quotes then say so. Limit orders of a CLMM end a quote at their
    tick instead, and what comes before them is proven.
    """
    if isinstance(pool, clmm.ClmmPool):
        return pool.load(accounts, unproven=unproven)
    loaded = pool.load(accounts)
    if not unproven and isinstance(loaded, cpmm.LoadedCpmmPool) and loaded.unproven:
        raise refuse_unproven(loaded.unproven, pool.address)
    return loaded


class PoolLayout(Record, frozen=True, gc=False):
    """Where the accounts of one program's pools say what they are."""

    program_id: Pubkey
    venue: Venue
    # Bytes of an account; None where they vary.
    size: int | None
    # The first bytes; empty where there are none of its own.
    discriminator: bytes
    mint_offsets: tuple[int, int]
    # Whether the mint of the smaller address always comes first.
    mints_are_sorted: bool = False

    def searches(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple["Search", ...]:
        """What finds every pool of these two mints, in whatever order it names them."""
        first, second = sorted((mint_a, mint_b), key=bytes)
        orders = [(first, second)] if self.mints_are_sorted else [(first, second), (second, first)]
        kind = ((0, self.discriminator),) if self.discriminator else ()
        return tuple(
            Search(
                self.program_id,
                self.size,
                (*kind, *zip(self.mint_offsets, map(bytes, order), strict=True)),
            )
            for order in orders
        )


class Search(Record, frozen=True, gc=False):
    """Accounts of a program, of this size, with these bytes at these offsets."""

    program_id: Pubkey
    size: int | None
    bytes_at: tuple[tuple[int, bytes], ...]


def _cpmm(program_id: Pubkey) -> PoolLayout:
    accounts = cpmm_accounts
    kind = (accounts.POOL_SIZE, accounts.POOL_DISCRIMINATOR)
    return PoolLayout(program_id, Venue.RAYDIUM_CPMM, *kind, accounts.MINT_OFFSETS, True)


def _clmm(program_id: Pubkey) -> PoolLayout:
    accounts = clmm_accounts
    kind = (accounts.POOL_SIZE, accounts.POOL_DISCRIMINATOR)
    return PoolLayout(program_id, Venue.RAYDIUM_CLMM, *kind, accounts.MINT_OFFSETS, True)


def _amm_v4(program_id: Pubkey) -> PoolLayout:
    accounts = amm_v4_accounts
    kind = (accounts.POOL_SIZE, b"")
    return PoolLayout(program_id, Venue.RAYDIUM_AMM_V4, *kind, accounts.MINT_OFFSETS)


_METEORA = (
    PoolLayout(
        damm_v2_accounts.PROGRAM_ID,
        Venue.METEORA_DAMM_V2,
        damm_v2_accounts.POOL_SIZE,
        damm_v2_accounts.POOL_DISCRIMINATOR,
        damm_v2_accounts.MINT_OFFSETS,
    ),
    PoolLayout(
        damm_v1_accounts.PROGRAM_ID,
        Venue.METEORA_DAMM_V1,
        # Older pools are longer.
        None,
        damm_v1_accounts.POOL_DISCRIMINATOR,
        damm_v1_accounts.MINT_OFFSETS,
    ),
    PoolLayout(
        dlmm_accounts.PROGRAM_ID,
        Venue.METEORA_DLMM,
        dlmm_accounts.PAIR_SIZE,
        dlmm_accounts.PAIR_DISCRIMINATOR,
        dlmm_accounts.MINT_OFFSETS,
    ),
)

LAYOUTS = (
    _cpmm(cpmm_accounts.PROGRAM_ID),
    _clmm(clmm_accounts.PROGRAM_ID),
    _amm_v4(amm_v4_accounts.PROGRAM_ID),
    *_METEORA,
)
"""Of every program, at the addresses of mainnet."""

DEVNET_LAYOUTS = (
    _cpmm(cpmm_accounts.DEVNET_PROGRAM_ID),
    _clmm(clmm_accounts.DEVNET_PROGRAM_ID),
    _amm_v4(amm_v4_accounts.DEVNET_PROGRAM_ID),
    *_METEORA,
)
"""At the addresses of devnet, where Meteora's are the same."""
