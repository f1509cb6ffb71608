"""Random CLMM swaps on the ledger's program and on the compiled one, compared byte for byte.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.clmm_runs SEED SWAPS [SPOILED_PERCENT]

Pools are those of the recorder, worn: with fees earned, rewards running, a price history begun.
Compared is what `swap_runs.compared` compares.
"""

import random
import sys
from collections.abc import Iterator

import msgspec

from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.vectors import Vector
from fairlead.venues.venue import VenueError
from tests.vectors.clmm_pools import ClmmPoolOfOurs, clmm_pool
from tests.vectors.clmm_spoilt import spoilt
from tests.vectors.clmm_worn import worn
from tests.vectors.record import Machine
from tests.vectors.record_clmm import (
    ClmmRecording,
    find_program,
    random_shape,
    some_amount,
    some_price,
)
from tests.vectors.swap_runs import Run, compared, report

SWAPS_PER_POOL = 40


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


if __name__ == "__main__":
    report(sys.argv[1:], "clmm_runs", find_program, runs)
