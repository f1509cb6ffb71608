"""Tables and bars of `fairlead order`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from fairlead.cli.burst import Burst, Summary, Times
from fairlead.cli.life import colour_of
from fairlead.cli.quotes import table_of
from fairlead.client import Order, OrderList

_REDRAW_S = 0.1
_WIDE_COLUMNS = 110


def table_of_orders(page: OrderList, width: int) -> RenderableType:
    """A page, newest first, under the counts. Ids are for copying: other columns make room."""
    counts = (
        f"{page.total} orders: {page.waiting} waiting, {page.active} active, {page.open} open,"
        f" {page.completed} completed, {page.failed} failed, {page.cancelled} cancelled,"
        f" {page.expired} expired"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    is_wide = width >= _WIDE_COLUMNS
    table.add_column("order", no_wrap=True)
    if is_wide:
        table.add_column("created", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("gives", justify="right")
    table.add_column("gets", justify="right")
    if is_wide:
        table.add_column("dex")
    for order in page.orders:
        created = (order.created_at or "")[:19].replace("T", " ")
        table.add_row(
            Text(order.order_id, "dim"),
            *((created,) if is_wide else ()),
            Text(order.status, colour_of(order.status)),
            _gives(order),
            _gets(order),
            *((order.selected_dex or "",) if is_wide else ()),
        )
    parts: list[RenderableType] = [Text(counts), table]
    if page.next_cursor is not None:
        parts.append(Text(f"more: fairlead order list --cursor {page.next_cursor}", "dim"))
    return Group(*parts)


def _gives(order: Order) -> str:
    """What it gives; of an exact output that is not filled the most that it may."""
    if order.amount_in is None and order.max_amount_in is not None:
        return f"≤ {order.max_amount_in} {order.token_in}"
    return f"{order.amount_in or ''} {order.token_in}"


def _gets(order: Order) -> str:
    """What it got; of an order that waits for its price, what it wants."""
    if order.amount_out is None and order.limit_price is not None:
        return f"≥ {order.minimum_out or '…'} {order.token_out}"
    return f"{order.amount_out or '…'} {order.token_out}"


def table_of_order(order: Order) -> RenderableType:
    """One order, fact by fact; what is not known is left out."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    slippage = None if order.slippage_bps is None else f"{order.slippage_bps} bps"
    for name, value in (
        ("order", order.order_id),
        ("status", order.status),
        ("gives", _gives(order)),
        ("at most", order.max_amount_in),
        ("gets", f"{order.amount_out or '…'} {order.token_out}"),
        ("asked for", order.requested_amount_out),
        ("limit", order.limit_price),
        ("at least", order.minimum_out),
        ("price", order.executed_price),
        ("slippage", slippage),
        ("expires", order.expires_at),
        ("venue", order.venue or order.selected_dex),
        ("wallet", order.wallet),
        ("signature", order.tx_signature),
        ("retries", str(order.retry_count) if order.retry_count else None),
        ("failure", order.failure_reason or order.failure_code),
        ("created", order.created_at),
        ("updated", order.updated_at),
        ("finalized", order.finalized_at),
    ):
        if value is not None:
            style = colour_of(order.status) if name == "status" else ""
            facts.add_row(name, Text(value, style))
    if not order.quotes:
        return facts
    quotes = table_of(order.quotes, order.quote, order.token_out, order.token_in)
    return Group(facts, Text(""), quotes)


def summary_of(summary: Summary) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for status, number in sorted(summary.by_status.items(), key=lambda item: -item[1]):
        table.add_row(Text(status, colour_of(status)), f"{number:,}")
    table.add_row("time", f"{summary.seconds} s ({summary.orders_per_second:,} orders/s)")
    table.add_row("accept", _told(summary.accepted))
    table.add_row("confirmed", _told(summary.confirmed))
    return Group(table, *(Text(f"refused: {refusal}", "red") for refusal in summary.refusals))


def _told(times: Times) -> str:
    if times.p50_ms is None or times.p99_ms is None:
        return "–"
    return f"p50 {times.p50_ms:,} ms, p99 {times.p99_ms:,} ms"


@contextlib.asynccontextmanager
async def bars(burst: Burst) -> AsyncIterator[None]:
    """Two bars while the burst runs: accepted, and at their end."""
    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        accepted = progress.add_task("accepted", total=burst.count)
        ended = progress.add_task("ended", total=burst.count)

        def draw() -> None:
            progress.update(accepted, completed=burst.accepted, total=burst.count - burst.refused)
            progress.update(ended, completed=burst.ended, total=burst.count - burst.refused)

        async def keep_drawing() -> None:
            while True:
                draw()
                await asyncio.sleep(_REDRAW_S)

        task = asyncio.create_task(keep_drawing())
        try:
            yield
        finally:
            task.cancel()
            draw()
