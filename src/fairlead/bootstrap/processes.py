"""The processes there are, each until it is asked to end."""

import asyncio
import signal

from fairlead.bootstrap.chains import paper_chain
from fairlead.bootstrap.engine import Engine, opened
from fairlead.bootstrap.saying import say
from fairlead.bootstrap.serving import serve_api
from fairlead.bootstrap.storing import open_store
from fairlead.bootstrap.watching import listening_socket, parts_of, watch, watch_socket
from fairlead.clock import SystemClock
from fairlead.config import Settings
from fairlead.telemetry import Metrics
from fairlead.workers.worker import Worker


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
    listener = listening_socket("FAIRLEAD_NODE_PORT", host, settings.node.port)
    with listener:
        watched = watch_socket(settings)
        chain = paper_chain(settings, clock)
        await chain.start()
        try:
            port = listener.getsockname()[1]
            served = node_server(node_app(chain, clock, chain), host, port).config
            async with asyncio.TaskGroup() as group:
                group.create_task(serve_until(stopping, served, listener), name="node")
                if watched is not None:
                    parts = {"chain": chain.ping}
                    group.create_task(watch(settings, metrics, parts, watched, stopping))
                say({"node": f"http://{host}:{port}"}, f"Paper chain on http://{host}:{port}")
        finally:
            await chain.stop()


async def run_migrate(settings: Settings) -> int:
    """Bring the tables up to date; the version they are at then."""
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
    watched = None if api else watch_socket(engine.settings)
    if worked is not None:
        engine.metrics.refresh_with(lambda: _refresh_worker(engine.metrics, worked))
    async with asyncio.TaskGroup() as group:
        if worked is not None:
            group.create_task(_work(worked, stopping), name="worker")
            if watched is not None:
                parts = parts_of(engine, worked)
                group.create_task(watch(engine.settings, engine.metrics, parts, watched, stopping))
        if api:
            group.create_task(serve_api(engine, worked, stopping), name="api")
        else:
            say({"worker": "ready"}, "A worker is at work")


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


async def _refresh_worker(metrics: Metrics, worker: Worker) -> None:
    metrics.in_hand.set(worker.driving)
    metrics.resting.set(worker.watcher.resting)


def _stopping_on_signals() -> asyncio.Event:
    """Set when the process is asked to end."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
