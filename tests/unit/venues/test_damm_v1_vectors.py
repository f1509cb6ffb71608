"""What a DAMM v1 pool asks to be read is enough for its quotes."""

from pathlib import Path

import pytest

from fairlead.venues.meteora import damm_v1
from fairlead.venues.vectors import parse

VECTORS = Path(__file__).parents[2] / "vectors"
OWN = sorted(VECTORS.glob("meteora_damm_v1_own*.json"))


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
