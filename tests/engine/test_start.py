"""A start loads what it needs: libraries of other stores, and of the command line, it does not."""

import re
from pathlib import Path

import httpx

from tests.engine.processes import FAST, Api, market_order, running

# rich and typer draw for people; the others belong to servers that an embedded start has not.
NOT_NEEDED = {"aiohttp", "asyncpg", "dotenv", "prometheus_client", "pygments", "redis"}
NOT_NEEDED |= {"rich.console", "typer", "fairlead.api.openapi", "fairlead.cli.app", "fairlead.node"}


def modules_loaded(log: str) -> set[str]:
    """Every module and package named by the interpreter's own account of its imports."""
    names = re.findall(r"^import time:[^|]+\|[^|]+\|\s*([\w.]+)$", log, re.MULTILINE)
    return {".".join(n.split(".")[:size]) for n in names for size in range(1, n.count(".") + 2)}


def test_embedded_serve_loads_no_library_it_does_not_use(tmp_path: Path) -> None:
    variables = {**FAST, "PYTHONPROFILEIMPORTTIME": "1"}
    serve = Api("serve", tmp_path, variables)
    with running(serve):
        serve.wait_ready()
        answer = httpx.post(f"{serve.url}/api/orders/execute", json=market_order(), timeout=10)
        assert 202 == answer.status_code
    loaded = modules_loaded(serve.log_path.read_text(errors="replace"))
    assert {"fairlead.store.sqlite", "uvicorn", "structlog"} <= loaded
    assert set() == loaded & NOT_NEEDED
