"""The table of a quote: pools, the route's swaps, the other routes, what it saves."""

import msgspec
from rich.console import Console

from fairlead.cli.quotes import legs_table, routes_table
from fairlead.client import AlternativeRoute, Leftover, Leg, Quote
from fairlead.tokens import BONK, JUP, USDC


def leg(venue: str, pool: str, token_in: str, token_out: str, amounts: tuple[str, str]) -> Leg:
    return Leg(
        program="P",
        pool=pool,
        venue=venue,
        token_in=token_in,
        token_out=token_out,
        amount_in=amounts[0],
        amount_out=amounts[1],
    )


LEGS = (
    leg("meteora_damm_v2", "PoolA", BONK.mint, USDC.mint, ("500", "9.9")),
    leg("raydium_cpmm", "PoolB", USDC.mint, JUP.mint, ("9.8", "20.7")),
)


def printed(table: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_each_swap_of_a_route_is_a_row_and_what_stays_is_said() -> None:
    route = Quote(
        dex="split", amount_out="20.7", legs=LEGS, leftover=Leftover(token=USDC.mint, amount="0.1")
    )
    text = printed(legs_table(route))
    rows = text.splitlines()
    assert ["meteora_damm_v2", "BONK", "USDC", "500", "9.9", "PoolA"] == rows[2].split()
    assert ["raydium_cpmm", "USDC", "JUP", "9.8", "20.7", "PoolB"] == rows[3].split()
    assert "expected to stay in the wallet: 0.1 USDC" in text
    plain = msgspec.structs.replace(route, leftover=None)
    assert "stay in the wallet" not in printed(legs_table(plain))


def test_routes_say_why_they_lost() -> None:
    path = (BONK.mint, USDC.mint, JUP.mint)
    unknown = "A" * 44
    routes = (
        AlternativeRoute(
            shape="two_hop", route=path, chosen=True, net_amount_out="20.6", legs=LEGS
        ),
        AlternativeRoute(
            shape="two_hop", route=(BONK.mint, unknown, JUP.mint), why="a pool is missing"
        ),
    )
    chosen, lost = printed(routes_table(routes, "JUP")).splitlines()[1:]
    assert "●" in chosen
    assert "BONK → USDC → JUP" in chosen
    assert "20.6 JUP" in chosen
    assert "●" not in lost
    assert "BONK → AAAA… → JUP" in lost
    assert "a pool is missing" in lost
