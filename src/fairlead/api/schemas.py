"""The bodies of requests and answers, as structs: encoders and /openapi.json are made from them.

`Amount` marks decimals that follow the number form: a string, or a JSON number of the same digits.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fairlead.orders.model import OrderType

Amount = str
"""In the schema both a decimal string and a JSON number: `openapi.py` widens it by field name."""

Address = Annotated[str, Meta(description="base58", min_length=32, max_length=44)]
Time = Annotated[str, Meta(description="ISO 8601 in UTC with milliseconds, ends in Z")]


class OrderBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """An order. Two names for one thing must be equal; numbers are never read through float."""

    token_in: Annotated[str, Meta(description="mint address or symbol", max_length=64)]
    token_out: Annotated[str, Meta(description="mint address or symbol", max_length=64)]
    # market when absent.
    type: OrderType | msgspec.UnsetType = msgspec.UNSET
    order_type: OrderType | msgspec.UnsetType = msgspec.UNSET
    amount_in: (
        Annotated[str, Meta(description="decimal, token units")] | int | float | msgspec.UnsetType
    ) = msgspec.UNSET
    amount: (
        Annotated[str, Meta(description="same as amountIn")] | int | float | msgspec.UnsetType
    ) = msgspec.UNSET
    amount_in_atoms: (
        Annotated[str, Meta(pattern="^[0-9]{1,20}$", description="atoms")] | msgspec.UnsetType
    ) = msgspec.UNSET
    amount_out: (
        Annotated[str, Meta(description="exact output, token units: instead of amountIn")]
        | int
        | float
        | msgspec.UnsetType
    ) = msgspec.UNSET
    amount_out_atoms: (
        Annotated[str, Meta(pattern="^[0-9]{1,20}$", description="atoms")] | msgspec.UnsetType
    ) = msgspec.UNSET
    max_amount_in: (
        Annotated[str, Meta(description="the most that amountOut may cost; required beside it")]
        | int
        | float
        | msgspec.UnsetType
    ) = msgspec.UNSET
    max_amount_in_atoms: (
        Annotated[str, Meta(pattern="^[0-9]{1,20}$", description="atoms")] | msgspec.UnsetType
    ) = msgspec.UNSET
    slippage_bps: Annotated[int, Meta(ge=0, le=5_000)] | msgspec.UnsetType = msgspec.UNSET
    slippage: (
        Annotated[
            str,
            Meta(
                description="percent beside amountIn and orderType,"
                " a fraction beside amount and type; else send slippageBps"
            ),
        ]
        | int
        | float
        | msgspec.UnsetType
    ) = msgspec.UNSET
    wallet: Address | msgspec.UnsetType = msgspec.UNSET
    wallet_address: Address | msgspec.UnsetType = msgspec.UNSET
    user_id: Annotated[str, Meta(min_length=1, max_length=255)] | msgspec.UnsetType = msgspec.UNSET
    client_order_id: Annotated[str, Meta(min_length=1, max_length=255)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    limit_price: (
        Annotated[
            str, Meta(description="net tokenOut per tokenIn: of limit orders, and of no others")
        ]
        | int
        | float
        | msgspec.UnsetType
    ) = msgspec.UNSET
    priority: Annotated[int, Meta(ge=0, le=9)] | msgspec.UnsetType = msgspec.UNSET
    expires_at: Annotated[str, Meta(description="ISO 8601")] | msgspec.UnsetType = msgspec.UNSET
    venues: Annotated[list[str], Meta(min_length=1, max_length=32)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    max_price_impact_bps: Annotated[int, Meta(ge=0, le=10_000)] | msgspec.UnsetType = msgspec.UNSET
    max_priority_fee_lamports: Annotated[int, Meta(ge=0, le=1_000_000_000)] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class Links(msgspec.Struct, frozen=True, gc=False):
    """Where to read on."""

    self: str
    events: str
    websocket: str


class AcceptedAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """The order is stored and will be executed; one with a limit when its price can be had."""

    success: bool
    order_id: str
    status: str
    message: str
    links: Links
    # Given when the wallet named is not the one that pays (paper wallets).
    wallet: str | None = None
    wallet_address: str | None = None


class CancelAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """`cancelled`, or `cancelling` while the chain may still say otherwise."""

    success: bool
    order_id: str
    status: str
    message: str


class LegView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One swap inside the transaction. Amounts are left out where the chain does not tell them
    apart."""

    program: str
    pool: str
    venue: str
    token_in: str
    token_out: str
    amount_in: Amount | None = None
    amount_out: Amount | None = None


class LeftoverView(msgspec.Struct, frozen=True, rename="camel"):
    """What the first of two hops brought and the second did not take: the wallet keeps it."""

    # Mint.
    token: Address
    amount: Amount


class QuoteView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One pool's quote, or why it has none; or that of a route of several swaps."""

    # raydium, meteora, or split.
    dex: str
    # Left out where the swaps go to several.
    venue: str | None = None
    pool: str | None = None
    # Of an exact output: what it takes, and the most that an order would let it.
    amount_in: Amount | None = None
    maximum_in: Amount | None = None
    amount_out: Amount | None = None
    minimum_out: Amount | None = None
    net_amount_out: Amount | None = None
    price_impact: Amount | None = None
    price_impact_bps: int | None = None
    fee: Amount | None = None
    fee_token: str | None = None
    # Mints.
    route: list[str] = []
    # Of a route of several swaps, in the order they execute.
    legs: list[LegView] | None = None
    leftover: LeftoverView | None = None
    # The modes of the pool that were never held against its program.
    unproven: str | None = None
    error: str | None = None


class AttemptView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One signed transaction."""

    number: int
    round: int
    tx_signature: str
    tx_hash: str
    last_valid_block_height: int
    priority_fee_lamports: int
    created_at: Time
    latch: str | None = None
    # cancel, when it takes the latch without a swap.
    kind: str | None = None
    # live, succeeded, errored, dead or excluded; on GET of one order.
    state: str | None = None


class OrderView(msgspec.Struct, frozen=True, rename="camel"):
    """Everything known about an order; null is not known (yet)."""

    order_id: str
    status: str
    sequence: int
    type: str
    order_type: str
    wallet: Address
    wallet_address: Address
    user_id: str | None
    client_order_id: str | None
    token_in: str
    token_out: str
    token_in_mint: Address
    token_out_mint: Address
    # As of the accept; null for a listed token, of which nobody asked the chain.
    token_in_warnings: list[str] | None
    token_out_warnings: list[str] | None
    # Of an exact output: what it took, null until it is filled.
    amount_in: Amount | None
    amount_in_atoms: str | None
    # Asked for exactly, and the most that it may cost; null where the input is exact.
    requested_amount_out: Amount | None
    max_amount_in: Amount | None
    slippage_bps: int
    slippage: Amount
    limit_price: Amount | None
    priority: int
    expires_at: Time | None
    venues: list[str] | None
    max_price_impact_bps: int | None
    fee_cap_lamports: int
    created_at: Time
    updated_at: Time
    quote: QuoteView | None
    quotes: list[QuoteView]
    selected_dex: str | None
    dex: str | None
    # Null where the swaps go to several; `legs` names each.
    venue: str | None
    legs: list[LegView]
    leftover: LeftoverView | None
    minimum_out: Amount | None
    tx_signature: str | None
    tx_hash: str | None
    executed_price: Amount | None
    amount_out: Amount | None
    network_fee_lamports: int | None
    slot: int | None
    provisional: bool | None
    retry_count: int
    next_try_at: Time | None
    # By what its end is proven: agreed (two providers) or single-source; null without an attempt.
    proof: str | None
    attempts: list[AttemptView]
    failure_reason: str | None
    failure_code: str | None
    finalized_at: Time | None


class OrderList(msgspec.Struct, frozen=True, rename="camel"):
    """Kept counts of all orders the caller may see, whatever the filters, and one page."""

    waiting: int
    active: int
    open: int
    completed: int
    failed: int
    cancelled: int
    expired: int
    total: int
    orders: list[OrderView]
    next_cursor: str | None


class EventView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One event: the fields of its live frame."""

    order_id: str
    sequence: int
    cursor: str
    status: str
    event: str
    timestamp: Time
    quote: QuoteView | None = None
    quotes: list[QuoteView] | None = None
    selected_dex: str | None = None
    dex: str | None = None
    venue: str | None = None
    legs: list[LegView] | None = None
    leftover: LeftoverView | None = None
    minimum_out: Amount | None = None
    maximum_in: Amount | None = None
    tx_signature: str | None = None
    tx_hash: str | None = None
    attempt: dict[str, Any] | None = None
    executed_price: Amount | None = None
    amount_in: Amount | None = None
    amount_out: Amount | None = None
    network_fee_lamports: int | None = None
    slot: int | None = None
    provisional: bool | None = None
    retry_count: int | None = None
    reason: str | None = None
    failure_code: str | None = None
    next_try_at: Time | None = None
    proof: str | None = None


class EventList(msgspec.Struct, frozen=True):
    """A page of an order's events; ask again with `after` = `next`."""

    events: list[EventView]
    next: int


class LeftOutView(msgspec.Struct, frozen=True):
    """A pool that was not quoted."""

    pool: Address
    reason: str


class AlternativeView(msgspec.Struct, frozen=True, rename="camel"):
    """The best route of one shape (single, split, two_hop), and why it was not chosen."""

    shape: str
    # Mints.
    route: list[str]
    chosen: bool
    why: str | None
    # bytes, account_locks or compute_units, where one of these keeps a better one out.
    limit: str | None
    amount_out: Amount | None
    net_amount_out: Amount | None
    # Empty where there is no such route.
    legs: list[LegView]


class QuotesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Every pool's quote, best first, the best route, and the others; no order is made."""

    token_in: str
    token_out: str
    token_in_mint: Address
    token_out_mint: Address
    # Null where an exact output was asked for.
    amount_in: Amount | None
    amount_in_atoms: str | None
    requested_amount_out: Amount | None
    slippage_bps: int
    slot: int
    quotes: list[QuoteView]
    best: QuoteView | None
    # What the best route nets more than the best pool alone; null where either is missing.
    saving_bps: int | None
    # The best of each shape of routes, the chosen one first.
    alternatives: list[AlternativeView]
    reason: str
    # Pools of the pair that were not quoted, then those of paths through other tokens.
    left_out: list[LeftOutView]
    # Codes: docs/pools-and-tokens.md.
    token_in_warnings: list[str]
    token_out_warnings: list[str]


class TokenView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A token that may be named by its symbol, or one that was asked for by its mint."""

    # Empty, as the name, for a token that is not listed.
    symbol: str
    name: str
    mint: Address
    decimals: int
    # Of a token that was asked for by its mint: what the chain says.
    token_program: Address | None = None
    supply_atoms: str | None = None
    # Codes: docs/pools-and-tokens.md.
    warnings: list[str] | None = None
    # Whether orders for it are taken, and why not.
    tradable: bool | None = None
    refusal: str | None = None


class TokenListAnswer(msgspec.Struct, frozen=True):
    tokens: list[TokenView]


class PoolReserve(msgspec.Struct, frozen=True):
    """What a pool had of one of its tokens when it was last weighed."""

    mint: Address
    symbol: str | None
    amount: str | None
    atoms: str | None


class PoolView(msgspec.Struct, frozen=True, rename="camel"):
    """A pool, how old what is known of its accounts is, and why it is left out if it is."""

    address: Address
    venue: str | None
    dex: str | None
    reserves: list[PoolReserve]
    slot: int | None
    age_slots: int | None
    age_ms: int | None
    usable: bool
    reason: str | None


class PoolListAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The deepest pools first; those left out come last."""

    slot: int
    pools: list[PoolView]
    # How many more are left out than are shown.
    not_shown: int


class BalanceView(msgspec.Struct, frozen=True):
    """What a wallet holds of one token at `finalized`."""

    symbol: str
    mint: Address
    amount: Amount
    atoms: str


class WalletView(msgspec.Struct, frozen=True, rename="camel"):
    address: Address
    is_default: bool
    balances: list[BalanceView]
    # What its ended orders lent to latches and did not take back yet; on top of the balances.
    lamports_lent: str


class WalletList(msgspec.Struct, frozen=True):
    wallets: list[WalletView]


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str
    version: str


class Ready(msgspec.Struct, frozen=True):
    """Every part answers."""

    status: str
    checks: dict[str, str]
