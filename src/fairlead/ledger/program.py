"""What a program of the paper ledger sees and may do.

A program is a function `process(context, accounts, data)` over mutable account views; it raises
`InstructionError` to fail the transaction. The bank gives each transaction copies and writes them
back only when all its instructions succeed, so a program never needs to undo anything. After each
instruction the runtime checks, as the cluster's does, that no read-only account changed, that only
an account's owner took lamports or wrote data, and that lamports were neither made nor lost
(`execution.py`).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from fairlead.ledger.account import EMPTY, AccountState


class InstructionError(Exception):
    """An instruction failed. `kind` is the cluster's name ("Custom", "InvalidAccountData", …)."""

    def __init__(self, kind: str, code: int | None = None, log: str = "") -> None:
        super().__init__(f"{kind}({code})" if code is not None else kind)
        self.kind = kind
        self.code = code
        self.log = log


def custom(code: int, log: str = "") -> InstructionError:
    """The program's own numbered error."""
    return InstructionError("Custom", code, log)


class AccountView(msgspec.Struct, gc=False, eq=False):
    """One account as an instruction sees it. Assign to `lamports`, `data`, `owner` to change it.

    Replace `data` by new bytes; a change is found by identity. A Struct because one is made per
    account of every transaction: 0.15 µs against 0.5 µs for a class with `__slots__`.
    """

    key: bytes
    lamports: int
    data: bytes
    owner: bytes
    is_signer: bool = False
    is_writable: bool = False
    # The runtime's, not the program's: the state before the running instruction, and where the
    # account is in the message.
    prior: AccountState = EMPTY
    index: int = 0


class InvokeContext(Protocol):
    """The transaction around an instruction."""

    # The ledger's clock.
    slot: int
    unix_timestamp: int
    epoch: int

    def log(self, line: str) -> None:
        """Append a line to the transaction's logs, as `Program log: …` lines and others are."""
        ...

    def rent_minimum(self, space: int) -> int:
        """Lamports that make an account of this size rent-exempt."""
        ...


Process = Callable[[InvokeContext, Sequence[AccountView], bytes], None]


class Program(msgspec.Struct, frozen=True, gc=False):
    """A program as the runtime knows it."""

    process: Process
    # Owners of accounts it may debit or write: itself and the programs it calls into.
    touches: frozenset[bytes]
    # Estimate of what one instruction burns, or one with this data.
    compute_units: int | Callable[[bytes], int]
    # Part of the validator: logs no "consumed" line and has a default limit of 3,000 units.
    is_builtin: bool = False
    # It does nothing when it runs.
    is_idle: bool = False
    # It refuses by itself to change a read-only account, so that nobody need look.
    writes_only_writable: bool = False
