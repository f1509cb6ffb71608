"""`fairlead doctor`: what is wrong and how to mend it."""

from fairlead.cli import outcomes
from fairlead.cli.output import console, print_json, settings_with
from fairlead.cli.servers import bootstrap
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
        checks = [_settings(settings), *await bootstrap().run_checks(settings)]
        checks.append(await _api(settings))
    _print(checks, as_json)
    return outcomes.DONE if all(check.ok for check in checks) else outcomes.FAILED


def _settings(settings: Settings) -> Check:
    store = "embedded store" if settings.store.embedded else "PostgreSQL"
    told = [f"chain {settings.chain.name}, {store}", *settings.notes]
    return Check("settings", True, "; ".join(told))


async def _api(settings: Settings) -> Check:
    from fairlead.client import Client

    url = settings.api_url
    async with Client(url, settings.api_token, timeout_s=5, retry_for_s=0) as client:
        try:
            ready = await client.ready()
            # Also tells whether the token is the right one.
            await client.list(limit=1)
        except FairleadError as error:
            return Check("api", False, str(error), _api_fix(error))
    if ready:
        return Check("api", True, url)
    return Check("api", False, f"{url} answers, but is not ready", "its /ready says which part")


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
