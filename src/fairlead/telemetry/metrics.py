"""Everything fairlead counts, in one object with a registry of its own.

Hot paths keep the child they update (`self._accepted = metrics.accepts.child("accepted")`).
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from fairlead import __version__
from fairlead.errors import FairleadError
from fairlead.orders.lifecycle import is_last
from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus, StoredEvent
from fairlead.telemetry.instruments import Count, Families, Family, Level, Spread

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
)  # fmt: skip
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# Where each stage begins: the event before, in a round that went straight on.
_STAGES = {
    E.CLAIMED: (E.ACCEPTED, "accept_to_claimed"),
    E.ROUTED: (E.CLAIMED, "claimed_to_routed"),
    E.SUBMITTED: (E.ROUTED, "routed_to_submitted"),
    E.CONFIRMED: (E.SUBMITTED, "submitted_to_confirmed"),
    E.FINALIZED: (E.CONFIRMED, "confirmed_to_finalized"),
}
_WHOLE = "accept_to_confirmed"
_ROUND_ENDS = frozenset({E.ROUND_FAILED, E.FAILED, E.REOPENED})
# Orders whose stages are being timed; beyond it the timing of all starts over.
MAX_TIMED_ORDERS = 200_000


class Metrics:
    """One per process. Updated on the event loop's thread only."""

    def __init__(self) -> None:
        families = self._families = Families()

        def counts(name: str, meaning: str, *labels: str) -> Family[Count]:
            return families.add(Family(Count, f"fairlead_{name}", meaning, labels))

        def levels(name: str, meaning: str, *labels: str) -> Family[Level]:
            return families.add(Family(Level, f"fairlead_{name}", meaning, labels))

        def spreads(
            name: str, bounds: tuple[float, ...], meaning: str, *labels: str
        ) -> Family[Spread]:
            return families.add(Family(lambda: Spread(bounds), f"fairlead_{name}", meaning, labels))

        self.accepts = counts(
            "accepts",
            "Answers to new orders: accepted, replayed, rejected, conflict, overloaded, …",
            "outcome",
        )
        self.events = counts("order_events", "Events of orders as committed", "event", "status")
        self.stages = spreads("stage_seconds", SECONDS, "Time an order took for a stage", "stage")
        self.rounds = counts("rounds_failed", "Rounds that ended without a fill", "reason")
        self.attempts = counts(
            "attempts",
            "Attempts: stored, replaced (the last one is proven dead), succeeded",
            "outcome",
        )
        self.queue_waiting = levels("queue_waiting_orders", "Orders that wait and are due").child()
        self.queue_oldest = levels(
            "queue_oldest_age_seconds", "Age of the oldest order that waits and is due"
        ).child()
        self.workers = levels("workers_alive", "Workers whose lease is alive").child()
        self.in_hand = levels("orders_in_hand", "Orders this process's workers hold").child()
        self.resting = levels(
            "resting_orders", "Orders that wait for their price, in the process that watches them"
        ).child()
        self.trigger_candidates = counts(
            "trigger_candidates", "Resting orders that were compared with a quote of their own size"
        ).child()
        self.triggers_fired = counts("triggers_fired", "Resting orders whose limit held").child()
        self.triggers_expired = counts(
            "triggers_expired", "Resting orders whose time was over"
        ).child()
        self.trigger_seconds = spreads(
            "trigger_decision_seconds", SECONDS, "Time to find which orders of a pair fire"
        ).child()
        self.flush_writes = spreads(
            "flush_writes", SIZES, "Writes that one commit of the store took along"
        ).child()
        self.flush_seconds = spreads("flush_seconds", SECONDS, "Time one commit took").child()
        self.sockets = levels("sockets", "Sockets and event streams open now").child()
        self.slow_readers = counts(
            "slow_readers", "Sockets closed because they read too slowly"
        ).child()
        self.resends = counts("resends", "Sends of bytes that had been sent before").child()
        self.proving_unknown = levels(
            "proving_unknown_orders", "Orders that wait for a proof the chain does not give"
        ).child()
        self.unknown_transactions = counts(
            "unknown_transactions",
            "Transactions of the engine's own form, found at a start, whose order it does not know",
        ).child()
        self.lent_latches = levels(
            "latches_waiting", "Latches of ended orders that are not known to be empty"
        ).child()
        self.lent_lamports = levels(
            "latches_lent_lamports", "Rent that ended orders lent to them"
        ).child()
        self.reclaimed_lamports = counts(
            "latches_reclaimed_lamports", "Taken back from latches, by all workers, ever"
        ).child()
        self._build = levels("build", "1, with what runs", "version", "chain", "store")
        self._refreshers: list[Callable[[], Awaitable[None]]] = []
        self._whole = self.stages.child(_WHOLE)
        attempts = {
            E.SUBMITTED: self.attempts.child("stored"),
            E.ATTEMPT_REPLACED: self.attempts.child("replaced"),
            E.FEE_RAISED: self.attempts.child("raised"),
            E.CANCEL_SENT: self.attempts.child("cancel"),
            E.FINALIZED: self.attempts.child("succeeded"),
        }
        self._kinds = {type: _Kind(attempts.get(type), is_last(type)) for type in E}
        for type, (after, stage) in _STAGES.items():
            self._kinds[type].after, self._kinds[type].stage = after, self.stages.child(stage)
        # Orders whose last event is that the chain gives no proof.
        self._unproven: set[str] = set()
        self._timed: dict[str, _Timed] = {}

    def describe(self, chain: str, store: str) -> None:
        """Say once what runs here."""
        self._build.child(__version__, chain, store).set(1)

    def set_queue(self, waiting: int, oldest_age_s: float, workers: int) -> None:
        self.queue_waiting.set(waiting)
        self.queue_oldest.set(oldest_age_s)
        self.workers.set(workers)

    def set_lent(self, latches: int, lamports: int, reclaimed_lamports: int) -> None:
        self.lent_latches.set(latches)
        self.lent_lamports.set(lamports)
        self.reclaimed_lamports.value = reclaimed_lamports

    def refresh_with(self, read: Callable[[], Awaitable[None]]) -> None:
        """Let `refresh` await `read`: for levels that are asked for, such as the queue's."""
        self._refreshers.append(read)

    async def refresh(self) -> None:
        """Read the levels that are asked for. One that cannot be read keeps its last value."""
        for read in self._refreshers:
            try:
                await read()
            except FairleadError:  # metrics must work while the store is down
                continue

    @cached_property
    def registry(self) -> "CollectorRegistry":
        """What prometheus-client reads, made when it is first asked."""
        from fairlead.telemetry.exposition import registry_of

        return registry_of(self._families)

    @property
    def content_type(self) -> str:
        """Of what `render` returns."""
        from fairlead.telemetry.exposition import CONTENT_TYPE

        return CONTENT_TYPE

    def render(self) -> bytes:
        """The exposition, as /metrics serves it."""
        from fairlead.telemetry.exposition import rendered

        return rendered(self.registry)

    def committed(self, events: Iterable[StoredEvent]) -> None:
        """Count events and time stages; for a listener that sees this process's commits."""
        for event in events:
            type, status = event.type, event.status
            kind = self._kinds[type]
            count = kind.counts.get(status)
            if count is None:
                count = kind.counts[status] = self.events.child(type, status)
            count.value += 1
            if kind.attempts is not None:
                kind.attempts.value += 1
            self._time(event, kind)
            if self._unproven:
                self._unproven.discard(event.order_id)
            if type is E.STILL_PROVING:
                self._unproven.add(event.order_id)
            elif type in _ROUND_ENDS:
                self.rounds.child(_failure_code(event.data)).inc()
        self.proving_unknown.set(len(self._unproven))

    def flushed(self, writes: int, seconds: float) -> None:
        """One commit of the store took so many writes along, and so long."""
        self.flush_writes.observe(writes)
        self.flush_seconds.observe(seconds)

    def looked(self, candidates: int, fired: int, seconds: float) -> None:
        """The watcher compared a pair's prices with the limits of its resting orders."""
        self.trigger_candidates.inc(candidates)
        self.triggers_fired.inc(fired)
        self.trigger_seconds.observe(seconds)

    def _time(self, event: StoredEvent, kind: "_Kind") -> None:
        type, at_ms = event.type, event.at_ms
        timed = self._timed.get(event.order_id)
        if timed is None:
            if kind.is_last:
                return
            if len(self._timed) >= MAX_TIMED_ORDERS:
                # Mostly orders that another process went on with; a few in flight lose a sample.
                self._timed.clear()
            accepted_ms = at_ms if type is E.ACCEPTED else None
            self._timed[event.order_id] = _Timed(accepted_ms, type, at_ms)
            return
        if kind.stage is not None and kind.after is timed.last:
            kind.stage.observe((at_ms - timed.last_ms) / 1_000)
        if kind.is_last:
            del self._timed[event.order_id]
            return
        timed.last, timed.last_ms = type, at_ms
        if type is E.RESTED:
            # It may rest for days: what follows is not the engine's delay.
            timed.accepted_ms = None
        elif type is E.CONFIRMED and timed.accepted_ms is not None:
            self._whole.observe((at_ms - timed.accepted_ms) / 1_000)
            # Once an order: a fork may confirm it again.
            timed.accepted_ms = None


class _Kind:
    """What each event of one type is counted in."""

    __slots__ = ("after", "attempts", "counts", "is_last", "stage")

    def __init__(self, attempts: Count | None, is_last: bool) -> None:
        self.counts: dict[OrderStatus, Count] = {}
        self.attempts = attempts
        # The stage that ends with it, if it began with that event.
        self.after: E | None = None
        self.stage: Spread | None = None
        # Whether an order has nothing more to say after it.
        self.is_last = is_last


class _Timed:
    """An order whose stages are being timed: its acceptance (None: elsewhere), its last event."""

    __slots__ = ("accepted_ms", "last", "last_ms")

    def __init__(self, accepted_ms: int | None, last: E, last_ms: int) -> None:
        self.accepted_ms = accepted_ms
        self.last = last
        self.last_ms = last_ms


class _RoundEnd(msgspec.Struct, rename="camel"):
    """What the metrics read of such an event."""

    failure_code: str = "unknown"


def _failure_code(data: bytes) -> str:
    return msgspec.json.decode(data, type=_RoundEnd).failure_code
