"""What messages of one shape that call the same programs have in common, worked out once.

Which program runs when and sees which accounts, what may be written, and the log lines that are the
same each time.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.account import AccountState
from fairlead.ledger.message import Message, Shape
from fairlead.ledger.program import AccountView, Process, Program
from fairlead.ledger.programs import compute_budget
from fairlead.ledger.programs.compute_budget import COMPUTE_BUDGET_PROGRAM, ComputeBudget

MAX_PLANS = 1_024
"""Plans remembered, about 4 KB each; when full they start anew, as the others do."""

MAX_BUDGETS = 256
"""Budgets remembered of a plan."""

MAX_ENDINGS = 1_024
"""Ends of a program's logs remembered."""

Pick = Callable[[Sequence[AccountView]], tuple[AccountView, ...]]


class Entry(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A program of the table, with its log lines."""

    process: Process
    touches: frozenset[bytes]
    writes_only_writable: bool
    # Where `fixed_units` is None.
    compute_units: Callable[[bytes], int]
    fixed_units: int | None
    is_builtin: bool
    # It does nothing when it runs.
    is_idle: bool
    name: str
    invoke_line: str
    success_line: str
    # Lines after a success by units burnt and units available.
    endings: dict[tuple[int, int], tuple[str, str]]

    def consumed_line(self, units: int, available: int) -> str:
        return f"Program {self.name} consumed {units} of {available} compute units"

    def ending(self, units: int, available: int) -> tuple[str, str]:
        """The lines after a success of a program that tells what it burnt, to be remembered."""
        if len(self.endings) >= MAX_ENDINGS:
            self.endings.clear()
        found = (self.consumed_line(units, available), self.success_line)
        self.endings[units, available] = found
        return found


class Step(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One instruction without its data."""

    index: int
    entry: Entry
    accounts: Pick
    # The accounts to look at afterwards for what has changed.
    watched: Pick


class ReadonlyViews(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Views that no program has changed, with the keys and states they are of."""

    keys: tuple[bytes, ...]
    states: tuple[AccountState, ...]
    views: tuple[AccountView, ...]


class Plan(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What to do with a message of this shape that calls these programs."""

    steps: tuple[Step, ...]
    # The fee payer and the accounts that instructions name: their indexes in the message, and how
    # to take them out of its keys. The steps pick from those. The header and the invoked programs
    # allow writing to the first ones, not to the others.
    writable_indexes: tuple[int, ...]
    writable_signs: tuple[bool, ...]
    writable: Callable[[Sequence[Any]], tuple[Any, ...]]
    readonly_indexes: tuple[int, ...]
    readonly_signs: tuple[bool, ...]
    readonly: Callable[[Sequence[Any]], tuple[Any, ...]]
    # The read-only accounts of the last message, for as long as they stay the same.
    last_readonly: list[ReadonlyViews]
    # From the instructions' data to those that set the compute budget.
    budget_datas: Callable[[tuple[bytes, ...]], Any]
    budgets: dict[Any, ComputeBudget]

    def views(
        self, keys: Sequence[bytes], states: Sequence[AccountState], never_writable: Set[bytes]
    ) -> list[AccountView]:
        """The accounts as the programs will see them."""
        written = self.writable(keys)
        views = [
            AccountView(key, state.lamports, state.data, state.owner, signs, True, state, index)
            for key, state, signs, index in zip(
                written,
                self.writable(states),
                self.writable_signs,
                self.writable_indexes,
                strict=True,
            )
        ]
        if not never_writable.isdisjoint(written):
            # A reserved key is read-only whatever the header says.
            for view in views:
                view.is_writable = view.key not in never_writable
        readonly, found = self.readonly(keys), self.readonly(states)
        last = self.last_readonly[0] if self.last_readonly else None
        if last is None or last.states != found or last.keys != readonly:
            made = [
                AccountView(
                    key, state.lamports, state.data, state.owner, signs, False, state, index
                )
                for key, state, signs, index in zip(
                    readonly, found, self.readonly_signs, self.readonly_indexes, strict=True
                )
            ]
            last = ReadonlyViews(readonly, found, tuple(made))
            self.last_readonly[:] = (last,)
        views += last.views
        return views

    def budget(self, message: Message, builtins: frozenset[bytes]) -> ComputeBudget:
        """The budget the message sets, as `compute_budget.requested` reads it."""
        datas = self.budget_datas(message.datas)
        found = self.budgets.get(datas)
        if found is None:
            found = compute_budget.requested(message, builtins)
            if len(self.budgets) >= MAX_BUDGETS:
                self.budgets.clear()
            self.budgets[datas] = found
        return found


class ProgramTable:
    """The programs this ledger can run, and the plans made with them."""

    def __init__(self, programs: Mapping[bytes, Program]) -> None:
        self.entries = {key: _entry(key, program) for key, program in programs.items()}
        self.builtins = frozenset(key for key, program in programs.items() if program.is_builtin)
        self.never_writable = self.builtins | RESERVED_KEYS
        self._plans: dict[tuple[Shape, Any], Plan] = {}

    def plan(self, message: Message) -> Plan | None:
        """How to run the message; None where it calls a program that is not in the table."""
        shape = message.shape
        key = (shape, shape.program_keys(message.keys))
        return self._plans.get(key) or self._made(key, message)

    def _made(self, key: tuple[Shape, Any], message: Message) -> Plan | None:
        if not all(message.keys[i] in self.entries for i in message.shape.program_indexes):
            return None
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        plan = self._plans[key] = _plan(message, self.entries)
        return plan


def _plan(message: Message, entries: Mapping[bytes, Entry]) -> Plan:
    shape, keys = message.shape, message.keys
    writable = [message.is_writable(index) for index in range(shape.key_count)]
    # An invoked program is read-only whatever the header says.
    for index in shape.program_indexes:
        writable[index] = False
    seen = dict.fromkeys(b"\0" + b"".join(shape.account_indexes))
    written = tuple([index for index in seen if writable[index]])
    readonly = tuple([index for index in seen if not writable[index]])
    place = {index: at for at, index in enumerate(written + readonly)}
    steps = []
    for index, program in enumerate(shape.program_indexes):
        entry, accounts = entries[keys[program]], shape.account_indexes[index]
        watched = list(dict.fromkeys(accounts))
        if entry.writes_only_writable:
            watched = [account for account in watched if writable[account]]
        picks = [_pick(tuple([place[i] for i in each])) for each in (accounts, watched)]
        steps.append(Step(index, entry, *picks))
    budgets = [i for i, p in enumerate(shape.program_indexes) if keys[p] == COMPUTE_BUDGET_PROGRAM]
    return Plan(
        tuple(steps),
        written,
        tuple([index < shape.required_signatures for index in written]),
        _pick(written),
        readonly,
        tuple([index < shape.required_signatures for index in readonly]),
        _pick(readonly),
        [],
        _pick(tuple(budgets)),
        {},
    )


def _pick(indexes: tuple[int, ...]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Takes the items at these indexes out of a sequence."""
    if not indexes:
        return _nothing
    if len(indexes) == 1:
        index = indexes[0]
        return lambda items: (items[index],)
    return itemgetter(*indexes)


def _nothing(items: Sequence[Any]) -> tuple[Any, ...]:
    return ()


def _entry(key: bytes, program: Program) -> Entry:
    name = str(Pubkey.from_bytes(key))
    units = program.compute_units
    return Entry(
        program.process,
        program.touches,
        program.writes_only_writable,
        _no_units if isinstance(units, int) else units,
        units if isinstance(units, int) else None,
        program.is_builtin,
        program.is_idle,
        name,
        f"Program {name} invoke [1]",
        f"Program {name} success",
        {},
    )


def _no_units(data: bytes) -> int:
    return 0


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
