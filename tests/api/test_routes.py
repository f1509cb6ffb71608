"""Quotes over several swaps: the best route, what it saves, and what lost to it."""

from decimal import Decimal
from typing import Any

from fairlead.api.dependencies import ApiSettings
from fairlead.orders.routes import RoutingPolicy
from fairlead.tokens import BONK, JUP, USDC
from tests.api.world import World, world

SPLIT = "/api/quotes?tokenIn=USDC&tokenOut=JUP&amountIn=5000000"
NO_POOL = "/api/quotes?tokenIn=BONK&tokenOut=JUP&amountIn=500000000"


async def get(here: World, path: str) -> Any:
    answer = await here.client.get(path)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def test_split_is_the_best_and_says_what_it_saves():
    async with world() as here:
        answer = await get(here, SPLIT)
    best, quotes = answer["best"], answer["quotes"]
    assert 2 <= len(best["legs"]) <= 3
    assert Decimal(5_000_000) == sum(Decimal(leg["amountIn"]) for leg in best["legs"])
    assert Decimal(best["amountOut"]) == sum(Decimal(leg["amountOut"]) for leg in best["legs"])
    alone = Decimal(quotes[0]["netAmountOut"])
    saved = (Decimal(best["netAmountOut"]) - alone) * 10_000 // alone
    assert 0 < saved == answer["savingBps"]
    chosen, *lost = answer["alternatives"]
    assert ("split", True, None) == (chosen["shape"], chosen["chosen"], chosen["why"])
    assert chosen["legs"] == best["legs"]
    assert "single" in [each["shape"] for each in lost]
    assert all(each["why"] and not each["chosen"] for each in lost)


async def test_two_hops_serve_a_pair_that_no_pool_trades():
    async with world() as here:
        answer = await get(here, NO_POOL)
    best = answer["best"]
    assert ([], None) == (answer["quotes"], answer["savingBps"])
    assert [BONK.mint, USDC.mint, JUP.mint] == best["route"]
    brought, taken = (
        Decimal(leg[n]) for leg, n in zip(best["legs"], ("amountOut", "amountIn"), strict=False)
    )
    assert {"token": USDC.mint, "amount": str(brought - taken)} == best["leftover"]
    assert "pool" not in best


async def test_quotes_keep_to_what_the_operator_lets_orders_take():
    one = ApiSettings(routing=RoutingPolicy(max_legs=1))
    async with world(one) as here:
        assert "legs" not in (await get(here, SPLIT))["best"]
        assert (await get(here, NO_POOL))["best"] is None
    direct = ApiSettings(routing=RoutingPolicy(two_hop=False))
    async with world(direct) as here:
        assert (await get(here, SPLIT))["savingBps"] > 0
        assert (await get(here, NO_POOL))["best"] is None


async def test_amounts_of_legs_follow_the_number_form():
    async with world() as here:
        answer = await get(here, f"{NO_POOL}&numbers=json")
    assert isinstance(answer["best"]["legs"][0]["amountIn"], int | float)
    assert isinstance(answer["best"]["leftover"]["amount"], int | float)
