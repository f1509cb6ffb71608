"""What the API answers, typed.

Amounts and prices are decimal strings; a field the API did not send is None.
"""

from typing import Any, TypeVar

import msgspec

from fairlead.orders.events import rewrite_numbers
from fairlead.orders.model import NumberForm

_LAST_EVENTS = frozenset({"finalized", "failed", "cancelled", "expired"})
_ENDED = frozenset({"failed", "cancelled", "expired"})


class Answer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    pass


class Submitted(Answer, frozen=True):
    """The order is stored: whatever crashes now, it will be executed or its end proven."""

    order_id: str
    status: str
    message: str = ""
    # The idempotency key had made this order before.
    replayed: bool = False
    # The key that was sent: submit again with it after a doubt.
    idempotency_key: str = ""


class Leg(Answer, frozen=True):
    """One swap of a route. Amounts are None where the chain does not tell them apart."""

    program: str
    pool: str
    venue: str | None = None
    token_in: str | None = None
    token_out: str | None = None
    amount_in: str | None = None
    amount_out: str | None = None


class Leftover(Answer, frozen=True):
    """What the first of two hops brought and the second did not take: the wallet keeps it."""

    # Mint.
    token: str
    amount: str


class Quote(Answer, frozen=True):
    """One pool's quote for the size asked, or why it has none; or that of a route of several
    swaps."""

    # raydium, meteora, or split.
    dex: str
    venue: str | None = None
    pool: str | None = None
    # Of an exact output: what it takes, and the most that an order would let it.
    amount_in: str | None = None
    maximum_in: str | None = None
    amount_out: str | None = None
    minimum_out: str | None = None
    net_amount_out: str | None = None
    # Percent.
    price_impact: str | None = None
    price_impact_bps: int | None = None
    fee: str | None = None
    fee_token: str | None = None
    # Mints.
    route: tuple[str, ...] = ()
    # Of a route of several swaps, in the order they execute.
    legs: tuple[Leg, ...] = ()
    leftover: Leftover | None = None
    # Modes of the pool that were never held against its program.
    unproven: str | None = None
    error: str | None = None


class Attempt(Answer, frozen=True):
    tx_signature: str
    round: int | None = None
    number: int | None = None
    # live, succeeded, errored or dead.
    state: str | None = None
    priority_fee_lamports: int | None = None
    last_valid_block_height: int | None = None
    latch: str | None = None
    created_at: str | None = None


class Order(Answer, frozen=True):
    """Everything known about an order."""

    order_id: str
    status: str
    type: str = "market"
    wallet: str | None = None
    wallet_address: str | None = None
    user_id: str | None = None
    client_order_id: str | None = None
    # As the client named them, and their mints.
    token_in: str = ""
    token_out: str = ""
    token_in_mint: str | None = None
    token_out_mint: str | None = None
    # As of the accept; None for a listed token, of which nobody asked the chain.
    token_in_warnings: tuple[str, ...] | None = None
    token_out_warnings: tuple[str, ...] | None = None
    amount_in: str | None = None
    amount_in_atoms: str | None = None
    # Of an exact output: what must come of it, and the most that it may cost. What it took is
    # `amount_in`, once it is filled.
    requested_amount_out: str | None = None
    max_amount_in: str | None = None
    slippage_bps: int | None = None
    minimum_out: str | None = None
    limit_price: str | None = None
    expires_at: str | None = None
    # raydium, meteora, or split.
    selected_dex: str | None = None
    venue: str | None = None
    legs: tuple[Leg, ...] = ()
    leftover: Leftover | None = None
    quote: Quote | None = None
    quotes: tuple[Quote, ...] = ()
    executed_price: str | None = None
    amount_out: str | None = None
    network_fee_lamports: int | None = None
    # The fill may still be dropped by a fork.
    provisional: bool | None = None
    tx_signature: str | None = None
    slot: int | None = None
    retry_count: int = 0
    attempts: tuple[Attempt, ...] = ()
    failure_code: str | None = None
    failure_reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    finalized_at: str | None = None


class OrderList(Answer, frozen=True):
    """A page of orders, newest first, with counts over all orders the caller may see."""

    orders: tuple[Order, ...] = ()
    next_cursor: str | None = None
    waiting: int = 0
    active: int = 0
    open: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    total: int = 0


class Cancellation(Answer, frozen=True):
    """cancelled: it ends here. cancelling: it was in flight; the order's stream says which won."""

    order_id: str
    status: str


class Quotes(Answer, frozen=True):
    """Every pool's quote, the best route and the others; no order was made."""

    quotes: tuple[Quote, ...] = ()
    best: Quote | None = None
    # What the best route nets more than the best pool alone; None where either is missing.
    saving_bps: int | None = None
    # The best of each shape of routes, the chosen one first.
    alternatives: tuple["AlternativeRoute", ...] = ()
    token_in: str | None = None
    token_out: str | None = None
    amount_in: str | None = None
    # Of the chain, at which all of them were read.
    slot: int | None = None
    # Why the best is the best.
    reason: str = ""
    # Pools of the pair that were not quoted.
    left_out: tuple["LeftOut", ...] = ()
    token_in_warnings: tuple[str, ...] = ()
    token_out_warnings: tuple[str, ...] = ()


class AlternativeRoute(Answer, frozen=True):
    """The best route of one shape: single, split or two_hop."""

    shape: str
    # Mints.
    route: tuple[str, ...] = ()
    chosen: bool = False
    # Why it was not chosen.
    why: str | None = None
    # bytes, account_locks or compute_units, where one of these keeps a better one out.
    limit: str | None = None
    amount_out: str | None = None
    net_amount_out: str | None = None
    legs: tuple[Leg, ...] = ()


class LeftOut(Answer, frozen=True):
    pool: str
    reason: str


class Token(Answer, frozen=True):
    # Empty for a token that is not listed.
    symbol: str
    mint: str
    decimals: int
    name: str = ""
    # What the chain says, of a token that was asked for by itself.
    token_program: str | None = None
    supply_atoms: str | None = None
    warnings: tuple[str, ...] | None = None
    # Whether orders for it are taken, and why not.
    tradable: bool | None = None
    refusal: str | None = None


class Reserve(Answer, frozen=True):
    """What a pool had of one of its tokens when it was last weighed."""

    mint: str
    symbol: str | None = None
    amount: str | None = None
    atoms: str | None = None


class Pool(Answer, frozen=True):
    """A pool, and why it is left out if it is."""

    address: str
    usable: bool
    venue: str | None = None
    dex: str | None = None
    reserves: tuple[Reserve, ...] = ()
    # How old what is known of its accounts is.
    slot: int | None = None
    age_slots: int | None = None
    age_ms: int | None = None
    reason: str | None = None


class Pools(Answer, frozen=True):
    """The deepest first; those left out come last."""

    slot: int
    pools: tuple[Pool, ...] = ()
    not_shown: int = 0


class Update(Answer, frozen=True):
    """One event of an order, with what that step knows."""

    sequence: int
    status: str
    timestamp: str = ""
    order_id: str = ""
    # Opaque place in the feed of all orders.
    cursor: str | None = None
    event: str | None = None
    quote: Quote | None = None
    quotes: tuple[Quote, ...] | None = None
    selected_dex: str | None = None
    venue: str | None = None
    legs: tuple[Leg, ...] | None = None
    leftover: Leftover | None = None
    minimum_out: str | None = None
    # Of an exact output: the most that the attempt takes.
    maximum_in: str | None = None
    attempt: Attempt | None = None
    tx_signature: str | None = None
    slot: int | None = None
    network_fee_lamports: int | None = None
    executed_price: str | None = None
    amount_in: str | None = None
    amount_out: str | None = None
    # The fill may still be dropped by a fork.
    provisional: bool | None = None
    retry_count: int | None = None
    reason: str | None = None
    failure_code: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether the order has nothing more to say."""
        return self.event in _LAST_EVENTS or self.status in _ENDED


class Frame(Answer, frozen=True):
    """A message of a socket, before it becomes updates."""

    type: str
    order_id: str = ""
    cursor: str | None = None
    logs: tuple[Update, ...] = ()
    code: str = ""
    message: str = ""
    detail: str = ""


A = TypeVar("A")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(data: bytes, type: type[A]) -> A:
    """The answer; `msgspec.ValidationError` when it is none."""
    decoder = _decoders.get(type)
    if decoder is None:
        decoder = _decoders[type] = msgspec.json.Decoder(type)
    try:
        answer: A = decoder.decode(data)
    except msgspec.ValidationError:
        # An order sent with JSON numbers is told in JSON numbers: the same digits, as strings.
        answer = decoder.decode(rewrite_numbers(data, NumberForm.STRING))
    return answer
