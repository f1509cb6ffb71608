"""Runs one message on account states, as a cluster's runtime does, and touches nothing else.

After each instruction every account it named is compared with its state before: the checks are
those of `BorrowedAccount` and `deserialize_parameters` in agave. A transaction that fails keeps
only the fee.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

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
from fairlead.ledger.failures import Refused, failure_text
from fairlead.ledger.message import Message
from fairlead.ledger.plans import Plan, ProgramTable
from fairlead.ledger.program import AccountView, InstructionError
from fairlead.ledger.programs import compute_budget

LOG_BYTES_LIMIT = 10_000
"""Log bytes a validator keeps of one transaction: lines that would reach it are lost."""


_EMPTY_ACCOUNT_RENT = rent_minimum(0)


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


class Execution(msgspec.Struct, frozen=True, gc=False):
    """What a message did. States are in the order of the message's keys."""

    err: TransactionError | None
    before: Sequence[AccountState]
    # After the message; after the fee alone where it failed.
    after: Sequence[AccountState]
    # Indexes of those that differ.
    changed: Iterable[int]
    logs: Sequence[str]
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
    plan = programs.plan(message)
    if plan is None:
        compute_budget.requested(message, programs.builtins)
        raise _unknown_program(message, accounts, programs)
    budget = plan.budget(message, programs.builtins)
    fee = message.shape.required_signatures * lamports_per_signature
    if budget.price:
        fee += div_ceil(budget.unit_limit * budget.price, 1_000_000)
    find = accounts.get
    before = [find(key, EMPTY) for key in message.keys]
    payer = _charged(before[0], fee)
    views = plan.views(message.keys, before, programs.never_writable)
    first = views[0]
    first.lamports = payer.lamports
    first.prior = payer
    logs: list[str] = []
    context = _Context(clock.slot, clock.unix_timestamp, clock.epoch, logs.append)
    changed = {0: first}
    err, units = _run(plan, message.datas, views, context, logs, budget.unit_limit, changed)
    if err is None:
        err = _rent_failure(changed, before)
    after = before.copy()
    if err is None:
        for index, view in changed.items():
            after[index] = view.prior
    else:
        changed = {0: first}
        after[0] = payer
        # A program may have changed a view that it was not allowed to.
        plan.last_readonly.clear()
    return Execution(err, before, after, changed, _truncated(logs), units, fee)


def _unknown_program(
    message: Message, accounts: Mapping[bytes, AccountState], programs: ProgramTable
) -> Refused:
    keys = [message.keys[index] for index in message.shape.program_indexes]
    unknown = next(key for key in keys if key not in programs.entries)
    account = accounts.get(unknown)
    if account is None:
        return Refused("ProgramAccountNotFound")
    detail = "the paper ledger does not know this program" if account.executable else ""
    return Refused("InvalidProgramForExecution", detail)


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
    if left < _EMPTY_ACCOUNT_RENT and not _rent_allows(payer, charged):
        raise Refused({"InsufficientFundsForRent": {"account_index": 0}})
    return charged


def _run(
    plan: Plan,
    datas: Sequence[bytes],
    views: list[AccountView],
    context: _Context,
    logs: list[str],
    unit_limit: int,
    changed: dict[int, AccountView],
) -> tuple[TransactionError | None, int]:
    """The first failure, if any, and the compute units burnt. Adds to `changed` what it changes."""
    available = unit_limit
    for step, data in zip(plan.steps, datas, strict=True):
        entry = step.entry
        logs.append(entry.invoke_line)
        units = entry.fixed_units
        if units is None:
            units = entry.compute_units(data)
        try:
            if units > available:
                units = available
                raise _out_of_units(entry.is_builtin)
            if not entry.is_idle:
                entry.process(context, step.accounts(views), data)
                balance = 0
                for view in step.watched(views):
                    prior = view.prior
                    lamports = view.lamports
                    if (
                        view.data is not prior.data
                        or lamports != prior.lamports
                        or view.owner is not prior.owner
                    ):
                        balance += lamports - prior.lamports
                        is_touchable = prior.owner in entry.touches
                        if not is_touchable or not view.is_writable:
                            _check_foreign_change(view, prior, is_touchable)
                        view.prior = AccountState(lamports, view.data, view.owner, prior.executable)
                        changed[view.index] = view
                if balance != 0:
                    raise InstructionError("UnbalancedInstruction")
        except InstructionError as error:
            if not entry.is_builtin:
                logs.append(entry.consumed_line(units, available))
            logs.append(f"Program {entry.name} failed: {failure_text(error)}")
            what = error.kind if error.code is None else {error.kind: error.code}
            return {"InstructionError": [step.index, what]}, unit_limit - available + units
        if entry.is_builtin:
            logs.append(entry.success_line)
        else:
            logs += entry.endings.get((units, available)) or entry.ending(units, available)
        available -= units
    return None, unit_limit - available


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
    changed: Mapping[int, AccountView], before: Sequence[AccountState]
) -> TransactionError | None:
    failed = []
    for index, view in changed.items():
        lamports = view.lamports
        if (
            lamports < (RENT_OVERHEAD_BYTES + len(view.data)) * RENT_LAMPORTS_PER_BYTE
            and lamports
            and not _rent_allows(before[index], view.prior)
        ):
            failed.append(index)
    return {"InsufficientFundsForRent": {"account_index": min(failed)}} if failed else None


def _rent_allows(before: AccountState, after: AccountState) -> bool:
    """Whether it may come to this state: gone, exempt, or no worse off (agave `RentState`)."""
    if after.lamports == 0 or after.lamports >= rent_minimum(len(after.data)):
        return True
    was_paying = 0 < before.lamports < rent_minimum(len(before.data))
    return was_paying and len(after.data) == len(before.data) and after.lamports <= before.lamports


def _truncated(logs: list[str]) -> list[str]:
    if len("".join(logs)) < LOG_BYTES_LIMIT // 4:  # a character has at most four bytes
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
