"""What clients ask for, from a seed; and what they were answered."""

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from solders.pubkey import Pubkey

# Symbol, decimals, and a size that is worth some dollars.
TOKENS = {
    "SOL": (9, "0.1"), "USDC": (6, "15"), "USDT": (6, "15"), "JUP": (6, "30"), "RAY": (6, "6"),
    "BONK": (5, "750000"), "WIF": (6, "17"),
}  # fmt: skip
WALLETS = 6
IN_THE_PAST = "in_the_past"
"""The one good reason to refuse an order: its time had passed when a request got through."""

LIMIT_SHARE, EXPIRY_SHARE, EXACT_OUT_SHARE = 0.35, 0.25, 0.15
"""Of all orders; of the market ones among them a third expires, too. The last is of those that are
market orders and whose price is known."""


@dataclass
class Sent:
    """One order as a client knows it."""

    key: str
    body: dict[str, Any]
    order_id: str | None = None
    is_answered: bool = False
    # The code of the last refusal.
    refusal: str = ""
    # (wall time, what) of everything that was said about it.
    told: list[tuple[float, str]] = field(default_factory=list)
    # An end that was promised by an answer, and must be the order's.
    promised_end: str | None = None

    def note(self, what: str) -> None:
        self.told.append((time.time(), what))

    @property
    def amount_in_atoms(self) -> int:
        """What is sold; of an exact output the most that may be."""
        amount = self.body.get("amountIn") or self.body["maxAmountIn"]
        return _atoms(Decimal(amount), str(self.body["tokenIn"]))

    @property
    def exact_out_atoms(self) -> int | None:
        if "amountOut" not in self.body:
            return None
        return _atoms(Decimal(self.body["amountOut"]), str(self.body["tokenOut"]))

    @property
    def floor_atoms(self) -> int | None:
        """What its limit asks for, rounded up; of a market order the engine fixes it."""
        if "limitPrice" not in self.body:
            return None
        out = Decimal(self.body["amountIn"]) * Decimal(self.body["limitPrice"])
        return _atoms(out, str(self.body["tokenOut"]))

    @property
    def rests_for_good(self) -> bool:
        return "limitPrice" in self.body and "expiresAt" not in self.body


def _atoms(amount: Decimal, symbol: str) -> int:
    return int((amount * 10 ** TOKENS[symbol][0]).to_integral_value(ROUND_CEILING))


class Making:
    """Makes orders. `prices` are tokenOut per tokenIn as last quoted, for limits near them."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"orders {seed}")
        self._wallets = [str(Pubkey(self._dice.randbytes(32))) for _ in range(WALLETS)]
        self._number = 0
        self.prices: dict[tuple[str, str], Decimal] = {}

    def pair(self) -> tuple[str, str]:
        """Every pair has pools: one side is SOL or USDC."""
        other = self._dice.choice(list(TOKENS))
        base = self._dice.choice([token for token in ("SOL", "USDC") if token != other])
        return (base, other) if self._dice.random() < 0.5 else (other, base)

    def order(self) -> Sent:
        """The next one."""
        dice = self._dice
        self._number += 1
        token_in, token_out = self.pair()
        body: dict[str, Any] = {
            "tokenIn": token_in,
            "tokenOut": token_out,
            "amountIn": self._amount(token_in),
            "wallet": dice.choice(self._wallets),
            "slippageBps": dice.choice((0, 10, 50, 100, 500)),
            "priority": dice.choice((0, 0, 0, 3, 9)),
        }
        price = self.prices.get((token_in, token_out))
        is_limit = price is not None and dice.random() < LIMIT_SHARE
        if is_limit and price is not None:
            body |= {"type": "limit", "limitPrice": self._limit(price)}
        elif price is not None and dice.random() < EXACT_OUT_SHARE:
            self._turn_round(body, price)
        if dice.random() < (2 * EXPIRY_SHARE if is_limit else EXPIRY_SHARE / 3):
            at = datetime.now(UTC) + timedelta(seconds=dice.uniform(0.5, 20))
            body["expiresAt"] = at.isoformat(timespec="milliseconds")
        return Sent(f"torture-{self._number}", body)

    def _amount(self, token: str) -> str:
        decimals, size = TOKENS[token]
        amount = Decimal(size) * Decimal(str(self._dice.uniform(0.2, 2)))
        return f"{amount.quantize(Decimal(1).scaleb(-decimals)):f}"

    def _turn_round(self, body: dict[str, Any], price: Decimal) -> None:
        """Ask for what the amount would bring, at a tenth more than that at the most; one in eight
        for hardly more, which the market may not give."""
        token_in, token_out = body["tokenIn"], body["tokenOut"]
        amount = Decimal(body.pop("amountIn"))
        above = Decimal("1.001") if self._dice.random() < 0.12 else Decimal("1.1")
        for name, value, token in (
            ("amountOut", amount * price, token_out),
            ("maxAmountIn", amount * above, token_in),
        ):
            unit = Decimal(1).scaleb(-TOKENS[token][0])
            body[name] = f"{max(value, unit).quantize(unit, ROUND_CEILING):f}"

    def _limit(self, price: Decimal) -> str:
        # Around what is paid now; one in eight is never reached.
        bps = 100_000 if self._dice.random() < 0.12 else self._dice.randint(-40, 40)
        limit = price * (10_000 + bps) / 10_000
        # Ten decimals at the most: the price of a cheap token needs them.
        return f"{limit.quantize(Decimal('1e-10')):f}"
