"""Those who send orders: what they ask for, how often, and what they expect in return.

A client whose answer is lost sends the same order again under its key. One that was told "accepted"
may rely on it: the order is there, once, and ends.
"""

import asyncio
from typing import Any, TypeVar

import msgspec

from fairlead.errors import (
    CannotCancel,
    Fenced,
    IdempotencyConflict,
    InsufficientFunds,
    Overloaded,
    Transient,
    Unavailable,
    WriteOutcomeUnknown,
)
from fairlead.ledger.tokens import PAIRS, TOKENS
from fairlead.orders import risk
from fairlead.orders.acceptance import new_order
from fairlead.orders.cancellation import cancel
from fairlead.orders.intake import IntakeRules, OrderRequest, agree
from fairlead.orders.model import NewOrder, OrderTerms
from fairlead.ports import Accepted
from fairlead.sim.process import Process
from fairlead.sim.surroundings import Scene

PRINCIPAL = "local"
WALLETS = ("", "9" * 43, "8" * 43, "7" * 43)
"""As clients name them; the first is the engine's own."""

ANSWER_WITHIN_S = 6.0
"""Then a client takes its answer for lost."""

EXACT_OUT_EVERY = 5
"""One in so many orders, where it is no limit order, asks for an exact output."""
HEADROOMS = (1.01, 1.5, 1.0)
"""What such an order may cost, of its output's worth at the first prices: some cannot be had."""

LARGE_EVERY, LARGE = 16, 12
"""One in so many orders is that many times as large."""

TRIES = 12
CANCEL_TRIES = 8
LONGEST_EXPIRY_MS = 40_000

_T = TypeVar("_T")
_RULES = IntakeRules()
_PRICES = {token.symbol: token.price_nanos for token in TOKENS}


class Sending(msgspec.Struct, frozen=True):
    """An order as its client means it, however often it is sent."""

    terms: OrderTerms
    key: str | None
    request_hash: bytes


class NoAnswer(Exception):
    """Whether it was accepted is not known to the client."""


class Clients:
    """All of them. `send_one` plays the whole part of one order's client."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._dice = scene.dice
        self._random = scene.dice.random
        self.refused = 0
        self.accepted = 0
        self._numbers = 0

    async def send_one(self) -> None:
        """One order, its repetitions, and perhaps its cancel."""
        self._numbers += 1
        sending = self._meant(self._numbers)
        order_id = await self._sent(sending)
        if order_id is None:
            return
        self.accepted += 1
        cancels = self._dice.hits("cancel")
        if cancels:
            await asyncio.sleep(self._random.expovariate(0.3))
            await self.cancel(order_id)
        if sending.key is not None and self._dice.hits("key_repeated"):
            await asyncio.sleep(self._random.expovariate(0.5))
            again = await self._sent(sending)
            if again not in (None, order_id) and not self._scene.is_lost(order_id):
                self._scene.fail("one order for each key", f"then {again}", order_id)
        if sending.key is not None and self._dice.hits("key_misused"):
            await self._misuse(sending, order_id)

    # -- what is asked for

    def _meant(self, number: int) -> Sending:
        draw, now_ms = self._random, self._scene.clock.now_ms()
        base, quote = draw.choice(PAIRS)
        tokens = [base.symbol, quote.symbol]
        draw.shuffle(tokens)
        token_in, token_out = tokens
        is_limit = draw.random() < 0.25
        expires_at_ms = None
        if self._dice.hits("expiry") or (is_limit and draw.random() < 0.7):
            expires_at_ms = now_ms + draw.randrange(1, LONGEST_EXPIRY_MS)
        limit_price = None
        if is_limit:
            price = _PRICES[token_in] / _PRICES[token_out] * draw.uniform(0.95, 1.03)
            limit_price = f"{price:.12f}"
        # Now and then more than one pool should take alone.
        dollars = draw.uniform(1, 20_000) * (LARGE if number % LARGE_EVERY == 0 else 1)
        gives, gets = (f"{dollars * 1e9 / _PRICES[token]:.5f}" for token in tokens)
        is_exact_out = not is_limit and number % EXACT_OUT_EVERY == 0
        more = HEADROOMS[number // EXACT_OUT_EVERY % len(HEADROOMS)]
        most = f"{dollars * more * 1e9 / _PRICES[token_in]:.5f}"
        request = OrderRequest(
            token_in,
            token_out,
            type="limit" if is_limit else "market",
            amount_in=None if is_exact_out else gives,
            amount_out=gets if is_exact_out else None,
            max_amount_in=most if is_exact_out else None,
            limit_price=limit_price,
            wallet=draw.choice(WALLETS) or None,
            priority=draw.choice((0, 0, 0, 5, 9)),
            slippage_bps=draw.choice((None, None, 30, 1_000)),
            expires_at_ms=expires_at_ms,
            venues=draw.choice((None, None, None, ("raydium_cpmm",))),
            max_priority_fee_lamports=draw.choice((None, 0, 5_000)),
        )
        wallet = self._scene.wallet
        terms = agree(request, _RULES, wallet.default_address, wallet.held_address, now_ms)
        key = f"key-{number}" if draw.random() < 0.7 else None
        return Sending(terms, key, b"\x01%d" % number)

    async def _made(self, sending: Sending) -> NewOrder:
        """As the API makes it of each POST: a new id and secret every time."""
        scene, terms = self._scene, sending.terms
        needed = risk.needs(terms)
        balances = await scene.balances.of(terms.wallet, [asset for asset, _ in needed])
        return new_order(
            scene.clock.new_id(),
            PRINCIPAL,
            sending.key,
            sending.request_hash,
            terms,
            scene.clock.random_bytes(32),
            scene.clock.now_ms(),
            risk.reservations(terms, needed, balances),
        )

    # -- sending

    async def _sent(self, sending: Sending) -> str | None:
        """The order's id once accepted; None when it is refused, or lost without a key."""
        for _ in range(TRIES):
            order = await self._made(sending)
            try:
                accepted = await self._answer(order)
            except InsufficientFunds:
                self.refused += 1
                return None
            except (Unavailable, Overloaded):
                pass
            except (NoAnswer, WriteOutcomeUnknown):
                if sending.key is None:
                    # It may be there. Sent again it would be another order.
                    return None
            else:
                return accepted.order_id
            await asyncio.sleep(self._random.uniform(0.1, 1.0))
        return None

    async def _answer(self, order: NewOrder) -> Accepted:
        """Send it to one of the processes, which may die or hang over it."""
        await self._scene.reachable()
        process = self._random.choice(self._scene.processes)
        asking = process.ask(process.accept(order))
        return await _answer_of(process, asking)

    async def _misuse(self, sending: Sending, order_id: str) -> None:
        other = msgspec.structs.replace(sending, request_hash=sending.request_hash + b" other")
        try:
            other_id = await self._sent(other)
        except IdempotencyConflict as conflict:
            if conflict.order_id != order_id and not self._scene.is_lost(order_id):
                self._scene.fail("one order for each key", str(conflict.order_id), order_id)
            return
        if other_id is not None and not self._scene.is_lost(order_id):
            self._scene.fail("a key keeps its terms (rule 1)", other_id, order_id)

    # -- cancels

    async def cancel(self, order_id: str) -> None:
        """Until it is asked for, or cannot be."""
        for _ in range(CANCEL_TRIES):
            await self._scene.reachable()
            process = self._random.choice(self._scene.processes)
            asking = process.ask(self._cancelled(process, order_id))
            try:
                if await _answer_of(process, asking):
                    return
            except (Transient, WriteOutcomeUnknown, NoAnswer):
                await asyncio.sleep(self._random.uniform(0.1, 1.0))

    async def _cancelled(self, process: Process, order_id: str) -> bool:
        store = process.store
        order, attempts = await store.order(order_id), await store.attempts(order_id)
        if order is None:
            if not self._scene.is_lost(order_id):
                self._scene.fail("what was accepted is there", "it is gone", order_id)
            return True
        try:
            change = cancel(order, attempts, process.clock.now_ms())
            if change is not None:
                await store.apply(change)
        except CannotCancel:
            return True
        except Fenced:
            return False
        return True


async def _answer_of(process: Process, asking: "asyncio.Future[_T]") -> _T:
    """What a process answers, `NoAnswer` when it dies or takes too long."""
    dying = asyncio.ensure_future(process.crashed.wait())
    try:
        both: list[asyncio.Future[Any]] = [asking, dying]
        await asyncio.wait(both, timeout=ANSWER_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        dying.cancel()
        if not asking.done():
            asking.cancel()
    if not asking.done() or asking.cancelled():
        raise NoAnswer
    return asking.result()
