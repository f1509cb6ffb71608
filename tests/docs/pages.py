"""Typing a page as a person does: all of its shell examples in one shell, from top to bottom."""

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.docs.examples import SHELL, Example

ROOT = Path(__file__).parents[2]
PAGE_WITHIN_S = 180.0
# What the person does in another terminal, or what the tests are themselves.
NOT_TYPED = ("script/server", "script/test", "git clone")
# First Node with a WebSocket of its own, and first that has one on request.
_NODE_WITH_WEBSOCKET, _NODE_ON_REQUEST = 22, 20

_MARK = "\x01"


def shell_examples(examples: Iterable[Example]) -> list[Example]:
    return [e for e in examples if e.language in SHELL and not e.text.startswith(NOT_TYPED)]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """A person's with this home, who has fairlead's programs at hand."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FAIRLEAD_", "POSTGRES_", "REDIS_", "DATABASE_"))
    }
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**inherited, "HOME": str(home), "PATH": path, "COLUMNS": "120", **variables}


def with_words(text: str, words: Mapping[str, str]) -> str:
    """The text with the page's addresses and ports turned into the test's."""
    for word in sorted(words, key=len, reverse=True):
        found = re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)")
        text = words[word].join(found.split(text))
    return text


def typed(
    examples: Sequence[Example], folder: Path, words: Mapping[str, str], **variables: str
) -> list[str]:
    """What each of them prints. What they leave running is ended."""
    lines = ["trap 'code=$?; kill $(jobs -p) 2>/dev/null || true; wait || true; exit $code' EXIT"]
    for example in examples:
        lines += [f"printf '{_MARK}'", with_words(example.text, words)]
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PAGE_WITHIN_S,
    )
    printed = done.stdout.split(_MARK)[1:]
    last = examples[len(printed) - 1]
    told = f"{last.place}\n{last.text}\n{printed[-1] if printed else ''}\n{done.stderr[-4_000:]}"
    assert 0 == done.returncode, told
    assert len(examples) == len(printed)
    return printed


def drawn(example: Example, folder: Path, **variables: str) -> str:
    """What an example draws on a terminal, its codes for colours and places left out."""
    screen, terminal = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as reader:
        process = subprocess.Popen(
            ["bash", "-eu", "-c", example.text],
            cwd=folder,
            env=environment(folder, TERM="xterm", **variables),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        seen = b""
        # Linux says EIO where others say that nothing more comes.
        with contextlib.suppress(OSError):
            while part := reader.read(65_536):
                seen += part
    assert 0 == process.wait(PAGE_WITHIN_S), seen.decode(errors="replace")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode(errors="replace")).replace("\r", "\n")


def run_program(example: Example, folder: Path, words: Mapping[str, str]) -> str:
    """What a Python or JavaScript program of a page prints."""
    name = {"python": "program.py", "js": "program.mjs"}[example.language]
    file = folder / name
    file.write_text(with_words(example.text, words), "utf-8")
    command = [sys.executable] if example.language == "python" else node()
    assert command is not None
    done = subprocess.run(
        [*command, str(file)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PAGE_WITHIN_S,
    )
    assert 0 == done.returncode, f"{example.place}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def node() -> list[str] | None:
    """Node with a WebSocket, as browsers have one; None where there is none."""
    found = shutil.which("node")
    if found is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(told.strip().removeprefix("v").partition(".")[0])
    if major >= _NODE_WITH_WEBSOCKET:
        return [found]
    return [found, "--experimental-websocket"] if major >= _NODE_ON_REQUEST else None
