"""Five orders of a demonstration: what is asked, what happened so far, and what came of it."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

import msgspec

from fairlead.amounts import plain_price
from fairlead.cli.life import time_of
from fairlead.client import Order, Quote, Update

BPS = 10_000


class Ask(msgspec.Struct, frozen=True):
    """An order of the script."""

    token_in: str
    token_out: str
    amount_in: str
    has_limit: bool = False


SCRIPT = (
    Ask("SOL", "USDC", "1.5"),
    Ask("USDC", "SOL", "250"),
    Ask("SOL", "BONK", "2"),
    Ask("USDC", "JUP", "100"),
    Ask("SOL", "USDC", "10", has_limit=True),
)

ABOVE_MARKET_BPS = 5
"""Where our own market rises: the order rests for some seconds, then it fires."""
BELOW_MARKET_BPS = 10
"""Of a market of which nothing is known: it fires at the next look, unless the price just fell."""


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """What came of one order."""

    order_id: str | None
    type: str
    token_in: str
    token_out: str
    amount_in: str
    limit_price: str | None
    status: str
    venue: str | None
    amount_out: str | None
    executed_price: str | None
    # What the venue that was not chosen offered, and by how much less, net of fees.
    other_venue: str | None
    other_amount_out: str | None
    better_by_bps: int | None
    # From accepted to claimed.
    rested_seconds: float | None
    # From accepted, or from the end of its rest, to confirmed.
    confirmed_seconds: float | None
    tx_signature: str | None
    retry_count: int
    reason: str | None


def limit_above(best: Quote, amount_in: str, above_bps: int) -> str:
    """A price so far above this quote's, rounded up at six digits."""
    assert best.amount_out is not None
    price = Decimal(best.amount_out) / Decimal(amount_in) * (BPS + above_bps) / BPS
    return plain_price(f"{price.quantize(Decimal('0.000001'), ROUND_CEILING):f}")


class Act:
    """One order and its updates so far."""

    def __init__(self, number: int, ask: Ask) -> None:
        self.number = number
        self.ask = ask
        self.limit_price: str | None = None
        self.order_id: str | None = None
        self.updates: list[Update] = []
        # What the venues give while it rests, best first.
        self.market: tuple[Quote, ...] = ()
        # When its first update came.
        self.began_at: float | None = None
        # Why the engine did not take it.
        self.refusal: str | None = None
        # It rested too long for a demonstration, and was cancelled.
        self.gave_up = False
        # The order as last read.
        self.order: Order | None = None

    def add(self, update: Update, now: float) -> None:
        self.began_at = now if self.began_at is None else self.began_at
        self.updates.append(update)

    @property
    def terms(self) -> str:
        ask = self.ask
        told = f"{ask.amount_in} {ask.token_in} → {ask.token_out}"
        return told if self.limit_price is None else f"{told} at ≥ {self.limit_price}"

    @property
    def status(self) -> str:
        if self.refusal is not None:
            return "refused"
        return self.updates[-1].status if self.updates else "sending"

    @property
    def is_over(self) -> bool:
        return self.refusal is not None or (bool(self.updates) and self.updates[-1].is_last)

    @property
    def routed(self) -> Update | None:
        """The last decision between the venues."""
        return next((u for u in reversed(self.updates) if u.quotes), None)

    def seconds_at(self, update: Update) -> float:
        """Since it was accepted."""
        return max(0.0, time_of(update) - time_of(self.updates[0]))

    def seconds_shown(self, now: float) -> float:
        """To `confirmed` or its end; before that, up to now."""
        confirmed = self.seconds_of("confirmed")
        if self.status == "confirmed" and confirmed is not None:
            return confirmed
        if self.is_over:
            return self.seconds_at(self.updates[-1]) if self.updates else 0.0
        return 0.0 if self.began_at is None else now - self.began_at

    def seconds_of(self, event: str) -> float | None:
        """When this last happened, since it was accepted."""
        at = next((u for u in reversed(self.updates) if u.event == event), None)
        return None if at is None else self.seconds_at(at)

    @property
    def rested_s(self) -> float | None:
        """Until it was claimed for the last time."""
        return self.seconds_of("claimed") if self.limit_price is not None else None

    @property
    def confirmed_s(self) -> float | None:
        """Of a limit order, without its rest."""
        at = self.seconds_of("confirmed")
        return None if at is None else at - (self.rested_s or 0.0)

    @property
    def went_well(self) -> bool:
        """Filled; or cancelled by us, since the market did not come."""
        return self.status == "confirmed" or (self.gave_up and self.status == "cancelled")

    def _reason(self) -> str | None:
        if self.gave_up and self.status == "cancelled":
            return "its price did not come"
        return self.refusal or (self.updates[-1].reason if self.updates else None)

    def result(self) -> Result:
        filled = next((u for u in reversed(self.updates) if u.executed_price), None)
        routed = self.routed
        other = None if routed is None else other_than_chosen(routed)
        signed = next((u for u in reversed(self.updates) if u.tx_signature), None)
        rounds = [u.retry_count for u in self.updates if u.retry_count is not None]
        return Result(
            order_id=self.order_id,
            type="market" if self.limit_price is None else "limit",
            token_in=self.ask.token_in,
            token_out=self.ask.token_out,
            amount_in=self.ask.amount_in,
            limit_price=self.limit_price,
            status=self.status,
            venue=None if filled is None else filled.venue or filled.selected_dex,
            amount_out=None if filled is None else filled.amount_out,
            executed_price=None if filled is None else filled.executed_price,
            other_venue=None if other is None else other.venue,
            other_amount_out=None if other is None else other.amount_out,
            better_by_bps=None if routed is None else better_by_bps(routed),
            rested_seconds=_rounded(self.rested_s),
            confirmed_seconds=_rounded(self.confirmed_s),
            tx_signature=None if signed is None else signed.tx_signature,
            retry_count=rounds[-1] if rounds else 0,
            reason=self._reason(),
        )


def quote_of(quotes: Sequence[Quote], dex: str) -> Quote | None:
    """The family's best quote: they come best first."""
    return next((q for q in quotes if q.dex == dex), None)


def other_than_chosen(routed: Update) -> Quote | None:
    """The best quote of another pool, None when no other can serve."""
    chosen = routed.quote
    others = [q for q in routed.quotes or () if chosen is None or q.pool != chosen.pool]
    return next((q for q in others if q.error is None), None)


def better_by_bps(routed: Update) -> int | None:
    """By how much the chosen pool pays more than the next, net of fees."""
    other = other_than_chosen(routed)
    if routed.quote is None or other is None:
        return None
    mine, theirs = _net(routed.quote), _net(other)
    return int((mine - theirs) * BPS / theirs) if theirs > 0 else None


def _net(quote: Quote) -> Decimal:
    return Decimal(quote.net_amount_out or quote.amount_out or "0")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
