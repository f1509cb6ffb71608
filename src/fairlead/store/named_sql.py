"""SQL written as SQL: files of named statements, and numbered migrations."""

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"^(\d{4})_\w+\.sql$")


def load_queries(folder: str) -> dict[str, str]:
    """The statements of every file in a folder of this package, by name.

    `{name}` in one stands for the text of that name, where there is such a one.
    """
    queries: dict[str, str] = {}
    for file in (resources.files(__package__) / folder).iterdir():
        if not file.name.endswith(".sql"):
            continue
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            assert name not in queries, f"{folder}: {name} is there twice"
            queries[name] = text.strip().removesuffix(";")
    return {
        name: _PLACEHOLDER.sub(lambda match: queries.get(match[1], match[0]), query)
        for name, query in queries.items()
    }


def load_migrations(folder: str) -> list[tuple[int, str]]:
    """(version, script) in order; the versions are 1, 2, …"""
    found = []
    for file in (resources.files(__package__) / folder).iterdir():
        match = _NUMBER.match(file.name)
        if match:
            found.append((int(match[1]), file.read_text(encoding="utf-8")))
    found.sort()
    assert [version for version, _ in found] == list(range(1, len(found) + 1)), folder
    return found
