"""Meteora's vaults on the paper ledger, as DAMM v1 calls them: Deposit and Withdraw.

A vault keeps a token for many pools, which own shares of it. Its source is not public: checks and
codes are those that the compiled program was seen to answer with. What it lends out is read from
its bytes; strategies, and calls by anyone but DAMM v1, are not modelled.
"""

from collections.abc import Callable

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.failures import failure_text
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, custom
from fairlead.ledger.programs import token_calls
from fairlead.ledger.programs.token_data import amount_of
from fairlead.ledger.programs.token_transfer import seeds_signer
from fairlead.venues.anchor import anchor_error, anchor_log
from fairlead.venues.meteora.damm_v1_accounts import (
    VAULT_PROGRAM_ID,
    decode_vault,
    vault_with_total,
)
from fairlead.venues.meteora.damm_v1_errors import (
    VAULT_ERRORS,
    VAULT_MATH_OVERFLOW,
    vault_refusal,
)
from fairlead.venues.meteora.damm_v1_swap import VaultSide, deposit
from fairlead.venues.venue import VenueError

PROGRAM_ID = bytes(VAULT_PROGRAM_ID)

_TOKEN_MINT, _BASE, _BUMP = slice(83, 115), slice(1_107, 1_139), slice(9, 10)


class VaultAccounts(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A vault's accounts, and a pool's account of its shares."""

    vault: AccountView
    tokens: AccountView
    lp_mint: AccountView
    shares: AccountView

    def side(self) -> VaultSide:
        """What a swap reads of them, as they are now."""
        return VaultSide(
            decode_vault(self.vault.data),
            amount_of(self.shares.data),
            int.from_bytes(self.lp_mint.data[36:44], "little"),
            amount_of(self.tokens.data),
        )


def put_in(
    context: InvokeContext,
    accounts: VaultAccounts,
    source: AccountView,
    user: AccountView,
    atoms: int,
    now: int,
) -> int:
    """Deposit of the user's tokens for the pool: the shares that it got."""
    shares = 0

    def deposited() -> None:
        nonlocal shares
        _check_lp_mint(accounts)
        side = accounts.side()
        shares = deposit(side, side.unlocked_amount(now), atoms)
        token_calls.transfer(context, source, accounts.tokens, user, atoms)
        if shares:
            vault = signer(context, _seeds(accounts.vault), PROGRAM_ID, accounts.vault.key)
            token_calls.mint_to(context, accounts.lp_mint, accounts.shares, vault, shares)
        data = accounts.vault.data
        accounts.vault.data = vault_with_total(data, side.state.total_amount + atoms)

    _call(context, deposited)
    return shares


def take_out(
    context: InvokeContext,
    accounts: VaultAccounts,
    target: AccountView,
    pool: AccountView,
    shares: int,
    now: int,
) -> None:
    """Withdraw of the pool's shares to the user; the pool signs for them."""

    def withdrawn() -> None:
        _check_lp_mint(accounts)
        side = accounts.side()
        atoms = shares * side.unlocked_amount(now) // side.lp_supply
        if atoms > side.state.total_amount:
            raise vault_refusal(VAULT_MATH_OVERFLOW, "more than the vault has")
        vault = signer(context, _seeds(accounts.vault), PROGRAM_ID, accounts.vault.key)
        token_calls.transfer(context, accounts.tokens, target, vault, atoms)
        token_calls.burn(context, accounts.shares, accounts.lp_mint, pool, shares)
        data = accounts.vault.data
        accounts.vault.data = vault_with_total(data, side.state.total_amount - atoms)

    _call(context, withdrawn)


def signer(
    context: InvokeContext, seeds: tuple[bytes, ...], program_id: bytes, key: bytes
) -> AccountView:
    """The account of this key, which signs by these seeds; refused where they are not its own."""
    try:
        found = Pubkey.create_program_address(list(seeds), Pubkey.from_bytes(program_id))
    except Exception as error:  # On the curve: solders names no type for it.
        text = "Could not create program address with signer seeds"
        raise InstructionError(
            "ProgramFailedToComplete",
            log=f"{text}: Provided seeds do not result in a valid address",
        ) from error
    if bytes(found) != key:
        context.log(f"{Pubkey.from_bytes(key)}'s signer privilege escalated")
        raise InstructionError("PrivilegeEscalation")
    return seeds_signer(key)


def _seeds(vault: AccountView) -> tuple[bytes, ...]:
    data = vault.data
    return b"vault", data[_TOKEN_MINT], data[_BASE], data[_BUMP]


def _check_lp_mint(accounts: VaultAccounts) -> None:
    if accounts.vault.data[115:147] != accounts.lp_mint.key:
        raise anchor_error(2001)


def _call(context: InvokeContext, action: Callable[[], None]) -> None:
    try:
        action()
    except VenueError as error:
        context.log(anchor_log(error, VAULT_ERRORS))
        refused = custom(error.code or 0)
        context.log(f"Program {VAULT_PROGRAM_ID} failed: {failure_text(refused)}")
        raise refused from error
    except InstructionError as error:
        context.log(f"Program {VAULT_PROGRAM_ID} failed: {failure_text(error)}")
        raise
