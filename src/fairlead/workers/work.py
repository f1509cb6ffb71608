"""What the hands of a worker hold: the ports, the settings, and each order as last stored."""

from collections.abc import Callable

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders import changes, proofs
from fairlead.orders.budget import Bidding
from fairlead.orders.model import Attempt, Change, Order
from fairlead.orders.retry import RetryPolicy
from fairlead.orders.routes import Edge, RoutingPolicy
from fairlead.ports import Chain, Clock, Pools, Store, Wallet
from fairlead.solana.landing import Flight, LandingPolicy, Progress
from fairlead.workers.gate import Gate
from fairlead.workers.places import Place, Places


class ExecutorSettings(msgspec.Struct, frozen=True):
    """What the operator may set about execution."""

    retry: RetryPolicy = RetryPolicy()
    landing: LandingPolicy = LandingPolicy()
    routing: RoutingPolicy = RoutingPolicy()
    latch: bool = True
    # Go on where providers have forgotten what a store restored from a backup would have to know.
    accepts_history_gap: bool = False
    # Percentile of recently paid priority fees to pay ourselves.
    priority_fee_percentile: int = 50
    # Cap on the price per compute unit.
    max_compute_unit_price_micro_lamports: int = 1_000_000
    # A raised price, in percent of the last.
    fee_raise_percent: int = 150

    @property
    def bidding(self) -> Bidding:
        """What holds for attempts beside others."""
        return Bidding(
            self.latch,
            self.fee_raise_percent,
            self.max_compute_unit_price_micro_lamports,
            self.retry.max_attempts_per_round,
        )


class Work(msgspec.Struct):
    """One order in this worker's hands, as last stored."""

    order: Order
    attempts: tuple[Attempt, ...]
    place: Place
    # What this process knows of the live attempts; lost in a crash, and not missed.
    flight: Flight = msgspec.field(default_factory=Flight)

    def progress_for(self, attempt: Attempt) -> Progress:
        """The progress of this attempt, fresh for a new one."""
        return self.flight.of(attempt)


class Parts(msgspec.Struct, frozen=True):
    """The ports an executor works through."""

    store: Store
    chain: Chain
    pools: Pools
    wallet: Wallet
    clock: Clock


class Workbench:
    """One worker's ports and settings, and the only way it writes an order.

    `changed` holds the ids of orders that somebody else wrote to (a cancel): read them again.
    """

    def __init__(
        self,
        parts: Parts,
        places: Places,
        settings: ExecutorSettings,
        owner: Callable[[], str],
    ) -> None:
        self.parts = parts
        self.places = places
        self.settings = settings
        # What holds for attempts beside others.
        self.bidding = settings.bidding
        # The wall clock, for liveness and for the times that events carry.
        self.now_ms = parts.clock.now_ms
        self._monotonic_s = parts.clock.monotonic
        self.changed: set[str] = set()
        # What is being driven, by order id.
        self.in_hand: dict[str, Work] = {}
        # Which of them may go on.
        self.gate = Gate()
        # What paths of two hops had to offer lately, by tokenIn and tokenOut.
        self.edges: dict[tuple[Pubkey, Pubkey], Edge] = {}
        # Errors nobody foresaw, for the metrics.
        self.bugs = 0
        self._owner = owner

    def elapsed_ms(self) -> int:
        """Time that passes and is never set, for pacing."""
        return int(self._monotonic_s() * 1000)

    async def commit(self, work: Work, change: Change) -> None:
        """Store a change and take over what it did; `Fenced` when the order is no longer ours."""
        attempts = changes.settle(work.attempts, change)
        change = proofs.marked(change, attempts)
        sequence = await self.parts.store.apply(change)
        work.order, work.attempts = changes.applied(work.order, change, sequence), attempts

    async def reload(self, work: Work) -> bool:
        """Read the order again; False when it is not ours any more."""
        order_id = work.order.order_id
        self.changed.discard(order_id)
        order = await self.parts.store.order(order_id)
        if order is None or order.owner != self._owner():
            return False
        # Together: a row with the attempts of another one would sign again.
        attempts = await self.parts.store.attempts(order_id)
        work.order, work.attempts = order, attempts
        return True
