"""What an AMM v4 pool asks to be read is enough for its quotes."""

from pathlib import Path

import pytest

from fairlead.venues import check
from fairlead.venues.raydium import amm_v4
from fairlead.venues.vectors import parse

VECTORS = Path(__file__).parents[2] / "vectors"
OWN = sorted(VECTORS.glob("raydium_amm_v4_own*.json"))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_accounts_needed_suffice_for_the_same_quote(path):
    for vector in parse(path.read_bytes())[:9]:
        if vector.refused:
            continue
        pool = amm_v4.decode(vector.pool, vector.accounts[vector.pool])
        found = {key: vector.accounts[key] for key in pool.accounts_needed}
        old = vector.build_quirk == check.BUILD_QUIRK_CEIL_DIV
        exact_out = vector.instruction == "exact_out"
        quotes = [
            (each.quote_exact_out if exact_out else each.quote_exact_in)(
                vector.input_mint, vector.amount, vector.time, old_ceil_div=old
            )
            for each in (pool.load(vector.accounts), pool.load(found))
        ]
        assert quotes[0] == quotes[1]
