"""What a DLMM pool says by itself of its recorded swaps; and random pairs on the program."""

import json
import os
import random
from pathlib import Path

import pytest

from fairlead.venues.meteora import dlmm
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import SwapQuote, VenueError

VECTORS = Path(__file__).parents[2] / "vectors"
OWN = sorted(VECTORS.glob("meteora_dlmm_own*.json"))
PROGRAMS = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
OWN_FILES = [pytest.param(path, id=path.stem) for path in OWN]


def vectors_of(path: Path) -> list[Vector]:
    return parse(path.read_bytes())


def dlmm_of(vector: Vector) -> dlmm.LoadedDlmmPool:
    account = vector.accounts[vector.pool]
    return dlmm.decode(vector.pool, account).load(vector.accounts)


@pytest.mark.parametrize("path", OWN_FILES)
def test_instruction_names_the_arrays_by_itself(path):
    """The recorder sent what our own count of bin arrays says, and the program took it."""
    for vector in vectors_of(path):
        assert vector.sent is not None
        pool = dlmm_of(vector)
        build = pool.swap_exact_out if vector.instruction == "exact_out" else pool.swap_exact_in
        wallet, amounts = (vector.user_input, vector.user_output), (vector.amount, vector.limit)
        assert vector.sent == build(vector.payer, vector.input_mint, *wallet, *amounts)


@pytest.mark.parametrize("path", OWN_FILES)
def test_accounts_needed_suffice_for_the_same_quote(path):
    for vector in vectors_of(path)[:9]:
        pool = dlmm.decode(vector.pool, vector.accounts[vector.pool])
        needed = {*pool.accounts_needed, *pool.more_needed(vector.accounts)}
        found = {key: vector.accounts[key] for key in needed if key in vector.accounts}
        assert answer(pool.load(vector.accounts), vector) == answer(pool.load(found), vector)


def answer(pool: dlmm.LoadedDlmmPool, vector: Vector) -> object:
    ask = pool.quote_exact_in if vector.instruction == "exact_in" else pool.quote_exact_out
    try:
        return ask(vector.input_mint, vector.amount, vector.time)
    except VenueError as error:
        return error.name


def test_expected_compute_units_cover_what_was_burned():
    for path in OWN:
        burned = {v["id"]: v["compute_units"] for v in json.loads(path.read_bytes())["vectors"]}
        for vector in vectors_of(path):
            if not vector.refused:
                quote = answer(dlmm_of(vector), vector)
                assert isinstance(quote, SwapQuote)
                assert burned[vector.id] <= quote.compute_units


@pytest.mark.skipif(PROGRAMS is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
def test_random_pairs_evolve_as_quoted():
    # The recorder drives LiteSVM, so it is imported only where it runs.
    from tests.vectors.record_dlmm import compare_at_random, find_program

    seed = random.randrange(10**6)
    seen = compare_at_random(find_program(Path(PROGRAMS or "")), 300, seed)
    assert not seen["DIFFERENT"], (seed, seen)
