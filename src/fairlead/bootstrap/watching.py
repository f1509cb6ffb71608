"""Health and metrics of a process that has no API."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from fairlead.bootstrap.engine import Engine
from fairlead.config import Settings
from fairlead.errors import ConfigError
from fairlead.telemetry import Metrics
from fairlead.workers.worker import Worker

if TYPE_CHECKING:
    from fairlead.telemetry.endpoint import Ask

log = structlog.get_logger("fairlead")


async def watch(
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


def watch_socket(settings: Settings) -> socket.socket | None:
    """An open socket on the port for metrics; None where the settings name none."""
    port = settings.watch.metrics_port
    if port is None:
        return None
    return listening_socket("FAIRLEAD_METRICS_PORT", settings.api.host, port)


def listening_socket(variable: str, host: str, port: int) -> socket.socket:
    """An open socket; `ConfigError` names the variable when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            variable, f"{host}:{port} cannot be listened on ({why}); choose another port"
        ) from None


def parts_of(engine: Engine, worker: Worker) -> "Mapping[str, Ask]":
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
