"""A simulated world: store, cluster, and the processes in it.

`World.tell` is the one place where what happens is heard of: it makes the trace by which two runs
of a seed are compared, and, when somebody wants to read it, the story.
"""

import asyncio
import hashlib
from collections import Counter

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.bus.local import LocalBus
from fairlead.chain.balances import ChainBalances
from fairlead.chain.wallet import PaperWallet
from fairlead.ledger.blocks import LedgerParams
from fairlead.orders.model import live_of
from fairlead.orders.retry import RetryPolicy
from fairlead.ports import Committed
from fairlead.sim.audit import Auditor
from fairlead.sim.clock import VirtualClock
from fairlead.sim.cluster import Cluster
from fairlead.sim.faults import Dice
from fairlead.sim.process import Process
from fairlead.sim.reclaims import MARGINS, reclaimer_settings
from fairlead.sim.storing import SimStore
from fairlead.sim.truth import Truth
from fairlead.sim.wire import Wire
from fairlead.solana.landing import LandingPolicy
from fairlead.workers.work import ExecutorSettings
from fairlead.workers.worker import WorkerSettings


class Told(msgspec.Struct, frozen=True):
    """Something that happened."""

    at_s: float
    who: str
    what: str
    order_id: str


class World:
    """Everything of one seed. `open` first, `close` last."""

    def __init__(self, seed: int, dice: Dice, *, keeps_story: bool = False) -> None:
        draw = dice.random
        window = draw.choice((8, 12, 20))
        max_window = window + draw.choice((0, 0, 5))
        params = LedgerParams(
            slot_ms=400,
            blockhash_window=window,
            finality_depth=draw.choice((2, 4, 8)),
            confirmed_depth=draw.randrange(0, 2),
            status_cache_slots=draw.choice((10, 300)),
            verifies_signatures=False,
        )
        self.seed = seed
        self.dice = dice
        self.settings = _settings(dice, max_window)
        self.providers = 3 if dice.hits("three_providers") else 1
        self.quote_s = draw.choice((0.0, 0.0, 0.3))
        self.clock = VirtualClock(seed)
        self.cluster = Cluster(self.clock, seed, params, max_window, dice)
        self.wire = Wire(self.cluster, dice)
        self.bus = LocalBus()
        self.truth = Truth(self.cluster)
        self.auditor = Auditor(
            self.truth,
            self.settings.execution.retry.max_rounds,
            self.clock.monotonic,
            self._tell_owner,
            self._has_asked,
        )
        self.store = self._new_store(None)
        self.wallet = PaperWallet(b"%d" % seed)
        self.stranger = PaperWallet(b"stranger")
        self.balances = ChainBalances(self.cluster.paper, self.clock)
        self.processes: list[Process] = []
        # Set while clients reach the engine.
        self.doors = asyncio.Event()
        # Signatures on the ledger that no order made.
        self.strangers: set[bytes] = set()
        self.points: Counter[str] = Counter()
        self.bugs = 0
        self.story: list[Told] = []
        self.trace = hashlib.sha256()
        self._keeps_story = keeps_story
        self._sent: set[str] = set()
        self._begun = 0
        self._slots: asyncio.Task[None] | None = None

    async def open(self, wallets: tuple[str, ...]) -> None:
        await self.store.open()
        addresses = [self.wallet.held_address(each) if each else "" for each in wallets]
        for address in [self.stranger.default_address, *addresses]:
            await self.cluster.paper.fund(
                Pubkey.from_string(address or self.wallet.default_address)
            )
        self._slots = asyncio.ensure_future(self.cluster.run())
        self._begin_processes()
        self.doors.set()

    async def close(self) -> None:
        for process in self.processes:
            await self._bury(process)
        if self._slots is not None:
            self._slots.cancel()
            await asyncio.wait([self._slots])
        await self.store.close()

    # -- processes

    def _begin_processes(self) -> None:
        for _ in range(self.dice.random.choice((1, 2, 2, 3))):
            self.begin_process()

    def begin_process(self) -> Process:
        self._begun += 1
        process = Process(self, f"p{self._begun}", self.settings)
        self.processes.append(process)
        self.tell(process.name, "begins")
        return process

    async def watch_over_processes(self) -> None:
        """Clear away who died or stopped; somebody must live."""
        while True:
            await asyncio.sleep(0.5)
            await self.clear_away()

    async def clear_away(self) -> None:
        for process in [p for p in self.processes if p.crashed.is_set() or p.is_over]:
            if process not in self.processes:
                continue
            # First, so that nobody asks it any more; and never none.
            if len(self.processes) == 1:
                self.begin_process()
            self.processes.remove(process)
            await self._bury(process)

    @property
    def is_down(self) -> bool:
        """Nobody is at work: the store is being restored."""
        return not self.processes

    async def shut_down(self) -> None:
        """The end of every process, and of the store."""
        self.doors.clear()
        dead, self.processes = self.processes, []
        for process in dead:
            await self._bury(process)
        await self.store.close()

    async def begin_again(self, image: bytes) -> None:
        """With the store as it was when copied."""
        self.store = self._new_store(image)
        await self.store.open()
        self._begin_processes()

    def _new_store(self, image: bytes | None) -> SimStore:
        return SimStore(self.clock, self._committed, self.auditor.committed, self.dice, image)

    async def reachable(self) -> None:
        """Until a client finds a process that answers, or answered lately."""
        while not self.doors.is_set():
            await self.doors.wait()

    async def _bury(self, process: Process) -> None:
        await process.bury()
        if process.worker.bench.bugs:
            self.bugs += process.worker.bench.bugs
            self.fail("no error nobody foresaw", f"{process.worker.bench.bugs} in {process.name}")

    # -- what happened

    def tell(self, who: str, what: str, order_id: str = "") -> None:
        at_s = asyncio.get_running_loop().time()
        self.trace.update(f"{at_s:.6f} {who} {what} {order_id}\n".encode())
        if self._keeps_story:
            self.story.append(Told(at_s, who, what, order_id))

    def tell_signature(self, who: str, what: str, signature: bytes) -> None:
        text = str(Signature.from_bytes(signature))
        self.tell(who, f"{what} {text[:8]}", self.auditor.memory.owner_of(text) or "")

    def is_lost(self, order_id: str) -> bool:
        """Whether the order was accepted, and a restore took it from the store."""
        return order_id in self.auditor.memory.lost_orders

    def _has_asked(self, owner: str, wallet: str, accepted_s: float) -> bool:
        for process in self.processes:
            if process.worker.owner == owner and process.began_s > accepted_s:
                return process.has_asked(wallet)
        return True

    def _tell_owner(self, owner: str, what: str, order_id: str) -> None:
        names = [each.name for each in self.processes if each.worker.owner == owner]
        self.tell(names[0] if names else f"former {owner[-4:]}", what, order_id)

    def fail(self, rule: str, text: str, order_id: str = "") -> None:
        self.auditor.fail(rule, text, order_id)

    def _committed(self, committed: Committed) -> None:
        for event in committed.events:
            what = f"{event.type.value} ({event.status.value}) {event.position} {event.sequence}"
            self.tell("store", what, event.order_id)
            self.trace.update(event.data)
        self.bus.publish(committed)

    def crash_point(self, name: str) -> None:
        self.points[name] += 1

    def send_leaves(self, process: str, raw: bytes) -> str:
        """Which crash point comes after it."""
        signature = str(Signature.from_bytes(raw[1:65]))
        order_id = self.auditor.sent(raw)
        point = "resend" if signature in self._sent else "send"
        self._sent.add(signature)
        point += self._kind_of(order_id, signature)
        self.tell(process, f"{point} {signature[:8]}", order_id)
        return point

    def _kind_of(self, order_id: str, signature: str) -> str:
        """Of what is sent: nothing for the only attempt of its order that lives."""
        if signature in self.auditor.reclaims.known:
            return "_reclaim"
        known = self.auditor.orders.get(order_id)
        if known is None or signature not in known.attempts:
            return ""
        if not known.attempts[signature].legs:
            return "_cancel"
        return "_beside" if len(live_of(tuple(known.attempts.values()))) > 1 else ""

    def send_answered(self, process: str, signature: str, fault: str | None) -> None:
        if fault is not None:
            order_id = self.auditor.memory.owner_of(signature) or ""
            self.tell(process, f"{fault} {signature[:8]}", order_id)


def _settings(dice: Dice, max_window: int) -> WorkerSettings:
    draw = dice.random
    landing = LandingPolicy(
        max_blockhash_window=max_window,
        tell_unknown_after_ms=draw.choice((2_000, 5_000, 120_000)),
        bump_after_ms=draw.choice((None, 1_000, 1_000, 4_000)),
        reclaim_margin=draw.choice(MARGINS),
    )
    retry = RetryPolicy(
        max_rounds=draw.choice((1, 3, 6)),
        base_ms=draw.choice((1, 1_000)),
        max_attempts_per_round=draw.choice((1, 3)),
    )
    execution = ExecutorSettings(
        retry,
        landing,
        latch=not dice.hits("latch_off"),
        fee_raise_percent=draw.choice((100, 150, 300)),
    )
    return WorkerSettings(
        execution,
        concurrency=draw.choice((2, 8, 64)),
        lease_ms=4_000,
        heartbeat_ms=1_000,
        reclaims=reclaimer_settings(draw),
    )
