"""The pictures of a demonstration: decisions and statuses side by side, and what came of it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fairlead.cli.demo_proof import Proof
from fairlead.cli.demo_scene import (
    Act,
    Result,
    better_by_bps,
    other_than_chosen,
    quote_of,
)
from fairlead.cli.life import colour_of
from fairlead.client import Update

_DEXES = ("raydium", "meteora")


class Stage:
    """What the terminal shows while the orders live. `now` are the seconds that acts count in."""

    def __init__(self, acts: Sequence[Act], where: str, now: Callable[[], float]) -> None:
        self.acts = acts
        self.where = where
        self.now = now

    def __rich__(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("order", no_wrap=True)
        for dex in _DEXES:
            table.add_column(dex, justify="right", no_wrap=True)
        for heading in ("chosen", "", "status"):
            table.add_column(heading, no_wrap=True)
        table.add_column("", no_wrap=True, overflow="ellipsis", style="dim")
        for act in self.acts:
            table.add_row(*_row(act, self.now()))
        title = Text.assemble((f"{len(self.acts)} orders at once", "bold"), f"  {self.where}")
        return Group(title, Text(""), table)


def _row(act: Act, now: float) -> list[RenderableType]:
    colour = colour_of(act.status)
    dots = Text.assemble(*(("●", colour_of(u.status)) for u in act.updates))
    told = Text(f"{act.status} {act.seconds_shown(now):.1f} s", colour)
    offers = [_offer(act, dex) for dex in _DEXES]
    return [Text(act.terms, "bold"), *offers, _chosen(act.routed), dots, told, _note(act)]


def _offer(act: Act, dex: str) -> Text:
    """Of the decision; before it, what it would be now."""
    routed = act.routed if act.status != "open" else None
    quote = quote_of(act.market if routed is None else routed.quotes or (), dex)
    if quote is None:
        return Text("…", "dim")
    if quote.error is not None or quote.amount_out is None:
        return Text("none", "dim")
    if routed is None:
        return Text(short(quote.amount_out), "dim")
    chosen = routed.quote is not None and routed.quote.pool == quote.pool
    return Text(short(quote.amount_out), "bold green" if chosen else "")


def _chosen(routed: Update | None) -> Text:
    if routed is None or routed.selected_dex is None:
        return Text("")
    bps = better_by_bps(routed)
    return Text(
        routed.selected_dex if bps is None else f"{routed.selected_dex} +{bps} bps", "green"
    )


def _note(act: Act) -> str:
    last = act.updates[-1] if act.updates else None
    if act.refusal is not None or last is None:
        return act.refusal or ""
    match last.event:
        case "rested" if last.minimum_out is not None:
            return f"waits for {short(last.minimum_out)}"
        case "finalized":
            return f"final {act.seconds_at(last):.1f} s"
        case "round_failed" | "taken_over" | "dropped" | "failed" | "reopened":
            return last.reason or last.failure_code or ""
        case _:
            return ""


def line_of(act: Act, update: Update) -> str:
    """An update as one line, where nothing can be drawn."""
    parts = [f"{act.seconds_at(update):7.3f} s", f"#{act.number} {act.terms}", update.status]
    if update.event == "routed" and update.quote is not None:
        parts.append(_decision(update))
    elif update.event == "submitted" and update.tx_signature is not None:
        parts.append(f"{update.tx_signature[:16]}…")
    elif update.executed_price is not None:
        parts.append(f"{update.amount_out} {act.ask.token_out}, price {update.executed_price}")
    elif update.reason is not None:
        parts.append(update.reason)
    if update.event == "finalized":
        parts[2] = "confirmed (finalized)"
    return "  ".join(parts)


def _decision(update: Update) -> str:
    assert update.quote is not None
    other, bps = other_than_chosen(update), better_by_bps(update)
    mine = f"{update.quote.venue or update.quote.dex} {update.quote.amount_out}"
    if other is None or bps is None:
        return mine
    return f"{mine}, {other.venue} {other.amount_out}: {update.selected_dex} +{bps} bps"


def summary_of(results: Sequence[Result], proof: Proof, seconds: float) -> RenderableType:
    """What was bought and where, against what the other venue offered."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("order", no_wrap=True)
    table.add_column("bought", justify="right", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("at", no_wrap=True)
    table.add_column("other venue", justify="right", no_wrap=True)
    table.add_column("gained", justify="right", no_wrap=True)
    table.add_column("confirmed in", justify="right", no_wrap=True)
    table.add_column("signature", no_wrap=True, style="dim")
    for one in results:
        table.add_row(*_summary_row(one))
    confirmed = sum(one.status == "confirmed" for one in results)
    by = {"chain": "counted in the chain's own blocks", "engine": "counted by the engine"}
    verdict = Text.assemble(
        f"{confirmed} of {len(results)} confirmed, {proof.successful_swaps} swaps succeeded"
        f" ({by[proof.counted_by]}), ",
        (
            f"double executions: {proof.double_executions}",
            "bold green" if proof.double_executions == 0 else "bold red",
        ),
        f"  ({seconds:.0f} s)",
    )
    return Group(Text(""), table, Text(""), verdict)


def _summary_row(one: Result) -> list[RenderableType]:
    order = f"{one.amount_in} {one.token_in} → {one.token_out}"
    if one.amount_out is None:
        why = Text(one.status if one.reason is None else f"{one.status}: {one.reason}"[:40])
        why.style = colour_of(one.status)
        return [order, why, *[""] * 6]
    rested = "" if one.rested_seconds is None else f"{one.rested_seconds:.1f} s rest + "
    took = f"{one.confirmed_seconds:.2f} s" if one.confirmed_seconds is not None else ""
    other = "" if one.other_amount_out is None else short(one.other_amount_out)
    return [
        order,
        Text(f"{short(one.amount_out)} {one.token_out}", "bold"),
        short(one.executed_price or ""),
        one.venue or "",
        other,
        Text(_gained(one), "green"),
        f"{rested}{took}",
        f"{(one.tx_signature or '')[:8]}…",
    ]


def _gained(one: Result) -> str:
    """What was bought beyond the other venue's offer."""
    if one.amount_out is None or one.other_amount_out is None:
        return ""
    more = Decimal(one.amount_out) - Decimal(one.other_amount_out)
    return f"{'+' if more >= 0 else ''}{short(f'{more:f}', 5)} {one.token_out}"


def short(number: str, digits: int = 7) -> str:
    """A decimal cut to about so many digits that count, for people."""
    whole, _, fraction = number.partition(".")
    if whole in ("0", "-0"):
        nothing = len(fraction) - len(fraction.lstrip("0"))
        kept = fraction[: nothing + digits - 1].rstrip("0")
    else:
        kept = fraction[: max(0, digits - len(whole.lstrip("-")))].rstrip("0")
    return f"{whole}.{kept}" if kept else whole
