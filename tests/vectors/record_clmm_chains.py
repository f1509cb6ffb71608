"""Records chains of CLMM swaps from the compiled program, in the format of `chains.py`.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_clmm_chains FOLDER

Pools are worn ones; a third of the swaps has something wrong. A second run writes the same files.
"""

import random
import sys

from fairlead.venues.raydium import clmm_accounts
from tests.vectors import record_chains
from tests.vectors.clmm_pools import SHAPES, clmm_pool
from tests.vectors.clmm_runs import Runs
from tests.vectors.clmm_worn import worn
from tests.vectors.record import Machine
from tests.vectors.record_clmm import find_program

SEED = 20_251_202
SHAPE_NUMBERS = (0, 1, 3, 5, 6, 8)
"""Dense, at the end of the default bitmap, with gaps, with transfer fees on one side and on both,
with much liquidity."""


def chain(program: bytes, number: int, seed: int = SEED) -> str:
    """The text of the file of one pool."""
    shape, rng = SHAPES[number], random.Random(seed + number)
    machine = Machine(clmm_accounts.PROGRAM_ID, program)
    pool = worn(clmm_pool(number, shape, rng), rng)
    runs = Runs(machine, f"chain{number}", pool, rng, spoiled=record_chains.SPOILED, patches=False)
    note = f"{shape.note}, worn"
    return record_chains.chain_of(runs, note=note, seed=seed + number, has_events=True)


if __name__ == "__main__":
    record_chains.write(
        sys.argv[1:], "record_clmm_chains", "raydium_clmm", find_program, chain, SHAPE_NUMBERS
    )
