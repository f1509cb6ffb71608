"""What befalls the processes and the cluster of one world, all of it drawn from its seed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from fairlead.errors import WriteOutcomeUnknown
from fairlead.sim.faults import KINDS
from fairlead.sim.process import Process
from fairlead.sim.restoring import Operators
from fairlead.sim.world import World
from fairlead.solana.accounts import SYSTEM_PROGRAM
from fairlead.solana.latch import latch_address, latch_seed
from fairlead.solana.transaction import assemble

MINUTE_S = 60.0
PAID_LAMPORTS = 1_000_000
MOST_PROCESSES = 5
LONGEST_LAG_BLOCKS = 30
SHORT_HISTORY_SLOTS = 12

_WITHOUT_PROCESSES = frozenset(
    {"halt", "fork", "fork_replay", "window", "slot_time", "market", "stranger"}
)
"""What can befall a world in which nobody is at work."""

LONGEST_SILENCE_S = 20.0

_TOLD_HERE = frozenset(
    {"lag", "history_short", "halt", "fork", "fork_replay", "window", "slot_time", "market"}
)
"""The others say themselves whom they befall."""

Mishap = Callable[[], Awaitable[None] | bool | None]
"""False: it could not happen now."""


class Trouble:
    """One mishap after another. `run` until cancelled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = world.dice
        self._random = world.dice.random
        self._tasks: set[asyncio.Task[None]] = set()
        self.operators = operators = Operators(world)
        self._mishaps: dict[str, Mishap] = {
            "crash": self._crash,
            "stop": self._stop,
            "backup": operators.back_up,
            "restore": lambda: operators.restore() or False,
            "hang": self._hang,
            "declared_dead": self._declare_dead,
            "clock_jump": self._set_clock,
            "chain_outage": self._chain_outage,
            "store_outage": self._store_outage,
            "lag": self._lag,
            "silence": self._silence,
            "history_short": self._shorten_history,
            "halt": world.cluster.halt,
            "fork": lambda: self._fork(replays=False),
            "fork_replay": lambda: self._fork(replays=True),
            "window": world.cluster.change_window,
            "slot_time": world.cluster.change_slot_time,
            "market": world.cluster.move_market,
            "stranger": self._stranger,
        }
        assert set(self._mishaps) == {n for n, kind in KINDS.items() if kind.per == "minute"}

    async def run(self) -> None:
        dice = self._dice
        names = [name for name in self._mishaps if dice.rate(name)]
        rates = [dice.rate(name) for name in names]
        if not names:
            return
        while True:
            await asyncio.sleep(self._random.expovariate(sum(rates) / MINUTE_S))
            (name,) = self._random.choices(names, rates)
            if self._world.is_down and name not in _WITHOUT_PROCESSES:
                continue
            happening = self._mishaps[name]()
            if happening is False:
                continue
            dice.fired[name] += 1
            if name in _TOLD_HERE:
                self._world.tell("world", KINDS[name].about)
            if happening is not None and happening is not True:
                task = asyncio.ensure_future(happening)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def over(self) -> None:
        """What has begun comes to its end."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _one(self) -> Process:
        return self._random.choice(self._world.processes)

    # -- processes

    def _crash(self) -> None:
        process = self._one()
        self._world.tell(process.name, "dies")
        process.crashed.set()

    def _stop(self) -> None:
        process = self._one()
        self._world.tell(process.name, "is asked to stop")
        process.ask_to_stop()
        if len(self._world.processes) < MOST_PROCESSES:
            self._world.begin_process()

    async def _hang(self) -> None:
        process = self._one()
        self._world.tell(process.name, "hangs")
        process.hang()
        lease_s = self._world.settings.lease_ms / 1000
        await asyncio.sleep(self._random.choice((1.0, lease_s + 1.0, 2 * lease_s)))
        self._world.tell(process.name, "goes on")
        process.wake()

    async def _declare_dead(self) -> None:
        process = self._one()
        self._world.tell(process.name, "is taken for dead")
        with contextlib.suppress(WriteOutcomeUnknown):
            now_ms = self._world.clock.now_ms()
            await self._world.store.release_worker(process.worker.owner, now_ms)

    def _set_clock(self) -> None:
        process = self._one()
        process.clock.skew_ms += self._random.choice((-5_000, -500, 500, 5_000, 60_000, -60_000))
        self._world.tell(process.name, f"has its clock set, {process.clock.skew_ms} ms off")

    async def _store_outage(self) -> None:
        process = self._one()
        self._world.tell(process.name, "has no store")
        process.store.is_down = True
        await asyncio.sleep(self._random.choice((0.5, 6.0)))
        process.store.is_down = False

    # -- providers

    async def _chain_outage(self) -> None:
        process = self._one()
        self._world.tell(process.name, "has no chain")
        for provider in process.providers:
            provider.is_down = True
        await asyncio.sleep(self._random.choice((0.5, 8.0)))
        for provider in process.providers:
            provider.is_down = False

    def _lag(self) -> None:
        provider = self._random.choice(self._one().providers)
        provider.fall_behind(self._random.randrange(LONGEST_LAG_BLOCKS))

    async def _silence(self) -> None:
        provider = self._random.choice(self._one().providers)
        self._world.tell(provider.name, "notifies of nothing")
        provider.is_silent = True
        await asyncio.sleep(self._random.uniform(1.0, LONGEST_SILENCE_S))
        provider.is_silent = False

    def _shorten_history(self) -> None:
        """For good: a process begun later asks another endpoint."""
        self._random.choice(self._one().providers).history_slots = SHORT_HISTORY_SLOTS

    # -- the cluster

    def _fork(self, *, replays: bool) -> None:
        last = self._random.choice((1, 2, None))
        for signature in self._world.cluster.fork(last, replays=replays):
            self._world.tell_signature("cluster", "drops", signature)

    def _stranger(self) -> bool:
        """Somebody who saw an attempt pays into its latch."""
        auditor = self._world.auditor
        seen = [each for each in auditor.open if auditor.orders[each].attempts]
        if not seen or not self._world.settings.execution.latch:
            return False
        known = auditor.orders[self._random.choice(seen)]
        attempt = list(known.attempts.values())[-1]
        order = known.order
        generation = attempt.latch_generation
        address = latch_address(
            Pubkey.from_string(order.terms.wallet), latch_seed(order.secret, generation)
        )
        self._world.tell("stranger", f"pays into latch {generation}", order.order_id)
        self._pay(address)
        return True

    def _pay(self, address: Pubkey) -> None:
        wallet, bank = self._world.stranger, self._world.cluster.bank
        payer = Pubkey.from_string(wallet.default_address)
        data = (2).to_bytes(4, "little") + PAID_LAMPORTS.to_bytes(8, "little")
        metas = [AccountMeta(payer, True, True), AccountMeta(address, False, True)]
        blockhash = Hash.from_bytes(bank.latest_blockhash("processed").blockhash)
        instructions = [Instruction(SYSTEM_PROGRAM, data, metas)]
        message = bytes(
            to_bytes_versioned(MessageV0.try_compile(payer, instructions, [], blockhash))
        )
        raw = assemble(message, (wallet.sign(wallet.default_address, message),))
        outcome = bank.send(raw)
        assert outcome.landed or outcome.err == "AlreadyProcessed", outcome
        self._world.strangers.add(outcome.signature)
