"""An order's life, drawn: what happened when, what the venues offered, how it ended."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fairlead.cli.quotes import table_of
from fairlead.client import Order, Update

_COLOURS = {
    "confirmed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "expired": "yellow",
    "cancelling": "yellow",
}
_MARKS = {"failed": "✗", "cancelled": "■", "expired": "■"}
# What comes next, for the line that is still running.
_NEXT = {
    "pending": "waiting for a worker",
    "open": "waiting for its price",
    "routing": "asking the venues",
    "building": "building the transaction",
    "submitted": "waiting for the chain",
    "cancelling": "waiting for what the chain says",
    "confirmed": "waiting for finality",
}


def colour_of(status: str) -> str:
    return _COLOURS.get(status, "cyan")


class Life:
    """The updates of one order so far, and their picture."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.updates: list[Update] = []

    def add(self, update: Update) -> None:
        self.updates.append(update)

    @property
    def status(self) -> str:
        return self.updates[-1].status if self.updates else self.order.status

    @property
    def is_over(self) -> bool:
        return bool(self.updates) and self.updates[-1].is_last

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [self._title(), self._timeline()]
        routed = next((u for u in reversed(self.updates) if u.quotes), None)
        if routed is not None:
            names = self._out(), self.order.token_in
            parts += [Rule(style="dim"), table_of(routed.quotes or (), routed.quote, *names)]
            if routed.reason:
                parts.append(Text(routed.reason, "dim"))
        result = self._result()
        if result:
            parts += [Rule(style="dim"), *result]
        return Group(*parts)

    def _title(self) -> Text:
        order = self.order
        return Text.assemble((terms_of(order), "bold"), "  ", (order.order_id, "dim"))

    def _timeline(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column("mark", width=1)
        table.add_column("what")
        table.add_column("at", justify="right", style="dim")
        table.add_column("took", justify="right")
        table.add_column("more", overflow="fold")
        start = None
        before = None
        for update in self.updates:
            at = time_of(update)
            start = at if start is None else start
            colour = colour_of(update.status)
            table.add_row(
                Text(_MARKS.get(update.status, "●"), colour),
                Text(_name(update), colour),
                _seconds(start, at),
                "" if before is None else f"+{_seconds(before, at)}",
                _more(update),
            )
            before = at
        if not self.is_over:
            running = _NEXT.get(self.status, "")
            if self.status == "open" and self.order.expires_at is not None:
                running += f", until {self.order.expires_at}"
            table.add_row("", Spinner("dots", Text(running, "dim")), "", "", "")
        return table

    def _result(self) -> list[RenderableType]:
        if self.status == "failed":
            last = self.updates[-1]
            return [Text(f"failed: {last.reason or last.failure_code or 'no reason given'}", "red")]
        filled = _last_with(self.updates, "executed_price")
        if filled is None or self.status != "confirmed":
            return []
        provisional = "" if self.is_over else "  (not final yet)"
        gave = filled.amount_in or self.order.amount_in or "?"
        got = f"{filled.amount_out or '?'} {self._out()} for {gave}"
        lines: list[RenderableType] = [
            Text.assemble(
                (got, "bold green"),
                f" {self.order.token_in}, price {filled.executed_price}",
                (provisional, "dim"),
            )
        ]
        signed = _last_with(self.updates, "tx_signature")
        if signed is not None:
            lines.append(Text.assemble(("signature ", "dim"), signed.tx_signature or ""))
        return lines

    def _out(self) -> str:
        return self.order.token_out


def terms_of(order: Order) -> str:
    """1.5 SOL → USDC, and at which price if it has one; ≤ 0.7 SOL → 100 USDC of an exact output."""
    if order.requested_amount_out is not None:
        gives = f"≤ {order.max_amount_in or '?'} {order.token_in}"
        return f"{gives} → {order.requested_amount_out} {order.token_out}"
    terms = f"{order.amount_in or ''} {order.token_in} → {order.token_out}"
    return terms if order.limit_price is None else f"{terms} at {order.limit_price} or better"


def line_of(update: Update) -> str:
    """An update as one line, where nothing can be drawn."""
    return "  ".join(part for part in (update.timestamp, _name(update), _more(update)) if part)


def _last_with(updates: Sequence[Update], field: str) -> Update | None:
    return next((u for u in reversed(updates) if getattr(u, field) is not None), None)


def _name(update: Update) -> str:
    event = update.event
    if event is None or event in (update.status, "accepted", "rested", "claimed", "routed"):
        return update.status
    return f"{update.status} ({event.replace('_', ' ')})"


def _more(update: Update) -> str:
    parts = []
    if update.selected_dex is not None and update.quotes:
        parts.append(f"{update.venue or update.selected_dex} chosen")
    if update.event in ("rested", "round_failed", "taken_over", "reopened", "dropped", "failed"):
        parts.append(update.reason or update.failure_code or "")
    if update.event == "submitted" and update.tx_signature is not None:
        parts.append(f"{update.tx_signature[:16]}…")
    if update.executed_price is not None:
        parts.append(f"price {update.executed_price}")
    if update.retry_count and update.event == "claimed":
        parts.append(f"retry {update.retry_count}")
    return ", ".join(part for part in parts if part)


def time_of(update: Update) -> float:
    """Seconds since 1970; 0 for a time that is none."""
    try:
        return datetime.fromisoformat(update.timestamp).timestamp()
    except ValueError:
        return 0.0


def _seconds(start: float, end: float) -> str:
    return f"{max(0.0, end - start):.3f} s"
