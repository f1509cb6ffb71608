"""The accounts of DAMM v1's swap on the paper ledger: named, and checked as the program does."""

from collections.abc import Sequence

import msgspec

from fairlead.ledger.program import AccountView
from fairlead.ledger.programs import meteora_vault
from fairlead.ledger.programs.anchor_accounts import (
    check_mint,
    check_program,
    check_read,
    check_token_account,
)
from fairlead.ledger.programs.meteora_vault import VaultAccounts
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.venues.anchor import anchor_error
from fairlead.venues.meteora import damm_v1_accounts
from fairlead.venues.meteora.damm_v1_accounts import (
    CURVE_CONSTANT_PRODUCT,
    CURVE_OFFSET,
    CURVE_STABLE,
    DEPEG_SPL_STAKE,
    DEPEG_TYPE_OFFSET,
    ENABLED_OFFSET,
    POOL_DISCRIMINATOR,
    STABLE_END,
    VAULT_DISCRIMINATOR,
)
from fairlead.venues.meteora.damm_v1_errors import (
    IDENTICAL_SOURCE_DESTINATION,
    INVALID_VAULT_ACCOUNT,
    INVALID_VAULT_LP_ACCOUNT,
    MISMATCHED_LP_MINT,
    MISMATCHED_TOKEN_MINT,
    refusal,
)

PROGRAM_ID = bytes(damm_v1_accounts.PROGRAM_ID)
ACCOUNTS = 15
_SPL_TOKEN = (TOKEN_PROGRAM,)
_TYPE_OFFSET = 362


class SwapAccounts(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The instruction's accounts by name."""

    pool: AccountView
    source: AccountView
    target: AccountView
    a: VaultAccounts
    b: VaultAccounts
    fee: AccountView
    user: AccountView
    # A stake pool's where the pool needs one, then one that shares the protocol's fee.
    rest: Sequence[AccountView]

    @property
    def mints(self) -> tuple[bytes, bytes]:
        """Of the vaults: the pool's own bytes about them are not looked at."""
        return self.a.vault.data[83:115], self.b.vault.data[83:115]


def checked_accounts(accounts: Sequence[AccountView]) -> SwapAccounts:
    """All are read first, in the instruction's order, then held against each other."""
    for index, account in enumerate(accounts[:ACCOUNTS]):
        _READS[index](account)
    if len(accounts) < ACCOUNTS:
        raise anchor_error(3005)
    (
        pool, source, target, a_vault, b_vault, a_tokens, b_tokens, a_lp_mint, b_lp_mint,
        a_shares, b_shares, fee, user, _, _, *rest,
    ) = accounts  # fmt: skip
    found = SwapAccounts(
        pool,
        source,
        target,
        VaultAccounts(a_vault, a_tokens, a_lp_mint, a_shares),
        VaultAccounts(b_vault, b_tokens, b_lp_mint, b_shares),
        fee,
        user,
        rest,
    )
    _check_pool(found)
    _check_wallet(found)
    for vault in (found.a, found.b):
        _check_writable(vault.vault)
        if vault.vault.data[19:51] != vault.tokens.key:
            raise refusal(INVALID_VAULT_ACCOUNT)
    for account in (a_tokens, b_tokens, a_lp_mint, b_lp_mint, a_shares, b_shares, fee):
        _check_writable(account)
    if fee.data[:32] != source.data[:32]:
        raise refusal(MISMATCHED_TOKEN_MINT)
    return found


def _check_pool(accounts: SwapAccounts) -> None:
    _check_writable(accounts.pool)
    data, a, b = accounts.pool.data, accounts.a, accounts.b
    if (a.vault.key, b.vault.key) != (data[104:136], data[136:168]):
        raise refusal(INVALID_VAULT_ACCOUNT)
    if (a.shares.key, b.shares.key) != (data[168:200], data[200:232]):
        raise refusal(INVALID_VAULT_LP_ACCOUNT)
    for vault in (a, b):
        if vault.shares.data[:32] != vault.lp_mint.key:
            raise refusal(MISMATCHED_LP_MINT)


def _check_wallet(accounts: SwapAccounts) -> None:
    source, target, mints = accounts.source, accounts.target, accounts.mints
    _check_writable(source)
    if source.data[:32] not in mints:
        raise refusal(MISMATCHED_TOKEN_MINT)
    if source.data[:32] == target.data[:32]:
        raise refusal(IDENTICAL_SOURCE_DESTINATION)
    _check_writable(target)
    if target.data[:32] not in mints:
        raise refusal(MISMATCHED_TOKEN_MINT)


def _check_writable(account: AccountView) -> None:
    if not account.is_writable:
        raise anchor_error(2000)


def _read_pool(account: AccountView) -> None:
    check_read(account, PROGRAM_ID, POOL_DISCRIMINATOR, CURVE_OFFSET + 1)
    data = account.data
    curve = data[CURVE_OFFSET]
    is_read = data[ENABLED_OFFSET] < 2 and data[_TYPE_OFFSET] < 2
    if curve == CURVE_STABLE:
        is_read = is_read and len(data) >= STABLE_END and data[DEPEG_TYPE_OFFSET] <= DEPEG_SPL_STAKE
    if not is_read or curve not in (CURVE_CONSTANT_PRODUCT, CURVE_STABLE):
        raise anchor_error(3003)


def _read_vault(account: AccountView) -> None:
    size = damm_v1_accounts.VAULT_PROFIT_END
    check_read(account, meteora_vault.PROGRAM_ID, VAULT_DISCRIMINATOR, size)


def _read_tokens(account: AccountView) -> None:
    check_token_account(account, _SPL_TOKEN)


def _read_mint(account: AccountView) -> None:
    check_mint(account, _SPL_TOKEN)


def _read_user(account: AccountView) -> None:
    if not account.is_signer:
        raise anchor_error(3010)


def _read_vault_program(account: AccountView) -> None:
    check_program(account, meteora_vault.PROGRAM_ID)


def _read_token_program(account: AccountView) -> None:
    check_program(account, TOKEN_PROGRAM)


_READS = (
    _read_pool,
    *(_read_tokens,) * 2,
    *(_read_vault,) * 2,
    *(_read_tokens,) * 2,
    *(_read_mint,) * 2,
    *(_read_tokens,) * 3,
    _read_user,
    _read_vault_program,
    _read_token_program,
)
"""In the instruction's order."""
