"""What the pages tell people to type exists, and what they name is there."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from fairlead.cli.app import app
from fairlead.cli.outcomes import __doc__ as exit_codes
from fairlead.config.table import SETTINGS
from fairlead.orders.model import EventType, OrderStatus
from tests.docs.commands import commands_of, shell_blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")],
    key=lambda path: path.name,
)
# What a person has on any machine, and the shell's own words.
ORDINARY = {
    *("cp", "curl", "cut", "git", "grep", "openssl", "python", "sed"),
    *("cd", "do", "done", "export", "for", "kill", "read", "sleep", "true", "until", "wait"),
    *("while", "{", "}"),
}
# Words of ours in pages that look like settings and are none.
NOT_SETTINGS = {"FAIRLEAD_", "FAIRLEAD_MAX_ROUND"}


def commands() -> list[tuple[str, list[str]]]:
    return [
        (path.name, command)
        for path in PAGES
        for block in shell_blocks(path.read_text("utf-8"))
        for command in commands_of(block)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_shell_examples_are_well_formed(path: Path) -> None:
    for block in shell_blocks(path.read_text("utf-8")):
        # <id> stands for what the reader fills in.
        text = re.sub(r"<(\w+)>", r"\1", block)
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert (0, "") == (done.returncode, done.stderr)


def test_every_command_exists_with_its_options() -> None:
    root: Any = typer.main.get_command(app)
    asked = [command for _, command in commands() if command[0] == "fairlead"]
    assert asked
    for command in asked:
        here, words = root, command[1:]
        while words and words[0] in getattr(here, "commands", {}):
            here, words = here.commands[words[0]], words[1:]
        assert here is not root, command
        known = {option for parameter in here.params for option in parameter.opts}
        assert set() == {word for word in words if word.startswith("--")} - known, command


def test_every_script_exists_and_everything_else_is_ordinary() -> None:
    for page, command in commands():
        # VARIABLE=value before a command is part of it.
        words = [word for word in command if not re.match(r"[A-Z_]+=", word)]
        name = words[0]
        if name.startswith(("script/", ".ci/", "bench/")):
            assert os.access(ROOT / name, os.X_OK), (page, name)
        else:
            assert name in ORDINARY | {"fairlead"}, (page, name)


def test_every_body_sent_is_json() -> None:
    sent = [command for _, command in commands() if "curl" in command and "-d" in command]
    bodies = [command[command.index("-d") + 1] for command in sent]
    assert len(bodies) >= 4
    for body in bodies:
        assert {"tokenIn", "tokenOut"} <= json.loads(body).keys()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text("utf-8")):
        if "://" in target:
            continue
        page = path.parent / target if target else path
        assert page.exists(), target
        if heading:
            assert heading in anchors(page), f"{target}#{heading}"


def anchors(page: Path) -> set[str]:
    """What a page's headings are linked by, as the forges make it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_settings_that_are_named_exist(path: Path) -> None:
    named = set(re.findall(r"FAIRLEAD_[A-Z_]*", path.read_text("utf-8")))
    assert set() == named - {setting.name for setting in SETTINGS} - NOT_SETTINGS


def test_every_status_and_event_is_explained() -> None:
    page = (ROOT / "docs" / "how-an-order-lives.md").read_text("utf-8")
    statuses, events = page.split("## Events")
    assert [] == [status for status in OrderStatus if f"`{status}`" not in statuses]
    assert [] == [event for event in EventType if f"`{event}`" not in events]


def test_exit_codes_are_documented_as_they_are() -> None:
    page = (ROOT / "docs" / "first-order.md").read_text("utf-8")
    rows = re.findall(r"^\| \d+ \|.*$", exit_codes or "", re.MULTILINE)
    assert len(rows) >= 8
    assert [] == [row for row in rows if row not in page]
