"""SPL Token: its instructions over account bytes, with the checks, their order and the codes of
p-token.

p-token is the rewrite that LiteSVM ships and that this file is held against. Multisignature owners
are not supported: they fail as a missing signature.
"""

from collections.abc import Callable, Sequence

from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.ledger.account import SYSTEM_PROGRAM, rent_minimum
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program
from fairlead.ledger.programs import token_authority
from fairlead.ledger.programs.token_checks import (
    ACCOUNT_FROZEN,
    ALREADY_IN_USE,
    FIXED_SUPPLY,
    INSUFFICIENT_FUNDS,
    INVALID_INSTRUCTION,
    INVALID_MINT,
    INVALID_STATE,
    MINT_DECIMALS_MISMATCH,
    MINT_MISMATCH,
    NATIVE_NOT_SUPPORTED,
    NON_NATIVE_HAS_BALANCE,
    NON_NATIVE_NOT_SUPPORTED,
    NOT_RENT_EXEMPT,
    OVERFLOW,
    OWNER_MISMATCH,
    account_data,
    amount_argument,
    check_authority,
    check_mint,
    check_owned,
    decimals_argument,
    exactly,
    failure,
    key_argument,
    mint_data,
    spend,
)
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    FROZEN,
    INITIALIZED,
    MINT_SIZE,
    NATIVE_MINT,
    NO_KEY,
    TOKEN_PROGRAM,
    U64,
    amount_of,
    is_native,
    option_key,
    some_key,
    token_account,
    with_amount,
    with_bytes,
)

__all__ = [
    "ACCOUNT_FROZEN",
    "INSUFFICIENT_FUNDS",
    "MINT_DECIMALS_MISMATCH",
    "MINT_MISMATCH",
    "OVERFLOW",
    "OWNER_MISMATCH",
    "PROGRAM",
    "burn",
    "check_mint_usable",
    "initialize_account",
    "mint_to",
    "process",
    "transfer",
]

INCINERATOR = bytes(Pubkey.from_string("1nc1nerator11111111111111111111111111111111"))
_OF_NOBODY = (SYSTEM_PROGRAM, INCINERATOR)

_U64_ZERO = bytes(8)
_RENT = rent_minimum(ACCOUNT_SIZE)
# A new account from its delegate on, and from its amount on.
_NATIVE_REST = token_account(b"", b"", 0, _RENT)[8:]
_EMPTY_REST = token_account(b"", b"", 0)


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run one token instruction."""
    handler = _HANDLERS.get(data[0]) if data else None
    try:
        if handler is None:
            raise failure(INVALID_INSTRUCTION)
        handler(context, accounts, data)
    except InstructionError as error:
        if error.log:
            context.log(f"Program log: Error: {error.log}")
        raise


def _initialize_mint(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    # Without the rent sysvar account that the first form names (InitializeMint2).
    if len(data) < 35 or data[34] > 1 or (data[34] == 1 and len(data) < 67):
        raise failure(INVALID_INSTRUCTION)
    (mint,) = exactly(accounts, 1)
    if len(mint.data) != MINT_SIZE:
        raise InstructionError("InvalidAccountData")
    if mint.data[45]:
        raise failure(ALREADY_IN_USE)
    if mint.lamports < context.rent_minimum(MINT_SIZE):
        raise failure(NOT_RENT_EXEMPT)
    freeze = some_key(data[35:67]) if data[34] else NO_KEY
    mint.data = some_key(data[2:34]) + _U64_ZERO + data[1:2] + b"\x01" + freeze


def _initialize_account(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    account, mint, owner, _rent = exactly(accounts, 4)
    initialize_account(context, account, mint, owner.key)


def _initialize_account_2(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    account, mint, _rent = exactly(accounts, 3)
    initialize_account(context, account, mint, key_argument(data))


def _initialize_account_3(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    owner = key_argument(data)
    account, mint = exactly(accounts, 2)
    initialize_account(context, account, mint, owner)


def initialize_account(
    context: InvokeContext, account: AccountView, mint: AccountView, owner: bytes
) -> None:
    """Make an empty account of 165 bytes a token account."""
    if len(account.data) != ACCOUNT_SIZE:
        raise InstructionError("InvalidAccountData")
    if account.data[108]:
        raise failure(ALREADY_IN_USE)
    if account.lamports < _RENT:
        raise failure(NOT_RENT_EXEMPT)
    if mint.key == NATIVE_MINT:
        account.data = mint.key + owner + U64.pack(account.lamports - _RENT) + _NATIVE_REST
    else:
        if mint.owner != TOKEN_PROGRAM:
            raise InstructionError("IncorrectProgramId")
        if len(mint.data) != MINT_SIZE or mint.data[45] != 1:
            raise failure(INVALID_MINT)
        account.data = mint.key + owner + _EMPTY_REST


def _transfer(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    amount = amount_argument(data)
    source, destination, authority = exactly(accounts, 3)
    transfer(source, destination, authority, amount)


def _transfer_checked(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    amount, decimals = amount_argument(data), decimals_argument(data)
    source, mint, destination, authority = exactly(accounts, 4)
    transfer(source, destination, authority, amount, mint, decimals)


def transfer(
    source: AccountView,
    destination: AccountView,
    authority: AccountView,
    amount: int,
    mint: AccountView | None = None,
    decimals: int = 0,
) -> None:
    """Move tokens, and the lamports behind them where they are wrapped SOL."""
    data, target = source.data, destination.data
    if (
        len(data) != ACCOUNT_SIZE
        or len(target) != ACCOUNT_SIZE
        or data[108] != INITIALIZED
        or target[108] != INITIALIZED
    ):
        account_data(source)
        account_data(destination)
        raise failure(ACCOUNT_FROZEN)
    left = U64.unpack_from(data, 64)[0] - amount
    if left < 0:
        raise failure(INSUFFICIENT_FUNDS)
    mint_key = data[:32]
    if mint_key != target[:32]:
        raise failure(MINT_MISMATCH)
    if mint is not None and (
        mint.key != mint_key
        or len(mint.data) != MINT_SIZE
        or not mint.data[45]
        or mint.data[44] != decimals
    ):
        check_mint(mint, mint_key, decimals)
    is_moving = source is not destination and amount != 0
    if data[72] or not authority.is_signer or data[32:64] != authority.key:
        data = spend(source, data, authority, amount, source is not destination)
    if not is_moving:
        check_owned(source, destination)
        if data is not source.data:
            source.data = data
        return
    source.data = data[:64] + U64.pack(left) + data[72:]
    received = U64.unpack_from(target, 64)[0] + amount
    destination.data = target[:64] + U64.pack(received) + target[72:]
    if data[109]:
        if source.lamports < amount:
            raise failure(OVERFLOW)
        source.lamports -= amount
        destination.lamports += amount


def _mint_to(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    mint_to(accounts, amount_argument(data))


def _mint_to_checked(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    mint_to(accounts, amount_argument(data), decimals_argument(data))


def mint_to(accounts: Sequence[AccountView], amount: int, decimals: int | None = None) -> None:
    """Make tokens: mint, destination, authority."""
    mint, destination, authority = exactly(accounts, 3)
    target = account_data(destination)
    if target[108] == FROZEN:
        raise failure(ACCOUNT_FROZEN)
    if is_native(target):
        raise failure(NATIVE_NOT_SUPPORTED)
    if mint.key != target[:32]:
        raise failure(MINT_MISMATCH)
    supply_data = mint_data(mint)
    if decimals is not None and supply_data[44] != decimals:
        raise failure(MINT_DECIMALS_MISMATCH)
    owner = option_key(supply_data, 0)
    if owner is None:
        raise failure(FIXED_SUPPLY)
    check_authority(owner, authority)
    if amount == 0:
        check_owned(mint, destination)
        return
    supply = int.from_bytes(supply_data[36:44], "little") + amount
    if supply > U64_MAX:
        raise failure(OVERFLOW)
    destination.data = with_amount(target, amount_of(target) + amount)
    mint.data = with_bytes(supply_data, 36, supply.to_bytes(8, "little"))


def _burn(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    burn(accounts, amount_argument(data))


def _burn_checked(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    burn(accounts, amount_argument(data), decimals_argument(data))


def burn(accounts: Sequence[AccountView], amount: int, decimals: int | None = None) -> None:
    """End tokens: source, mint, authority."""
    source, mint, authority = exactly(accounts, 3)
    data, supply_data = account_data(source), mint_data(mint)
    if data[108] == FROZEN:
        raise failure(ACCOUNT_FROZEN)
    if is_native(data):
        raise failure(NATIVE_NOT_SUPPORTED)
    left = amount_of(data) - amount
    if left < 0:
        raise failure(INSUFFICIENT_FUNDS)
    if mint.key != data[:32]:
        raise failure(MINT_MISMATCH)
    if decimals is not None and supply_data[44] != decimals:
        raise failure(MINT_DECIMALS_MISMATCH)
    if data[32:64] not in _OF_NOBODY:
        data = spend(source, data, authority, amount, True)
    if amount == 0:
        check_owned(source, mint)
        if data is not source.data:
            source.data = data
        return
    source.data = with_amount(data, left)
    supply = int.from_bytes(supply_data[36:44], "little") - amount
    mint.data = with_bytes(supply_data, 36, supply.to_bytes(8, "little"))


def _close(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    source, destination, authority = exactly(accounts, 3)
    if source is destination:
        raise InstructionError("InvalidAccountData")
    account = account_data(source)
    if not account[109] and amount_of(account) != 0:
        raise failure(NON_NATIVE_HAS_BALANCE)
    owner = account[32:64]
    if owner not in _OF_NOBODY:
        check_authority(option_key(account, 129) or owner, authority)
    elif destination.key != INCINERATOR:
        raise InstructionError("InvalidAccountData")
    destination.lamports += source.lamports
    source.lamports = 0
    source.data = b""
    source.owner = SYSTEM_PROGRAM


def _sync_native(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    (account,) = exactly(accounts, 1)
    if account.owner != TOKEN_PROGRAM:
        raise InstructionError("IncorrectProgramId")
    state = account_data(account)
    if not is_native(state):
        raise failure(NON_NATIVE_NOT_SUPPORTED)
    amount = account.lamports - int.from_bytes(state[113:121], "little")
    if amount < 0:
        raise failure(OVERFLOW)
    if amount < amount_of(state):
        raise failure(INVALID_STATE)
    account.data = with_amount(state, amount)


def _account_data_size(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    check_mint_usable(exactly(accounts, 1)[0])


def check_mint_usable(mint: AccountView) -> None:
    """What GetAccountDataSize refuses: not a mint of this program."""
    if mint.owner != TOKEN_PROGRAM:
        raise InstructionError("IncorrectProgramId")
    if len(mint.data) != MINT_SIZE or mint.data[45] != 1:
        raise failure(INVALID_MINT)


def _initialize_immutable_owner(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    (account,) = exactly(accounts, 1)
    if len(account.data) != ACCOUNT_SIZE:
        raise InstructionError("InvalidAccountData")
    if account.data[108]:
        raise failure(ALREADY_IN_USE)


_HANDLERS: dict[int, Callable[[InvokeContext, Sequence[AccountView], bytes], None]] = {
    1: _initialize_account,
    3: _transfer,
    4: token_authority.approve,
    5: token_authority.revoke,
    6: token_authority.set_authority,
    7: _mint_to,
    8: _burn,
    9: _close,
    10: token_authority.freeze,
    11: token_authority.thaw,
    12: _transfer_checked,
    13: token_authority.approve_checked,
    14: _mint_to_checked,
    15: _burn_checked,
    16: _initialize_account_2,
    17: _sync_native,
    18: _initialize_account_3,
    20: _initialize_mint,
    21: _account_data_size,
    22: _initialize_immutable_owner,
}

_COMPUTE_UNITS = {
    1: 150, 3: 76, 4: 126, 5: 108, 6: 123, 7: 119, 8: 123, 9: 118, 10: 145, 11: 141,
    12: 105, 17: 201, 18: 235, 20: 215, 21: 183, 22: 38,
}  # fmt: skip
"""Measured in LiteSVM, by tag; the others are alike."""

PROGRAM = Program(
    process,
    frozenset({TOKEN_PROGRAM}),
    lambda data: _COMPUTE_UNITS.get(data[0] if data else 0, 150),
)
