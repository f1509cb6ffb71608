"""Starting processes: their settings, and what stops them from starting."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command

from fairlead import __version__
from fairlead.cli import plain
from fairlead.cli.app import app
from fairlead.cli.outcomes import exit_code_of
from fairlead.cli.servers import Process, start
from fairlead.errors import ConfigError, OrderNotFound, Overloaded, UnknownOutcome
from fairlead.telemetry.checks import Check
from tests.unit.cli.engine import Engine
from tests.unit.client.serving import serving

Run = Callable[..., Any]


def test_serve_starts_with_the_options_over_the_environment(
    fairlead: Run, bootstrap: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "1234")
    assert 0 == fairlead("serve", "--profile", "fast", "--json").code
    assert 0 == fairlead("serve", "--port", "4321").code
    (name, first), (_, second) = bootstrap.started
    assert ("serve", 1234, "fast", "json") == (
        name,
        first.api.port,
        first.paper.profile,
        first.log.format,
    )
    assert (4321, "realistic", "console") == (
        second.api.port,
        second.paper.profile,
        second.log.format,
    )


def test_settings_come_from_dotenv_below_the_environment(
    fairlead: Run, bootstrap: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".env").write_text("PORT=1111\nLOG_LEVEL=debug\n")
    monkeypatch.setenv("PORT", "2222")
    fairlead("serve")
    _, settings = bootstrap.started[0]
    assert (2222, "debug") == (settings.api.port, settings.log.level)


@pytest.mark.parametrize("process", ["api", "worker"])
def test_one_part_alone_needs_a_database(
    process: str, fairlead: Run, bootstrap: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = fairlead(process)
    assert 6 == ended.code
    assert "fairlead serve" in ended.err
    assert ended.err.startswith("fairlead: DATABASE_URL: ")
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/fairlead")
    assert 0 == fairlead(process).code
    assert [process] == [name for name, _ in bootstrap.started]


def test_migrate_tells_the_version(fairlead: Run, bootstrap: SimpleNamespace) -> None:
    assert "The tables are at version 3\n" == fairlead("migrate").out
    assert {"version": 3} == json.loads(fairlead("migrate", "--json").out)


def test_a_wrong_setting_is_named_without_a_traceback(
    fairlead: Run, bootstrap: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_CHIAN", "paper")
    ended = fairlead("serve")
    assert (6, "fairlead: FAIRLEAD_CHIAN: is no setting; did you mean FAIRLEAD_CHAIN?\n") == (
        ended.code,
        ended.err,
    )
    told = json.loads(fairlead("serve", "--json").err)["error"]
    assert ("config", "FAIRLEAD_CHIAN") == (told["code"], told["variable"])


def test_a_taken_port_is_a_sentence(fairlead: Run, bootstrap: SimpleNamespace) -> None:
    async def run_serve(settings: Any) -> None:
        raise OSError(98, "Address already in use")

    bootstrap.run_serve = run_serve
    ended = fairlead("serve")
    assert 6 == ended.code
    assert "PORT: 127.0.0.1:3000 cannot be listened on" in ended.err


async def test_doctor_is_content_when_everything_is_well(
    fairlead_async: Run, bootstrap: SimpleNamespace
) -> None:
    engine = Engine()
    async with serving(engine.routes()) as url:
        ended = await fairlead_async("doctor", "--url", url)
        assert 0 == ended.code
        engine.ready = False
        assert 1 == (await fairlead_async("doctor", "--url", url)).code


def test_doctor_says_how_to_mend(fairlead: Run, bootstrap: SimpleNamespace) -> None:
    bootstrap.checks = (Check("chain", False, "no answer", "start a node"),)
    ended = fairlead("doctor", "--url", "http://127.0.0.1:1")
    assert 1 == ended.code
    assert "→ start a node" in ended.out
    assert "fairlead serve" in ended.out
    told = json.loads(fairlead("doctor", "--json", "--url", "http://127.0.0.1:1").out)
    assert [("settings", True), ("chain", False), ("api", False)] == [
        (check["part"], check["ok"]) for check in told["checks"]
    ]


def test_doctor_finds_wrong_settings(
    fairlead: Run, bootstrap: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "many")
    ended = fairlead("doctor")
    assert 1 == ended.code
    assert "PORT: must be a whole number" in ended.out


def test_exit_codes_follow_the_family_of_the_error() -> None:
    errors = (OrderNotFound("x"), Overloaded(1, 1), UnknownOutcome(), ConfigError("X", "y"))
    assert [3, 4, 5, 6] == [exit_code_of(error) for error in errors]


def test_version(fairlead: Run) -> None:
    assert f"fairlead {__version__}\n" == fairlead("version").out
    assert {"version": __version__} == json.loads(fairlead("version", "--json").out)


def test_version_loads_none_of_the_large_libraries() -> None:
    program = (
        "import sys; sys.argv = ['fairlead', 'version']; from fairlead.cli import main; main();"
        "print(sorted({'typer', 'rich', 'httpx', 'solders', 'msgspec'} & set(sys.modules)))"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f"fairlead {__version__}\n[]\n" == done.stdout
    # 0.02 s on a quiet machine; the bar is 0.15 s.
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("process", sorted(plain.OPTIONS))
def test_servers_know_the_same_options_with_and_without_typer(
    process: Process,
    fairlead: Run,
    bootstrap: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = get_command(app).commands[process]  # type: ignore[attr-defined]
    known = {word for parameter in command.params for word in parameter.opts}
    assert known == {*plain.OPTIONS[process], "--json"}
    values = {"--port": "4321", "--profile": "fast", "--chain": "paper", "--concurrency": "7"}
    words = [process, "--json"]
    for option in plain.OPTIONS[process]:
        words += [option, values.get(option, "127.0.0.1")]
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/fairlead")
    assert 0 == fairlead(*words).code
    plainly = plain.read(words)
    assert plainly is not None
    assert process == plainly[0]
    assert 0 == start(*plainly)
    (_, by_typer), (_, by_hand) = bootstrap.started
    assert by_typer == by_hand


@pytest.mark.parametrize(
    "words",
    [
        "version",
        "serve --help",
        "serve --port=4321",
        "serve --port many",
        "serve --port 70000",
        "serve --port",
        "serve --port 1 --port 2",
        "serve --host --json",
        "serve now",
        "worker --port 1",
        "--json serve",
        "",
    ],
)
def test_what_is_not_plain_is_left_to_typer(words: str) -> None:
    assert None is plain.read(words.split())
