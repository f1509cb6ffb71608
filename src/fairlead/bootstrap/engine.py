"""The parts of one process: opened in the order they need each other, closed in reverse, whatever
fails in between."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from fairlead.bootstrap.bounds import allows_unproven_modes, worker_settings
from fairlead.bootstrap.chains import LiveChain, chain_for, pool_finder
from fairlead.bootstrap.storing import bus_for, open_store
from fairlead.chain.balances import ChainBalances
from fairlead.chain.pools import ChainPools
from fairlead.chain.wallet import PaperWallet
from fairlead.clock import SystemClock
from fairlead.config import Settings
from fairlead.orders.risk import LATCH_RENT_LAMPORTS
from fairlead.ports import Balances, Bus, Committed, Pools, Store, Wallet
from fairlead.telemetry import Metrics
from fairlead.workers.work import Parts
from fairlead.workers.worker import Worker

PAPER_WALLET_SEED = b"paper wallets hold no value"
"""Public on purpose: every process derives the same paper wallets, and nothing real is in them."""


class Engine(msgspec.Struct, frozen=True):
    """The parts of one process."""

    settings: Settings
    clock: SystemClock
    metrics: Metrics
    store: Store
    bus: Bus
    chain: LiveChain
    pools: Pools
    wallet: Wallet
    balances: Balances

    def worker(self) -> Worker:
        """A worker over these parts."""
        parts = Parts(self.store, self.chain, self.pools, self.wallet, self.clock)
        worker = Worker(parts, self.bus, worker_settings(self.settings))
        worker.watcher.on_look = self.metrics.looked
        worker.reconciler.on_unknown = self.metrics.unknown_transactions.inc
        worker.watcher.on_expired = self.metrics.triggers_expired.inc
        return worker


@asynccontextmanager
async def opened(settings: Settings, *, chain_inside: bool) -> AsyncIterator[Engine]:
    """The parts, open; closed again at the end."""
    clock, metrics = SystemClock(), Metrics()
    metrics.describe(settings.chain.name, "sqlite" if settings.store.embedded else "postgresql")
    async with AsyncExitStack() as stack:
        buses: list[Bus] = []

        def on_commit(committed: Committed) -> None:
            metrics.committed(committed.events)
            buses[0].publish(committed)

        store = open_store(settings, clock, on_commit)
        buses.append(bus_for(settings, clock, store))
        store.observe_flushes(metrics.flushed)
        await store.open(migrate=True)
        stack.push_async_callback(store.close)
        await buses[0].start()
        stack.push_async_callback(buses[0].stop)
        finds_pools = pool_finder(settings, clock)
        chain = chain_for(settings, clock, inside=chain_inside)
        await chain.start()
        stack.push_async_callback(chain.stop)
        latency_s = settings.paper.quote_latency_ms / 1000
        pools = ChainPools(
            chain,
            finds_pools(chain),
            clock,
            latency_s=latency_s,
            unproven=allows_unproven_modes(settings),
        )
        stack.push_async_callback(pools.stop)
        metrics.refresh_with(lambda: _refresh(metrics, store, clock))
        yield Engine(
            settings,
            clock,
            metrics,
            store,
            buses[0],
            chain,
            pools,
            PaperWallet(PAPER_WALLET_SEED),
            ChainBalances(chain, clock, chain),
        )


async def _refresh(metrics: Metrics, store: Store, clock: SystemClock) -> None:
    now_ms = clock.now_ms()
    queue = await store.queue(now_ms)
    age_s = (now_ms - queue.oldest_ms) / 1000 if queue.oldest_ms is not None else 0.0
    metrics.set_queue(queue.waiting, age_s, queue.workers)
    lent = await store.lent()
    metrics.set_lent(lent.latches, lent.taken * LATCH_RENT_LAMPORTS, lent.reclaimed_lamports)
