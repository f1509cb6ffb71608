"""What SPL Token's instructions check, and the errors they answer with."""

from collections.abc import Sequence

from fairlead.ledger.program import AccountView, InstructionError, custom
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    FROZEN,
    MINT_SIZE,
    TOKEN_PROGRAM,
    option_key,
    with_bytes,
)

_U64_ZERO = bytes(8)

NOT_RENT_EXEMPT = 0
INSUFFICIENT_FUNDS = 1
INVALID_MINT = 2
MINT_MISMATCH = 3
OWNER_MISMATCH = 4
FIXED_SUPPLY = 5
ALREADY_IN_USE = 6
NATIVE_NOT_SUPPORTED = 10
NON_NATIVE_HAS_BALANCE = 11
INVALID_INSTRUCTION = 12
INVALID_STATE = 13
OVERFLOW = 14
AUTHORITY_TYPE_NOT_SUPPORTED = 15
MINT_CANNOT_FREEZE = 16
ACCOUNT_FROZEN = 17
MINT_DECIMALS_MISMATCH = 18
NON_NATIVE_NOT_SUPPORTED = 19


def failure(code: int) -> InstructionError:
    """The token program's own error, with its text."""
    return custom(code, _TEXTS.get(code, ""))


_TEXTS = {
    NOT_RENT_EXEMPT: "Lamport balance below rent-exempt threshold",
    INSUFFICIENT_FUNDS: "insufficient funds",
    INVALID_MINT: "Invalid Mint",
    MINT_MISMATCH: "Account not associated with this Mint",
    OWNER_MISMATCH: "owner does not match",
    FIXED_SUPPLY: "the total supply of this token is fixed",
    ALREADY_IN_USE: "account or token already in use",
    NATIVE_NOT_SUPPORTED: "Instruction does not support native tokens",
    NON_NATIVE_HAS_BALANCE: "Non-native account can only be closed if its balance is zero",
    INVALID_INSTRUCTION: "Invalid instruction",
    INVALID_STATE: "Invalid account state for operation",
    OVERFLOW: "Operation overflowed",
    AUTHORITY_TYPE_NOT_SUPPORTED: "Account does not support specified authority type",
    MINT_CANNOT_FREEZE: "This token mint cannot freeze accounts",
    ACCOUNT_FROZEN: "Account is frozen",
    MINT_DECIMALS_MISMATCH: "decimals different from the Mint decimals",
    NON_NATIVE_NOT_SUPPORTED: "Instruction does not support non-native tokens",
}


def account_data(view: AccountView) -> bytes:
    """Bytes of an initialized token account."""
    data = view.data
    if len(data) != ACCOUNT_SIZE or data[108] > FROZEN:
        raise InstructionError("InvalidAccountData")
    if not data[108]:
        raise InstructionError("UninitializedAccount")
    return data


def mint_data(view: AccountView) -> bytes:
    """Bytes of an initialized mint."""
    data = view.data
    if len(data) != MINT_SIZE:
        raise InstructionError("InvalidAccountData")
    if not data[45]:
        raise InstructionError("UninitializedAccount")
    return data


def check_mint(mint: AccountView, key: bytes, decimals: int) -> None:
    """The mint must be the account's and have these decimals."""
    if mint.key != key:
        raise failure(MINT_MISMATCH)
    if mint_data(mint)[44] != decimals:
        raise failure(MINT_DECIMALS_MISMATCH)


def check_authority(expected: bytes, authority: AccountView) -> None:
    """The authority must be the expected key and have signed."""
    if expected != authority.key:
        raise failure(OWNER_MISMATCH)
    if not authority.is_signer:
        raise InstructionError("MissingRequiredSignature")


def check_owned(*accounts: AccountView) -> None:
    """All must be the token program's: where nothing is written the runtime would not notice."""
    for account in accounts:
        if account.owner != TOKEN_PROGRAM:
            raise InstructionError("IncorrectProgramId")


def spend(
    source: AccountView, data: bytes, authority: AccountView, amount: int, uses_allowance: bool
) -> bytes:
    """The account with the delegate's allowance used, after checking who may spend."""
    if option_key(data, 72) != authority.key:
        check_authority(data[32:64], authority)
        return data
    if not authority.is_signer:
        raise InstructionError("MissingRequiredSignature")
    allowance = int.from_bytes(data[121:129], "little") - amount
    if allowance < 0:
        raise failure(INSUFFICIENT_FUNDS)
    if not uses_allowance:
        return data
    if allowance == 0:
        return without_delegate(data)
    return with_bytes(data, 121, allowance.to_bytes(8, "little"))


def without_delegate(data: bytes) -> bytes:
    """The account without a delegate: the tag is cleared, the key's bytes stay."""
    return with_bytes(with_bytes(data, 72, bytes(4)), 121, _U64_ZERO)


def exactly(accounts: Sequence[AccountView], count: int) -> Sequence[AccountView]:
    """The first accounts, as many as the instruction needs; ones after them are ignored."""
    if len(accounts) < count:
        raise InstructionError("NotEnoughAccountKeys")
    return accounts if len(accounts) == count else accounts[:count]


def amount_argument(data: bytes) -> int:
    """The u64 after the tag."""
    if len(data) < 9:
        raise failure(INVALID_INSTRUCTION)
    return int.from_bytes(data[1:9], "little")


def decimals_argument(data: bytes) -> int:
    """The byte after the amount."""
    if len(data) < 10:
        raise failure(INVALID_INSTRUCTION)
    return data[9]


def key_argument(data: bytes) -> bytes:
    """The key after the tag."""
    if len(data) < 33:
        raise failure(INVALID_INSTRUCTION)
    return data[1:33]
