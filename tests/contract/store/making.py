"""Orders, changes and attempts to store."""

import asyncio
import hashlib
import itertools
from typing import Any

from fairlead.orders.acceptance import new_order as as_accepted
from fairlead.orders.lifecycle import event
from fairlead.orders.model import (
    Attempt,
    Change,
    Claimed,
    EventType,
    Leg,
    NewOrder,
    Order,
    OrderTerms,
    OrderType,
    Reservation,
)

SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGkZwyTDt1v"
WALLET = "7YttLkHDoNj9wyDur5pM1ejNaAvT9X4eqaYcHQqtj2G5"
T0_MS = 1_750_000_000_000

_numbers = itertools.count(1)


class FakeClock:
    """A clock that only sleepers move; its ids and bytes are counted, not random."""

    def __init__(self, seed: int = 0) -> None:
        self.ms = T0_MS
        self._seed = seed
        self._bytes = itertools.count()

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)
        await asyncio.sleep(0)

    def random_bytes(self, size: int) -> bytes:
        text = f"{self._seed}/{next(self._bytes)}".encode()
        return hashlib.shake_256(text).digest(size)

    def new_id(self) -> str:
        return new_id(self.ms)


def new_id(at_ms: int = T0_MS) -> str:
    """A UUIDv7 of this time; later ones are greater."""
    number = next(_numbers)
    digits = f"{at_ms:012x}7{number >> 32 & 0xFFF:03x}8{number & 0xFFFFFFFF:015x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def new_order(
    *,
    at_ms: int = T0_MS,
    principal: str = "local",
    key: str | None = None,
    body: str = "the same",
    reservations: tuple[Reservation, ...] = (),
    rests: bool = False,
    **terms: Any,
) -> NewOrder:
    """A market order, or one that rests."""
    order_id = new_id(at_ms)
    limit: dict[str, Any] = {
        "type": OrderType.LIMIT,
        "limit_price": "150",
        "limit_out_atoms": 225_000_000,
    }
    values: dict[str, Any] = {
        "type": OrderType.MARKET,
        "wallet": WALLET,
        "wallet_address": WALLET,
        "token_in": SOL,
        "token_out": USDC,
        "token_in_name": "SOL",
        "token_out_name": "USDC",
        "token_in_decimals": 9,
        "token_out_decimals": 6,
        "amount_in_atoms": 1_500_000_000,
        "slippage_bps": 100,
        "fee_cap_lamports": 1_000_000,
        **(limit if rests else {}),
        **terms,
    }
    return as_accepted(
        order_id,
        principal,
        key,
        b"\x01" + hashlib.sha256(body.encode()).digest(),
        OrderTerms(**values),
        hashlib.sha256(order_id.encode()).digest(),
        at_ms,
        reservations,
    )


def firing(order: Order, at_ms: int = T0_MS) -> Change:
    """What the watch writes when the trigger of a resting order fires."""
    return change(order, owner=None, due_at_ms=at_ms, release=True, at_ms=at_ms)


def new_signature(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()[:88]


def new_attempt(order: Order, number: int = 1) -> Attempt:
    signature = new_signature(f"{order.order_id}/{number}")
    leg = Leg("raydium-cpmm", "CPMM", "POOL", SOL, USDC, "VAULT_IN", "VAULT_OUT")
    return Attempt(
        signature=signature,
        order_id=order.order_id,
        round=order.round,
        number=number,
        raw=signature.encode() * 5,
        blockhash="5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
        blockhash_slot=1_000,
        blockhash_height=900,
        last_valid_block_height=1_050,
        compute_unit_limit=200_000,
        compute_unit_price_micro_lamports=2**64 - 1,
        tip_lamports=0,
        fee_lamports=25_000,
        latch_address=WALLET,
        latch_generation=0,
        minimum_out_atoms=123_456_789,
        legs=(leg,),
        created_at_ms=T0_MS,
    )


def change(
    order: Order, *types: EventType, at_ms: int = T0_MS, data: bytes = b"{}", **values: Any
) -> Change:
    """What the order's owner writes after these events."""
    events = []
    status = order.status
    for type in types:
        events.append(event(status, type, data))
        status = events[-1].status
    return Change(
        order_id=order.order_id,
        owner=values.pop("owner", order.owner),
        sequence=values.pop("sequence", order.sequence),
        status_before=order.status,
        status=status,
        at_ms=at_ms,
        events=tuple(events),
        **values,
    )


async def submitted(store: Any, claimed: Claimed | Order, **values: Any) -> Order:
    """The order after routed and submitted in one commit, with its first attempt."""
    order = claimed.order if isinstance(claimed, Claimed) else claimed
    attempt = new_attempt(order)
    await store.apply(
        change(
            order,
            EventType.ROUTED,
            EventType.SUBMITTED,
            new_attempt=attempt,
            signature=attempt.signature,
            dex="raydium",
            minimum_out_atoms=attempt.minimum_out_atoms,
            **values,
        )
    )
    return await stored(store, order.order_id)


async def stored(store: Any, order_id: str) -> Order:
    order: Order | None = await store.order(order_id)
    assert order is not None
    return order
