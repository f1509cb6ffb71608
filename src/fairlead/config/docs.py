"""docs/configuration.md and .env.example, written from the table (by script/generate-docs)."""

from pathlib import Path

from fairlead.config.table import GROUPS, SETTINGS, Setting

_HEAD = """\
# Configuration

fairlead reads its settings once, at the start, from the environment and from a file `.env` in the
current folder; the environment wins. An unknown `FAIRLEAD_…` name or a bad value stops the start
and is named. Empty means unset. Numbers may be grouped: `10_000`.

With nothing set, `fairlead serve` runs everything in one process on the paper chain, on
127.0.0.1:3000, and asks for no token.

<!-- Made from src/fairlead/config/table.py by script/generate-docs. -->
"""

_TAIL = """\
## Variables of other engines

So that an engine can be replaced without touching its environment, these are read too:

| variable | what becomes of it |
|---|---|
| `POSTGRES_HOST`, `POSTGRES_PORT`, `POSTGRES_DB`, `POSTGRES_USER`, `POSTGRES_PASSWORD` | read as \
`DATABASE_URL`, unless that is set. Host and database are needed, the others have PostgreSQL's \
defaults |
| `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD` | read as `REDIS_URL`, unless that is set |
| `MOCK_MODE` | `true` is the paper chain, the default. `false` asks for a real one: the start \
stops unless `FAIRLEAD_CHAIN` names it |
| `NODE_ENV` | ignored |

A few others (`SOLANA_RPC_URL`, `WALLET_PRIVATE_KEY`, `MAX_RETRIES`, …) have no effect; a line at
the start says which of fairlead's settings takes their place.

## Where the data is

The embedded store, the paper chain and its keys are in one folder: `FAIRLEAD_DATA_DIR`, by default
`fairlead` in `$XDG_DATA_HOME` or `~/.local/share`. It does not depend on the folder fairlead is
started from, on purpose: idempotency keys and the attempts that may still land are in it, and a
start from somewhere else must not forget them.
"""


_COLUMNS = ("| name | default | values | what |", "|---|---|---|---|")


def configuration_page() -> str:
    """docs/configuration.md."""
    parts = [_HEAD]
    for group, heading in GROUPS.items():
        rows = [_row(setting) for setting in _of(group)]
        parts.append("\n".join([f"## {heading}", "", *_COLUMNS, *rows, ""]))
    return "\n".join([*parts, _TAIL])


def environment_example() -> str:
    """.env.example: every setting, commented out, at its default."""
    lines = [
        "# Copy to .env and uncomment what you change. Everything here is optional.",
        "# docs/configuration.md says more. Made by script/generate-docs.",
    ]
    for group, heading in GROUPS.items():
        lines += ["", f"# --- {heading}"]
        for setting in _of(group):
            lines += [
                f"# {setting.meaning.replace('`', '')}",
                f"#{setting.name}={_written(setting)}",
            ]
    return "\n".join([*lines, ""])


def _of(group: str) -> list[Setting]:
    return [setting for setting in SETTINGS if setting.field.split(".")[0] == group]


def _written(setting: Setting) -> str:
    return setting.default or ""


def _row(setting: Setting) -> str:
    cells = (f"`{setting.name}`", _default(setting), setting.kind.label, setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(setting: Setting) -> str:
    """The default, and where another one holds."""
    told = "–" if setting.default is None else f"`{setting.default}`"
    by_value: dict[str, list[str]] = {}
    for flavour, value in setting.default_by.items():
        by_value.setdefault(value, []).append(flavour)
    others = [f"{', '.join(flavours)}: `{value}`" for value, flavours in by_value.items()]
    return "; ".join([told, *others])


def write(root: Path) -> None:
    (root / "docs").mkdir(exist_ok=True)
    (root / "docs" / "configuration.md").write_text(configuration_page(), encoding="utf-8")
    (root / ".env.example").write_text(environment_example(), encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
