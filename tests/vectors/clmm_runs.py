"""Random CLMM swaps on the ledger's program and on the compiled one, compared byte for byte.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.clmm_runs SEED SWAPS [SPOILED_PERCENT]

Pools are those of the recorder, worn: with fees earned, rewards running, a price history begun.
Compared are the error, and data, owner and lamports of every account that the instruction names
(the payer's lamports aside: it pays the fee), and the event in the logs.
"""

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
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
from fairlead.venues.venue import Account, VenueError
from tests.ledger.test_against_litesvm import error_as_json
from tests.vectors import replay
from tests.vectors.clmm_pools import ClmmPoolOfOurs, clmm_pool
from tests.vectors.clmm_spoilt import STRANGER as STRANGER
from tests.vectors.clmm_spoilt import spoilt as spoilt
from tests.vectors.clmm_worn import worn
from tests.vectors.record import Machine
from tests.vectors.record_clmm import (
    ClmmRecording,
    find_program,
    random_shape,
    some_amount,
    some_price,
)

PROGRAMS = {TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MEMO_PROGRAM, *replay.PROGRAMS}
SWAPS_PER_POOL = 40
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


class Runs:
    """Swaps of one pool, each from the state that the last one left."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        pool: ClmmPoolOfOurs,
        rng: random.Random,
        *,
        spoiled: float,
        patches: bool = True,
    ) -> None:
        self.rng, self.spoiled, self.patches = rng, spoiled, patches
        self.recording = ClmmRecording(machine, name, pool, rng)

    def swap(self) -> Run:
        """A random swap, perhaps a spoilt one."""
        recording, rng = self.recording, self.rng
        try:
            vector = self._vector()
        except VenueError as error:
            return Run(None, f"no swap can be made: {error.name}")
        before = vector.accounts
        if rng.random() < self.spoiled:
            vector = spoilt(vector, rng, self.patches)
        run = compared(recording.machine, vector)
        if run.is_compared and run.error is None and vector.accounts == before:
            for key_ in recording.state:
                if key_ != vector.payer:
                    recording.state[key_] = recording.machine.account(key_)
        recording.wait(rng.choice((0, 1, 5, 20, 4_000, 400_000)))
        return run

    def _vector(self) -> Vector:
        recording, rng = self.recording, self.rng
        side, exact_in = rng.randrange(2), rng.random() < 0.6
        arrays = rng.choice((1, 2, 4, 4, 8))
        price = some_price(recording, side) if rng.random() < 0.25 else 0
        amount = some_amount(recording, side, exact_in, arrays)
        kind = "exact_in" if exact_in else "exact_out"
        limit = rng.choice((None, None, None, amount, amount // 2, 2 * amount & 2**64 - 1))
        vector = recording.vector(kind, side, amount, limit, price)
        loaded = recording.loaded()
        sent = (loaded.swap_exact_in if exact_in else loaded.swap_exact_out)(
            vector.payer,
            vector.input_mint,
            vector.user_input,
            vector.user_output,
            amount,
            vector.limit,
            sqrt_price_limit_x64=price,
            max_arrays=arrays,
            v1=recording.pool.fees == (None, None) and rng.random() < 0.3,
        )
        return msgspec.structs.replace(vector, sent=sent)


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


def runs(program: bytes, seed: int, swaps: int, spoiled: float) -> Iterator[Run]:
    """So many random swaps on random pools that evolve."""
    machine = Machine(layout.PROGRAM_ID, program)
    rng = random.Random(seed)
    for number in range(0, swaps, SWAPS_PER_POOL):
        pool = worn(clmm_pool(number, random_shape(rng), rng), rng)
        found = Runs(machine, f"runs{number}", pool, rng, spoiled=spoiled)
        if rng.random() < 0.15:
            # The program does not insist on the extension before it needs it.
            del found.recording.state[layout.extension_address(pool.address)]
        for _ in range(min(SWAPS_PER_POOL, swaps - number)):
            yield found.swap()


def main(arguments: list[str]) -> None:
    """Prints differences and counts."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or len(arguments) < 2:
        sys.exit("usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.clmm_runs SEED SWAPS")
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


if __name__ == "__main__":
    main(sys.argv[1:])
