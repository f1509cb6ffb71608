"""The ledger's CLMM and DLMM against the compiled programs: bytes that swaps leave, and refusals.

Where there are compiled programs, random swaps too. What drives LiteSVM is imported only there.
"""

import os
import random
from importlib import import_module
from pathlib import Path

import pytest

from fairlead.venues.meteora import dlmm_accounts, dlmm_arrays
from fairlead.venues.raydium import clmm_accounts
from fairlead.venues.vectors import parse
from tests.vectors import chains, replay

HERE = Path(__file__).parent
FILES = {
    "clmm": sorted(HERE.glob("raydium_clmm_chain*.json")),
    "dlmm": sorted(HERE.glob("meteora_dlmm_chain*.json")),
}
OWN = sorted(HERE.glob("raydium_clmm_own*.json"))
FOLDER = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
LIVE_SWAPS = 200

# Size of a pool's account, and a byte of it that no amount depends on: of a growth, and of what the
# protocol is owed.
UNREAD_BYTES = {"clmm": (clmm_accounts.POOL_SIZE, 277), "dlmm": (dlmm_accounts.PAIR_SIZE, 216)}

of_each = pytest.mark.parametrize("kind", FILES)
with_programs = pytest.mark.skipif(
    FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set"
)


def parsed(kind: str) -> list[chains.Chain]:
    return [chains.parse(path.read_bytes()) for path in FILES[kind]]


def program(kind: str) -> bytes:
    found: bytes = import_module(f"tests.vectors.record_{kind}").find_program(Path(FOLDER or ""))
    return found


def test_ledger_moves_what_the_program_moved_in_every_recorded_clmm_swap():
    vectors = [vector for path in OWN for vector in parse(path.read_bytes())]
    assert 500 < len(vectors)
    assert [] == [
        (vector.id, found) for vector in vectors if (found := replay.difference(vector)) is not None
    ]


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for paths in FILES.values() for path in paths]
)
def test_ledger_leaves_the_bytes_that_the_program_left(path):
    assert [] == chains.differences(chains.parse(path.read_bytes()))


def test_clmm_chains_hold_what_there_is_to_hold():
    swaps = [swap for chain in parsed("clmm") for swap in chain.swaps]
    executed = [swap for swap in swaps if swap.error is None]
    assert 100 <= len(executed)
    assert 10 <= len({swap.error for swap in swaps})
    # Both directions are told apart by the events, both instructions by their first bytes.
    assert 2 == len({bytes(swap.sent.data[:8]) for swap in executed})
    sizes = chains.sizes_written(parsed("clmm"))
    assert {
        clmm_accounts.TICK_ARRAY_SIZE,
        clmm_accounts.OBSERVATION_SIZE,
        clmm_accounts.POOL_SIZE,
        178,
    } <= sizes


def test_dlmm_chains_hold_what_there_is_to_hold():
    swaps = [swap for chain in parsed("dlmm") for swap in chain.swaps]
    executed = [swap for swap in swaps if swap.error is None]
    assert 150 <= len(executed)
    assert 15 <= len({swap.error for swap in swaps})
    # Exact input and output, the older instructions and the newer ones.
    assert 4 == len({bytes(swap.sent.data[:8]) for swap in executed})
    sizes = chains.sizes_written(parsed("dlmm"))
    # The extension, and token accounts with a transfer fee.
    assert {dlmm_arrays.ARRAY_SIZE, dlmm_arrays.EXTENSION_SIZE, 178} <= sizes
    most = max(
        sum(len(chain.base[key].data) == dlmm_arrays.ARRAY_SIZE for key in swap.after)
        for chain in parsed("dlmm")
        for swap in chain.swaps
    )
    assert 3 <= most


@of_each
def test_one_other_byte_before_is_noticed_in_every_chain(kind):
    size, at = UNREAD_BYTES[kind]
    for chain in parsed(kind):
        assert [] != chains.differences(chains.with_other_bit(chain, size, at))


@with_programs
@of_each
def test_random_swaps_leave_the_same_in_the_ledger_and_in_the_program(kind):
    runs = import_module(f"tests.vectors.{kind}_runs").runs
    import_module("tests.vectors.swap_runs").check_random_swaps(runs, program(kind), LIVE_SWAPS)


@with_programs
@of_each
def test_chains_are_recorded_anew_as_they_are(kind):
    recorder = import_module(f"tests.vectors.record_{kind}_chains")
    number = random.choice(recorder.SHAPE_NUMBERS)
    path = next(path for path in FILES[kind] if path.stem.endswith(f"chain{number:02}"))
    assert path.read_text() == recorder.chain(program(kind), number), number
