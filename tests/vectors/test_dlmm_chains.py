"""The ledger's DLMM against the compiled program: all bytes that swaps leave, all refusals."""

import os
import random
from pathlib import Path

import pytest

from fairlead.venues.meteora import dlmm_accounts, dlmm_arrays
from tests.vectors import chains

FILES = sorted(Path(__file__).parent.glob("meteora_dlmm_chain*.json"))
FOLDER = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
LIVE_SWAPS = 200


def parsed() -> list[chains.Chain]:
    return [chains.parse(path.read_bytes()) for path in FILES]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])
def test_ledger_leaves_the_bytes_that_the_program_left(path):
    assert [] == chains.differences(chains.parse(path.read_bytes()))


def test_chains_hold_what_there_is_to_hold():
    swaps = [swap for chain in parsed() for swap in chain.swaps]
    executed = [swap for swap in swaps if swap.error is None]
    assert 150 <= len(executed)
    assert 15 <= len({swap.error for swap in swaps})
    # Exact input and output, the older instructions and the newer ones.
    assert 4 == len({bytes(swap.sent.data[:8]) for swap in executed})
    sizes = chains.sizes_written(parsed())
    # The extension, and token accounts with a transfer fee.
    assert {dlmm_arrays.ARRAY_SIZE, dlmm_arrays.EXTENSION_SIZE, 178} <= sizes
    most = max(
        sum(len(chain.base[key].data) == dlmm_arrays.ARRAY_SIZE for key in swap.after)
        for chain in parsed()
        for swap in chain.swaps
    )
    assert 3 <= most


def test_one_other_byte_before_is_noticed_in_every_chain():
    """Of what the protocol is owed, which no amount depends on."""
    for chain in parsed():
        assert [] != chains.differences(chains.with_other_bit(chain, dlmm_accounts.PAIR_SIZE, 216))


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
def test_random_swaps_leave_the_same_in_the_ledger_and_in_the_program():
    # The runs drive LiteSVM, so they are imported only where they run.
    from tests.vectors import dlmm_runs, swap_runs
    from tests.vectors.record_dlmm import find_program

    program = find_program(Path(FOLDER or ""))
    swap_runs.check_random_swaps(dlmm_runs.runs, program, LIVE_SWAPS)


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
def test_chains_are_recorded_anew_as_they_are():
    from tests.vectors import record_dlmm_chains
    from tests.vectors.record_dlmm import find_program

    program = find_program(Path(FOLDER or ""))
    number = random.choice(record_dlmm_chains.SHAPE_NUMBERS)
    path = next(path for path in FILES if path.stem.endswith(f"chain{number:02}"))
    assert path.read_text() == record_dlmm_chains.chain(program, number)
