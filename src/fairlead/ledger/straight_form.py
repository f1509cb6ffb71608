"""Which messages have the form that `straight.py` runs, found once for each shape and its programs.

Where in the message everything is, and the log lines of a success, which are always the same.
"""

from collections.abc import Sequence

import msgspec

from fairlead.ledger.execution import LOG_BYTES_LIMIT
from fairlead.ledger.message import Message
from fairlead.ledger.plans import MAX_BUDGETS, Plan
from fairlead.ledger.programs import associated_token, compute_budget, spl_token, system
from fairlead.ledger.straight_swaps import SWAP_FORMS, Leg, SwapForm

_HEAD = [system.process, compute_budget.process, compute_budget.process]
_WRAP = [system.process, spl_token.process]
_UNWRAP = [spl_token.process]
_CREATED_LINE = "Program log: CreateIdempotent"
_EVENT_BYTES = 1_000
"""More than the line of an event takes."""


class Logs(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a success logs and burns."""

    # Before and after the swap's event, and without one.
    head: tuple[str, ...]
    tail: tuple[str, ...]
    whole: tuple[str, ...]
    compute_units: int


class Made(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The instruction that makes the output account where it is missing: the indexes it names."""

    step: int
    account: int
    mint: int
    token_program: int


class Wrap(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The temporary wSOL account: the step that makes it, before its initialization; indexes."""

    step: int
    account: int
    mint: int


class Form(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Where a message has what. Accounts are indexes into its keys."""

    plan: Plan
    swap: SwapForm
    swap_step: int
    # Of the swap instruction.
    accounts: tuple[int, ...]
    latch: int
    user_in: int
    user_out: int
    made: Made | None
    wrap: Wrap | None
    # What a success changes, in the order in which the instructions do.
    changed: tuple[int, ...]
    # By limit of compute units.
    known_logs: dict[int, Logs | None]

    def leg(self, keys: Sequence[bytes], data: bytes) -> Leg | None:
        """The swap that this data says; None where it is not a plain one."""
        return self.swap.leg(self.accounts, keys, data)

    def logs(self, unit_limit: int, datas: Sequence[bytes]) -> Logs | None:
        """The logs under this limit; None where it does not suffice. The datas' tags are known."""
        if unit_limit not in self.known_logs:
            if len(self.known_logs) >= MAX_BUDGETS:
                self.known_logs.clear()
            self.known_logs[unit_limit] = _logs(self, unit_limit, datas)
        return self.known_logs[unit_limit]


def form_of(message: Message, plan: Plan) -> Form | None:
    """The form of messages that share this plan, if it is the one."""
    shape = message.shape
    if (shape.required_signatures, shape.readonly_signed) != (1, 0):
        return None
    processes = [step.entry.process for step in plan.steps]
    named = [tuple(indexes) for indexes in shape.account_indexes]
    if processes[:3] != _HEAD or len(named[0]) != 2:
        return None
    at, made, wrap = 3, None, None
    if processes[at : at + 1] == [associated_token.process]:
        if len(named[at]) != 6 or named[at][2] != 0:
            return None
        made = Made(at, named[at][1], named[at][3], named[at][5])
        at += 1
    if processes[at : at + 2] == _WRAP:
        if len(named[at]) != 2 or len(named[at + 1]) != 2 or named[at][1] != named[at + 1][0]:
            return None
        wrap = Wrap(at, named[at][1], named[at + 1][1])
        at += 2
    if processes[at + 1 :] != (_UNWRAP if wrap else []) or at >= len(processes):
        return None
    swap = SWAP_FORMS.get(processes[at])
    if swap is None or len(named[at]) < swap.count:
        return None
    accounts = named[at]
    pool, user_in, user_out = (accounts[i] for i in (swap.pool, swap.user_in, swap.user_out))
    vaults = [accounts[i] for i in swap.vaults]
    latch = named[0][1]
    opened = [wrap.account] if wrap else []
    changed = dict.fromkeys((0, latch, *opened, pool, user_in, user_out, *vaults))
    different = 7 if not wrap or wrap.account in (user_in, user_out) else 8
    written = {*changed, *[accounts[i] for i in swap.writable]}
    if (
        named[0][0] != 0
        or accounts[swap.user] != 0
        or (wrap and (named[wrap.step][0] != 0 or named[-1] != (wrap.account, 0, 0)))
        or len(changed) != different
        or not written <= set(plan.writable_indexes)
    ):
        return None
    return Form(plan, swap, at, accounts, latch, user_in, user_out, made, wrap, tuple(changed), {})


def _logs(form: Form, unit_limit: int, datas: Sequence[bytes]) -> Logs | None:
    lines: list[str] = []
    split, available = 0, unit_limit
    for step, data in zip(form.plan.steps, datas, strict=True):
        entry = step.entry
        units = entry.fixed_units
        if units is None:
            units = entry.compute_units(data)
        if units > available:
            return None
        lines.append(entry.invoke_line)
        if form.made is not None and step.index == form.made.step:
            lines.append(_CREATED_LINE)
        if step.index == form.swap_step:
            lines.append(form.swap.line)
            split = len(lines)
        if entry.is_builtin:
            lines.append(entry.success_line)
        else:
            lines += (entry.consumed_line(units, available), entry.success_line)
        available -= units
    assert sum(len(line) for line in lines) + _EVENT_BYTES < LOG_BYTES_LIMIT, "never truncated"
    whole = tuple(lines)
    return Logs(whole[:split], whole[split:], whole, unit_limit - available)
