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
from fairlead.orders.retry import RetryPolicy
from fairlead.ports import Committed
from fairlead.sim.audit import Auditor
from fairlead.sim.clock import VirtualClock
from fairlead.sim.cluster import Cluster
from fairlead.sim.faults import Dice
from fairlead.sim.process import Process
from fairlead.sim.reclaims import MARGINS, reclaimer_settings
from fairlead.sim.storing import SimStore
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
        self.providers = draw.choice((1, 1, 3))
        self.quote_s = draw.choice((0.0, 0.0, 0.3))
        self.clock = VirtualClock(seed)
        self.cluster = Cluster(self.clock, seed, params, max_window, dice)
        self.wire = Wire(self.cluster, dice)
        self.bus = LocalBus()
        self.auditor = Auditor(
            self.cluster,
            self.settings.execution.retry.max_rounds,
            self.clock.monotonic,
            self._tell_owner,
        )
        self.store = SimStore(self.clock, self._committed, self.auditor.committed, dice)
        self.wallet = PaperWallet(b"%d" % seed)
        self.stranger = PaperWallet(b"stranger")
        self.balances = ChainBalances(self.cluster.paper, self.clock)
        self.processes: list[Process] = []
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
        for _ in range(self.dice.random.choice((1, 2, 2, 3))):
            self.begin_process()

    async def close(self) -> None:
        for process in self.processes:
            await self._bury(process)
        if self._slots is not None:
            self._slots.cancel()
            await asyncio.wait([self._slots])
        await self.store.close()

    # -- processes

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
            # First, so that nobody asks it any more; and never none.
            if len(self.processes) == 1:
                self.begin_process()
            self.processes.remove(process)
            await self._bury(process)

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
        self.tell(who, f"{what} {text[:8]}", self.auditor.order_of.get(text, ""))

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
        is_first = signature not in self._sent
        self._sent.add(signature)
        point = "send" if is_first else "resend"
        if is_first and signature in self.auditor.reclaims.known:
            point = "send_reclaim"
        self.tell(process, f"{point} {signature[:8]}", order_id)
        return point

    def send_answered(self, process: str, signature: str, fault: str | None) -> None:
        if fault is not None:
            order_id = self.auditor.order_of.get(signature, "")
            self.tell(process, f"{fault} {signature[:8]}", order_id)


def _settings(dice: Dice, max_window: int) -> WorkerSettings:
    draw = dice.random
    landing = LandingPolicy(
        max_blockhash_window=max_window,
        tell_unknown_after_ms=draw.choice((5_000, 120_000)),
        reclaim_margin=draw.choice(MARGINS),
    )
    retry = RetryPolicy(
        max_rounds=draw.choice((1, 3, 6)),
        base_ms=draw.choice((1, 1_000)),
        max_attempts_per_round=draw.choice((1, 3)),
    )
    execution = ExecutorSettings(retry, landing, latch=draw.random() < 0.85)
    return WorkerSettings(
        execution,
        concurrency=draw.choice((2, 8, 64)),
        lease_ms=4_000,
        heartbeat_ms=1_000,
        reclaims=reclaimer_settings(draw),
    )
