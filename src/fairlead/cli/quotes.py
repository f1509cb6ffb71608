"""`fairlead quote`, and the table of quotes that a watched order shows too."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fairlead.cli import outcomes
from fairlead.cli.output import console, print_json

if TYPE_CHECKING:
    from fairlead.client import Quote


async def show_quotes(
    token_in: str, token_out: str, amount: str, url: str | None, as_json: bool
) -> int:

    from fairlead.cli.order import connect

    async with connect(url) as client:
        quotes = await client.quotes(token_in, token_out, amount)
    if as_json:
        print_json(quotes)
        return outcomes.DONE
    out = console()
    out.print(f"{amount} {token_in} → {token_out}", style="bold")
    out.print(table_of(quotes.quotes, quotes.best, token_out))
    if quotes.reason:
        out.print(quotes.reason, style="dim")
    for one in quotes.left_out:
        out.print(f"left out: {one.pool}: {one.reason}", style="dim")
    for name, warnings in (
        (token_in, quotes.token_in_warnings),
        (token_out, quotes.token_out_warnings),
    ):
        if warnings:
            out.print(f"beware of {name}: {', '.join(warnings)}", style="yellow")
    return outcomes.DONE


def table_of(quotes: "Iterable[Quote]", best: "Quote | None", token_out: str) -> Table:
    """Quotes one below the other, the chosen one marked."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("venue", no_wrap=True)
    for heading in (f"{token_out} out", "net", "impact %", "fee"):
        table.add_column(heading, justify="right")
    table.add_column("pool", style="dim", overflow="ellipsis", no_wrap=True, max_width=14)
    for quote in quotes:
        chosen = best is not None and quote.pool == best.pool
        name = quote.venue or quote.dex
        if quote.error is not None:
            table.add_row("", name, Text(quote.error, "red"), "", "", "", quote.pool or "")
            continue
        table.add_row(
            Text("●" if chosen else " ", "green"),
            Text(name, "bold" if chosen else ""),
            quote.amount_out or "",
            quote.net_amount_out or "",
            quote.price_impact or "",
            quote.fee or "",
            quote.pool or "",
        )
    return table
