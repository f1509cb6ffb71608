"""Meteora DLMM: liquidity in bins of constant price, fees that follow volatility, limit orders.

Decode a pair, load the accounts it names, then quote and build instructions as often as wanted.
The pair names the bin arrays next to its price in both directions; a quote that would go beyond
those it was given is refused as the program would refuse it, AccountNotEnoughKeys.
"""

from collections.abc import Mapping
from typing import ClassVar

from solders.pubkey import Pubkey

from fairlead.venues.meteora.dlmm_accounts import (
    PAIR_DISCRIMINATOR,
    PAIR_SIZE,
    PROGRAM_ID,
    PairKeys,
    PairNumbers,
    bin_array_address,
    bitmap_extension_address,
    decode_keys,
    decode_numbers,
)
from fairlead.venues.meteora.dlmm_arrays import decode_extension
from fairlead.venues.meteora.dlmm_errors import BITMAP_EXTENSION_IS_NOT_PROVIDED
from fairlead.venues.meteora.dlmm_loaded import LoadedDlmmPool as LoadedDlmmPool
from fairlead.venues.meteora.dlmm_path import indices_on_path, path_of
from fairlead.venues.meteora.dlmm_swap import check_open
from fairlead.venues.pair import token_2022_mints, withholding
from fairlead.venues.record import Record
from fairlead.venues.token2022 import (
    amount_of,
    is_token_account,
)
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    Venue,
    VenueError,
    account_of,
)

ARRAYS_PER_SIDE = 4
"""Bin arrays read in each direction: 280 bins and more, about what a transaction can compute."""


class DlmmPool(Record, frozen=True, gc=False):
    """A decoded LbPair. Pairs are in the order X, Y."""

    venue: ClassVar[Venue] = Venue.METEORA_DLMM
    keys: PairKeys
    numbers: PairNumbers

    @property
    def address(self) -> Pubkey:
        return self.keys.lb_pair

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        return self.keys.mints

    @property
    def vaults(self) -> tuple[Pubkey, Pubkey]:
        return self.keys.reserves

    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]:
        return self.keys.token_programs

    @property
    def program_id(self) -> Pubkey:
        return PROGRAM_ID

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Reserves, mints with fees, the nearest bin arrays, and the extension where it may matter.

        Arrays that only the extension names are in `more_needed`.
        """
        return self._needed_with(None)

    def _needed_with(self, extension: Account | None) -> tuple[Pubkey, ...]:
        """As `accounts_needed`, with the arrays that this extension's bitmap adds."""
        decoded = None if extension is None else decode_extension(self.address, extension)
        count, numbers = ARRAYS_PER_SIDE, self.numbers
        down, below = indices_on_path(numbers, decoded, count, swap_for_y=True)
        up, above = indices_on_path(numbers, decoded, count, swap_for_y=False)
        needed = [*self.vaults, *withholding(self.mints, self.token_programs)]
        if extension is not None or BITMAP_EXTENSION_IS_NOT_PROVIDED in (below, above):
            needed.append(bitmap_extension_address(self.address))
        needed += [bin_array_address(self.address, index) for index in dict.fromkeys(down + up)]
        return tuple(needed)

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """The arrays that only the extension names, once it is read."""
        extension = accounts.get(bitmap_extension_address(self.address))
        if extension is None:
            return ()
        known = set(self.accounts_needed)
        return tuple(key for key in self._needed_with(extension) if key not in known)

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where the pair is disabled or not active yet."""
        check_open(self.numbers, time)

    def load(self, accounts: Mapping[Pubkey, Account]) -> LoadedDlmmPool:
        """The pool ready to quote; `VenueError` names an account that is missing or wrong.

        A bin array or the extension may be missing: quotes then end there.
        """
        account = accounts.get(bitmap_extension_address(self.address))
        extension = None if account is None else decode_extension(self.address, account)
        down, up = (
            path_of(self.address, self.numbers, extension, accounts, swap_for_y=swap_for_y)
            for swap_for_y in (True, False)
        )
        mints = token_2022_mints(accounts, self.mints, self.token_programs)
        reserves = (self._reserve(accounts, 0), self._reserve(accounts, 1))
        return LoadedDlmmPool(
            self,
            self.keys,
            self.numbers,
            mints,
            reserves,
            extension is not None,
            down,
            up,
        )

    def _reserve(self, accounts: Mapping[Pubkey, Account], side: int) -> int:
        account = account_of(accounts, self.vaults[side])
        if not is_token_account(account):
            raise VenueError(ErrorClass.TERMINAL, "not_a_token_account")
        return amount_of(account.data)


def decode(address: Pubkey, account: Account) -> DlmmPool:
    """The pool in this account; `VenueError` not_a_pool where there is none."""
    data = account.data
    if account.owner != PROGRAM_ID or len(data) != PAIR_SIZE or data[:8] != PAIR_DISCRIMINATOR:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    return DlmmPool(decode_keys(address, data), decode_numbers(data))
