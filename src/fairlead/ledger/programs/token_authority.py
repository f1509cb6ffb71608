"""SPL Token's instructions about who may do what: delegates, freezing, authorities."""

from collections.abc import Sequence

from fairlead.ledger.program import AccountView, InstructionError, InvokeContext
from fairlead.ledger.programs.token_checks import (
    ACCOUNT_FROZEN,
    AUTHORITY_TYPE_NOT_SUPPORTED,
    FIXED_SUPPLY,
    INVALID_INSTRUCTION,
    INVALID_STATE,
    MINT_CANNOT_FREEZE,
    MINT_MISMATCH,
    NATIVE_NOT_SUPPORTED,
    account_data,
    amount_argument,
    check_authority,
    check_mint,
    decimals_argument,
    exactly,
    failure,
    mint_data,
    without_delegate,
)
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    FROZEN,
    INITIALIZED,
    MINT_SIZE,
    is_native,
    option_key,
    some_key,
    with_bytes,
)


def approve(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Let a delegate spend up to an amount."""
    amount = amount_argument(data)
    source, delegate, owner = exactly(accounts, 3)
    _set_delegate(source, delegate, owner, amount, None, 0)


def approve_checked(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """The same, naming mint and decimals."""
    amount, decimals = amount_argument(data), decimals_argument(data)
    source, mint, delegate, owner = exactly(accounts, 4)
    _set_delegate(source, delegate, owner, amount, mint, decimals)


def _set_delegate(
    source: AccountView,
    delegate: AccountView,
    owner: AccountView,
    amount: int,
    mint: AccountView | None,
    decimals: int,
) -> None:
    data = account_data(source)
    if data[108] == FROZEN:
        raise failure(ACCOUNT_FROZEN)
    if mint is not None:
        check_mint(mint, data[:32], decimals)
    check_authority(data[32:64], owner)
    data = with_bytes(data, 72, some_key(delegate.key))
    source.data = with_bytes(data, 121, amount.to_bytes(8, "little"))


def revoke(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Take the delegate back."""
    source = exactly(accounts, 1)[0]
    account = account_data(source)
    if account[108] == FROZEN:
        raise failure(ACCOUNT_FROZEN)
    authority = exactly(accounts, 2)[1]
    # A delegate may give its own allowance back.
    owner = option_key(account, 72)
    check_authority(owner if owner == authority.key else account[32:64], authority)
    source.data = without_delegate(account)


def freeze(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Stop an account."""
    _set_frozen(accounts, True)


def thaw(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Let a frozen account go."""
    _set_frozen(accounts, False)


def _set_frozen(accounts: Sequence[AccountView], is_freezing: bool) -> None:
    account, mint, authority = exactly(accounts, 3)
    data = account_data(account)
    if is_freezing == (data[108] == FROZEN):
        raise failure(INVALID_STATE)
    if is_native(data):
        raise failure(NATIVE_NOT_SUPPORTED)
    if mint.key != data[:32]:
        raise failure(MINT_MISMATCH)
    owner = option_key(mint_data(mint), 46)
    if owner is None:
        raise failure(MINT_CANNOT_FREEZE)
    check_authority(owner, authority)
    account.data = with_bytes(data, 108, bytes((FROZEN if is_freezing else INITIALIZED,)))


def set_authority(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Give an authority to another key, or to nobody."""
    if len(data) < 3 or data[1] > 3 or data[2] > 1 or (data[2] == 1 and len(data) < 35):
        raise failure(INVALID_INSTRUCTION)
    kind, new = data[1], data[3:35] if data[2] else None
    account, authority = exactly(accounts, 2)
    if len(account.data) == ACCOUNT_SIZE:
        account.data = _account_with_authority(account_data(account), authority, kind, new)
    elif len(account.data) == MINT_SIZE:
        account.data = _mint_with_authority(mint_data(account), authority, kind, new)
    else:
        raise InstructionError("InvalidArgument")


def _account_with_authority(
    data: bytes, authority: AccountView, kind: int, new: bytes | None
) -> bytes:
    if data[108] == FROZEN:
        raise failure(ACCOUNT_FROZEN)
    if kind == 2:
        check_authority(data[32:64], authority)
        if new is None:
            raise failure(INVALID_INSTRUCTION)
        data = without_delegate(with_bytes(data, 32, new))
        return with_bytes(data, 129, bytes(4)) if is_native(data) else data
    if kind == 3:
        check_authority(option_key(data, 129) or data[32:64], authority)
        return _with_option(data, 129, new)
    raise failure(AUTHORITY_TYPE_NOT_SUPPORTED)


def _mint_with_authority(
    data: bytes, authority: AccountView, kind: int, new: bytes | None
) -> bytes:
    if kind > 1:
        raise failure(AUTHORITY_TYPE_NOT_SUPPORTED)
    at, missing = (0, FIXED_SUPPLY) if kind == 0 else (46, MINT_CANNOT_FREEZE)
    owner = option_key(data, at)
    if owner is None:
        raise failure(missing)
    check_authority(owner, authority)
    return _with_option(data, at, new)


def _with_option(data: bytes, at: int, key: bytes | None) -> bytes:
    return with_bytes(data, at, bytes(4) if key is None else some_key(key))
