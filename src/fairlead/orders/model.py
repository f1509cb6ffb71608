"""What an order is: its terms as accepted, its row, its attempts, its events. Values only."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class OrderStatus(StrEnum):
    """The statuses of the API contract; `lifecycle` alone says how one follows another."""

    PENDING = "pending"
    OPEN = "open"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


class EventType(StrEnum):
    """What happened to an order, in the past tense. `lifecycle` says which status each leads to."""

    ACCEPTED = "accepted"
    RESTED = "rested"
    CLAIMED = "claimed"
    ROUTED = "routed"
    SUBMITTED = "submitted"
    ATTEMPT_REPLACED = "attempt_replaced"  # the blockhash died unseen: same terms, new blockhash
    FEE_RAISED = "fee_raised"  # not seen yet: the same once more, for a higher fee
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"
    DROPPED = "dropped"  # a fork took the confirmed transaction away
    ROUND_FAILED = "round_failed"
    TAKEN_OVER = "taken_over"
    REOPENED = "reopened"
    FAILED = "failed"
    CANCEL_REQUESTED = "cancel_requested"
    EXPIRY_REACHED = "expiry_reached"
    CANCEL_SENT = "cancel_sent"  # an attempt that takes the latch without a swap
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    STILL_PROVING = "still_proving"  # the chain does not answer: unknown stays unknown


class NumberForm(StrEnum):
    """How amounts and prices of an order are written in JSON."""

    STRING = "string"
    JSON = "json"


class SlippageUnit(StrEnum):
    """The unit in which the client sent its slippage, and in which it is echoed."""

    PERCENT = "percent"
    FRACTION = "fraction"


class OrderTerms(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was agreed when the order was accepted. Never changes."""

    type: OrderType
    # The address that pays and signs (base58): one the engine holds a key for.
    wallet: str
    # The address as the client named it; differs from `wallet` for mapped paper wallets.
    wallet_address: str
    # Mints (base58) and how the client named them.
    token_in: str
    token_out: str
    token_in_name: str
    token_out_name: str
    token_in_decimals: int
    token_out_decimals: int
    # What is sold; of an order with `exact_out_atoms` the most that may be.
    amount_in_atoms: int
    slippage_bps: int
    # Cap over base fees, priority fees and tips of all attempts not proven dead.
    fee_cap_lamports: int
    number_form: NumberForm = NumberForm.STRING
    slippage_unit: SlippageUnit = SlippageUnit.PERCENT
    user_id: str | None = None
    client_order_id: str | None = None
    # Net tokenOut per tokenIn in token units, a decimal string.
    limit_price: str | None = None
    # What that price asks for at this amount, rounded up: the floor that no slippage undercuts
    # (EXACTLY-ONCE 6). Set exactly when `limit_price` is.
    limit_out_atoms: int | None = None
    # 0 … 9, higher first.
    priority: int = 0
    expires_at_ms: int | None = None
    # Allow-list of venue names; None allows all.
    venues: tuple[str, ...] | None = None
    max_price_impact_bps: int | None = None
    # Codes of `venues.token_facts`, as of the accept; None where nobody looked: a listed token.
    token_in_warnings: tuple[str, ...] | None = None
    token_out_warnings: tuple[str, ...] | None = None
    # What must reach the user, where the output is what is exact; None where the input is.
    exact_out_atoms: int | None = None


class TriggerSide(StrEnum):
    """On which side of its threshold a trigger fires."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class PriceSource(StrEnum):
    """What a trigger compares with its threshold."""

    # The net output of the real route at the order's own size.
    ROUTE = "route"


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """What a resting order waits for. Never changes; whether it rests now is the order's status."""

    order_id: str
    kind: OrderType
    side: TriggerSide
    price_source: PriceSource
    # 0 … 9: of those that can fire at once, higher first.
    priority: int
    # Mints (base58).
    token_in: str
    token_out: str
    amount_in_atoms: int
    # The price as what `amount_in_atoms` must give.
    threshold_out_atoms: int
    # Allow-list of venue names; None allows all.
    venues: tuple[str, ...] | None = None
    max_price_impact_bps: int | None = None
    expires_at_ms: int | None = None


class TriggerState(msgspec.Struct, frozen=True, gc=False):
    """A trigger as the store has it."""

    trigger: Trigger
    # Of the event that last made its order rest or took it from its rest.
    position: int
    # Sequence of the order at that event: the fence of whoever fires it or lets it expire.
    sequence: int
    # Whether the order is open.
    resting: bool


NEVER_MS = 2**62
"""The due time of a resting order: no claim takes it until its trigger has fired."""


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """Funds an order holds back from later orders of the same wallet until it has ended."""

    wallet: str
    # A mint, or "lamports" for the native balance (amount, fee cap and rents together).
    asset: str
    atoms: int
    # What the wallet holds of it at `finalized`, read just before the accept.
    balance_atoms: int


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event to be written: the store gives it sequence and position."""

    type: EventType
    # The order's status after it.
    status: OrderStatus
    # A JSON object (bytes) of the frame's further fields, in the order's own number form; b"{}"
    # for none.
    data: bytes = b"{}"


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as committed."""

    # Place in the feed of all orders: gapless, in commit order.
    position: int
    order_id: str
    # Place in the order's own history: gapless, from 1.
    sequence: int
    principal: str
    at_ms: int
    type: EventType
    status: OrderStatus
    data: bytes


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """An order to be accepted: row, first event, place in the queue and reservations in one
    commit."""

    order_id: str
    principal: str
    idempotency_key: str | None
    # Hash over what the client sent, normalised, before defaults; starts with its version byte.
    request_hash: bytes
    terms: OrderTerms
    # 32 random bytes; the latch addresses derive from it.
    secret: bytes
    created_at_ms: int
    # accepted; and for an order that rests, rested.
    events: tuple[NewEvent, ...]
    reservations: tuple[Reservation, ...]
    # What it rests for; None when it is to be executed at once.
    trigger: Trigger | None = None

    @property
    def status(self) -> OrderStatus:
        """The status in which it is stored."""
        return self.events[-1].status

    @property
    def due_at_ms(self) -> int:
        """When it may be claimed."""
        return self.created_at_ms if self.trigger is None else NEVER_MS


class Order(msgspec.Struct, frozen=True, gc=False):
    """The order row."""

    order_id: str
    principal: str
    terms: OrderTerms
    secret: bytes
    status: OrderStatus
    # Sequence of the last event. With the owner it is the fence of every write.
    sequence: int
    created_at_ms: int
    updated_at_ms: int
    owner: str | None = None
    # Rounds begun, 0 before the first.
    round: int = 0
    due_at_ms: int = 0
    # The user's limit in atoms of tokenOut (EXACTLY-ONCE 6), fixed by the first routing.
    minimum_out_atoms: int | None = None
    latch_generation: int = 0
    cancel_requested: bool = False
    # Facts for readers of the table; each set once known.
    signature: str | None = None
    dex: str | None = None
    amount_out_atoms: int | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    finalized_at_ms: int | None = None
    # Rounds that earlier firings used up: each firing starts with all rounds.
    earlier_rounds: int = 0


class AttemptState(StrEnum):
    LIVE = "live"  # may land, has landed, or is not yet proven dead
    SUCCEEDED = "succeeded"  # finalized without an error
    ERRORED = "errored"  # finalized with an error
    DEAD = "dead"  # proven never to land
    # Another took the latch at finalized: it can never succeed. It may still land as a failure,
    # and pay its fee.
    EXCLUDED = "excluded"


class AttemptKind(StrEnum):
    SWAP = "swap"
    CANCEL = "cancel"  # takes the latch, and does nothing else (EXACTLY-ONCE 21)


class Leg(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One swap inside an attempt: what is needed to read its fill from the transaction."""

    venue: str
    program: str
    pool: str
    token_in: str
    token_out: str
    vault_in: str
    vault_out: str
    # The most that its instruction takes, where it names the output exactly; None where the input.
    maximum_in_atoms: int | None = None


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One signed transaction of an order, stored before its first byte leaves."""

    # Base58; unique.
    signature: str
    order_id: str
    round: int
    # 1, 2, … within the order.
    number: int
    raw: bytes
    blockhash: str
    # Slot and block height at which the blockhash was read.
    blockhash_slot: int
    blockhash_height: int
    last_valid_block_height: int
    compute_unit_limit: int
    compute_unit_price_micro_lamports: int
    tip_lamports: int
    # Base fee + priority fee + tip.
    fee_lamports: int
    latch_address: str | None
    latch_generation: int
    minimum_out_atoms: int
    legs: tuple[Leg, ...]
    created_at_ms: int
    state: AttemptState = AttemptState.LIVE
    # Slot in which it was last seen on chain.
    slot: int | None = None
    # JSON of `meta.err` when it landed with an error.
    error: str | None = None
    # The answers that settled it (`solana.proof.Proof`), as JSON.
    evidence: bytes | None = None

    @property
    def kind(self) -> AttemptKind:
        """What it is by what it contains: a stored word could say otherwise than the bytes do."""
        return AttemptKind.SWAP if self.legs else AttemptKind.CANCEL

    @property
    def maximum_in_atoms(self) -> int | None:
        """The most that a swap of an exact output takes; None where the input is exact."""
        return self.legs[0].maximum_in_atoms if self.legs else None


def live_of(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Those that may land, as far as is stored; oldest first."""
    return tuple([a for a in attempts if a.state is AttemptState.LIVE])


class AttemptSettled(msgspec.Struct, frozen=True, gc=False):
    """What the chain proved about an attempt."""

    signature: str
    state: AttemptState
    slot: int | None = None
    error: str | None = None
    # The answers that prove it (`solana.proof.Proof`), as JSON.
    evidence: bytes | None = None


class Change(msgspec.Struct, frozen=True, gc=False):
    """One fenced write of an order: events and what they changed, in one commit.

    It is refused (`Fenced`) unless the row still has this owner and sequence. With `owner=None`
    only the
    sequence is compared (the API cancels that way). Fields that are None leave what is known
    untouched.
    """

    order_id: str
    owner: str | None
    # The sequence of the row this change was decided on.
    sequence: int
    status_before: OrderStatus
    status: OrderStatus
    at_ms: int
    events: tuple[NewEvent, ...] = ()
    new_attempt: Attempt | None = None
    settled: tuple[AttemptSettled, ...] = ()
    round: int | None = None
    due_at_ms: int | None = None
    minimum_out_atoms: int | None = None
    latch_generation: int | None = None
    cancel_requested: bool = False
    signature: str | None = None
    dex: str | None = None
    amount_out_atoms: int | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    finalized_at_ms: int | None = None
    earlier_rounds: int | None = None
    # A fork took the fill away: amount_out_atoms goes back to unknown.
    clear_fill: bool = False
    # The owner lets go: anyone may claim from `due_at_ms` on.
    release: bool = False
    # The order has ended with proof: its reservations are given back.
    end: bool = False


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """An order taken by a worker, with all its attempts, oldest first."""

    order: Order
    attempts: tuple[Attempt, ...] = ()


class Counts(msgspec.Struct, frozen=True, gc=False):
    """Kept counts of one principal's orders by status; missing statuses are zero."""

    by_status: dict[OrderStatus, int]

    def of(self, *statuses: OrderStatus) -> int:
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


class OrderFilter(msgspec.Struct, frozen=True, gc=False):
    """Filters of the order list; None does not filter."""

    principal: str
    user_id: str | None = None
    # Matches the wallet as named by the client or the one that pays.
    wallet: str | None = None
    status: OrderStatus | None = None
    type: OrderType | None = None
