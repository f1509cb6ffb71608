"""The API of a process, and when it is ready."""

import asyncio
from collections.abc import Sequence

from fairlead.api.dependencies import ApiDependencies
from fairlead.api.http import create_app
from fairlead.api.server import serve_http
from fairlead.bootstrap.bounds import api_settings
from fairlead.bootstrap.engine import Engine
from fairlead.bootstrap.saying import say_ready
from fairlead.chain.mints import ChainMints
from fairlead.errors import FairleadError
from fairlead.telemetry import Check
from fairlead.workers.worker import Worker


async def serve_api(engine: Engine, worker: Worker | None, stopping: asyncio.Event) -> None:
    """Answer until the process stops, from when its worker can take orders, if it has one."""
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
        listening=lambda port: say_ready(engine.settings, port),
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
