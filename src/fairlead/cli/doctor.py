"""`fairlead doctor`: what is wrong and how to mend it."""

import importlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fairlead.cli import outcomes
from fairlead.cli.output import console, print_json, settings_with
from fairlead.config import Settings
from fairlead.errors import ConfigError, FairleadError
from fairlead.telemetry.checks import Check


async def examine(url: str | None, as_json: bool) -> int:
    """Look at everything; exit code 1 when anything is wrong."""
    try:
        settings = settings_with({"FAIRLEAD_URL": url})
    except ConfigError as error:
        # Nothing else can be looked at without settings.
        checks = [Check("settings", False, str(error), "docs/configuration.md lists them all")]
    else:
        _log_nothing_but_failures()
        found = await _run_checks()(settings)
        api, inside = await _api(settings)
        checks = [_settings(settings), *(_with_server(found) if inside else found), api]
    _print(checks, as_json)
    return outcomes.DONE if all(check.ok for check in checks) else outcomes.FAILED


def _run_checks() -> Callable[[Settings], Coroutine[Any, Any, tuple[Check, ...]]]:
    # By name: it imports every part of the engine.
    checks = importlib.import_module("fairlead.checks")
    run: Callable[[Settings], Coroutine[Any, Any, tuple[Check, ...]]] = checks.run_checks
    return run


def _log_nothing_but_failures() -> None:
    """The findings say it; and standard output is theirs."""
    from fairlead.telemetry.logs import configure_logging

    configure_logging("error")


def _settings(settings: Settings) -> Check:
    store = "embedded store" if settings.store.embedded else "PostgreSQL"
    told = [f"chain {settings.chain.name}, {store}", *settings.notes]
    return Check("settings", True, "; ".join(told))


def _with_server(found: Sequence[Check]) -> list[Check]:
    """The findings, when a server that is ready has a chain that is not seen from here."""
    seen = Check("chain", True, "not seen from here, but the API has one: inside `fairlead serve`")
    return [seen if check.part == "chain" and not check.ok else check for check in found]


async def _api(settings: Settings) -> tuple[Check, bool]:
    """The finding, and whether the chain may be inside the server: it says that it has one."""
    from fairlead.client import Client

    url = settings.api_url
    async with Client(url, settings.api_token, timeout_s=5, retry_for_s=0) as client:
        try:
            states = await client.readiness()
        except FairleadError as error:
            return Check("api", False, str(error), _api_fix(error)), False
    inside = (
        states.get("chain") == "ok"
        and settings.chain.name == "paper"
        and not settings.chain.rpc_urls
    )
    wrong = [f"{part}: {state}" for part, state in states.items() if state != "ok"]
    if not wrong:
        return Check("api", True, f"{url}, ready"), inside
    told = f"{url} answers, but is not ready; {', '.join(wrong)}"
    return Check("api", False, told, _part_fix(states)), inside


def _part_fix(states: Mapping[str, str]) -> str:
    """About the first part that keeps a server from being ready."""
    fixes = {
        "store": "start its database; it goes on by itself then",
        "bus": "start its Redis or PostgreSQL; orders go on meanwhile, by polling",
        "chain": "start `fairlead node`; it goes on by itself then",
        "workers": "start one with `fairlead worker`",
    }
    return next((fix for part, fix in fixes.items() if states.get(part, "ok") != "ok"), "")


def _api_fix(error: FairleadError) -> str:
    match outcomes.exit_code_of(error):
        case outcomes.REFUSED:
            return "set FAIRLEAD_TOKEN to one of the server's FAIRLEAD_API_TOKEN"
        case _:
            return "start it with `fairlead serve`, or say where it is with FAIRLEAD_URL"


def _print(checks: list[Check], as_json: bool) -> None:
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": checks})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark = Text("✓", "green") if check.ok else Text("✗", "bold red")
        table.add_row(mark, Text(check.part, "bold"), Text(check.detail))
        if not check.ok and check.fix:
            table.add_row("", "", Text(f"→ {check.fix}", "yellow"))
    console().print(table)
