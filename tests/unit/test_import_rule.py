"""The parts of the import rule that import-linter's contracts (pyproject.toml) cannot say.

Every top-level name of the package has one colour; pure code names no module that reads a clock, a
socket, randomness or the environment; a venue sees amounts and errors only.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "fairlead"

PURE = {
    "amounts",
    "errors",
    "tokens",
    "ports",
    "proofcheck",
    "routing",
    "orders",
    "triggers",
    "venues",
    "solana",
    "ledger",
}
SHELL = {
    "config",
    "telemetry",
    "clock",
    "chain",
    "node",
    "store",
    "bus",
    "workers",
    "api",
    "web",
    "client",
}
COMPOSITION = {"bootstrap", "checks", "cli", "sim", "__init__", "__main__"}

IMPURE_MODULES = {
    "aiohttp",
    "asyncio",
    "asyncpg",
    "concurrent",
    "httpx",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "redis",
    "secrets",
    "selectors",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "starlette",
    "structlog",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uvicorn",
    "uvloop",
}

# What `fairlead.venues` may name besides itself and the standard library.
# msgspec only gives facts a faster frozen form than dataclasses do.
VENUE_MODULES = {"fairlead.amounts", "fairlead.errors", "fairlead.venues", "msgspec", "solders"}


def top_level_names() -> list[str]:
    """The modules and packages directly below fairlead, without their ending."""
    entries = (p for p in PACKAGE.iterdir() if p.name != "__pycache__")
    return sorted(p.stem for p in entries if p.suffix == ".py" or any(p.rglob("*.py")))


def files_of(name: str) -> list[Path]:
    module = PACKAGE / f"{name}.py"
    return [module] if module.exists() else sorted((PACKAGE / name).rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions; for `from m import n` both m and m.n."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in allowed)


def test_every_top_level_name_has_one_colour() -> None:
    assert set() == PURE & SHELL | PURE & COMPOSITION | SHELL & COMPOSITION
    assert [] == [n for n in top_level_names() if n not in PURE | SHELL | COMPOSITION]


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_code_names_no_impure_module(name: str) -> None:
    named = [(p, m) for p in files_of(name) for m in imports_of(p)]
    assert [] == [(str(p), m) for p, m in named if m.split(".")[0] in IMPURE_MODULES]


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_code_neither_awaits_nor_starts_coroutines(name: str) -> None:
    if name == "ports":
        return  # a port's signature may be async: the shells behind it are
    found = [
        f"{path}:{node.lineno}"
        for path in files_of(name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]
    assert [] == found


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_code_imports_pure_code_only(name: str) -> None:
    colours = {f"fairlead.{other}" for other in PURE}
    named = [(p, m) for p in files_of(name) for m in imports_of(p) if is_in(m, {"fairlead"})]
    assert [] == [(str(p), m) for p, m in named if not is_in(m, colours)]


def test_venues_see_amounts_and_errors_only() -> None:
    named = [(p, m) for p in files_of("venues") for m in imports_of(p)]
    foreign = [(p, m) for p, m in named if m.split(".")[0] not in sys.stdlib_module_names]
    assert [] == [(str(p), m) for p, m in foreign if not is_in(m, VENUE_MODULES)]
