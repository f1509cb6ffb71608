"""Quotes, instructions and the paper ledger against swaps that the real programs executed."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from fairlead.venues import check
from fairlead.venues.meteora import damm_v2
from fairlead.venues.meteora.damm_v2_swap import EXACT_IN, EXACT_OUT, PARTIAL
from fairlead.venues.raydium import cpmm
from fairlead.venues.vectors import Vector, parse
from tests.vectors import replay

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("FAIRLEAD_SHARED_DIR", HERE.parents[1].parent / "shared"))
VENUES = ("raydium_cpmm", "meteora_damm_v2")
OWN = sorted(path for venue in VENUES for path in HERE.glob(f"{venue}_*.json"))
GOLDEN = sorted(
    path for venue in VENUES for path in (SHARED / "vectors" / "dev" / venue).glob("*.json")
)
NO_GOLDEN = pytest.param(
    None, marks=pytest.mark.skip(reason="no golden vectors: FAIRLEAD_SHARED_DIR names no folder")
)
FILES = [pytest.param(path, id=path.stem) for path in OWN] + (
    [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in GOLDEN] or [NO_GOLDEN]
)

MODES = {
    "exact_in": EXACT_IN,
    "partial": PARTIAL,
    "exact_out": EXACT_OUT,
}


def vectors_of(path: Path) -> list[Vector]:
    return parse(path.read_bytes())


def test_sixty_swaps_of_each_venue_are_recorded():
    counts = dict.fromkeys(VENUES, 0)
    for path in OWN:
        vectors = vectors_of(path)
        counts[vectors[0].venue] += sum(not vector.refused for vector in vectors)
    assert min(counts.values()) >= 60


@pytest.mark.parametrize("path", FILES)
def test_quote_and_instruction_are_the_programs(path):
    assert [] == [
        (vector.id, found)
        for vector in vectors_of(path)
        if (found := check.difference(vector)) is not None
    ]


@pytest.mark.parametrize("path", FILES)
def test_ledger_moves_what_the_program_moved(path):
    assert [] == [
        (vector.id, found)
        for vector in vectors_of(path)
        # The ledger divides as newer builds do; the recorded one refused these.
        if vector.build_quirk is None and (found := replay.difference(vector)) is not None
    ]


@pytest.mark.parametrize("path", FILES)
def test_ledger_leaves_the_pool_as_the_transition_says(path):
    for vector in vectors_of(path):
        if vector.refused:
            continue
        done = replay.replay(vector)
        pool = check.load_pool(vector)
        mint, amount, time = vector.input_mint, vector.amount, vector.time
        if isinstance(pool, damm_v2.LoadedDammV2Pool):
            data = pool.after(MODES[vector.instruction], mint, amount, time).pool_data
        elif not isinstance(pool, cpmm.LoadedCpmmPool):
            raise AssertionError(f"the ledger does not run {pool.venue} yet")
        elif vector.instruction == "exact_out":
            data = pool.after_exact_out(mint, amount, time).pool_data
        else:
            data = pool.after_exact_in(mint, amount, time).pool_data
        assert data == done.views[vector.pool].data


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OWN])
def test_next_recorded_state_is_the_ledgers(path):
    """A swap that was kept left the bytes that the next vector starts from."""
    vectors = vectors_of(path)
    for vector, following in pairwise(vectors):
        if vector.refused or vector.category != "normal":
            continue
        before, after = vector.accounts[vector.pool], following.accounts[vector.pool]
        if before.data == after.data or following.category in ("status", "not_open"):
            continue
        assert after.data == replay.replay(vector).views[vector.pool].data


def test_every_token_that_leaves_an_account_reaches_another():
    for path in OWN:
        for vector in vectors_of(path):
            if vector.refused:
                continue
            done = replay.replay(vector)
            for mint in (vector.input_mint, vector.output_mint):
                assert tokens(vector, done, mint, before=True) == tokens(
                    vector, done, mint, before=False
                )


def tokens(vector: Vector, done: replay.Replay, mint, *, before: bool) -> int:
    """Atoms of the mint in all accounts of the instruction, those withheld for its owner too."""
    total = 0
    for key, view in done.views.items():
        data = vector.accounts[key].data if before and key in vector.accounts else view.data
        if len(data) >= 165 and data[:32] == bytes(mint) and data[108] == 1:
            total += replay.atoms(data)
            # TransferFeeAmount is the first extension of the recorded accounts.
            total += int.from_bytes(data[170:178], "little") if len(data) > 170 else 0
    return total
