"""The file of pools that are always looked at: FAIRLEAD_POOLS_FILE.

JSON or TOML by its ending: a list of addresses, or of tables with an `address` and what notes you
like; in TOML, and if you want in JSON, under `pools`. What is wrong stops the start.
"""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey

from fairlead.errors import ConfigError

VARIABLE = "FAIRLEAD_POOLS_FILE"
MAX_NAMED = 1_000
"""Pools of one file: all are read at the first question, to learn of which pairs they are."""


def read_pool_file(path: Path) -> tuple[Pubkey, ...]:
    """The addresses, in the file's order; `ConfigError` names the line or the entry."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(VARIABLE, f"{path} cannot be read ({why})") from None
    entries = _entries(path, text)
    if not isinstance(entries, list):
        raise ConfigError(VARIABLE, f"{path}: expected a list of pools")
    if len(entries) > MAX_NAMED:
        raise ConfigError(VARIABLE, f"{path} names {len(entries)} pools; at most {MAX_NAMED}")
    return tuple(_checked(path, text, entries))


def _entries(path: Path, text: str) -> Any:
    try:
        if path.suffix == ".toml":
            found: Any = tomllib.loads(text)
        elif path.suffix == ".json":
            found = json.loads(text)
        else:
            raise ConfigError(VARIABLE, f"{path} must end in .json or .toml")
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(VARIABLE, f"{path}, {where}: {error.msg}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(VARIABLE, f"{path}: {error}") from None
    if isinstance(found, dict):
        if "pools" not in found:
            raise ConfigError(VARIABLE, f"{path} has no list named pools")
        return found["pools"]
    return found


def _checked(path: Path, text: str, entries: list[Any]) -> Iterable[Pubkey]:
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        address = entry.get("address") if isinstance(entry, dict) else entry
        if not isinstance(address, str):
            raise ConfigError(VARIABLE, f"{path}, entry {number} has no address")
        where = f"{path}, line {_line_of(address, text)}, entry {number}"
        if address in seen:
            raise ConfigError(VARIABLE, f"{where}: {address} is entry {seen[address]} already")
        seen[address] = number
        try:
            yield Pubkey.from_string(address)
        except ValueError:
            raise ConfigError(VARIABLE, f"{where}: {address!r} is no address") from None


def _line_of(address: str, text: str) -> int:
    """The last line that has it: of two the second is the one too many."""
    found = [n for n, line in enumerate(text.splitlines(), 1) if address in line]
    return found[-1] if found else 1
