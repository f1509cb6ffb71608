"""Starting the processes that `fairlead.bootstrap` puts together."""

import asyncio
import errno
import importlib
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, Protocol, TypeVar, cast

from fairlead.cli import outcomes
from fairlead.cli.output import print_json, settings_with
from fairlead.config import Settings
from fairlead.errors import ConfigError

T = TypeVar("T")
Process = Literal["serve", "api", "worker", "node"]
# Alone they would each have a store of their own, and no order would ever be executed.
_NEEDS_A_SHARED_STORE = ("api", "worker")


class Bootstrap(Protocol):
    """What the commands ask of `fairlead.bootstrap`."""

    async def run_serve(self, settings: Settings) -> None: ...
    async def run_api(self, settings: Settings) -> None: ...
    async def run_worker(self, settings: Settings) -> None: ...
    async def run_node(self, settings: Settings) -> None: ...
    async def run_migrate(self, settings: Settings) -> int:
        """The version the tables are at then."""
        ...


def bootstrap() -> Bootstrap:
    # By name: it imports every part of the engine, which only these commands need.
    return cast(Bootstrap, importlib.import_module("fairlead.bootstrap"))


def start(process: Process, over: Mapping[str, object], as_json: bool) -> int:
    """Run one of the processes until it is told to stop. `--json` makes its log lines JSON."""
    settings = settings_with({**over, **({"FAIRLEAD_LOG_FORMAT": "json"} if as_json else {})})
    if process in _NEEDS_A_SHARED_STORE and settings.store.embedded:
        raise ConfigError(
            "DATABASE_URL",
            f"is needed for `fairlead {process}`: the embedded store is for one process. Set"
            " DATABASE_URL=postgresql://user:password@host:5432/name to run several, or start"
            " `fairlead serve`, which is API and worker in one",
        )
    log_as(settings)
    parts = bootstrap()
    run = {
        "serve": parts.run_serve,
        "api": parts.run_api,
        "worker": parts.run_worker,
        "node": parts.run_node,
    }[process]
    try:
        try:
            _run(lambda: run(settings))
        except BaseExceptionGroup as group:
            raise outcomes.first_of(group) from None
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        name, place = (
            ("FAIRLEAD_NODE_PORT", f"{settings.node.host}:{settings.node.port}")
            if process == "node"
            else ("PORT", f"{settings.api.host}:{settings.api.port}")
        )
        raise ConfigError(
            name, f"{place} cannot be listened on ({error.strerror}); choose another port"
        ) from None
    return outcomes.DONE


def bring_up_to_date(as_json: bool) -> int:
    settings = settings_with({})
    log_as(settings)
    version = _run(lambda: bootstrap().run_migrate(settings))
    if as_json:
        print_json({"version": version})
    else:
        print(f"The tables are at version {version}")
    return outcomes.DONE


def log_as(settings: Settings) -> None:
    """Log lines as the settings ask, and what they found in the environment."""
    _import_structlog()
    import structlog

    from fairlead.telemetry.logs import configure_logging

    configure_logging(settings.log.level, settings.log.format)
    for note in settings.notes:
        structlog.get_logger("fairlead.config").warning(note)


def _import_structlog() -> None:
    """Import it without rich, which it would load to draw traces in a way we do not ask for: 0.1 s
    of every start."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """On uvloop where there is one."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work())
