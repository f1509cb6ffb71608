"""Records chains of DLMM swaps from the compiled program, in the format of `chains.py`.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_dlmm_chains FOLDER

Pairs are worn ones; a third of the swaps has something wrong. A second run writes the same files.
"""

import random
import sys

from fairlead.venues.meteora import dlmm_accounts
from tests.vectors import record_chains
from tests.vectors.dlmm_pools import make_pool, recorded_shapes
from tests.vectors.dlmm_runs import Runs
from tests.vectors.dlmm_worn import worn
from tests.vectors.record import Machine
from tests.vectors.record_dlmm import find_program

SEED = 20_251_124
SHAPE_NUMBERS = (0, 3, 4, 5, 6, 9, 12, 15)
"""Plain; orders and fees on Y; undetermined, without and with a reward; at the end of the bitmap;
with gaps; transfer fees; opened later."""


def chain(program: bytes, number: int, seed: int = SEED) -> str:
    """The text of the file of one pair."""
    shape, rng = recorded_shapes()[number], random.Random(seed + number)
    machine = Machine(dlmm_accounts.PROGRAM_ID, program)
    pool = worn(make_pool(f"dlmm chain {number}", shape, rng), rng)
    runs = Runs(machine, f"chain{number}", pool, rng, spoiled=record_chains.SPOILED, is_chain=True)
    note = f"{shape.note}, worn"
    return record_chains.chain_of(runs, note=note, seed=seed + number, has_events=False)


if __name__ == "__main__":
    record_chains.write(
        sys.argv[1:], "record_dlmm_chains", "meteora_dlmm", find_program, chain, SHAPE_NUMBERS
    )
