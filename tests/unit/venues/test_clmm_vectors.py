"""What a CLMM pool asks to be read is enough for its quotes."""

from pathlib import Path

import pytest

from fairlead.venues.raydium import clmm
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import SwapQuote, VenueError

VECTORS = Path(__file__).parents[2] / "vectors"
OWN = sorted(VECTORS.glob("raydium_clmm_own*.json"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OWN])
def test_accounts_needed_suffice_for_the_same_quote(path):
    for vector in parse(path.read_bytes())[:12]:
        pool = clmm.decode(vector.pool, vector.accounts[vector.pool])
        needed = {*pool.accounts_needed, *pool.more_needed(vector.accounts)}
        found = {key: vector.accounts[key] for key in needed if key in vector.accounts}
        assert quote(pool.load(vector.accounts), vector) == quote(pool.load(found), vector)


def quote(pool: clmm.LoadedClmmPool, vector: Vector) -> SwapQuote | str:
    ask = pool.quote_exact_in if vector.instruction == "exact_in" else pool.quote_exact_out
    limit = vector.sqrt_price_limit_x64
    try:
        return ask(vector.input_mint, vector.amount, vector.time, sqrt_price_limit_x64=limit)
    except VenueError as error:
        return error.name
