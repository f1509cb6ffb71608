"""Dockerfile and compose.yaml as data, and what their containers run as processes of this machine.

Only what those two files use is understood; anything else fails loudly.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.engine.processes import Process

ROOT = Path(__file__).parents[2]
OUR_IMAGE = "fairlead:local"
CONTAINER_PORT = "3000"
CONTAINER_DATA = "/data"

# ${NAME}, ${NAME:-default}, ${NAME:?what to do}.
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class MissingVariableError(Exception):
    """A variable that compose.yaml demands is not set."""


# --- the Dockerfile ---


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions in order: name and all that follows, on one line."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    without_comments = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = without_comments.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def instruction(name: str) -> str:
    """What follows this instruction, of which there is one."""
    (found,) = [rest for known, rest in dockerfile() if known == name]
    return found


def image_environment() -> dict[str, str]:
    """What ENV sets in the final stage, but for the search path."""
    stages = "\n".join(f"{name} {rest}" for name, rest in dockerfile()).split("FROM ")
    (line,) = re.findall(r"^ENV (.*)$", stages[-1], re.MULTILINE)
    variables = dict(word.split("=", 1) for word in shlex.split(line))
    del variables["PATH"]
    return variables


def health_command() -> list[str]:
    """The words of HEALTHCHECK's command."""
    words: list[str] = json.loads(instruction("HEALTHCHECK").split("CMD", 1)[1])
    return words


# --- compose.yaml ---


def interpolated(value: Any, given: Mapping[str, str]) -> Any:
    """The value with all ${…} in it replaced, as docker compose does it."""
    if isinstance(value, dict):
        return {key: interpolated(item, given) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, given) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        name, operator, argument = found.groups()
        # With the colon an empty value counts as none.
        if given.get(name):
            return given[name]
        if operator == "?":
            raise MissingVariableError(f"{name}: {argument}")
        return argument or ""

    text = _VARIABLE.sub(replaced, value)
    assert "$" not in text, f"not understood here: {value}"
    return text


def services(given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The services of compose.yaml with these variables in the shell, by name."""
    file = YAML(typ="safe").load(ROOT / "compose.yaml")
    # The x-… blocks have done their work as anchors.
    found: dict[str, dict[str, Any]] = interpolated(file["services"], given)
    return found


@dataclass(frozen=True)
class Places:
    """Where on this machine the other containers are, as host:port."""

    postgres: str
    redis: str
    node: str

    def here(self, text: str) -> str:
        """The text with the names that containers have for each other replaced."""
        for name, place in {
            "postgres:5432": self.postgres,
            "redis:6379": self.redis,
            "node:8899": self.node,
        }.items():
            text = re.sub(rf"\b{name}\b", place, text)
        return text


def process_of(
    service: Mapping[str, Any], folder: Path, port: int, places: Places, **variables: str
) -> Process:
    """The process in a container of ours, with the very environment it has there.

    Other are only the places, the container's own port and its volume: here all share one machine.
    """
    assert OUR_IMAGE == service["image"]
    assert ["fairlead"] == json.loads(instruction("ENTRYPOINT"))
    there = {**image_environment(), **service["environment"]}
    here = {
        name: {CONTAINER_PORT: str(port), CONTAINER_DATA: str(folder / "data")}.get(
            value, places.here(value)
        )
        for name, value in there.items()
    }
    return Process(shlex.join(service["command"]), folder, {**here, **variables})


def is_healthy(process: Process) -> bool:
    """What HEALTHCHECK's command says, run in the environment of its container."""
    python, *arguments = health_command()
    assert "python" == python
    done = subprocess.run(
        [sys.executable, *arguments],
        env=process.variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
    )
    return done.returncode == 0
