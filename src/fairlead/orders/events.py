"""What an event tells: the JSON object stored with it, which is also the body of its live frame.

Amounts and prices are written once, when the event is made, in the order's own number form:
decimal strings,
or JSON numbers with exactly the same digits. `rewrite_numbers` turns stored data into the other
form.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from fairlead.amounts import decimal_from_atoms
from fairlead.orders.model import NumberForm

Number = str | msgspec.Raw
"""A decimal string, or the same digits as a raw JSON number."""

DECIMAL_FIELDS = frozenset(
    {
        "amount",
        "amountIn",
        "amountOut",
        "maxAmountIn",
        "maximumIn",
        "netAmountIn",
        "netAmountOut",
        "requestedAmountOut",
        "minimumOut",
        "executedPrice",
        "limitPrice",
        "price",
        "priceImpact",
        "fee",
        "networkFee",
        "slippage",
    }
)
"""Names, anywhere in an answer or frame, whose values follow the number form."""


@lru_cache(maxsize=64)
def iso(at_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds and Z. Events of one moment share it."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{_second(seconds)}.{ms:03}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def number(plain: str, form: NumberForm) -> Number:
    """A plain decimal in the given form."""
    return msgspec.Raw(plain.encode()) if form is NumberForm.JSON else plain


def number_from_atoms(atoms: int, decimals: int, form: NumberForm) -> Number:
    """Token units of an atom amount in the given form."""
    plain = decimal_from_atoms(atoms, decimals)
    return msgspec.Raw(plain.encode()) if form is NumberForm.JSON else plain


@lru_cache(maxsize=1_024)
def percent_from_bps(bps: int, form: NumberForm) -> Number:
    """12 bps is 0.12 percent."""
    return number_from_atoms(bps, 2, form)


class LegData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    program: str
    pool: str
    venue: str
    token_in: str
    token_out: str
    amount_in: Number | None = None
    amount_out: Number | None = None


class LeftoverData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What the first of two hops brought and the second did not take."""

    # Mint.
    token: str
    amount: Number


class QuoteData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """One pool's quote for the order's size, or why it has none; or that of a route."""

    # raydium, meteora, or split.
    dex: str
    # Left out where the legs of a route go to several.
    venue: str | None = None
    pool: str | None = None
    # Of an exact output: what it takes, and the most that its instruction would.
    amount_in: Number | None = None
    maximum_in: Number | None = None
    amount_out: Number | None = None
    # What the instruction would insist on, in tokenOut.
    minimum_out: Number | None = None
    # Net of rent and network fees turned into tokenOut: what routing compares.
    net_amount_out: Number | None = None
    price_impact: Number | None = None
    price_impact_bps: int | None = None
    fee: Number | None = None
    # Set when the fee is not in tokenIn.
    fee_token: str | None = None
    # Mints.
    route: tuple[str, ...] = ()
    # Of a route with several legs, in execution order.
    legs: tuple[LegData, ...] | None = None
    # Expected to stay with the wallet, of two hops.
    leftover: LeftoverData | None = None
    # The modes of the pool that follow its sources alone: no program at hand knows them.
    unproven: str | None = None
    # Why this pool cannot serve the order.
    error: str | None = None


class AttemptData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """The attempt an event speaks of."""

    number: int
    round: int
    tx_signature: str
    last_valid_block_height: int
    priority_fee_lamports: int
    latch: str | None = None
    # cancel; left out for a swap.
    kind: str | None = None


class EventData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Everything an event may know. Fields it does not know are left out."""

    quote: QuoteData | None = None
    quotes: tuple[QuoteData, ...] | None = None
    # raydium, meteora, or split.
    selected_dex: str | None = None
    dex: str | None = None
    # Left out where the legs go to several.
    venue: str | None = None
    legs: tuple[LegData, ...] | None = None
    leftover: LeftoverData | None = None
    minimum_out: Number | None = None
    # Of an exact output: the most that the attempt takes.
    maximum_in: Number | None = None
    tx_signature: str | None = None
    tx_hash: str | None = None
    attempt: AttemptData | None = None
    executed_price: Number | None = None
    amount_in: Number | None = None
    amount_out: Number | None = None
    network_fee_lamports: int | None = None
    slot: int | None = None
    # The fill may still be dropped by a fork.
    provisional: bool | None = None
    retry_count: int | None = None
    reason: str | None = None
    failure_code: str | None = None
    next_try_at: str | None = None
    # By what an end is proven: agreed or single-source (`proofs`, which adds it).
    proof: str | None = None


_encoder = msgspec.json.Encoder()


def encode(data: EventData) -> bytes:
    """The stored form."""
    return _encoder.encode(data)


def _exact(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_exact_decoder = msgspec.json.Decoder(float_hook=_exact)


def decode_exact(data: bytes) -> Any:
    """JSON as Python values with non-integer numbers kept as raw digits, never as float."""
    return _exact_decoder.decode(data)


def in_form(value: Any, form: NumberForm, name: str = "") -> Any:
    """A decoded JSON value with every decimal field in the given form, nested ones too."""
    if isinstance(value, dict):
        return {key: in_form(item, form, key) for key, item in value.items()}
    if isinstance(value, list):
        return [in_form(item, form, name) for item in value]
    if name not in DECIMAL_FIELDS or value is None or isinstance(value, bool):
        return value
    plain = bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value)
    return number(plain, form)


def rewrite_numbers(data: bytes, form: NumberForm) -> bytes:
    """A JSON document with every decimal field in the given form, digits unchanged."""
    return _encoder.encode(in_form(decode_exact(data), form))
