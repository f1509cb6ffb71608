"""Memo v2: logs text and the signers that vouch for it."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program

MEMO_PROGRAM = bytes(Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"))


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Log the memo; every account must have signed and the text must be UTF-8."""
    if accounts:
        context.log("Program log: Signed by:")
        for account in accounts:
            if not account.is_signer:
                raise InstructionError("MissingRequiredSignature")
            context.log(f"Program log: {Pubkey.from_bytes(account.key)}")
    context.log(f"Program log: Memo (len {len(data)})")
    try:
        context.log(f"Program log: {data.decode()}")
    except UnicodeDecodeError as error:
        raise InstructionError(
            "ProgramFailedToComplete", log=f"invalid utf-8 sequence from index {error.start}"
        ) from None


def compute_units(data: bytes) -> int:
    """Measured in LiteSVM without signers: 287 up to 60 bytes, 600 at 400."""
    return max(287, 200 + len(data))


PROGRAM = Program(process, frozenset(), compute_units)
