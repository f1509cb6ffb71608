"""The ledger's CLMM against the compiled program: all bytes that swaps leave, all refusals."""

import os
import random
from pathlib import Path

import pytest

from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.vectors import parse
from tests.vectors import chains, replay

FILES = sorted(Path(__file__).parent.glob("raydium_clmm_chain*.json"))
OWN = sorted(Path(__file__).parent.glob("raydium_clmm_own*.json"))
FOLDER = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
LIVE_SWAPS = 200


def parsed() -> list[chains.Chain]:
    return [chains.parse(path.read_bytes()) for path in FILES]


def test_ledger_moves_what_the_program_moved_in_every_recorded_swap():
    vectors = [vector for path in OWN for vector in parse(path.read_bytes())]
    assert 500 < len(vectors)
    assert [] == [
        (vector.id, found) for vector in vectors if (found := replay.difference(vector)) is not None
    ]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])
def test_ledger_leaves_the_bytes_that_the_program_left(path):
    assert [] == chains.differences(chains.parse(path.read_bytes()))


def test_chains_hold_what_there_is_to_hold():
    swaps = [swap for chain in parsed() for swap in chain.swaps]
    executed = [swap for swap in swaps if swap.error is None]
    assert 100 <= len(executed)
    assert 10 <= len({swap.error for swap in swaps})
    # Both directions are told apart by the events, both instructions by their first bytes.
    assert 2 == len({bytes(swap.sent.data[:8]) for swap in executed})
    sizes = chains.sizes_written(parsed())
    assert {layout.TICK_ARRAY_SIZE, layout.OBSERVATION_SIZE, layout.POOL_SIZE, 178} <= sizes


def test_one_other_byte_before_is_noticed_in_every_chain():
    """Of a growth or a total that no amount depends on."""
    for chain in parsed():
        assert [] != chains.differences(chains.with_other_bit(chain, layout.POOL_SIZE, 277))


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
def test_random_swaps_leave_the_same_in_the_ledger_and_in_the_program():
    # The runs drive LiteSVM, so they are imported only where they run.
    from tests.vectors import clmm_runs, swap_runs
    from tests.vectors.record_clmm import find_program

    program = find_program(Path(FOLDER or ""))
    swap_runs.check_random_swaps(clmm_runs.runs, program, LIVE_SWAPS)


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
def test_chains_are_recorded_anew_as_they_are():
    from tests.vectors import record_clmm_chains
    from tests.vectors.record_clmm import find_program

    program = find_program(Path(FOLDER or ""))
    number = random.choice(record_clmm_chains.SHAPE_NUMBERS)
    path = next(path for path in FILES if path.stem.endswith(f"chain{number:02}"))
    assert path.read_text() == record_clmm_chains.chain(program, number)
