"""Raydium CLMM: concentrated liquidity over ticks, of both token programs.

Decode a pool, load the accounts it names, then quote and build instructions as often as wanted. A
quote walks only the tick arrays that the instruction names, so both take `max_arrays`.
"""

from collections.abc import Mapping
from typing import ClassVar

from solders.pubkey import Pubkey

from fairlead.venues.raydium.clmm_accounts import (
    POOL_DISCRIMINATOR,
    POOL_SIZE,
    PROGRAM_IDS,
    PoolNumbers,
    TickArray,
    decode_extension,
    decode_numbers,
    decode_rates,
    decode_tick_array,
    extension_address,
    tick_array_address,
)
from fairlead.venues.raydium.clmm_bitmap import ARRAYS_PER_SWAP as ARRAYS_PER_SWAP
from fairlead.venues.raydium.clmm_bitmap import MAX_ARRAYS, ArrayPath, array_path
from fairlead.venues.raydium.clmm_layers import pool_modes
from fairlead.venues.raydium.clmm_loaded import LoadedClmmPool as LoadedClmmPool
from fairlead.venues.raydium.clmm_path import Path
from fairlead.venues.raydium.clmm_swap import check_open
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, Mint, decode_mint
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    Venue,
    VenueError,
    account_of,
    refuse_unproven,
)

ACCOUNTS_BEFORE_ARRAYS = {"swap": 9, "swap_v2": 13}
"""The bitmap extension not counted."""


class ClmmPool(Record, frozen=True, gc=False):
    """A decoded PoolState. Pairs are in the order token 0, token 1."""

    venue: ClassVar[Venue] = Venue.RAYDIUM_CLMM
    address: Pubkey
    program_id: Pubkey
    amm_config: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    mints: tuple[Pubkey, Pubkey]
    observation: Pubkey
    numbers: PoolNumbers
    # The account's bytes.
    data: bytes

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Config, both mints, the arrays that the pool's own bitmap names, perhaps the extension.

        The extension is among them where that bitmap ends within a swap's arrays; once it is read,
        `more_needed` names the arrays beyond. What does not exist ends the path.
        """
        return self._needed_with(None)

    def _needed_with(self, extension: Account | None) -> tuple[Pubkey, ...]:
        """As `accounts_needed`, with the arrays that this extension's bitmap adds."""
        paths = self._paths(self._extension_bits(extension), ARRAYS_PER_SWAP)
        starts = dict.fromkeys(start for path in paths for start in path.starts)
        needed = [self.amm_config, *self.mints]
        if extension is not None or any(len(path.starts) < ARRAYS_PER_SWAP for path in paths):
            needed.append(extension_address(self.address, self.program_id))
        needed += [tick_array_address(self.address, start, self.program_id) for start in starts]
        return tuple(needed)

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """The arrays beyond the pool's own bitmap, once the extension is read."""
        extension = accounts.get(extension_address(self.address, self.program_id))
        if extension is None:
            return ()
        known = set(self.accounts_needed)
        return tuple(key for key in self._needed_with(extension) if key not in known)

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where swaps are off or not open yet."""
        check_open(self.numbers, time.unix_timestamp)

    def load(self, accounts: Mapping[Pubkey, Account], *, unproven: bool = False) -> LoadedClmmPool:
        """The pool ready to quote; `VenueError` names an account that is missing or wrong.

        Of the tick arrays it takes those that are there, up to the first that is not. A volatility
        fee, limit orders and a fee in a chosen token are refused by name, unless `unproven` allows
        the rules of `clmm_layers` where a swap needs them: no program at hand knows them.
        """
        modes = pool_modes(self.numbers)
        if modes and not unproven:
            raise refuse_unproven(modes[0], self.address)
        config = account_of(accounts, self.amm_config)
        rates = decode_rates(self.amm_config, config, self.program_id)
        extension = accounts.get(extension_address(self.address, self.program_id))
        orders = self._paths(self._extension_bits(extension), MAX_ARRAYS)
        down, up = (self._arrays(accounts, order) for order in orders)
        steps = (
            Path(self.numbers, rates, down, orders[0], True),
            Path(self.numbers, rates, up, orders[1], False),
        )
        programs, mints = zip(*(self._mint(accounts, mint) for mint in self.mints), strict=True)
        return LoadedClmmPool(
            self,
            self.numbers,
            self.amm_config,
            self.observation,
            rates,
            orders,
            (down, up),
            steps,
            extension is not None,
            programs,
            mints,
            unproven,
            bool(modes),
        )

    def _paths(self, extension: int | None, limit: int) -> tuple[ArrayPath, ArrayPath]:
        """The arrays downwards and upwards."""
        numbers = self.numbers
        down, up = (
            array_path(
                numbers.tick_current,
                numbers.tick_spacing,
                numbers.tick_array_bitmap,
                extension,
                zero_for_one,
                limit,
            )
            for zero_for_one in (True, False)
        )
        return down, up

    def _extension_bits(self, extension: Account | None) -> int | None:
        if extension is None:
            return None
        address = extension_address(self.address, self.program_id)
        return decode_extension(address, extension, self.program_id, self.address)

    def _arrays(self, accounts: Mapping[Pubkey, Account], order: ArrayPath) -> list[TickArray]:
        arrays: list[TickArray] = []
        for start in order.starts:
            address = tick_array_address(self.address, start, self.program_id)
            account = accounts.get(address)
            if account is None:
                break
            array = decode_tick_array(address, account, self.program_id, self.address, start)
            arrays.append(array)
        return arrays

    def _mint(self, accounts: Mapping[Pubkey, Account], mint: Pubkey) -> tuple[Pubkey, Mint | None]:
        account = account_of(accounts, mint)
        decoded = decode_mint(account)
        return account.owner, decoded if account.owner == TOKEN_2022_PROGRAM else None


def decode(address: Pubkey, account: Account) -> ClmmPool:
    """The pool in this account; `VenueError` not_a_pool where there is none."""
    data = account.data
    if account.owner not in PROGRAM_IDS or len(data) != POOL_SIZE or data[:8] != POOL_DISCRIMINATOR:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    key = Pubkey.from_bytes
    numbers = decode_numbers(data)
    if not numbers.tick_spacing:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=f"{address} has no spacing")
    return ClmmPool(
        address,
        account.owner,
        key(data[9:41]),
        (key(data[137:169]), key(data[169:201])),
        (key(data[73:105]), key(data[105:137])),
        key(data[201:233]),
        numbers,
        data,
    )
