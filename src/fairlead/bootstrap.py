"""Puts the parts together: which adapters stand behind the ports in this process, by the settings.

The only file that knows all shells. Parts are opened in the order they need each other and closed
in reverse, whatever fails in between. Adapters of servers are imported where they are chosen: a
start on the embedded store waits for none of their libraries.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from fairlead import __version__
from fairlead.api.dependencies import ApiDependencies, ApiSettings
from fairlead.api.http import create_app
from fairlead.api.server import serve_http
from fairlead.bus.local import LocalBus
from fairlead.chain.balances import ChainBalances
from fairlead.chain.mints import ChainMints
from fairlead.chain.paper import open_paper_chain
from fairlead.chain.pool_finder import PoolFinder
from fairlead.chain.pools import ChainPools
from fairlead.chain.wallet import PaperWallet
from fairlead.clock import SystemClock
from fairlead.config import Settings
from fairlead.config.pool_file import read_pool_file
from fairlead.config.settings import FaultRates as FaultSettings
from fairlead.config.settings import host_of
from fairlead.errors import ConfigError, FairleadError
from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.faults import FaultRates, PaperProfile
from fairlead.orders.intake import IntakeRules
from fairlead.orders.retry import RetryPolicy
from fairlead.orders.risk import LATCH_RENT_LAMPORTS
from fairlead.orders.routes import RoutingPolicy
from fairlead.ports import Balances, Bus, Chain, Committed, Faucet, Pools, RateLimit, Store, Wallet
from fairlead.solana.landing import LandingPolicy
from fairlead.store.sqlite import SqliteStore
from fairlead.store.url import PostgresAddress, parse_url
from fairlead.telemetry import Check, Metrics
from fairlead.venues.pools import DEVNET_LAYOUTS, LAYOUTS
from fairlead.workers.reclaiming import ReclaimerSettings
from fairlead.workers.work import ExecutorSettings, Parts
from fairlead.workers.worker import Worker, WorkerSettings

if TYPE_CHECKING:
    from fairlead.telemetry.endpoint import Ask

log = structlog.get_logger("fairlead")

NOTIFY_CHANNEL = "fairlead"
REDIS_PREFIX = "fairlead:"
DATABASE_FILE = "fairlead.sqlite3"
PAPER_FOLDER = "paper-chain"
PAPER_WALLET_SEED = b"paper wallets hold no value"
"""Public on purpose: every process derives the same paper wallets, and nothing real is in them."""


class LiveChain(Chain, Faucet, Protocol):
    """A chain that is started and stopped with its process."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


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


# --- processes ---


async def run_serve(settings: Settings) -> None:
    """API and workers together, with the paper chain inside."""
    async with opened(settings, chain_inside=True) as engine:
        await _run(engine, api=True, worker=True)


async def run_api(settings: Settings) -> None:
    """The API alone; workers and node are processes of their own."""
    async with opened(settings, chain_inside=False) as engine:
        await _run(engine, api=True, worker=False)


async def run_worker(settings: Settings) -> None:
    """One worker alone."""
    async with opened(settings, chain_inside=False) as engine:
        await _run(engine, api=False, worker=True)


async def run_node(settings: Settings) -> None:
    """The paper chain alone, spoken to in Solana JSON-RPC."""
    from fairlead.node.server import node_app, node_server
    from fairlead.telemetry.endpoint import serve_until

    clock, metrics = SystemClock(), Metrics()
    metrics.describe(settings.chain.name, "none")
    stopping = _stopping_on_signals()
    host = settings.node.host
    listener = _listener("FAIRLEAD_NODE_PORT", host, settings.node.port)
    with listener:
        watched = _watch_listener(settings)
        chain = paper_chain(settings, clock)
        await chain.start()
        try:
            port = listener.getsockname()[1]
            served = node_server(node_app(chain, clock, chain), host, port).config
            async with asyncio.TaskGroup() as group:
                group.create_task(serve_until(stopping, served, listener), name="node")
                if watched is not None:
                    parts = {"chain": chain.ping}
                    group.create_task(_watch(settings, metrics, parts, watched, stopping))
                _say({"node": f"http://{host}:{port}"}, f"Paper chain on http://{host}:{port}")
        finally:
            await chain.stop()


async def run_migrate(settings: Settings) -> int:
    """Bring the tables up to date; how many migrations were applied."""
    clock = SystemClock()
    store = open_store(settings, clock, lambda committed: None)
    await store.open(migrate=True)
    try:
        return await store.schema_version()
    finally:
        await store.close()


async def _run(engine: Engine, *, api: bool, worker: bool) -> None:
    stopping = _stopping_on_signals()
    worked = engine.worker() if worker else None
    watched = None if api else _watch_listener(engine.settings)
    if worked is not None:
        engine.metrics.refresh_with(lambda: _refresh_worker(engine.metrics, worked))
    async with asyncio.TaskGroup() as group:
        if worked is not None:
            group.create_task(_work(worked, stopping), name="worker")
            if watched is not None:
                parts = _parts_of(engine, worked)
                group.create_task(_watch(engine.settings, engine.metrics, parts, watched, stopping))
        if api:
            group.create_task(_serve(engine, worked, stopping), name="api")
        else:
            _say({"worker": "ready"}, "A worker is at work")


def _stopping_on_signals() -> asyncio.Event:
    """Set when the process is asked to end."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _work(worker: Worker, stopping: asyncio.Event) -> None:
    running = asyncio.create_task(worker.run())
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        # The API did not come up. What the worker holds it hands over while the store is open.
        running.cancel()
        await asyncio.wait({running})
        raise
    finally:
        waiting.cancel()
    # The API ends with its worker: a process that takes orders and executes none helps nobody.
    stopping.set()
    worker.stop()
    await running


async def _serve(engine: Engine, worker: Worker | None, stopping: asyncio.Event) -> None:
    settings = engine.settings.api
    dependencies = ApiDependencies(
        store=engine.store,
        bus=engine.bus,
        clock=engine.clock,
        wallet=engine.wallet,
        balances=engine.balances,
        pools=engine.pools,
        mints=ChainMints(engine.chain, engine.clock),
        chain=engine.chain,
        settings=api_settings(engine.settings),
        metrics=engine.metrics,
        # A rate limit is counted where orders are claimed from the queue.
        hands=worker if engine.settings.workers.orders_per_minute is None else None,
        ready=lambda: _readiness(engine),
    )
    if worker is not None:
        await worker.ready.wait()
    await serve_http(
        create_app(dependencies),
        settings.host,
        settings.port,
        stopping=stopping,
        listening=lambda port: _say_ready(engine.settings, port),
        ping_s=settings.socket_ping_ms / 1000,
        graceful_s=settings.shutdown_ms / 1000,
    )


async def _readiness(engine: Engine) -> Sequence[Check]:
    """Ready means that an order sent now would be executed: somebody has to work."""
    try:
        queue = await engine.store.queue(engine.clock.now_ms())
    except FairleadError as error:
        return (Check("workers", False, str(error)),)
    if queue.workers:
        return (Check("workers", True, f"{queue.workers} alive"),)
    return (Check("workers", False, "none is alive", "start one with `fairlead worker`"),)


# --- watching a process without an API ---


def _listener(variable: str, host: str, port: int) -> socket.socket:
    """An open socket; `ConfigError` names the variable when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            variable, f"{host}:{port} cannot be listened on ({why}); choose another port"
        ) from None


def _watch_listener(settings: Settings) -> socket.socket | None:
    port = settings.watch.metrics_port
    if port is None:
        return None
    return _listener("FAIRLEAD_METRICS_PORT", settings.api.host, port)


async def _watch(
    settings: Settings,
    metrics: Metrics,
    parts: "Mapping[str, Ask]",
    listener: socket.socket,
    stopping: asyncio.Event,
) -> None:
    """Answer /health, /ready and /metrics until the process stops."""
    from fairlead.telemetry.endpoint import endpoint_app, endpoint_config, serve_until

    log.info("watched", url=f"http://{settings.api.host}:{listener.getsockname()[1]}")
    tokens = [token for _, token in settings.api.tokens]
    app = endpoint_app(metrics, parts, tokens)
    await serve_until(stopping, endpoint_config(app), listener)


def _parts_of(engine: Engine, worker: Worker) -> "Mapping[str, Ask]":
    """What a worker needs to execute an order."""

    async def lease() -> str | None:
        if worker.lease_until_ms == 0:
            return "not registered yet"
        over_ms = engine.clock.now_ms() - worker.lease_until_ms
        return None if over_ms < 0 else f"ran out {over_ms / 1000:.0f} s ago"

    return {
        "store": engine.store.ping,
        "bus": engine.bus.ping,
        "chain": engine.chain.ping,
        "lease": lease,
    }


# --- parts ---


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


async def _refresh_worker(metrics: Metrics, worker: Worker) -> None:
    metrics.in_hand.set(worker.driving)
    metrics.resting.set(worker.watcher.resting)


async def _refresh(metrics: Metrics, store: Store, clock: SystemClock) -> None:
    now_ms = clock.now_ms()
    queue = await store.queue(now_ms)
    age_s = (now_ms - queue.oldest_ms) / 1000 if queue.oldest_ms is not None else 0.0
    metrics.set_queue(queue.waiting, age_s, queue.workers)
    lent = await store.lent()
    metrics.set_lent(lent.latches, lent.taken * LATCH_RENT_LAMPORTS, lent.reclaimed_lamports)


def open_store(
    settings: Settings, clock: SystemClock, on_commit: Callable[[Committed], None]
) -> "OpenableStore":
    """The store of the settings, not opened yet."""
    per_minute = settings.workers.orders_per_minute
    rate = RateLimit(per_minute, 60_000) if per_minute is not None else None
    if settings.store.embedded:
        return SqliteStore(_data_folder(settings) / DATABASE_FILE, clock, on_commit, rate)
    from fairlead.store.postgres import PostgresStore

    channel = None if settings.store.redis_url else NOTIFY_CHANNEL
    return PostgresStore(postgres_address(settings), clock, on_commit, rate, channel)


def _data_folder(settings: Settings) -> Path:
    """The folder of what this process keeps on disk, made if it is missing."""
    folder = settings.store.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigError(
            "FAIRLEAD_DATA_DIR", f"{folder} cannot be made ({error.strerror}); choose another"
        ) from None
    if not writable:
        raise ConfigError(
            "FAIRLEAD_DATA_DIR", f"{folder} cannot be written by this user; choose another"
        )
    return folder


def postgres_address(settings: Settings) -> PostgresAddress:
    """Where DATABASE_URL leads."""
    assert settings.store.database_url is not None
    return parse_url(settings.store.database_url, settings.store.database_direct_url)


def bus_for(settings: Settings, clock: SystemClock, store: Store) -> Bus:
    """Redis where there is one, else the database's own notifications, else this process alone."""
    if settings.store.embedded:
        return LocalBus()
    if settings.store.redis_url is not None:
        from fairlead.bus.redis import RedisBus

        return RedisBus(settings.store.redis_url, REDIS_PREFIX, clock, store.active_orders)
    session_dsn = postgres_address(settings).session_dsn
    if session_dsn is None:
        # Through a transaction pooler nothing can be heard: everybody polls.
        return LocalBus()
    from fairlead.bus.postgres import PostgresBus

    return PostgresBus(session_dsn, NOTIFY_CHANNEL, clock)


def chain_for(settings: Settings, clock: SystemClock, *, inside: bool) -> LiveChain:
    """The paper ledger in this process, or over JSON-RPC: one endpoint, or several that must
    agree."""
    if settings.chain.name != "paper":
        raise ConfigError("FAIRLEAD_CHAIN", f"{settings.chain.name} is not there yet; paper is")
    if inside and not settings.chain.rpc_urls:
        return paper_chain(settings, clock)
    from fairlead.chain.rpc import MAX_AGE_S, RpcChain

    node_url = f"http://{settings.node.host}:{settings.node.port}"
    urls: Sequence[str] = settings.chain.rpc_urls or (node_url,)
    ws_urls = (*settings.chain.rpc_ws_urls, *[None] * len(urls))
    # Of several only what is asked of all is told again: heights must be newer than the blockhash.
    max_age_s = MAX_AGE_S if len(urls) == 1 else 0.0
    endpoints = [
        RpcChain(host_of(url), url, clock, ws_url=ws_url, max_age_s=max_age_s)
        for url, ws_url in zip(urls, ws_urls, strict=False)
    ]
    if len(endpoints) == 1:
        return endpoints[0]
    from fairlead.chain.agreeing import AgreeingChain

    return AgreeingChain(endpoints, clock)


def pool_finder(settings: Settings, clock: SystemClock) -> Callable[[Chain], PoolFinder]:
    """What finds pools on a chain; the file of named ones is read and checked now."""
    pools = settings.pools
    layouts = DEVNET_LAYOUTS if settings.chain.name == "devnet" else LAYOUTS
    named = read_pool_file(pools.file) if pools.file is not None else ()
    return lambda chain: PoolFinder(
        chain,
        clock,
        layouts=layouts if pools.discovery else (),
        named=named,
        refresh_s=pools.refresh_ms / 1000,
    )


def paper_chain(settings: Settings, clock: SystemClock) -> LiveChain:
    """The paper ledger, kept in the data folder."""
    paper = settings.paper
    return open_paper_chain(
        clock,
        seed=paper.seed,
        params=LedgerParams(
            slot_ms=paper.slot_ms,
            blockhash_window=paper.blockhash_window,
            finality_depth=paper.finality_depth,
        ),
        profile=PaperProfile(
            quote_latency_ms=paper.quote_latency_ms,
            land_min_ms=paper.land_min_ms,
            land_max_ms=paper.land_max_ms,
            raydium=_faults(paper.raydium_faults),
            meteora=_faults(paper.meteora_faults),
            other=_faults(paper.other_faults),
            moves_market=paper.market_moves,
        ),
        folder=_data_folder(settings) / PAPER_FOLDER,
    )


def _faults(rates: FaultSettings) -> FaultRates:
    return FaultRates(**msgspec.structs.asdict(rates))


class OpenableStore(Store, Protocol):
    """A store with its beginning and end."""

    async def open(self, *, migrate: bool = True) -> None: ...
    async def close(self) -> None: ...
    async def schema_version(self) -> int: ...
    def observe_flushes(self, observe: Callable[[int, float], None]) -> None: ...


# --- settings, as each part takes them ---


def api_settings(settings: Settings) -> ApiSettings:
    """The API's rules and bounds."""
    api, orders = settings.api, settings.orders
    return ApiSettings(
        tokens=api.tokens,
        allowed_hosts=api.allowed_hosts,
        allowed_origins=api.allowed_origins,
        on_loopback=api.on_loopback,
        rules=IntakeRules(orders.default_slippage_bps, orders.fee_cap_lamports),
        routing=routing_policy(settings),
        max_waiting=api.max_waiting_orders,
        max_resting=api.max_resting_orders,
        max_sockets=api.max_sockets,
        max_socket_frames=api.max_socket_frames,
        poll_s=settings.workers.store_poll_ms / 1000,
    )


def allows_unproven_modes(settings: Settings) -> bool:
    """Whether pools in modes that no program at hand knows are quoted."""
    asked = settings.pools.allow_unproven_modes
    return settings.chain.name in ("paper", "local") if asked is None else asked


def routing_policy(settings: Settings) -> RoutingPolicy:
    """What routes orders may take."""
    routing = settings.routing
    return RoutingPolicy(routing.max_legs, routing.two_hop, routing.split_min_gain_bps)


def worker_settings(settings: Settings) -> WorkerSettings:
    """A worker's policies and bounds."""
    workers, landing, orders = settings.workers, settings.landing, settings.orders
    paper = settings.chain.name == "paper"
    return WorkerSettings(
        execution=ExecutorSettings(
            retry=RetryPolicy(
                orders.max_rounds,
                orders.backoff_base_ms,
                orders.backoff_cap_ms,
                orders.max_attempts_per_round,
                orders.outage_retry_ms,
            ),
            landing=LandingPolicy(
                resend_ms=landing.resend_ms,
                poll_ms=landing.status_poll_ms,
                # The paper chain's own window cannot change while attempts live.
                max_blockhash_window=(
                    settings.paper.blockhash_window if paper else landing.max_blockhash_window
                ),
                prove_ms=landing.prove_ms,
                tell_unknown_after_ms=landing.proving_alarm_ms,
                bump_after_ms=landing.bump_after_ms if landing.fee_bumps else None,
                reclaim_margin=landing.reclaim_margin_blocks,
            ),
            routing=routing_policy(settings),
            latch=landing.latch,
            priority_fee_percentile=landing.priority_fee_percentile,
            max_compute_unit_price_micro_lamports=landing.max_compute_unit_price_micro_lamports,
            fee_raise_percent=landing.bump_percent,
        ),
        concurrency=workers.concurrency,
        lease_ms=workers.lease_ms,
        heartbeat_ms=workers.heartbeat_ms,
        watch_ms=workers.watch_ms,
        idle_poll_ms=workers.store_poll_ms,
        settle_poll_ms=workers.settle_poll_ms,
        trigger_poll_ms=workers.trigger_poll_ms,
        reclaims=ReclaimerSettings(landing.reclaim),
        stop_grace_s=settings.api.shutdown_ms / 1000,
    )


# --- what is said ---


def _say(facts: dict[str, object], text: str) -> None:
    """One line for people on a terminal; the log has the facts."""
    log.info("started", version=__version__, **facts)
    if sys.stdout.isatty():
        print(text)  # noqa: T201


def _say_ready(settings: Settings, port: int) -> None:
    host = "127.0.0.1" if settings.api.host in ("0.0.0.0", "::") else settings.api.host  # noqa: S104
    url = f"http://{host}:{port}"
    log.info("listening", version=__version__, url=url, chain=settings.chain.name)
    print(  # noqa: T201
        f"""
fairlead {__version__} listens on {url} ({settings.chain.name} chain). Send it an order:

  curl -s {url}/api/orders/execute -H 'content-type: application/json' \\
    -d '{{"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5"}}'

or watch one live: fairlead order submit SOL USDC 1.5 --watch
API reference: {url}/docs
""",
        flush=True,
    )
