"""Our DAMM v1 against swaps that the real program executed: amounts, refusals and instructions."""

import os
from pathlib import Path

import pytest

from fairlead.venues import check
from fairlead.venues.meteora import damm_v1
from fairlead.venues.vectors import parse

VECTORS = Path(__file__).parents[2] / "vectors"
OWN = sorted(VECTORS.glob("meteora_damm_v1_own*.json"))
SHARED = Path(os.environ.get("FAIRLEAD_SHARED_DIR", VECTORS.parents[1].parent / "shared"))
GOLDEN = sorted((SHARED / "vectors" / "dev" / "meteora_damm_v1").glob("*.json"))
FILES = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in (*OWN, *GOLDEN)]


def test_three_hundred_executed_swaps_are_recorded():
    assert 300 <= sum(not v.refused for path in OWN for v in parse(path.read_bytes()))


@pytest.mark.parametrize("path", FILES)
def test_quote_and_instruction_are_the_programs(path):
    assert [] == [
        (vector.id, found)
        for vector in parse(path.read_bytes())
        if (found := check.difference(vector)) is not None
    ]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_accounts_needed_suffice_for_the_same_quote(path):
    for vector in parse(path.read_bytes())[:9]:
        if vector.refused:
            continue
        pool = damm_v1.decode(vector.pool, vector.accounts[vector.pool])
        found = {key: vector.accounts[key] for key in pool.accounts_needed}
        quotes = [
            each.quote_exact_in(vector.input_mint, vector.amount, vector.time)
            for each in (pool.load(vector.accounts), pool.load(found))
        ]
        assert quotes[0] == quotes[1]
