"""The seams of fairlead. Each has a real and a simulated side; shells meet only here and in
`bootstrap`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders.lent import Lent, LentLatch, Reclaim, ReclaimSettled
from fairlead.orders.model import (
    Attempt,
    Change,
    Claimed,
    Counts,
    NewOrder,
    Order,
    OrderFilter,
    StoredEvent,
    TriggerState,
)
from fairlead.solana.landed import LandedTransaction as LandedTransaction
from fairlead.solana.landed import TokenBalance as TokenBalance
from fairlead.venues.pools import Search
from fairlead.venues.token_facts import TokenFacts
from fairlead.venues.venue import Account, ChainTime, LoadedPool

# --- Clock ---


class Clock(Protocol):
    """Time, sleep, ids and randomness. Clocks serve liveness only; heights and slots decide."""

    def now_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def random_bytes(self, size: int) -> bytes:
        """Unguessable bytes."""
        ...

    def new_id(self) -> str:
        """A UUIDv7, so that ids append to indexes."""
        ...


# --- Store ---


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The answer to an accept: a new order, or the one an idempotency key already made."""

    order_id: str
    replayed: bool
    # The order as its worker has it, when it was claimed in the same commit.
    claimed: Claimed | None = None


class Committed(msgspec.Struct, frozen=True, gc=False):
    """What one flush of this process committed, in position order (gapless within the flush)."""

    events: tuple[StoredEvent, ...]
    # A claimable order came into being.
    work: bool


class Wake(msgspec.Struct, frozen=True, gc=False):
    """Another process committed something, or signals may have been lost: look at the store."""

    # Highest position known to be committed; None when unknown.
    position: int | None = None
    work: bool = True


class OrderPage(msgspec.Struct, frozen=True, gc=False):
    """Orders newest first. `next_cursor` continues the page; None on the last."""

    orders: tuple[Order, ...]
    next_cursor: str | None


class RateLimit(msgspec.Struct, frozen=True, gc=False):
    """At most `orders` claims of new orders in any window of `window_ms`, over all workers."""

    orders: int
    window_ms: int


class Store(Protocol):
    """Orders, attempts and events, durable. Every method that writes returns after the commit.

    Errors: `Unavailable("store", …)` when it does not answer (nothing was written);
    `WriteOutcomeUnknown` when the connection broke in the commit.
    """

    async def accept(self, order: NewOrder, owner: str | None = None) -> Accepted:
        """Insert order, events, queue place, reservations and trigger in one commit.

        With an `owner`, a pending order is claimed in it too: it is left as accept and then claim
        would leave it. A replay or a refusal claims nothing; nor does a store with a rate limit.
        `IdempotencyConflict` for a used key with another hash; `InsufficientFunds` when a
        reservation
        exceeds balance less what live orders of the wallet hold.
        """
        ...

    async def replay(
        self, principal: str, idempotency_key: str, request_hash: bytes
    ) -> Accepted | None:
        """The order this key made, None if unused; `IdempotencyConflict` for other terms."""
        ...

    async def claim(self, owner: str, places: int, now_ms: int) -> tuple[Claimed, ...]:
        """Take up to `places` orders that are pending, open (fired: see `NEVER_MS`) or routing,
        unowned and due: priority, then due time.

        pending and open become routing with event `claimed` and the next round; routing keeps
        status and round. Honours the rate limit for orders that were pending or open.
        """
        ...

    async def adopt(self, owner: str, limit: int, now_ms: int) -> tuple[Claimed, ...]:
        """Take unowned orders that may have a live attempt or await finality (submitted,
        confirmed, cancelling)."""
        ...

    async def next_due_ms(self) -> int | None:
        """When the next unowned order becomes claimable, None when none waits."""
        ...

    async def apply(self, change: Change) -> int:
        """Commit a change and return the row's new sequence; `Fenced` when owner or sequence
        moved on."""
        ...

    async def order(self, order_id: str) -> Order | None: ...
    async def attempts(self, order_id: str) -> tuple[Attempt, ...]: ...
    async def cancelling(self, owner: str) -> tuple[str, ...]:
        """Ids of this owner's orders whose status is cancelling."""
        ...

    async def orders(self, filter: OrderFilter, limit: int, cursor: str | None) -> OrderPage:
        """A keyset page; `Rejected` for a malformed cursor."""
        ...

    async def counts(self, principal: str) -> Counts: ...
    async def active_orders(self) -> Mapping[str, str]:
        """Id and status of every order that somebody has in hand or that waits for somebody."""
        ...

    async def events(self, order_id: str, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """Events of one order with sequence > after, in order."""
        ...

    async def events_of(self, order_ids: Sequence[str]) -> Mapping[str, tuple[StoredEvent, ...]]:
        """All events of several orders (a page's worth)."""
        ...

    async def feed(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """Events of all orders with position > after, in position order, nothing skipped."""
        ...

    async def feed_head(self) -> int:
        """The highest committed position, 0 before the first."""
        ...

    async def known_attempts(self, signatures: Sequence[str]) -> frozenset[str]:
        """Those of these signatures that are attempts, or reclaims."""
        ...

    async def last_landed(self, wallet: str) -> str | None:
        """An attempt of this wallet that is finalized, in the highest slot of those whose orders
        had ended before any that goes on was accepted; None where there is none."""
        ...

    async def active_wallets(self) -> frozenset[str]:
        """Wallets of the orders that somebody has in hand or that wait for somebody."""
        ...

    async def resting_wallets(self, after: int, limit: int) -> tuple[tuple[int, str], ...]:
        """Position and wallet of each resting order at a position > after, in position order."""
        ...

    async def unfinished(self, wallet: str) -> tuple[Order, ...]:
        """Every order of this wallet that has not ended, oldest first."""
        ...

    async def reserved(self, wallet: str) -> Mapping[str, int]:
        """Atoms held back by live orders, by asset."""
        ...

    async def queue(self, now_ms: int) -> "QueueState": ...

    async def register_worker(self, owner: str, lease_until_ms: int) -> None: ...
    async def renew_lease(self, owner: str, lease_until_ms: int) -> bool:
        """False when the worker was already declared dead: it must stop and register anew."""
        ...

    async def release_worker(self, owner: str, now_ms: int) -> None:
        """A graceful end: everything it owned becomes claimable at once."""
        ...

    async def release_dead_workers(self, now_ms: int) -> tuple[str, ...]:
        """Free the orders of workers whose lease ran out or whose session is gone; who they were.

        An order in routing or building gets the event `taken_over` and is routing again.
        """
        ...

    async def take_watch(self, owner: str) -> bool:
        """Whether this worker watches the triggers from now on, or does already. One does at a
        time: another gets the watch only once that one is no longer among the workers."""
        ...

    async def triggers(
        self, after: int, limit: int, *, resting_only: bool
    ) -> tuple[TriggerState, ...]:
        """Triggers whose orders came to rest, or ceased to, at a position > after, in position
        order, nothing skipped."""
        ...

    async def note_latches(self, events: int) -> bool:
        """Look through so many further events, in position order, for orders that ended with
        latches, which then wait to be taken back; whether there are more events."""
        ...

    async def due_latches(self, height: int, limit: int) -> tuple[LentLatch, ...]:
        """Latches that wait, of orders whose newest blockhash is of this height or below, oldest
        first."""
        ...

    async def begin_reclaim(self, reclaim: Reclaim) -> bool:
        """Store a reclaim before it is sent; False, and nothing is, unless all its latches wait.

        Told again, it answers the same."""
        ...

    async def live_reclaims(self, limit: int) -> tuple[Reclaim, ...]:
        """Those whose end is not known, oldest first."""
        ...

    async def settle_reclaim(self, settled: ReclaimSettled) -> None:
        """Store how a live reclaim ended: its latches are empty, or wait again."""
        ...

    async def absent_latches(self, addresses: Sequence[str]) -> None:
        """Store of latches that wait that they hold nothing."""
        ...

    async def lent(self) -> Lent: ...

    async def ping(self) -> None: ...


class QueueState(msgspec.Struct, frozen=True, gc=False):
    """The queue for metrics and readiness."""

    waiting: int
    # Since when the order has been due that waits longest: since its accept, or since it fired.
    oldest_ms: int | None
    # Workers whose lease is alive.
    workers: int


# --- Hands ---


class Hand(Protocol):
    """The worker of this process, that has begun an order which is just about to be accepted. What
    it writes is queued behind the accept, and refused where that stored nothing."""

    # For whom the order is to be accepted as claimed.
    owner: str

    def put_back(self) -> None:
        """Nothing was stored: leave it."""
        ...

    def doubt(self) -> None:
        """Whether the order was stored, and claimed, is unknown: the worker finds out."""
        ...


class Hands(Protocol):
    """The worker beside an API in one process: its free places are known without asking."""

    def begin(self, order: NewOrder) -> Hand | None:
        """Begin an order right before it is accepted; None when no place is free, when the worker
        may not take orders, or when orders are known to wait that a new one must not overtake."""
        ...


# --- Bus ---

Signal = Committed | Wake


class Bus(Protocol):
    """Wake-ups. Losing any of them loses nothing: every listener also looks at the store by
    itself."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    def publish(self, committed: Committed) -> None:
        """Tell this process's listeners and, by the bus's own means, other processes. Never
        blocks."""
        ...

    def subscribe(self, listener: Callable[[Signal], None]) -> Callable[[], None]:
        """Call `listener` on the event loop for each signal; returns the unsubscribe."""
        ...

    async def ping(self) -> None: ...


# --- Chain ---


class Blockhash(msgspec.Struct, frozen=True, gc=False):
    """A recent blockhash with the slot and height of the bank it was read at."""

    blockhash: str
    slot: int
    block_height: int
    last_valid_block_height: int


class EpochInfo(msgspec.Struct, frozen=True, gc=False):
    """Slot and height of one bank, from one answer of one endpoint."""

    slot: int
    block_height: int
    epoch: int


class SignatureStatus(msgspec.Struct, frozen=True, gc=False):
    slot: int
    # JSON of the error, None for success.
    error: str | None
    # processed, confirmed or finalized.
    commitment: str


class AccountsAtSlot(msgspec.Struct, frozen=True, gc=False):
    """Accounts read together from one bank. Missing ones are absent from the mapping."""

    slot: int
    accounts: Mapping[Pubkey, Account]


class Simulation(msgspec.Struct, frozen=True, gc=False):
    slot: int
    # JSON of the error, None for success.
    error: str | None
    logs: tuple[str, ...]
    compute_units: int


class AddressSignature(msgspec.Struct, frozen=True, gc=False):
    """A transaction that named an address."""

    signature: str
    slot: int
    # JSON of the error, None for success.
    error: str | None


class SendOutcome(msgspec.Struct, frozen=True, gc=False):
    """What an endpoint said to a send. Anything but `accepted` means unknown, never failed (rule
    8)."""

    accepted: bool
    # The endpoint has seen this signature before (AlreadyProcessed).
    already_processed: bool = False
    detail: str = ""


class Chain(Protocol):
    """A Solana cluster, or a ledger that behaves as one. Commitments are processed, confirmed,
    finalized.

    Reads raise `Unavailable("chain", …)` when the endpoint does not answer; sends never raise.
    """

    # Safe to show: of an endpoint its host, never a key.
    name: str

    @property
    def witnesses(self) -> "Sequence[Chain]":
        """The single endpoints behind it, each able to answer alone: what ends an order is asked of
        each. A single endpoint is its own only witness."""
        ...

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash: ...
    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo: ...
    async def time(self) -> ChainTime:
        """Slot, block time and epoch of the newest bank, for quotes."""
        ...

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        """One slot-consistent read (at most 100 addresses)."""
        ...

    async def search(self, search: Search, commitment: str = "confirmed") -> tuple[Pubkey, ...]:
        """Addresses of the accounts found, in no order.

        `Unavailable` also where the endpoint refuses: many do, of large programs or at all.
        """
        ...

    async def simulate(self, transaction: bytes) -> Simulation:
        """Run without signatures checked and without effect, at `confirmed`."""
        ...

    async def send(self, transaction: bytes) -> SendOutcome:
        """Hand over signed bytes once (skipPreflight, maxRetries 0)."""
        ...

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        """At most 256 at once, in the order asked."""
        ...

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None: ...
    async def signatures_for_address(
        self,
        address: Pubkey,
        *,
        limit: int = 1_000,
        before: str | None = None,
        until: str | None = None,
        commitment: str = "finalized",
    ) -> tuple[AddressSignature, ...]:
        """Transactions that name the address, newest first, strictly between `until` and `before`.

        At most 1,000; only as far back as the endpoint's history goes.
        """
        ...

    async def first_available_block(self) -> int: ...
    async def rent_minimum(self, space: int) -> int:
        """Lamports that make an account of this size rent-exempt."""
        ...

    async def prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        """Micro-lamports per compute unit lately paid by transactions that write-lock these
        accounts."""
        ...

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        """Return when the signature may have a new status, or after the time-out. A hint only."""
        ...

    async def ping(self) -> None: ...


class Faucet(Protocol):
    """Paper chains only: money from nothing."""

    async def fund(self, address: Pubkey) -> None:
        """Give a wallet the standard paper balances of SOL and every listed token, once."""
        ...


# --- Pools ---


class PoolSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Every usable pool of a pair, read from one bank, with the clock its quotes hold at."""

    slot: int
    time: ChainTime
    pools: tuple[LoadedPool, ...]
    # Pools left out, with the reason.
    left_out: tuple[tuple[Pubkey, str], ...] = ()
    # Pools of other pairs, of the same bank: for paths of two hops, and for the price of a lamport.
    others: tuple[LoadedPool, ...] = ()


class ListedPool(msgspec.Struct, frozen=True, gc=False):
    """A pool as it was last read, and why it is left out if it is."""

    address: Pubkey
    # The venue's name; "" for an account that no venue knows.
    venue: str
    # None where they are not known.
    mints: tuple[Pubkey, Pubkey] | None
    # What it holds of each mint when it was last weighed; None where that is not known.
    atoms: tuple[int, int] | None
    # Slot of the bank that its accounts were read from, and wall time; None if they never were.
    slot: int | None
    read_at_ms: int | None
    # "" for one that is quoted.
    reason: str = ""


class PoolListing(msgspec.Struct, frozen=True, gc=False):
    """Pools with how old they are: against this slot and this time."""

    slot: int
    now_ms: int
    pools: tuple[ListedPool, ...]


class Pools(Protocol):
    """Pools are found by themselves, or named by the operator; the deepest of a pair are read.

    Reads raise `Unavailable("chain", …)`.
    """

    async def snapshot(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """All pools of the pair in one slot-consistent read."""
        ...

    async def around(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolSnapshot:
        """As `snapshot`, and in the same read, as `others`, the pools of each of the two with SOL,
        USDC and USDT."""
        ...

    async def listed(self, mint_a: Pubkey, mint_b: Pubkey) -> PoolListing:
        """Every pool of the pair that is known, read now, the deepest first; then those left out,
        with the reason."""
        ...

    async def inspected(self, address: Pubkey) -> PoolListing:
        """The pool at this address, read now, whether it is listed or not."""
        ...

    async def known(self) -> PoolListing:
        """Every pool that was read so far, as it was then; only the slot is of now."""
        ...


class Mints(Protocol):
    """What is known of tokens by their mint accounts."""

    async def facts(self, mints: Sequence[str]) -> Mapping[str, TokenFacts]:
        """By mint; one that is not on the chain is absent. A minute old at most."""
        ...


# --- Wallet
# ------------------------------------------------------------------------------------------


class Wallet(Protocol):
    """Keys. They never leave it: it gives addresses and signatures."""

    @property
    def default_address(self) -> str: ...

    def held_address(self, address: str) -> str | None:
        """The address that signs for `address`: itself when its key is held, on paper a mapped
        wallet, else None."""
        ...

    def addresses(self) -> tuple[str, ...]: ...

    def sign(self, address: str, message: bytes) -> bytes:
        """The 64-byte ed25519 signature of `message` by a held address."""
        ...


class Balances(Protocol):
    """What a wallet holds at `finalized`, as fresh as a slot or two."""

    async def of(self, wallet: str, assets: Sequence[str]) -> Mapping[str, int]:
        """Atoms by asset; "lamports" is the native balance."""
        ...
