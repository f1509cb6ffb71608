"""How Anchor reads the accounts of an instruction, before a program's own rules: its refusals.

It reads all of them in order first, and looks at their constraints (writable, address, …) after
that; the callers keep to this. Source: anchor-lang 0.31 `accounts/`, Apache-2.0.
"""

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.program import AccountView, InstructionError
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.ledger.programs.token_transfer import TOKEN_2022_PROGRAM
from fairlead.venues.anchor import anchor_error
from fairlead.venues.token2022 import (
    ACCOUNT_TYPE_MINT,
    ACCOUNT_TYPE_OFFSET,
    ACCOUNT_TYPE_TOKEN_ACCOUNT,
    MINT_SIZE,
    STATE_FROZEN,
    TOKEN_ACCOUNT_SIZE,
)

BOTH_TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
MULTISIG_SIZE = 355
"""A size that Token-2022 takes for neither account nor mint."""
_OPTION = (b"\0\0\0\0", b"\1\0\0\0")


def check_state(account: AccountView, owner: bytes, discriminator: bytes) -> None:
    """An account of the program's that is used in place (AccountLoader)."""
    if account.owner != owner:
        raise anchor_error(3007)
    check_discriminator(account.data, discriminator)


def check_read(account: AccountView, owner: bytes, discriminator: bytes, size: int) -> None:
    """An account of the program's that is read into memory (Account)."""
    _check_exists(account)
    check_state(account, owner, discriminator)
    if len(account.data) < size:
        raise anchor_error(3003)


def check_discriminator(data: bytes, discriminator: bytes) -> None:
    """The first eight bytes say what the account is."""
    if len(data) < len(discriminator):
        raise anchor_error(3001)
    if data[: len(discriminator)] != discriminator:
        raise anchor_error(3002)


def check_program(account: AccountView, key: bytes) -> None:
    """A program by its address."""
    if account.key != key:
        raise anchor_error(3008)


def check_token_account(account: AccountView, programs: tuple[bytes, ...]) -> None:
    """An initialized token account of one of these programs."""
    _check_exists(account)
    if account.owner not in programs:
        raise anchor_error(3007)
    data = account.data
    _check_size(data, TOKEN_ACCOUNT_SIZE, programs)
    # Delegate, native reserve and close authority are there or not.
    if data[108] > STATE_FROZEN or any(data[at : at + 4] not in _OPTION for at in (72, 109, 129)):
        raise InstructionError("InvalidAccountData")
    if not data[108]:
        raise InstructionError("UninitializedAccount")
    _check_kind(data, TOKEN_ACCOUNT_SIZE, ACCOUNT_TYPE_TOKEN_ACCOUNT)


def check_mint(account: AccountView, programs: tuple[bytes, ...]) -> None:
    """An initialized mint of one of these programs."""
    _check_exists(account)
    if account.owner not in programs:
        raise anchor_error(3007)
    data = account.data
    _check_size(data, MINT_SIZE, programs)
    # Mint and freeze authority are there or not.
    if data[45] > 1 or any(data[at : at + 4] not in _OPTION for at in (0, 46)):
        raise InstructionError("InvalidAccountData")
    if not data[45]:
        raise InstructionError("UninitializedAccount")
    _check_kind(data, MINT_SIZE, ACCOUNT_TYPE_MINT)


def _check_exists(account: AccountView) -> None:
    if account.owner == SYSTEM_PROGRAM and not account.lamports:
        raise anchor_error(3012)


def _check_size(data: bytes, size: int, programs: tuple[bytes, ...]) -> None:
    """Only what Token-2022 may own may have more than the plain size, for extensions."""
    has_extensions = len(data) > size and TOKEN_2022_PROGRAM in programs
    if (len(data) != size and not has_extensions) or len(data) == MULTISIG_SIZE:
        raise InstructionError("InvalidAccountData")


def _check_kind(data: bytes, size: int, kind: int) -> None:
    """What has extensions says whether it is an account or a mint."""
    if len(data) == size:
        return
    if (
        len(data) <= ACCOUNT_TYPE_OFFSET
        or data[ACCOUNT_TYPE_OFFSET] != kind
        or any(data[size:ACCOUNT_TYPE_OFFSET])
    ):
        raise InstructionError("InvalidAccountData")
