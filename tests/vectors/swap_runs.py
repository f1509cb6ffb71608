"""A swap on the ledger's program and on the compiled one, compared byte for byte.

Compared are the error, and data, owner and lamports of every account that the instruction names
(the payer's lamports aside: it pays the fee), and the event in the logs.
"""

import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.raydium.clmm_instruction import MEMO_PROGRAM
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from fairlead.venues.vectors import Vector
from fairlead.venues.venue import Account
from tests.ledger.test_against_litesvm import error_as_json
from tests.vectors import replay
from tests.vectors.record import Machine

PROGRAMS = {TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MEMO_PROGRAM, *replay.PROGRAMS}
OUT_OF_UNITS = "exceeded CUs meter"
EVENT = "Program data:"


class Run(msgspec.Struct):
    """One swap on both sides."""

    # How the ledger differs from the program; None where it does not.
    difference: str | None
    # The program's answer, for counting.
    outcome: str
    # With what was sent; None where no swap could be made.
    vector: Vector | None = None
    # The program's refusal, None where it swapped.
    error: int | str | None = None
    # The line of the logs.
    event: str | None = None
    is_compared: bool = False


RunsOf = Callable[[bytes, int, int, float], Iterator[Run]]
"""Random swaps of a program's pools: of the program, a seed, how many, and the part spoilt."""


def compared(machine: Machine, vector: Vector) -> Run:
    """The vector's instruction on both sides."""
    sent = vector.sent
    assert sent is not None
    accounts = {key: found for key, found in vector.accounts.items() if key not in PROGRAMS}
    named = {meta.pubkey for meta in sent.accounts} - PROGRAMS
    gone = Account(Pubkey.default(), 0, b"")
    before = {**dict.fromkeys(named, gone), **accounts}
    answer = machine.send(before, vector.time, vector.payer, sent)
    failed = isinstance(answer, FailedTransactionMetadata)
    meta: Any = answer.meta() if failed else answer
    logs = meta.logs()
    if any(OUT_OF_UNITS in line for line in logs):
        return Run(None, "out of compute units, not compared", vector)
    done = replay.replay(msgspec.structs.replace(vector, accounts=accounts, sent=as_sent(vector)))
    error = _error(answer.err()) if failed else None
    said = None
    if done.error is not None:
        said = done.error.kind if done.error.code is None else done.error.code
    outcome = "executed" if error is None else f"refused: {error}"
    if error is None and _is_closed(machine.account(vector.pool)):
        outcome = "executed, the pool closed after it"
    difference = None
    if said != error:
        difference = f"the ledger says {said}, the program {error}: {done.logs[-1:]} {logs[-4:]}"
    elif error is None:
        difference = _difference(machine, vector, done, logs)
    event = next((line for line in logs if line.startswith(EVENT)), None)
    return Run(difference, outcome, vector, error, event, True)


def _is_closed(account: Account) -> bool:
    """Whether this is a CLMM pool that a swap has emptied."""
    data = account.data
    return data[:8] == layout.POOL_DISCRIMINATOR and data[layout.STATUS_OFFSET] == 255


def as_sent(vector: Vector) -> Instruction:
    """The instruction as it runs: who pays the fee signs and may be written, come what may."""
    assert vector.sent is not None
    metas = [
        AccountMeta(m.pubkey, True, True) if m.pubkey == vector.payer else m
        for m in vector.sent.accounts
    ]
    return Instruction(vector.sent.program_id, bytes(vector.sent.data), metas)


def _difference(
    machine: Machine, vector: Vector, done: replay.Replay, logs: list[str]
) -> str | None:
    for key_, view in done.views.items():
        if key_ in PROGRAMS:
            continue
        if machine.svm.get_account(key_) is None:
            if view.data or view.lamports:
                return f"{key_} is not there"
            continue
        real = machine.account(key_)
        if (view.data, view.owner) != (real.data, bytes(real.owner)):
            pairs = zip(view.data, real.data, strict=False)
            at = [place for place, (ours, theirs) in enumerate(pairs) if ours != theirs]
            return f"{key_} differs at {at[:20]} of {len(real.data)}"
        if key_ != vector.payer and view.lamports != real.lamports:
            return f"{key_} has other lamports"
    events = [line for line in logs if line.startswith(EVENT)]
    if events != [line for line in done.logs if line.startswith(EVENT)]:
        return f"another event: {events} {done.logs}"
    return None


def _error(err: Any) -> int | str:
    found = error_as_json(err)
    if isinstance(found, dict) and "InstructionError" in found:
        what = found["InstructionError"][1]
        kind: int | str = what["Custom"] if isinstance(what, dict) else what
        return kind
    return str(found)


def check_random_swaps(runs: RunsOf, program: bytes, swaps: int) -> None:
    """AssertionError, with the seed, where one differs or hardly any executes."""
    seed = random.randrange(10**6)
    seen: Counter[str] = Counter()
    for run in runs(program, seed, swaps, 0.3):
        assert run.difference is None, (seed, run.difference, run.vector and run.vector.id)
        seen[run.outcome] += 1
    assert seen["executed"] > swaps // 10, (seed, seen)
    assert len(seen) > 8, (seed, seen)


def report(
    arguments: list[str],
    module: str,
    find_program: Callable[[Path], bytes],
    runs: RunsOf,
) -> None:
    """Prints differences and counts."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or len(arguments) < 2:
        sys.exit(f"usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.{module} SEED SWAPS")
    seed, swaps = int(arguments[0]), int(arguments[1])
    spoiled = int(arguments[2]) / 100 if len(arguments) > 2 else 0.3
    seen: Counter[str] = Counter()
    for number, run in enumerate(runs(find_program(Path(folder)), seed, swaps, spoiled)):
        seen[run.outcome] += 1
        if run.difference is not None:
            seen["DIFFERS"] += 1
            print(f"{number}: {run.difference}", flush=True)
    for outcome, count in seen.most_common():
        print(f"{count:7} {outcome}")
