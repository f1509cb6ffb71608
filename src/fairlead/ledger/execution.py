"""Runs one message on account states, as a cluster's runtime does, and touches nothing else.

After each instruction every account it named is compared with its state before: the checks are
those of `BorrowedAccount` and `deserialize_parameters` in agave. A transaction that fails keeps
only the fee.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import div_ceil
from fairlead.ledger.account import (
    EMPTY,
    RENT_LAMPORTS_PER_BYTE,
    RENT_OVERHEAD_BYTES,
    SYSTEM_PROGRAM,
    AccountState,
    rent_minimum,
)
from fairlead.ledger.blocks import TransactionError
from fairlead.ledger.failures import FAILURE_TEXT, Refused
from fairlead.ledger.message import Message
from fairlead.ledger.program import AccountView, InstructionError, Process, Program
from fairlead.ledger.programs import compute_budget

LOG_BYTES_LIMIT = 10_000
"""Log bytes a validator keeps of one transaction: lines that would reach it are lost."""


class Clock(msgspec.Struct, frozen=True, gc=False):
    """The clock sysvar of the open block."""

    slot: int
    unix_timestamp: int
    epoch: int


class _Context(msgspec.Struct, gc=False):
    slot: int
    unix_timestamp: int
    epoch: int
    log: Callable[[str], None]

    def rent_minimum(self, space: int) -> int:
        return rent_minimum(space)


class _Entry(msgspec.Struct, frozen=True, gc=False):
    process: Process
    touches: frozenset[bytes]
    # Where `fixed_units` is None.
    compute_units: Callable[[bytes], int]
    fixed_units: int | None
    is_builtin: bool
    name: str
    invoke_line: str
    success_line: str
    # Its beginning.
    consumed_line: str


class ProgramTable:
    """The programs this ledger can run."""

    def __init__(self, programs: Mapping[bytes, Program]) -> None:
        self.entries = {key: _entry(key, program) for key, program in programs.items()}
        self.builtins = frozenset(key for key, program in programs.items() if program.is_builtin)
        self.never_writable = self.builtins | RESERVED_KEYS


def _entry(key: bytes, program: Program) -> _Entry:
    name = str(Pubkey.from_bytes(key))
    units = program.compute_units
    return _Entry(
        program.process,
        program.touches,
        _no_units if isinstance(units, int) else units,
        units if isinstance(units, int) else None,
        program.is_builtin,
        name,
        f"Program {name} invoke [1]",
        f"Program {name} success",
        f"Program {name} consumed ",
    )


def _no_units(data: bytes) -> int:
    return 0


class Execution(msgspec.Struct, frozen=True, gc=False):
    """What a message did. States are in the order of the message's keys."""

    err: TransactionError | None
    before: Sequence[AccountState]
    # After the message; after the fee alone where it failed.
    after: Sequence[AccountState]
    logs: list[str]
    compute_units: int
    fee_lamports: int


def execute(
    message: Message,
    accounts: Mapping[bytes, AccountState],
    programs: ProgramTable,
    clock: Clock,
    lamports_per_signature: int,
) -> Execution:
    """Run the message, or raise `Refused` where no block would hold it."""
    budget = compute_budget.requested(message, programs.builtins)
    fee = message.required_signatures * lamports_per_signature
    if budget.price:
        fee += div_ceil(budget.unit_limit * budget.price, 1_000_000)
    _refuse_unknown_programs(message, accounts, programs)
    before = [accounts.get(key, EMPTY) for key in message.keys]
    payer = _charged(before[0], fee)
    views = _views(message, before, programs)
    views[0].lamports = payer.lamports
    views[0].prior = payer
    logs: list[str] = []
    context = _Context(clock.slot, clock.unix_timestamp, clock.epoch, logs.append)
    err, units = _run(message, views, programs, context, budget.unit_limit)
    if err is None:
        err = _rent_failure(views, before)
    after = [view.prior for view in views] if err is None else [payer, *before[1:]]
    return Execution(err, before, after, _truncated(logs), units, fee)


def _refuse_unknown_programs(
    message: Message, accounts: Mapping[bytes, AccountState], programs: ProgramTable
) -> None:
    for instruction in message.instructions:
        key = message.keys[instruction.program_index]
        if key not in programs.entries:
            account = accounts.get(key)
            if account is None:
                raise Refused("ProgramAccountNotFound")
            detail = "the paper ledger does not know this program" if account.executable else ""
            raise Refused("InvalidProgramForExecution", detail)


def _charged(payer: AccountState, fee: int) -> AccountState:
    """The fee payer after the fee; `Refused` if it cannot or may not pay."""
    if payer.lamports == 0:
        raise Refused("AccountNotFound", "the fee payer has no lamports")
    if payer.owner != SYSTEM_PROGRAM or payer.data:
        raise Refused("InvalidAccountForFee")
    left = payer.lamports - fee
    if left < 0:
        raise Refused("InsufficientFundsForFee")
    charged = AccountState(left, b"", SYSTEM_PROGRAM)
    if not _rent_allows(payer, charged):
        raise Refused({"InsufficientFundsForRent": {"account_index": 0}})
    return charged


def _views(
    message: Message, before: Sequence[AccountState], programs: ProgramTable
) -> list[AccountView]:
    signers = message.required_signatures
    unsigned = len(before) - signers
    flags = [True] * (signers - message.readonly_signed) + [False] * message.readonly_signed
    flags += [True] * (unsigned - message.readonly_unsigned) + [False] * message.readonly_unsigned
    views = []
    left = signers
    for key, state, is_writable in zip(message.keys, before, flags, strict=True):
        views.append(
            AccountView(
                key,
                state.lamports,
                state.data,
                state.owner,
                state.executable,
                left > 0,
                is_writable,
                state,
            )
        )
        left -= 1
    # An invoked program and a reserved key are read-only whatever the header says.
    for instruction in message.instructions:
        views[instruction.program_index].is_writable = False
    for view in views:
        if view.is_writable and view.key in programs.never_writable:
            view.is_writable = False
    return views


def _run(
    message: Message,
    views: list[AccountView],
    programs: ProgramTable,
    context: _Context,
    unit_limit: int,
) -> tuple[TransactionError | None, int]:
    """The first failure, if any, and the compute units burnt."""
    log = context.log
    entries = programs.entries
    keys = message.keys
    consumed = 0
    for index, instruction in enumerate(message.instructions):
        entry = entries[keys[instruction.program_index]]
        accounts = [views[i] for i in instruction.account_indexes]
        touches = entry.touches
        log(entry.invoke_line)
        available = unit_limit - consumed
        units = entry.fixed_units
        if units is None:
            units = entry.compute_units(instruction.data)
        try:
            if units > available:
                units = available
                raise _out_of_units(entry.is_builtin)
            entry.process(context, accounts, instruction.data)
            balance = 0
            for view in accounts:
                prior = view.prior
                if (
                    view.data is not prior.data
                    or view.lamports != prior.lamports
                    or view.owner is not prior.owner
                ):
                    lamports = view.lamports
                    balance += lamports - prior.lamports
                    if not view.is_writable or prior.owner not in touches:
                        _check_foreign_change(view, prior, prior.owner in touches)
                    view.prior = AccountState(lamports, view.data, view.owner, prior.executable)
            if balance != 0:
                raise InstructionError("UnbalancedInstruction")
        except InstructionError as error:
            consumed += units
            if not entry.is_builtin:
                log(f"{entry.consumed_line}{units} of {available} compute units")
            log(f"Program {entry.name} failed: {_failure_text(error)}")
            what = error.kind if error.code is None else {error.kind: error.code}
            return {"InstructionError": [index, what]}, consumed
        consumed += units
        if not entry.is_builtin:
            log(f"{entry.consumed_line}{units} of {available} compute units")
        log(entry.success_line)
    return None, consumed


def _out_of_units(is_builtin: bool) -> InstructionError:
    if is_builtin:
        return InstructionError("ComputationalBudgetExceeded")
    return InstructionError("ProgramFailedToComplete", log="exceeded CUs meter at BPF instruction")


def _check_foreign_change(view: AccountView, prior: AccountState, is_touchable: bool) -> None:
    """Refuses what may not change in an account that is read-only or another program's."""
    gained = view.lamports - prior.lamports
    if gained != 0:
        if gained < 0 and not is_touchable:
            raise InstructionError("ExternalAccountLamportSpend")
        if not view.is_writable:
            raise InstructionError("ReadonlyLamportChange")
    if view.data != prior.data:
        if len(view.data) != len(prior.data) and not is_touchable:
            raise InstructionError("AccountDataSizeChanged")
        if not view.is_writable:
            raise InstructionError("ReadonlyDataModified")
        raise InstructionError("ExternalAccountDataModified")
    if view.owner != prior.owner:
        raise InstructionError("ModifiedProgramId")


def _rent_failure(
    views: Sequence[AccountView], before: Sequence[AccountState]
) -> TransactionError | None:
    for index, view in enumerate(views):
        after = view.prior
        if (
            after is not before[index]
            and after.lamports < (RENT_OVERHEAD_BYTES + len(after.data)) * RENT_LAMPORTS_PER_BYTE
            and not _rent_allows(before[index], after)
        ):
            return {"InsufficientFundsForRent": {"account_index": index}}
    return None


def _rent_allows(before: AccountState, after: AccountState) -> bool:
    """Whether it may come to this state: gone, exempt, or no worse off (agave `RentState`)."""
    if after.lamports == 0 or after.lamports >= rent_minimum(len(after.data)):
        return True
    was_paying = 0 < before.lamports < rent_minimum(len(before.data))
    return was_paying and len(after.data) == len(before.data) and after.lamports <= before.lamports


def _failure_text(error: InstructionError) -> str:
    if error.code is not None:
        return f"custom program error: {error.code:#x}"
    return error.log or FAILURE_TEXT.get(error.kind, error.kind)


def _truncated(logs: list[str]) -> list[str]:
    if sum(map(len, logs)) < LOG_BYTES_LIMIT // 4:  # a character has at most four bytes
        return logs
    kept: list[str] = []
    written = 0
    is_truncated = False
    for line in logs:
        size = len(line.encode())
        if written + size < LOG_BYTES_LIMIT:
            written += size
            kept.append(line)
        elif not is_truncated:
            is_truncated = True
            kept.append("Log truncated")
    return kept


def _key(text: str) -> bytes:
    return bytes(Pubkey.from_string(text))


RESERVED_KEYS = frozenset(
    _key(text)
    for text in (
        "SysvarC1ock11111111111111111111111111111111",
        "SysvarEpochSchedu1e111111111111111111111111",
        "SysvarFees111111111111111111111111111111111",
        "Sysvar1nstructions1111111111111111111111111",
        "SysvarRecentB1ockHashes11111111111111111111",
        "SysvarRent111111111111111111111111111111111",
        "SysvarS1otHashes111111111111111111111111111",
        "SysvarS1otHistory11111111111111111111111111",
        "SysvarStakeHistory1111111111111111111111111",
        "BPFLoader1111111111111111111111111111111111",
        "BPFLoader2111111111111111111111111111111111",
        "BPFLoaderUpgradeab1e11111111111111111111111",
        "NativeLoader1111111111111111111111111111111",
    )
)
"""Keys no transaction may write (`ReservedAccountKeys`, those of them a wallet may name)."""
