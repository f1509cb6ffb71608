"""Everything at once, from a seed: faults of chain and store, forks, strangers, crashes, hangs,
stops, cancels, expiries and clocks that are set. A seed that fails fails again.

FAIRLEAD_SOAK_SEEDS sets how many seeds are run (each about 20 orders); FAIRLEAD_SOAK_FIRST, from
which on.
"""

import asyncio
import os
import random
from collections.abc import Callable

import msgspec
import pytest

from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.faults import FaultRates, PaperProfile
from fairlead.ledger.tokens import TOKENS
from fairlead.orders.model import Change
from fairlead.orders.retry import RetryPolicy
from fairlead.solana.landing import LandingPolicy
from fairlead.workers.work import ExecutorSettings
from fairlead.workers.worker import WorkerSettings
from tests.workers.market import check_floors, move
from tests.workers.scenario import live
from tests.workers.strangers import latch_of, pay
from tests.workers.world import Process, Sent, World

SEEDS = int(os.environ.get("FAIRLEAD_SOAK_SEEDS", "200"))
FIRST_SEED = int(os.environ.get("FAIRLEAD_SOAK_FIRST", "0"))
ORDERS = 20
TROUBLE_S = 40.0
"""How long things go wrong; from then on everything works, and every order must end."""

PAIRS = (("SOL", "USDC"), ("USDC", "SOL"), ("JUP", "USDC"), ("SOL", "BONK"), ("WIF", "SOL"))
PRICES = {token.symbol: token.price_nanos for token in TOKENS}
WALLETS = (None, "9" * 43, "8" * 43)


def settings_of(dice: random.Random, window: int) -> WorkerSettings:
    landing = LandingPolicy(
        max_blockhash_window=window + dice.choice((0, 0, 5)),
        tell_unknown_after_ms=dice.choice((5_000, 120_000)),
        bump_after_ms=dice.choice((None, 300, 1_500, 4_000)),
    )
    retry = RetryPolicy(max_rounds=dice.choice((1, 3, 6)), base_ms=dice.choice((1, 1_000)))
    execution = ExecutorSettings(retry, landing, latch=dice.random() < 0.8)
    return WorkerSettings(execution, concurrency=dice.choice((1, 3, 64)))


def profile_of(dice: random.Random) -> PaperProfile:
    shortest = dice.choice((0, 200, 2_000))

    def rates() -> FaultRates:
        each = [dice.choice((0, 0, 500, 2_000)) for _ in range(4)]
        return FaultRates(
            slippage_moved_bps=each[0], dropped_bps=each[1], rpc_error_bps=each[2], late_bps=each[3]
        )

    return PaperProfile(
        land_min_ms=shortest,
        land_max_ms=shortest + dice.choice((0, 1_000)),
        raydium=rates(),
        meteora=rates(),
        moves_market=dice.random() < 0.3,
    )


class Trouble:
    """What goes wrong in one world, all of it drawn from its seed."""

    def __init__(self, world: World, dice: random.Random, settings: WorkerSettings) -> None:
        self.world = world
        self.dice = dice
        self.settings = settings
        self.chain_rate = dice.choice((0.0, 0.05, 0.4))
        self.send_rate = dice.choice((0.0, 0.1, 0.5))
        self.store_rate = dice.choice((0.0, 0.02, 0.2))
        self.processes: list[Process] = []

    @property
    def is_over(self) -> bool:
        return self.world.loop.time() > TROUBLE_S

    def drawn(self, rate: float) -> bool:
        return not self.is_over and self.dice.random() < rate

    def begin_process(self) -> None:
        dice = self.dice
        crash_after = dice.randrange(1, 40) if dice.random() < 0.4 else 0
        process = self.world.process(self.settings, 0 if self.is_over else crash_after)
        chain = process.chain
        chain.fails = lambda method: self.drawn(self.chain_rate)
        chain.send_as = self._send_as
        # Without a latch the history is the only proof: an endpoint that hides it there lies, and
        # a single one is trusted not to.
        latch = self.settings.execution.latch
        chain.hides = lambda signature: latch and self.drawn(self.chain_rate)
        process.store.write_as = self._write_as
        self.processes.append(process)

    def _send_as(self, sent: Sent) -> str:
        return self.dice.choice(("lost", "unheard", "refused")) if self.drawn(self.send_rate) else (
            "pass"
        )  # fmt: skip

    def _write_as(self, change: Change) -> str:
        return self.dice.choice(("lost", "unheard")) if self.drawn(self.store_rate) else ""

    async def run(self) -> None:
        """One mishap after another; at the end one process is alive and well."""
        for _ in range(self.dice.choice((1, 1, 2, 3))):
            self.begin_process()
        mishaps: list[Callable[[], object]] = [
            self._crash, self._stop, self._hang, self._outage, self._lag, self._fork, self._clock,
            self._stranger, self._declare_dead, self._market, self._market, self.begin_process,
        ]  # fmt: skip
        while not self.is_over:
            await asyncio.sleep(self.dice.expovariate(0.25))
            found = self.dice.choice(mishaps)()
            if asyncio.iscoroutine(found):
                await found
            await self._bury()
        for process in self.processes:
            process.chain.is_down = process.store.is_down = False
            process.chain.lag_s = 0.0
            process.crash_after = 0
            process.wake()
        await self._bury()

    async def _bury(self) -> None:
        """Clear away who died; somebody must live."""
        for process in [p for p in self.processes if p.crashed.is_set()]:
            await process.crash()
            self.processes.remove(process)
        if not self.processes:
            self.begin_process()

    def _one(self) -> Process:
        return self.dice.choice(self.processes)

    def _crash(self) -> None:
        self._one().crashed.set()

    async def _stop(self) -> None:
        process = self._one()
        process.wake()
        stopping = asyncio.ensure_future(process.stop())
        dying = asyncio.ensure_future(process.crashed.wait())
        await asyncio.wait({stopping, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if stopping.done():
            await stopping
            self.processes.remove(process)
        else:
            await process.crash()
            await asyncio.wait({stopping})

    async def _hang(self) -> None:
        process = self._one()
        process.hang()
        await asyncio.sleep(self.dice.choice((1, 12)))
        process.wake()

    async def _outage(self) -> None:
        process = self._one()
        down = self.dice.choice((process.chain, process.store))
        down.is_down = True
        await asyncio.sleep(self.dice.choice((0.5, 15)))
        down.is_down = False

    def _lag(self) -> None:
        self._one().chain.lag_s = self.dice.choice((0.0, 1.0, 10.0))

    def _fork(self) -> None:
        self.world.paper.bank.drop_unrooted(self.dice.choice((1, 2, None)))

    def _clock(self) -> None:
        self.world.clock.wall_ms += self.dice.choice((-3_000, 500, 3_000))

    def _market(self) -> None:
        base, quote = self.dice.choice((("SOL", "USDC"), ("JUP", "USDC"), ("WIF", "SOL")))
        move(self.world, self.dice.uniform(0.94, 1.06), base, quote)

    async def _stranger(self) -> None:
        order = await self.world.order(self.dice.choice(self.world.orders))
        generation = order.latch_generation + self.dice.randrange(2)
        await pay(self.world, latch_of(order.secret, order.terms.wallet, generation))

    async def _declare_dead(self) -> None:
        owner = self._one().worker.owner
        await self.world.store.release_worker(owner, self.world.clock.now_ms())


async def soak(world: World, dice: random.Random, settings: WorkerSettings) -> None:
    trouble = Trouble(world, dice, settings)
    await world.submit()
    troubling = asyncio.ensure_future(trouble.run())
    cancelling = []
    for _ in range(ORDERS - 1):
        await asyncio.sleep(dice.expovariate(1.5))
        expires_at_ms = None
        if dice.random() < 0.15:
            expires_at_ms = world.clock.now_ms() + dice.randrange(1, 20_000)
        token_in, token_out = dice.choice(PAIRS)
        limit: dict[str, str] = {}
        if dice.random() < 0.3:
            price = PRICES[token_in] / PRICES[token_out] * dice.uniform(0.96, 1.04)
            limit = {"type": "limit", "limit_price": f"{price:.12f}"}
            # Whatever prices do, it ends.
            expires_at_ms = world.clock.now_ms() + dice.randrange(1, 60_000)
        order_id = await world.submit(
            token_in,
            token_out,
            str(dice.randrange(1, 50)),
            wallet=dice.choice(WALLETS),
            through=dice.choice([None, *trouble.processes]),
            priority=dice.choice((0, 0, 0, 5, 9)),
            expires_at_ms=expires_at_ms,
            slippage_bps=dice.choice((None, None, 5_000)),
            **limit,
        )
        if dice.random() < 0.2:
            cancelling.append(asyncio.ensure_future(_cancel(world, order_id, dice.random() * 15)))
    await troubling
    await asyncio.gather(*cancelling)
    await world.ends(*world.orders)
    await check_floors(world)


async def _cancel(world: World, order_id: str, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await world.cancel(order_id)


def lived(seed: int) -> list[tuple[object, ...]]:
    """What happened in the world of this seed."""
    dice = random.Random(seed)
    window = dice.choice((10, 20))
    finality_depth = dice.choice((2, 4, 8))
    params = LedgerParams(
        blockhash_window=window,
        finality_depth=finality_depth,
        confirmed_depth=dice.randrange(0, 2),
    )
    settings = settings_of(dice, window)
    worlds: list[World] = []

    async def body(world: World) -> None:
        worlds.append(world)
        await soak(world, dice, settings)

    live(
        body,
        profile=profile_of(dice),
        params=params,
        seed=seed,
        quote_s=dice.choice((0.0, 0.3)),
        limit_s=20_000,
    )
    told = [msgspec.structs.astuple(event) for event in worlds[0].events]
    return [*told, *((sent.at_s, sent.signature) for sent in worlds[0].sends)]


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_every_order_ends_once_and_with_proof(seed: int):
    lived(seed)


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + 3))
def test_seed_replays_to_the_last_byte(seed: int):
    assert lived(seed) == lived(seed)
