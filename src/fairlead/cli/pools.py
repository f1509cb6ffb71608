"""`fairlead pools` and `fairlead token`: what can be traded, how fresh that is, and what to beware
of."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fairlead.cli import outcomes
from fairlead.cli.output import console, print_json
from fairlead.venues.token_facts import WARNINGS

if TYPE_CHECKING:
    from fairlead.client import Pool


async def show_pools(first: str | None, second: str | None, url: str | None, as_json: bool) -> int:
    """Of a pair, at an address, or all that were read so far."""
    from fairlead.cli.order import connect

    async with connect(url) as client:
        if first is not None and second is None:
            pool = await client.pool(first)
            if as_json:
                print_json(pool)
            else:
                console().print(table_of((pool,)))
            return outcomes.DONE
        pools = await client.pools(first, second)
    if as_json:
        print_json(pools)
        return outcomes.DONE
    out = console()
    out.print(table_of(pools.pools) if pools.pools else "No pool is known.")
    if pools.not_shown:
        out.print(f"{pools.not_shown} more are left out", style="dim")
    return outcomes.DONE


def table_of(pools: "tuple[Pool, ...]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("venue", no_wrap=True)
    table.add_column("pool", no_wrap=True)
    table.add_column("holds", justify="right")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("")
    for pool in pools:
        state = Text("quoted", "green") if pool.usable else Text(pool.reason or "", "red")
        table.add_row(pool.venue or "?", pool.address, _holds(pool), _age(pool), state)
    return table


def _holds(pool: "Pool") -> str:
    return "\n".join(
        f"{one.amount or one.atoms or '?'} {one.symbol or one.mint[:4] + '…'}"
        for one in pool.reserves
    )


def _age(pool: "Pool") -> str:
    if pool.age_ms is None or pool.age_slots is None:
        return "not read"
    return f"{pool.age_slots} slots, {pool.age_ms / 1000:.1f} s"


async def show_token(mint: str, url: str | None, as_json: bool) -> int:
    """What the chain says of a token."""
    from fairlead.cli.order import connect

    async with connect(url) as client:
        token = await client.token(mint)
    if as_json:
        print_json(token)
        return outcomes.DONE
    out = console()
    out.print(f"{token.symbol or 'not listed'}  {token.mint}", style="bold")
    out.print(f"{token.decimals} decimals, of {token.token_program}")
    for code in token.warnings or ():
        out.print(f"{code}: {WARNINGS.get(code, '')}", style="yellow")
    if not token.tradable:
        out.print(f"no order for it is taken: {token.refusal}", style="red")
    return outcomes.DONE
