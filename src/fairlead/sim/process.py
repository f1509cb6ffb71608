"""One operating system process of a simulated world: a real worker whose every way out, to the
store, the chain and its clock, goes through a gate.

A process that died does nothing more through it; one that hangs does nothing until it wakes, and
then goes on where it was.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from solders.signature import Signature

from fairlead.bus.local import LocalBus
from fairlead.chain.agreeing import AgreeingChain
from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.errors import FairleadError, Overloaded, Rejected
from fairlead.orders.model import EventType as E
from fairlead.orders.model import NewOrder
from fairlead.ports import Accepted, Hand, SendOutcome, Wallet
from fairlead.sim.clock import ProcessClock, VirtualClock
from fairlead.sim.cluster import Cluster
from fairlead.sim.faults import Dice
from fairlead.sim.loop import TaskGroup
from fairlead.sim.provider import Provider
from fairlead.sim.storing import SimStore, StoreOfProcess
from fairlead.sim.wire import Wire
from fairlead.workers.work import Parts
from fairlead.workers.worker import Worker, WorkerSettings

_NEVER_LAST = frozenset({E.ACCEPTED, E.RESTED, E.CLAIMED, E.ROUTED, E.TAKEN_OVER})
"""Events that are stored with others after them, or by other writes than changes."""

SEND_POINTS = tuple(
    f"{time}{kind}"
    for time in ("send", "resend")
    for kind in ("", "_beside", "_cancel", "_reclaim")
)
"""Bytes for the first time or again: of a swap that lives alone, or beside others, of a cancel, and
of a reclaim."""

CRASH_POINTS = (
    *(each.value for each in E if each not in _NEVER_LAST),
    *("accept", "claim", "adopt", "fired", "put_off", "attempt_died", "failed_found"),
    *("register", "renew", "take_over", "hand_over", "known_to"),
    *("reclaim", "reclaim_settled", "latches_absent"),
    *SEND_POINTS,
)
"""Where a process may die: right after these commits and sends."""

_FREQUENT = (*("accept", "claim", "submitted", "confirmed", "send", "resend", "renew", "put_off"),)
_RARE = (
    *("attempt_replaced", "cancel_sent", "dropped", "expiry_reached", "failed", "failed_found"),
    *("hand_over", "reopened", "send_cancel", "still_proving"),
    "send_reclaim",
)
_RAREST = ("reclaim", "reclaim_settled", "latches_absent", "failed_found")
POINT_FACTORS = {
    **dict.fromkeys(CRASH_POINTS, 10.0),
    **dict.fromkeys(_FREQUENT, 1.0),
    **dict.fromkeys(_RARE, 40.0),
    **dict.fromkeys(_RAREST, 150.0),
    "renew": 4.0,
    **dict.fromkeys(("finalized", "resend_beside", "resend_cancel", "resend_reclaim"), 3.0),
}
"""How much likelier than its rate a process dies at points that are passed less often."""


_T = TypeVar("_T")


class Surroundings(Protocol):
    """The world around a process."""

    clock: VirtualClock
    cluster: Cluster
    wire: Wire
    store: SimStore
    bus: LocalBus
    dice: Dice
    quote_s: float
    # Endpoints of each process: with three, one of them may lie.
    providers: int

    @property
    def wallet(self) -> Wallet: ...

    def send_leaves(self, process: str, raw: bytes) -> str: ...
    def send_answered(self, process: str, signature: str, fault: str | None) -> None: ...
    def tell(self, who: str, what: str, order_id: str = "") -> None: ...
    def crash_point(self, name: str) -> None: ...


class Process:
    """A worker process, at work from the start."""

    def __init__(self, world: Surroundings, name: str, settings: WorkerSettings) -> None:
        self.name = name
        self.world = world
        self.began_s = world.clock.monotonic()
        self.crashed = asyncio.Event()
        self._awake = asyncio.Event()
        self._awake.set()
        self.clock = ProcessClock(world.clock, self.gate)
        self.store = StoreOfProcess(world.store, self, world.dice)
        self.providers = [
            Provider(f"{name}.{n}", world.cluster, world.dice, self.clock, self.gate, self._send)
            for n in range(world.providers)
        ]
        if world.providers > 1:
            world.dice.random.choice(self.providers).is_liar = True
        chain = _chain_of(self.providers, self.clock)
        pools = ChainPools(chain, paper_pool_list(), self.clock, latency_s=world.quote_s)
        parts = Parts(self.store, chain, pools, world.wallet, self.clock)
        self.worker = Worker(parts, world.bus, settings)
        self._tasks = TaskGroup()
        self._task = self._tasks.start(self.worker.run())

    # -- its ways out

    async def gate(self) -> None:
        """Passed by a process that lives and does not hang."""
        if self.crashed.is_set():
            await asyncio.get_running_loop().create_future()
        if not self._awake.is_set():
            await self._awake.wait()
            if self.crashed.is_set():
                await asyncio.get_running_loop().create_future()

    def tell(self, what: str, order_id: str = "") -> None:
        self.world.tell(self.name, what, order_id)

    async def point(self, name: str) -> None:
        """A crash point: after something that the world outside now knows."""
        dice = self.world.dice
        kind = "crash_send" if name in SEND_POINTS else "crash_commit"
        if not self.crashed.is_set() and dice.hits(kind, POINT_FACTORS[name]):
            self.world.crash_point(name)
            self.world.tell(self.name, f"dies right after {name}")
            self.crashed.set()
        await self.gate()

    async def _send(self, raw: bytes) -> SendOutcome:
        world = self.world
        signature = str(Signature.from_bytes(raw[1:65]))
        point = world.send_leaves(self.name, raw)
        outcome, fault = await world.wire.send(raw)
        world.send_answered(self.name, signature, fault)
        await self.point(point)
        return outcome

    # -- what its API does

    def ask(self, question: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        """Have it do something for a client."""
        return self._tasks.start(question)

    async def accept(self, order: NewOrder) -> Accepted:
        """An order that came to this process: begun at once where its worker has a free place."""
        hand = self.worker.begin(order) if order.trigger is None else None
        if hand is None:
            return await self.store.accept(order)
        return await self._begun(order, hand)

    async def _begun(self, order: NewOrder, hand: Hand) -> Accepted:
        """As `api.execute` does it."""
        try:
            accepted = await self.store.accept(order, hand.owner)
        except (Rejected, Overloaded):
            hand.put_back()
            raise
        except BaseException:
            hand.doubt()
            raise
        if accepted.replayed:
            hand.put_back()
        elif accepted.claimed is None:
            hand.doubt()
        return accepted

    def has_asked(self, wallet: str) -> bool:
        """Whether any of its providers told it the history of this wallet."""
        return any(wallet in each.asked for each in self.providers)

    # -- what befalls it

    @property
    def is_hanging(self) -> bool:
        return not self._awake.is_set()

    def hang(self) -> None:
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self.worker.stop()

    @property
    def is_over(self) -> bool:
        """Whether it stopped by itself, or its worker died of a bug."""
        return self._task.done()

    def heal(self) -> None:
        """From now on all works."""
        self.clock.skew_ms = 0
        self.store.is_down = False
        for provider in self.providers:
            provider.is_down = provider.is_silent = False
            provider.fall_behind(0)
        self.wake()

    async def bury(self) -> None:
        """kill -9: nothing is handed over, nothing more is said. Also after its own end."""
        self.crashed.set()
        self._awake.set()
        await self._tasks.end()
        error = None if self._task.cancelled() else self._task.exception()
        # A process that cannot begin says why and ends: whoever runs it begins it again.
        if error is not None and not isinstance(error, FairleadError):
            raise AssertionError(f"worker of {self.name} died: {error!r}") from error
        assert self.worker.driving == 0
        assert self.worker.places.free == self.worker.places.size, "places leaked"


def _chain_of(providers: list[Provider], clock: ProcessClock) -> Provider | AgreeingChain:
    """What an engine makes of its endpoints: one stands alone, of several two must agree."""
    if len(providers) == 1:
        return providers[0]
    return AgreeingChain(providers, clock)
