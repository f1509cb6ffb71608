"""The Associated Token Account program: Create and CreateIdempotent for SPL Token."""

import functools
from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program, custom
from fairlead.ledger.programs import spl_token
from fairlead.ledger.programs.system import RESULT_WITH_NEGATIVE_LAMPORTS
from fairlead.ledger.programs.token_data import ACCOUNT_SIZE, TOKEN_PROGRAM

ATA_PROGRAM = bytes(Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"))
_ATA_PROGRAM_KEY = Pubkey.from_bytes(ATA_PROGRAM)

INVALID_OWNER = 0
"""Custom code: the token account at the address belongs to somebody else by now."""


@functools.lru_cache(maxsize=65_536)
def associated_address(wallet: bytes, mint: bytes, token_program: bytes = TOKEN_PROGRAM) -> bytes:
    """A wallet's own account for a mint. Remembered: finding it costs hashes and curve checks."""
    address, _bump = Pubkey.find_program_address([wallet, token_program, mint], _ATA_PROGRAM_KEY)
    return bytes(address)


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Create the account, or with data 1 accept that it is there."""
    if data not in (b"", b"\x00", b"\x01"):
        raise InstructionError("InvalidInstructionData")
    is_idempotent = data == b"\x01"
    context.log(f"Program log: Create{'Idempotent' if is_idempotent else ''}")
    if len(accounts) < 6:
        raise InstructionError("NotEnoughAccountKeys")
    funder, account, wallet, mint, _system, token_program = accounts[:6]
    if account.key != associated_address(wallet.key, mint.key, token_program.key):
        context.log("Program log: Error: Associated address does not match seed derivation")
        raise InstructionError("InvalidSeeds")
    if is_idempotent and account.owner == token_program.key and _is_token_account(account):
        if account.data[32:64] != wallet.key:
            raise custom(INVALID_OWNER)
        if account.data[:32] != mint.key:
            raise InstructionError("InvalidAccountData")
        return
    if account.owner != SYSTEM_PROGRAM:
        raise InstructionError("IllegalOwner")
    if token_program.key != TOKEN_PROGRAM:
        raise InstructionError("UnsupportedProgramId")
    spl_token.check_mint_usable(mint)
    _fund(context, funder, account)
    account.data = bytes(ACCOUNT_SIZE)
    account.owner = TOKEN_PROGRAM
    context.log("Program log: Initialize the associated token account")
    spl_token.initialize_account(context, account, mint, wallet.key)


def _is_token_account(account: AccountView) -> bool:
    return len(account.data) == ACCOUNT_SIZE and account.data[108] in (1, 2)


def _fund(context: InvokeContext, funder: AccountView, account: AccountView) -> None:
    """Raise the account to rent exemption; what was sent to its address before counts."""
    missing = max(0, context.rent_minimum(ACCOUNT_SIZE) - account.lamports)
    if not account.is_writable or (missing and not (funder.is_signer and funder.is_writable)):
        raise InstructionError("PrivilegeEscalation")
    if missing and funder.data:
        raise InstructionError("InvalidArgument")
    if funder.lamports < missing:
        context.log(f"Transfer: insufficient lamports {funder.lamports}, need {missing}")
        raise custom(RESULT_WITH_NEGATIVE_LAMPORTS)
    if missing and funder.owner != SYSTEM_PROGRAM:
        raise InstructionError("ExternalAccountLamportSpend")
    funder.lamports -= missing
    account.lamports += missing


PROGRAM = Program(process, frozenset({SYSTEM_PROGRAM, TOKEN_PROGRAM}), 23_000)
"""Measured in LiteSVM: 13,000 to 26,000 for a new account, by how many bumps its address took."""
