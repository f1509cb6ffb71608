"""`fairlead quote`, and the table of quotes that a watched order shows too."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fairlead.cli import outcomes
from fairlead.cli.output import console, print_json
from fairlead.tokens import TokenList

if TYPE_CHECKING:
    from fairlead.client import AlternativeRoute, Quote

MAX_LEFT_OUT = 10
"""Pools left out that are shown."""


async def show_quotes(
    token_in: str,
    token_out: str,
    amount: str | None,
    amount_out: str | None,
    url: str | None,
    as_json: bool,
) -> int:

    from fairlead.cli.order import connect

    async with connect(url) as client:
        quotes = await client.quotes(token_in, token_out, amount, amount_out=amount_out)
    if as_json:
        print_json(quotes)
        return outcomes.DONE
    out = console()
    if amount_out is None:
        out.print(f"{amount} {token_in} → {token_out}", style="bold")
    else:
        out.print(f"{token_in} → {amount_out} {token_out}", style="bold")
    out.print(table_of(quotes.quotes, quotes.best, token_out, token_in))
    if quotes.best is not None and quotes.best.legs:
        out.print(legs_table(quotes.best))
    if len(quotes.alternatives) > 1:
        out.print(routes_table(quotes.alternatives, token_out))
    if quotes.reason:
        out.print(quotes.reason, style="dim")
    if quotes.saving_bps:
        out.print(f"saves {quotes.saving_bps} bps over the best pool alone", style="green")
    for one in quotes.left_out[:MAX_LEFT_OUT]:
        out.print(f"left out: {one.pool}: {one.reason}", style="dim")
    if len(quotes.left_out) > MAX_LEFT_OUT:
        more = len(quotes.left_out) - MAX_LEFT_OUT
        out.print(f"{more} more are left out; --json names them", style="dim")
    for name, warnings in (
        (token_in, quotes.token_in_warnings),
        (token_out, quotes.token_out_warnings),
    ):
        if warnings:
            out.print(f"beware of {name}: {', '.join(warnings)}", style="yellow")
    return outcomes.DONE


def table_of(
    quotes: "Iterable[Quote]", best: "Quote | None", token_out: str, token_in: str = ""
) -> Table:
    """Quotes one below the other, the chosen one marked; of an exact output what each takes."""
    quotes = tuple(quotes)
    is_exact_out = any(quote.amount_in is not None for quote in quotes)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("venue", no_wrap=True)
    heads = (f"{token_in} in".strip(), "at most") if is_exact_out else (f"{token_out} out", "net")
    for heading in (*heads, "impact %", "fee"):
        table.add_column(heading, justify="right")
    table.add_column("pool", style="dim", overflow="ellipsis", no_wrap=True, max_width=14)
    for quote in quotes:
        # A route of several swaps is shown by itself.
        chosen = best is not None and not best.legs and quote.pool == best.pool
        name = quote.venue or quote.dex
        if quote.error is not None:
            table.add_row("", name, Text(quote.error, "red"), "", "", "", quote.pool or "")
            continue
        table.add_row(
            Text("●" if chosen else " ", "green"),
            Text(name, "bold" if chosen else ""),
            (quote.amount_in if is_exact_out else quote.amount_out) or "",
            (quote.maximum_in if is_exact_out else quote.net_amount_out) or "",
            quote.price_impact or "",
            quote.fee or "",
            quote.pool or "",
        )
    return table


def legs_table(route: "Quote") -> Table:
    """The swaps of a route in the order they execute, and what stays in the middle."""
    table = Table(box=None, pad_edge=False, header_style="dim", title="route", title_justify="left")
    for heading in ("venue", "from", "to"):
        table.add_column(heading, no_wrap=True)
    for heading in ("takes", "pays"):
        table.add_column(heading, justify="right")
    table.add_column("pool", style="dim", overflow="ellipsis", no_wrap=True, max_width=14)
    for leg in route.legs:
        names = _symbol(leg.token_in), _symbol(leg.token_out)
        amounts = leg.amount_in or "", leg.amount_out or ""
        table.add_row(leg.venue or "", *names, *amounts, leg.pool)
    if route.leftover is not None:
        kept = f"{route.leftover.amount} {_symbol(route.leftover.token)}"
        table.caption = f"expected to stay in the wallet: {kept}"
        table.caption_justify = "left"
    return table


def routes_table(routes: "Iterable[AlternativeRoute]", token_out: str) -> Table:
    """The best route of each shape, and why the others lost."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("shape", no_wrap=True)
    table.add_column("through")
    table.add_column("net", justify="right")
    table.add_column("why not")
    for route in routes:
        venues = " + ".join(leg.venue or "" for leg in route.legs)
        path = " → ".join(_symbol(mint) for mint in route.route)
        mark = Text("●" if route.chosen else " ", "green")
        net = "" if route.net_amount_out is None else f"{route.net_amount_out} {token_out}"
        table.add_row(mark, route.shape, f"{path}  {venues}", net, Text(route.why or "", "dim"))
    return table


def _symbol(mint: str | None) -> str:
    """A listed token's symbol, or the start of the mint."""
    token = None if mint is None else _TOKENS.find(mint)
    return token.symbol if token is not None else f"{(mint or '')[:4]}…"


_TOKENS = TokenList()
