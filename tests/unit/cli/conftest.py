"""Running commands in this process, against settings that no `.env` of the machine touches."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from fairlead.cli.app import app
from fairlead.telemetry.checks import Check


class Ended:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("FAIRLEAD_", "POSTGRES_", "REDIS_", "DATABASE_")):
            monkeypatch.delenv(name)
    for name in ("HOST", "PORT", "LOG_LEVEL", "MOCK_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fairlead() -> Callable[..., Ended]:
    """`fairlead("order", "list")`: the command's end. Not on a thread with a running event loop."""

    def run(*arguments: str) -> Ended:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def fairlead_async(fairlead: Callable[..., Ended]) -> Callable[..., Any]:
    async def run(*arguments: str) -> Ended:
        return await asyncio.to_thread(fairlead, *arguments)

    return run


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """In place of the real one: remembers what it was started with."""
    fake = SimpleNamespace(started=[], checks=(Check("store", True, "embedded"),))

    def runner(name: str) -> Any:
        async def run(settings: Any) -> int:
            fake.started.append((name, settings))
            return 3

        return run

    async def run_checks(settings: Any) -> tuple[Check, ...]:
        return tuple(fake.checks)

    for name in ("serve", "api", "worker", "node", "migrate"):
        setattr(fake, f"run_{name}", runner(name))
    fake.run_checks = run_checks
    monkeypatch.setitem(sys.modules, "fairlead.bootstrap", fake)
    monkeypatch.setitem(sys.modules, "fairlead.checks", fake)
    # The commands set logging up for a process of their own; here it is the tests'.
    monkeypatch.setattr("fairlead.telemetry.logs.configure_logging", lambda *_: None)
    return fake
