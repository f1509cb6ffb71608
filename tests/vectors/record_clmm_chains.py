"""Records chains of CLMM swaps from the compiled program, in the format of `chains.py`.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_clmm_chains FOLDER

Pools are worn ones; a third of the swaps has something wrong. A second run writes the same files.
"""

import os
import random
import sys
from pathlib import Path

from fairlead.venues.raydium import clmm_accounts
from fairlead.venues.venue import ChainTime
from tests.vectors import chains
from tests.vectors.clmm_pools import SHAPES, clmm_pool
from tests.vectors.clmm_runs import PROGRAMS, Run, Runs, as_sent
from tests.vectors.clmm_worn import worn
from tests.vectors.record import Machine
from tests.vectors.record_clmm import find_program

SEED = 20_251_202
SWAPS_PER_CHAIN = 40
SPOILED = 0.3
SHAPE_NUMBERS = (0, 1, 3, 5, 6, 8)
"""Dense, at the end of the default bitmap, with gaps, with transfer fees on one side and on both,
with much liquidity."""


def chain(program: bytes, number: int, seed: int = SEED) -> str:
    """The text of the file of one pool."""
    shape, rng = SHAPES[number], random.Random(seed + number)
    machine = Machine(clmm_accounts.PROGRAM_ID, program)
    pool = worn(clmm_pool(number, shape, rng), rng)
    runs = Runs(machine, f"chain{number}", pool, rng, spoiled=SPOILED, patches=False)
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
        state = runs.recording.state
        written = {m.pubkey for m in sent.accounts if m.is_writable and m.pubkey in state}
        after = {
            address: chains.hash_of(runs.recording.machine.account(address))
            for address in sorted(written - PROGRAMS - {vector.payer}, key=bytes)
        }
    return chains.Swap(time, sent, vector.payer, run.error, after, run.event)


def main(arguments: list[str]) -> None:
    """Writes one file per pool into the folder named."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or len(arguments) != 1:
        sys.exit("usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_clmm_chains FOLDER")
    program = find_program(Path(folder))
    for number in SHAPE_NUMBERS:
        text = chain(program, number)
        path = Path(arguments[0]) / f"raydium_clmm_chain{number:02}.json"
        path.write_text(text)
        executed = sum(swap.error is None for swap in chains.parse(text).swaps)
        print(f"{path.name}: {executed} of {SWAPS_PER_CHAIN} swaps executed, {len(text)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
