"""The lending vaults behind a DAMM v1 pool, from the accounts at hand."""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from fairlead.venues.meteora.damm_v1_accounts import (
    VAULT_DISCRIMINATOR,
    VAULT_PROFIT_END,
    VAULT_PROGRAM_ID,
    VaultState,
    decode_vault,
)
from fairlead.venues.meteora.damm_v1_swap import VaultSide
from fairlead.venues.pair import vault_atoms
from fairlead.venues.token2022 import TOKEN_PROGRAM, decode_mint
from fairlead.venues.venue import Account, ErrorClass, VenueError, account_of


def vault_state(accounts: Mapping[Pubkey, Account], address: Pubkey, mint: Pubkey) -> VaultState:
    """The vault at this address; `VenueError` where it is none, or one of another mint."""
    account = account_of(accounts, address)
    if (
        account.owner != VAULT_PROGRAM_ID
        or len(account.data) < VAULT_PROFIT_END
        or account.data[:8] != VAULT_DISCRIMINATOR
    ):
        raise VenueError(ErrorClass.TERMINAL, "not_a_vault", detail=str(address))
    state = decode_vault(account.data)
    if state.token_mint != mint:
        raise VenueError(ErrorClass.TERMINAL, "wrong_vault", detail=str(address))
    return state


def vault_side(
    accounts: Mapping[Pubkey, Account], address: Pubkey, mint: Pubkey, shares: Pubkey
) -> VaultSide:
    """A vault with what it holds, and the pool's part of it; `VenueError` as `vault_state`."""
    state = vault_state(accounts, address, mint)
    lp_mint = account_of(accounts, state.lp_mint)
    if lp_mint.owner != TOKEN_PROGRAM:
        raise VenueError(ErrorClass.TERMINAL, "not_a_mint", detail=str(state.lp_mint))
    return VaultSide(
        state,
        _tokens(accounts, shares, state.lp_mint),
        decode_mint(lp_mint).supply_atoms,
        _tokens(accounts, state.token_vault, state.token_mint),
    )


def _tokens(accounts: Mapping[Pubkey, Account], address: Pubkey, mint: Pubkey) -> int:
    return vault_atoms(accounts, address, bytes(mint), classic=True, wrong="wrong_token_account")
