"""The System program: creating accounts, moving lamports. Source: agave `programs/system`.

Durable nonces are not supported: their instructions fail with InvalidInstructionData.
"""

import hashlib
from collections.abc import Callable, Sequence
from struct import Struct as Layout

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program, custom

ACCOUNT_ALREADY_IN_USE = 0
RESULT_WITH_NEGATIVE_LAMPORTS = 1
INVALID_ACCOUNT_DATA_LENGTH = 3
ADDRESS_WITH_SEED_MISMATCH = 5

MAX_DATA_BYTES = 10 * 1024 * 1024
"""Data bytes an account may be created with."""

MAX_SEED_BYTES = 32
_PDA_MARKER = b"ProgramDerivedAddress"

_BASE_AND_SEED_SIZE = Layout("<32sQ")
_CREATION = Layout("<QQ32s")


def address_with_seed(base: bytes, seed: bytes, owner: bytes) -> bytes:
    """Address that a base key, a seed and an owner lead to (`Pubkey::create_with_seed`)."""
    if len(seed) > MAX_SEED_BYTES:
        raise InstructionError("MaxSeedLengthExceeded")
    if owner.endswith(_PDA_MARKER):
        raise InstructionError("IllegalOwner")
    return hashlib.sha256(base + seed + owner).digest()


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run one System instruction (bincode: u32 tag, then fields; bytes after them are ignored)."""
    handler = _HANDLERS.get(data[:4])
    if handler is None:
        raise InstructionError("InvalidInstructionData")
    handler(context, accounts, data)


def _create_account(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    if len(data) < 52:
        raise InstructionError("InvalidInstructionData")
    lamports = int.from_bytes(data[4:12], "little")
    space = int.from_bytes(data[12:20], "little")
    owner = data[20:52]
    _need(accounts, 2)
    source, target = accounts[0], accounts[1]
    _create(context, source, target, target.is_signer, lamports, space, owner)


def _create_account_with_seed(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    base, seed, at = _base_and_seed(data, 4)
    if len(data) < at + 48:
        raise InstructionError("InvalidInstructionData")
    lamports, space, owner = _CREATION.unpack_from(data, at)
    if len(accounts) < 2:
        raise InstructionError("MissingAccount")
    source, target = accounts[0], accounts[1]
    is_signed = _seed_signer(context, accounts, target, base, seed, owner)
    _create(context, source, target, is_signed, lamports, space, owner)


def _create(
    context: InvokeContext,
    source: AccountView,
    target: AccountView,
    is_signed: bool,
    lamports: int,
    space: int,
    owner: bytes,
) -> None:
    if (
        is_signed
        and target.is_writable
        and not target.lamports
        and not target.data
        and target.owner == SYSTEM_PROGRAM
        and space <= MAX_DATA_BYTES
        and source.is_signer
        and source.is_writable
        and not source.data
        and source.lamports >= lamports
        and source.owner == SYSTEM_PROGRAM
        and source is not target
    ):
        # Nothing to refuse: what the steps below do, at once.
        target.data = bytes(space)
        if owner != SYSTEM_PROGRAM:
            target.owner = owner
        source.lamports -= lamports
        target.lamports = lamports
        return
    if target.lamports > 0:
        context.log("Create Account: account already in use")
        raise custom(ACCOUNT_ALREADY_IN_USE)
    _allocate_to(context, target, is_signed, space)
    _assign_to(target, is_signed, owner)
    _transfer_to(context, source, source.is_signer, target, lamports)


def _assign(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    if len(data) < 36:
        raise InstructionError("InvalidInstructionData")
    _need(accounts, 1)
    _assign_to(accounts[0], accounts[0].is_signer, data[4:36])


def _assign_with_seed(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    base, seed, at = _base_and_seed(data, 4)
    if len(data) < at + 32:
        raise InstructionError("InvalidInstructionData")
    owner = data[at : at + 32]
    _need(accounts, 1)
    is_signed = _seed_signer(context, accounts, accounts[0], base, seed, owner)
    _assign_to(accounts[0], is_signed, owner)


def _transfer(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    if len(data) < 12:
        raise InstructionError("InvalidInstructionData")
    _need(accounts, 2)
    lamports = int.from_bytes(data[4:12], "little")
    _transfer_to(context, accounts[0], accounts[0].is_signer, accounts[1], lamports)


def _transfer_with_seed(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    if len(data) < 12:
        raise InstructionError("InvalidInstructionData")
    lamports = int.from_bytes(data[4:12], "little")
    seed, at = _seed(data, 12)
    if len(data) < at + 32:
        raise InstructionError("InvalidInstructionData")
    owner = data[at : at + 32]
    _need(accounts, 3)
    source, base, target = accounts[0], accounts[1], accounts[2]
    if not base.is_signer:
        context.log(f"TransferWithSeed: 'from' account {base.key.hex()} must sign")
        raise InstructionError("MissingRequiredSignature")
    if source.key != address_with_seed(base.key, seed, owner):
        context.log("Transfer: 'from' address does not match derived address")
        raise custom(ADDRESS_WITH_SEED_MISMATCH)
    _transfer_to(context, source, True, target, lamports)


def _allocate(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    if len(data) < 12:
        raise InstructionError("InvalidInstructionData")
    _need(accounts, 1)
    space = int.from_bytes(data[4:12], "little")
    _allocate_to(context, accounts[0], accounts[0].is_signer, space)


def _allocate_with_seed(
    context: InvokeContext, accounts: Sequence[AccountView], data: bytes
) -> None:
    base, seed, at = _base_and_seed(data, 4)
    if len(data) < at + 40:
        raise InstructionError("InvalidInstructionData")
    space = int.from_bytes(data[at : at + 8], "little")
    owner = data[at + 8 : at + 40]
    _need(accounts, 1)
    is_signed = _seed_signer(context, accounts, accounts[0], base, seed, owner)
    _allocate_to(context, accounts[0], is_signed, space)
    _assign_to(accounts[0], is_signed, owner)


def _nonce(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    _need(accounts, 1)
    context.log("Durable nonces are not supported by the paper ledger")
    raise InstructionError("InvalidInstructionData")


def _allocate_to(context: InvokeContext, account: AccountView, is_signed: bool, space: int) -> None:
    if not is_signed:
        context.log("Allocate: 'to' account must sign")
        raise InstructionError("MissingRequiredSignature")
    if account.data or account.owner != SYSTEM_PROGRAM:
        context.log("Allocate: account already in use")
        raise custom(ACCOUNT_ALREADY_IN_USE)
    if space > MAX_DATA_BYTES:
        context.log(f"Allocate: requested {space}, max allowed {MAX_DATA_BYTES}")
        raise custom(INVALID_ACCOUNT_DATA_LENGTH)
    # The runtime checks the right to resize even where the size stays 0.
    if not account.is_writable:
        raise InstructionError("ReadonlyDataModified")
    account.data = bytes(space)


def _assign_to(account: AccountView, is_signed: bool, owner: bytes) -> None:
    if account.owner == owner:
        return
    if not is_signed:
        raise InstructionError("MissingRequiredSignature")
    if account.owner != SYSTEM_PROGRAM or not account.is_writable or account.data.strip(b"\0"):
        raise InstructionError("ModifiedProgramId")
    account.owner = owner


def _transfer_to(
    context: InvokeContext, source: AccountView, is_signed: bool, target: AccountView, lamports: int
) -> None:
    if not is_signed:
        context.log("Transfer: `from` account must sign")
        raise InstructionError("MissingRequiredSignature")
    if source.data:
        context.log("Transfer: `from` must not carry data")
        raise InstructionError("InvalidArgument")
    if lamports > source.lamports:
        context.log(f"Transfer: insufficient lamports {source.lamports}, need {lamports}")
        raise custom(RESULT_WITH_NEGATIVE_LAMPORTS)
    if lamports and source.owner != SYSTEM_PROGRAM:
        raise InstructionError("ExternalAccountLamportSpend")
    # Also where nothing moves.
    if not source.is_writable or not target.is_writable:
        raise InstructionError("ReadonlyLamportChange")
    source.lamports -= lamports
    target.lamports += lamports


def _seed_signer(
    context: InvokeContext,
    accounts: Sequence[AccountView],
    account: AccountView,
    base: bytes,
    seed: bytes,
    owner: bytes,
) -> bool:
    """Whether the base signed for the derived account; its address must match."""
    if account.key != address_with_seed(base, seed, owner):
        context.log("Create: address does not match derived address")
        raise custom(ADDRESS_WITH_SEED_MISMATCH)
    for other in accounts:  # noqa: SIM110 - `any` costs every latch 0.5 µs more
        if other.is_signer and other.key == base:
            return True
    return False


def _base_and_seed(data: bytes, at: int) -> tuple[bytes, bytes, int]:
    if len(data) < at + 40:
        raise InstructionError("InvalidInstructionData")
    base, size = _BASE_AND_SEED_SIZE.unpack_from(data, at)
    end = at + 40 + size
    if len(data) < end:
        raise InstructionError("InvalidInstructionData")
    seed = data[at + 40 : end]
    return base, seed if seed.isascii() else _utf8(seed), end


def _seed(data: bytes, at: int) -> tuple[bytes, int]:
    """A bincode string: u64 length, UTF-8."""
    size = int.from_bytes(data[at : at + 8], "little")
    end = at + 8 + size
    if len(data) < end:
        raise InstructionError("InvalidInstructionData")
    return _utf8(data[at + 8 : end]), end


def _utf8(seed: bytes) -> bytes:
    try:
        seed.decode()
    except UnicodeDecodeError:
        raise InstructionError("InvalidInstructionData") from None
    return seed


def _need(accounts: Sequence[AccountView], count: int) -> None:
    if len(accounts) < count:
        raise InstructionError("MissingAccount")


def _tag(number: int) -> bytes:
    return number.to_bytes(4, "little")


_HANDLERS: dict[bytes, Callable[[InvokeContext, Sequence[AccountView], bytes], None]] = {
    _tag(0): _create_account,
    _tag(1): _assign,
    _tag(2): _transfer,
    _tag(3): _create_account_with_seed,
    _tag(4): _nonce,
    _tag(8): _allocate,
    _tag(9): _allocate_with_seed,
    _tag(10): _assign_with_seed,
    _tag(11): _transfer_with_seed,
}

PROGRAM = Program(process, frozenset({SYSTEM_PROGRAM}), 150, is_builtin=True)
