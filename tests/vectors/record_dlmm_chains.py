"""Records chains of DLMM swaps from the compiled program, in the format of `chains.py`.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_dlmm_chains FOLDER

Pairs are worn ones; a third of the swaps has something wrong. A second run writes the same files.
"""

import os
import random
import sys
from pathlib import Path

from fairlead.venues.meteora import dlmm_accounts
from fairlead.venues.venue import ChainTime
from tests.vectors import chains
from tests.vectors.clmm_runs import PROGRAMS, Run, as_sent
from tests.vectors.dlmm_pools import make_pool, recorded_shapes
from tests.vectors.dlmm_runs import Runs
from tests.vectors.dlmm_worn import worn
from tests.vectors.record import Machine
from tests.vectors.record_dlmm import find_program

SEED = 20_251_124
SWAPS_PER_CHAIN = 40
SPOILED = 0.3
SHAPE_NUMBERS = (0, 3, 4, 5, 6, 9, 12, 15)
"""Plain; orders and fees on Y; undetermined, without and with a reward; at the end of the bitmap;
with gaps; transfer fees; opened later."""


def chain(program: bytes, number: int, seed: int = SEED) -> str:
    """The text of the file of one pair."""
    shape, rng = recorded_shapes()[number], random.Random(seed + number)
    machine = Machine(dlmm_accounts.PROGRAM_ID, program)
    pool = worn(make_pool(f"dlmm chain {number}", shape, rng), rng)
    runs = Runs(machine, f"chain{number}", pool, rng, spoiled=SPOILED, is_chain=True)
    base = dict(runs.recording.state)
    swaps: list[chains.Swap] = []
    while len(swaps) < SWAPS_PER_CHAIN:
        time = runs.recording.time
        run = runs.swap()
        if run.is_compared:
            swaps.append(_swap(runs, run, time))
    programs = {str(machine.program_id): machine.program}
    return chains.encode(
        note=f"{shape.note}, worn", seed=seed + number, programs=programs, base=base, swaps=swaps
    )


def _swap(runs: Runs, run: Run, time: ChainTime) -> chains.Swap:
    vector = run.vector
    assert vector is not None
    sent, after = as_sent(vector), {}
    if run.error is None:
        written = {m.pubkey for m in sent.accounts if m.is_writable and m.pubkey in vector.accounts}
        after = {
            address: chains.hash_of(runs.recording.machine.account(address))
            for address in sorted(written - PROGRAMS - {vector.payer}, key=bytes)
        }
    return chains.Swap(time, sent, vector.payer, run.error, after, None)


def main(arguments: list[str]) -> None:
    """Writes one file per pair into the folder named."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or len(arguments) != 1:
        sys.exit("usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_dlmm_chains FOLDER")
    program = find_program(Path(folder))
    for number in SHAPE_NUMBERS:
        text = chain(program, number)
        path = Path(arguments[0]) / f"meteora_dlmm_chain{number:02}.json"
        path.write_text(text)
        executed = sum(swap.error is None for swap in chains.parse(text).swaps)
        print(f"{path.name}: {executed} of {SWAPS_PER_CHAIN} swaps executed, {len(text)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
