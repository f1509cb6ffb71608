"""Real workers over the real store and the paper chain, on virtual time, with faults to order.

A `Process` is what one operating system process would hold: a worker whose every way out, to the
store, the chain, its wallet's pools and its clock, goes through a gate. A process that died does
nothing more through it, and one that hangs does nothing until it wakes, and then goes on where it
was. What all processes did to the chain is in `World.sends`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.bus.local import LocalBus
from fairlead.chain.balances import ChainBalances
from fairlead.chain.paper import PaperChain, open_paper_chain
from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.chain.wallet import PaperWallet
from fairlead.errors import CannotCancel, Fenced, Unavailable, WriteOutcomeUnknown
from fairlead.ledger.blocks import Commitment, LedgerParams
from fairlead.ledger.faults import FaultRates, PaperProfile
from fairlead.orders import lifecycle, risk
from fairlead.orders.acceptance import new_order
from fairlead.orders.cancellation import cancel
from fairlead.orders.intake import IntakeRules, OrderRequest, agree
from fairlead.orders.model import (
    Attempt,
    Change,
    EventType,
    NewOrder,
    Order,
    StoredEvent,
)
from fairlead.orders.retry import RetryPolicy
from fairlead.ports import Committed, EpochInfo, SendOutcome, SignatureStatus
from fairlead.solana.landing import LandingPolicy
from fairlead.solana.transaction import assemble
from fairlead.store.sqlite import SqliteStore
from fairlead.workers.work import ExecutorSettings, Parts
from fairlead.workers.worker import Worker, WorkerSettings
from tests.workers.virtual_time import VirtualClock, until

PARAMS = LedgerParams(slot_ms=400, blockhash_window=20, confirmed_depth=1, finality_depth=4)
"""Small enough that every end of a life is near."""

STILL = PaperProfile(moves_market=False)
"""No fault, no delay, and prices that stand."""

EXECUTION = ExecutorSettings(
    retry=RetryPolicy(),
    landing=LandingPolicy(max_blockhash_window=PARAMS.blockhash_window),
)
SETTINGS = WorkerSettings(execution=EXECUTION, concurrency=4)

LEVELS: tuple[Commitment, ...] = ("processed", "confirmed", "finalized")
ROUND_TRIPS = 8
"""Tries of a cancel that others keep overtaking, as the API has."""


def faults(kind: str, bps: int = 10_000) -> PaperProfile:
    """A profile in which so many sends of either venue meet this fault."""
    rates = FaultRates(**{f"{kind}_bps": bps})
    return msgspec.structs.replace(STILL, raydium=rates, meteora=rates)


class Sent(msgspec.Struct, frozen=True):
    """A send that left a process."""

    at_s: float
    signature: str
    raw: bytes
    process: "Process"


class ScriptedChain:
    """The paper chain as one process reaches it; misbehaves as told.

    `send_as` says what becomes of each send: "pass", "lost" (accepted, never seen again), "unheard"
    (taken, but the answer is an error) or "refused" (an error, and not taken).
    """

    name = "paper"

    def __init__(self, world: "World", process: "Process") -> None:
        self._world = world
        self._process = process
        self.is_down = False
        self.send_as: Callable[[Sent], str] = lambda sent: "pass"
        # Whether the endpoint shows this signature to nobody.
        self.hides: Callable[[str], bool] = lambda signature: False
        # Whether this read fails, by the name of the method.
        self.fails: Callable[[str], bool] = lambda method: False
        # How old the heights and statuses are that it tells.
        self.lag_s = 0.0

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._world.paper, method)

        async def call(*values: Any, **named: Any) -> Any:
            await self._ask(method)
            return await inner(*values, **named)

        return call

    @property
    def witnesses(self) -> "Sequence[ScriptedChain]":
        return (self,)

    async def _ask(self, method: str) -> None:
        await self._process.gate()
        if self.is_down or self.fails(method):
            raise Unavailable("chain", f"HTTP 429 ({method}, scripted)")

    async def send(self, transaction: bytes) -> SendOutcome:
        await self._process.gate()
        world = self._world
        signature = str(Signature.from_bytes(transaction[1:65]))
        sent = Sent(world.loop.time(), signature, transaction, self._process)
        await world.sent(sent)
        what = "refused" if self.is_down else self.send_as(sent)
        outcome = SendOutcome(True)
        if what in ("pass", "unheard"):
            outcome = await world.paper.send(transaction)
        await self._process.point("send")
        if what in ("unheard", "refused"):
            return SendOutcome(False, detail="HTTP 503 (scripted)")
        return outcome

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        await self._ask("epoch_info")
        return self._world.info(commitment, self.lag_s)

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        await self._ask("signature_statuses")
        found = await self._world.paper.signature_statuses(
            signatures, search_history=search_history
        )
        newest = self._world.info("processed", self.lag_s).slot
        return tuple(
            None if status is None or self.hides(signature) or status.slot > newest else status
            for signature, status in zip(signatures, found, strict=True)
        )

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        """A hint only: it may hint before a lagging endpoint tells."""
        await self._process.gate()
        await self._world.paper.wait_for_signature(signature, timeout_s)
        await self._process.gate()


class ScriptedStore:
    """The store as one process reaches it."""

    def __init__(self, world: "World", process: "Process") -> None:
        self._world = world
        self._process = process
        self.is_down = False
        # What goes wrong with this write: "", "lost" (unknown and not made) or "unheard" (unknown
        # and made).
        self.write_as: Callable[[Change], str] = lambda change: ""

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._world.store, method)

        async def call(*values: Any, **named: Any) -> Any:
            await self._ask(method)
            return await inner(*values, **named)

        return call

    async def _ask(self, method: str) -> None:
        await self._process.gate()
        if self.is_down:
            raise Unavailable("store", f"{method}, scripted")

    async def apply(self, change: Change) -> int:
        await self._ask("apply")
        what = self.write_as(change)
        if what == "lost":
            raise WriteOutcomeUnknown("scripted: it was not made")
        sequence = await self._world.store.apply(change)
        await self._process.point("commit")
        if what == "unheard":
            raise WriteOutcomeUnknown("scripted: it was made")
        return sequence


class GatedClock:
    """The clock of one process: who sleeps in a process that hangs wakes with it."""

    def __init__(self, clock: VirtualClock, process: "Process") -> None:
        self._clock = clock
        self._process = process
        self.now_ms = clock.now_ms
        self.monotonic = clock.monotonic
        self.random_bytes = clock.random_bytes
        self.new_id = clock.new_id

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._process.gate()


class Process:
    """One worker process. `crash_after` ends it right after its n-th commit or send."""

    def __init__(self, world: "World", settings: WorkerSettings, crash_after: int = 0) -> None:
        self.world = world
        self.chain = ScriptedChain(world, self)
        self.store = ScriptedStore(world, self)
        self.crash_after = crash_after
        self.points: list[str] = []
        self.crashed = asyncio.Event()
        self._awake = asyncio.Event()
        self._awake.set()
        clock = GatedClock(world.clock, self)
        pools = ChainPools(self.chain, paper_pool_list(), clock, latency_s=world.quote_s)
        parts = Parts(self.store, self.chain, pools, world.wallet, clock)
        self.worker = Worker(parts, world.bus, settings)
        self._task = asyncio.ensure_future(self.worker.run())

    async def gate(self) -> None:
        """Every way out: passed by a process that lives and does not hang."""
        if self.crashed.is_set():
            await asyncio.get_running_loop().create_future()
        await self._awake.wait()
        if self.crashed.is_set():
            await asyncio.get_running_loop().create_future()

    async def point(self, name: str) -> None:
        """A crash point: after something that the world outside now knows."""
        self.points.append(name)
        if len(self.points) == self.crash_after:
            self.crashed.set()
        await self.gate()

    async def accept(self, order: NewOrder) -> None:
        """What an API in this process does with an order."""
        hand = self.worker.begin(order)
        if hand is None:
            await self.world.store.accept(order)
            return
        accepted = await self.world.store.accept(order, hand.owner)
        self.points.append("accept")
        if len(self.points) == self.crash_after:
            self.crashed.set()
        await self._awake.wait()
        if self.crashed.is_set():
            return
        if accepted.replayed:
            hand.put_back()
        elif accepted.claimed is None:
            hand.doubt()

    def hang(self) -> None:
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    async def crash(self) -> None:
        """kill -9: nothing is handed over, nothing more is said."""
        self.crashed.set()
        self._awake.set()
        # Twice: the first ends its loops, the second the hand-over that a dead process cannot make.
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=0.001)
        self._check_end()

    async def stop(self) -> None:
        """SIGTERM."""
        self.worker.stop()
        await self._task
        self._check_end()

    def _check_end(self) -> None:
        assert self.worker.driving == 0
        assert self.worker.places.free == self.worker.places.size, "places leaked"


class World:
    """Store, chain and whatever processes a test starts."""

    def __init__(
        self,
        clock: VirtualClock,
        profile: PaperProfile,
        params: LedgerParams,
        seed: int,
        quote_s: float,
        file: Path | None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.quote_s = quote_s
        self.bus = LocalBus()
        self.paper: PaperChain = open_paper_chain(clock, seed=seed, params=params, profile=profile)
        self.store = SqliteStore(file or ":memory:", clock, self._committed, inline=True)
        self.wallet = PaperWallet(b"%d" % seed)
        self.balances = ChainBalances(self.paper, clock, self.paper)
        self.processes: list[Process] = []
        self.orders: list[str] = []
        self.events: list[StoredEvent] = []
        self.sends: list[Sent] = []
        # Transactions on the ledger that no order made.
        self.strangers: set[str] = set()
        # Called before the bytes of each send leave, for checkers.
        self.on_send: list[Callable[[Sent], Any]] = []
        # What they found.
        self.broken: list[AssertionError] = []
        # Infos of the past, for endpoints that lag: (time, commitment) in time order.
        self._infos: list[tuple[float, dict[str, EpochInfo]]] = []

    def _committed(self, committed: Committed) -> None:
        self.events.extend(committed.events)
        self.bus.publish(committed)

    async def sent(self, sent: Sent) -> None:
        for look in self.on_send:
            try:
                await look(sent)
            except AssertionError as broken:
                # A worker would take it for a bug of its own and go on.
                self.broken.append(broken)
                raise
        self.sends.append(sent)

    def _check_sends(self) -> None:
        if self.broken:
            raise self.broken[0]

    def info(self, commitment: str, lag_s: float = 0.0) -> EpochInfo:
        """Slot and height now, or as they were."""
        now: dict[str, EpochInfo] = {}
        for level in LEVELS:
            info = self.paper.bank.epoch_info(level)
            now[level] = EpochInfo(info.slot, info.block_height, info.epoch)
        at_s = self.loop.time()
        self._infos.append((at_s, now))
        if not lag_s:
            return now[commitment]
        old = [infos for then_s, infos in self._infos if then_s <= at_s - lag_s]
        return (old[-1] if old else self._infos[0][1])[commitment]

    # -- what clients and operators do

    def process(self, settings: WorkerSettings = SETTINGS, crash_after: int = 0) -> Process:
        """A worker process, at work."""
        process = Process(self, settings, crash_after)
        self.processes.append(process)
        return process

    async def submit(self, *what: str, through: Process | None = None, **given: Any) -> str:
        """An accepted order's id; `through` the API of this process."""
        order = await self.new_order(*what, **given)
        if through is None:
            await self.store.accept(order)
        else:
            await through.accept(order)
        return order.order_id

    async def new_order(
        self, token_in: str = "SOL", token_out: str = "USDC", amount: str = "1.5", **given: Any
    ) -> NewOrder:
        """An order that is about to be accepted."""
        clock, wallet = self.clock, self.wallet
        amount_in = None if "amount_out" in given else amount
        request = OrderRequest(token_in, token_out, amount_in=amount_in, **given)
        now_ms = clock.now_ms()
        terms = agree(request, IntakeRules(), wallet.default_address, wallet.held_address, now_ms)
        needed = risk.needs(terms)
        balances = await self.balances.of(terms.wallet, [asset for asset, _ in needed])
        order = new_order(
            clock.new_id(),
            "local",
            None,
            b"\x00",
            terms,
            clock.random_bytes(32),
            now_ms,
            risk.reservations(terms, needed, balances),
        )
        self.orders.append(order.order_id)
        return order

    async def cancel(self, order_id: str) -> str:
        """What the API does with a cancel: the status after it, or why not."""
        for _ in range(ROUND_TRIPS):
            order, attempts = await self.order(order_id), await self.attempts(order_id)
            try:
                change = cancel(order, attempts, self.clock.now_ms())
                if change is None:
                    return order.status.value
                await self.store.apply(change)
                return change.status.value
            except CannotCancel as refused:
                return refused.code
            except Fenced:
                continue
        raise AssertionError("a cancel was overtaken again and again")

    # -- what can be seen

    async def order(self, order_id: str) -> Order:
        order = await self.store.order(order_id)
        assert order is not None
        return order

    async def attempts(self, order_id: str) -> tuple[Attempt, ...]:
        return await self.store.attempts(order_id)

    async def history(self, order_id: str) -> list[str]:
        """The order's events, by name."""
        return [event.type.value for event in await self.store.events(order_id, 0, 1_000)]

    async def data(self, order_id: str, type: EventType) -> Any:
        """What the last event of this type told."""
        events = await self.store.events(order_id, 0, 1_000)
        return msgspec.json.decode([e.data for e in events if e.type is type][-1])

    async def reaches(self, order_id: str, *types: EventType, within_s: float = 600) -> None:
        """Wait for an event of one of these types."""
        names = {type.value for type in types}

        async def there() -> bool:
            self._check_sends()
            return not names.isdisjoint(await self.history(order_id))

        await until(there, within_s)

    async def ends(self, *order_ids: str, within_s: float = 900) -> list[Order]:
        """The orders once each has ended or is final."""

        async def ended() -> bool:
            self._check_sends()
            orders = [await self.order(each) for each in order_ids]
            return all(o.finalized_at_ms or o.status in lifecycle.ENDED for o in orders)

        await until(ended, within_s, every_s=0.2)
        return [await self.order(each) for each in order_ids]

    def status_of(self, signature: str) -> tuple[str, bool] | None:
        """Commitment and success of a transaction on the ledger itself, None if it is not there."""
        key = bytes(Signature.from_string(signature))
        found = self.paper.bank.signature_status(key, search_history=True)
        return None if found is None else (found.level, found.err is None)

    async def stranger_sends(self, wallet: PaperWallet, *instructions: Instruction) -> None:
        """A transaction that is none of ours lands."""
        payer = Pubkey.from_string(wallet.default_address)
        latest = await self.paper.latest_blockhash()
        blockhash = Hash.from_string(latest.blockhash)
        message = bytes(
            to_bytes_versioned(MessageV0.try_compile(payer, instructions, [], blockhash))
        )
        raw = assemble(message, (wallet.sign(wallet.default_address, message),))
        outcome = self.paper.bank.send(raw)
        assert outcome.landed, outcome
        assert outcome.err is None, outcome
        self.strangers.add(str(Signature.from_bytes(outcome.signature)))


@contextlib.asynccontextmanager
async def open_world(
    profile: PaperProfile = STILL,
    params: LedgerParams = PARAMS,
    seed: int = 1,
    quote_s: float = 0.0,
    file: Path | None = None,
) -> AsyncIterator[World]:
    """A world that ticks; at the end every process in it is killed."""
    world = World(VirtualClock(seed), profile, params, seed, quote_s, file)
    await world.store.open()
    await world.paper.start()
    try:
        yield world
    finally:
        for process in world.processes:
            await process.crash()
        await world.paper.stop()
        await world.store.close()
