"""Venues against swaps that the real programs executed: amounts, refusals and instructions."""

import os
from pathlib import Path

import pytest

from fairlead.venues import check
from fairlead.venues.vectors import parse

VECTORS = Path(__file__).parents[2] / "vectors"
SHARED = Path(os.environ.get("FAIRLEAD_SHARED_DIR", VECTORS.parents[1].parent / "shared"))
# The two others' are in tests/vectors, beside what the ledger makes of them.
VENUES = ("raydium_amm_v4", "raydium_clmm", "meteora_damm_v1", "meteora_dlmm")


def own(venue: str) -> list[Path]:
    return sorted(VECTORS.glob(f"{venue}_own*.json"))


def golden(venue: str) -> list[Path]:
    return sorted((SHARED / "vectors" / "dev" / venue).glob("*.json"))


FILES = [
    pytest.param(path, id=f"{path.parent.name}-{path.stem}")
    for venue in VENUES
    for path in (*own(venue), *golden(venue))
]


@pytest.mark.parametrize("venue", VENUES)
def test_three_hundred_executed_swaps_are_recorded(venue: str):
    assert 300 <= sum(not v.refused for path in own(venue) for v in parse(path.read_bytes()))


@pytest.mark.parametrize("path", FILES)
def test_quote_and_instruction_are_the_programs(path: Path):
    assert [] == [
        (vector.id, found)
        for vector in parse(path.read_bytes())
        if (found := check.difference(vector)) is not None
    ]
