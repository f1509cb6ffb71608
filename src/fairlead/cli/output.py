"""Answers on standard output: JSON for programs, tables for people."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.config import Settings, load_settings, read_environment

if TYPE_CHECKING:
    from rich.console import Console

UNCUT_COLUMNS = 200


def print_json(value: Any) -> None:
    """One line, names as in the API."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def settings_with(over: Mapping[str, object]) -> Settings:
    """The settings of the environment with a command's own options on top."""
    given = {name: str(value) for name, value in over.items() if value is not None}
    return load_settings({**read_environment(), **given})


def console() -> "Console":
    """Standard output for people. What goes into a file or a pipe is not cut to 80 columns."""
    from rich.console import Console

    to_terminal = Console()
    return to_terminal if to_terminal.is_terminal else Console(width=UNCUT_COLUMNS)
