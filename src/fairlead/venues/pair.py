"""What the pools of every venue ask of their two tokens: the way of a swap, vaults, withheld fees.

Pairs are in the order in which the pool names its mints.
"""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from fairlead.venues.record import Record
from fairlead.venues.token2022 import (
    STATE_FROZEN,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    Mint,
    TransferFee,
    amount_of,
    decode_mint,
    is_token_account,
)
from fairlead.venues.venue import Account, ErrorClass, Pool, Venue, VenueError, account_of


class LoadedPair(Record, frozen=True, gc=False):
    """A loaded pool, by what its pool says of itself. Each venue's has a pool of its own type."""

    pool: Pool

    @property
    def venue(self) -> Venue:
        return self.pool.venue

    @property
    def address(self) -> Pubkey:
        return self.pool.address

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        return self.pool.mints

    def _direction(self, input_mint: Pubkey) -> bool:
        """Whether the swap is the first token for the second; `VenueError` wrong_mint."""
        first, second = self.pool.mints
        if input_mint == first:
            return True
        if input_mint == second:
            return False
        raise VenueError(ErrorClass.TERMINAL, "wrong_mint", detail=str(input_mint))


def withholding(
    mints: tuple[Pubkey, Pubkey], token_programs: tuple[Pubkey, Pubkey]
) -> tuple[Pubkey, ...]:
    """Those of the mints that may withhold a transfer fee: Token-2022's; often none."""
    if TOKEN_2022_PROGRAM not in token_programs:
        return ()
    pairs = zip(mints, token_programs, strict=True)
    return tuple(mint for mint, program in pairs if program == TOKEN_2022_PROGRAM)


def token_2022_mints(
    accounts: Mapping[Pubkey, Account],
    mints: tuple[Pubkey, Pubkey],
    token_programs: tuple[Pubkey, Pubkey],
) -> tuple[Mint | None, Mint | None]:
    """The mints of `withholding`, None for one of SPL Token; `VenueError` as `decode_mint`."""
    (first, second), (program_0, program_1) = mints, token_programs
    return (
        decode_mint(account_of(accounts, first)) if program_0 == TOKEN_2022_PROGRAM else None,
        decode_mint(account_of(accounts, second)) if program_1 == TOKEN_2022_PROGRAM else None,
    )


def transfer_fees(
    mints: tuple[Mint | None, Mint | None], epoch: int
) -> tuple[TransferFee | None, TransferFee | None]:
    """What these `token_2022_mints` withhold in this epoch."""
    first, second = mints
    return (
        first.transfer_fee(epoch) if first is not None else None,
        second.transfer_fee(epoch) if second is not None else None,
    )


def vault_atoms(
    accounts: Mapping[Pubkey, Account],
    vault: Pubkey,
    mint: bytes,
    *,
    classic: bool = False,
    wrong: str = "wrong_vault",
) -> int:
    """What a vault holds; `VenueError` frozen_vault, or `wrong` where it is no account of the mint.

    `classic`: only an account of SPL Token will do.
    """
    account = account_of(accounts, vault)
    data = account.data
    if (
        (classic and account.owner != TOKEN_PROGRAM)
        or not is_token_account(account)
        or data[:32] != mint
    ):
        raise VenueError(ErrorClass.TERMINAL, wrong, detail=str(vault))
    if data[108] == STATE_FROZEN:
        raise VenueError(ErrorClass.TERMINAL, "frozen_vault", detail=str(vault))
    return amount_of(data)
