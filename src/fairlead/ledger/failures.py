"""How failures are named: a transaction that no block would hold, and the texts in logs."""

from fairlead.ledger.blocks import TransactionError
from fairlead.ledger.program import InstructionError


class Refused(Exception):
    """No block would hold this transaction: it does not land and pays nothing."""

    def __init__(self, err: TransactionError, detail: str = "") -> None:
        super().__init__(f"{err}{f': {detail}' if detail else ''}")
        self.err = err
        self.detail = detail


FAILURE_TEXT = {
    "AccountAlreadyInitialized": "instruction requires an uninitialized account",
    "AccountDataSizeChanged": "program other than the account's owner changed the size of the"
    " account data",
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "ExternalAccountDataModified": "instruction modified data of an account it does not own",
    "ExternalAccountLamportSpend": "instruction spent from the balance of an account it does not"
    " own",
    "IllegalOwner": "Provided owner is not allowed",
    "IncorrectProgramId": "incorrect program id for instruction",
    "InsufficientFunds": "insufficient funds for instruction",
    "InvalidAccountData": "invalid account data for instruction",
    "InvalidAccountOwner": "Invalid account owner",
    "InvalidArgument": "invalid program argument",
    "InvalidInstructionData": "invalid instruction data",
    "InvalidSeeds": "Provided seeds do not result in a valid address",
    "MaxSeedLengthExceeded": "Length of the seed is too long for address generation",
    "MissingAccount": "An account required by the instruction is missing",
    "MissingRequiredSignature": "missing required signature for instruction",
    "ModifiedProgramId": "instruction illegally modified the program id of an account",
    "NotEnoughAccountKeys": "insufficient account keys for instruction",
    "PrivilegeEscalation": "Cross-program invocation with unauthorized signer or writable account",
    "ProgramFailedToComplete": "Program failed to complete",
    "ReadonlyDataModified": "instruction modified data of a read-only account",
    "ReadonlyLamportChange": "instruction changed the balance of a read-only account",
    "UnbalancedInstruction": "sum of account balances before and after instruction do not match",
    "UninitializedAccount": "instruction requires an initialized account",
    "UnsupportedProgramId": "Unsupported program id",
}
"""Texts of agave's `InstructionError`, as they follow "Program … failed: "."""


def failure_text(error: InstructionError) -> str:
    """What follows "Program … failed: "."""
    if error.code is not None:
        return f"custom program error: {error.code:#x}"
    return error.log or FAILURE_TEXT.get(error.kind, error.kind)
