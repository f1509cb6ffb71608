"""What recorders of chains share; the format is that of `chains.py`."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from fairlead.venues.venue import ChainTime
from tests.vectors import chains
from tests.vectors.swap_runs import PROGRAMS, Run, as_sent

SWAPS_PER_CHAIN = 40
SPOILED = 0.3


class Runs(Protocol):
    """Swaps of one pool that evolves."""

    # Of `record_clmm` or of `record`.
    recording: Any

    def swap(self) -> Run: ...


def chain_of(runs: Runs, *, note: str, seed: int, has_events: bool) -> str:
    """The text of the file of one pool."""
    machine = runs.recording.machine
    base = dict(runs.recording.state)
    swaps: list[chains.Swap] = []
    while len(swaps) < SWAPS_PER_CHAIN:
        time = runs.recording.time
        run = runs.swap()
        if run.is_compared:
            swaps.append(_swap(machine, run, time, has_events))
    programs = {str(machine.program_id): machine.program}
    return chains.encode(note=note, seed=seed, programs=programs, base=base, swaps=swaps)


def _swap(machine: Any, run: Run, time: ChainTime, has_events: bool) -> chains.Swap:
    vector = run.vector
    assert vector is not None
    sent, after = as_sent(vector), {}
    if run.error is None:
        written = {m.pubkey for m in sent.accounts if m.is_writable and m.pubkey in vector.accounts}
        after = {
            address: chains.hash_of(machine.account(address))
            for address in sorted(written - PROGRAMS - {vector.payer}, key=bytes)
        }
    event = run.event if has_events else None
    return chains.Swap(time, sent, vector.payer, run.error, after, event)


def write(
    arguments: list[str],
    module: str,
    prefix: str,
    find_program: Callable[[Path], bytes],
    chain: Callable[[bytes, int], str],
    numbers: Iterable[int],
) -> None:
    """Writes one file per pool into the folder named: `chain` of the program and each number."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or len(arguments) != 1:
        sys.exit(f"usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.{module} FOLDER")
    program = find_program(Path(folder))
    for number in numbers:
        text = chain(program, number)
        path = Path(arguments[0]) / f"{prefix}_chain{number:02}.json"
        path.write_text(text)
        executed = sum(swap.error is None for swap in chains.parse(text).swaps)
        print(f"{path.name}: {executed} of {SWAPS_PER_CHAIN} swaps executed, {len(text)} bytes")
