"""The examples of a page: what to type, and what the page says comes back.

A fence that follows a shell fence or a program is what that one prints, shortened by `…`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = frozenset({"sh", "bash", "shell", "console"})
PROGRAMS = frozenset({"python", "js"})
PRINTED = frozenset({"json", "http", "text"})


@dataclass(frozen=True)
class Example:
    """One of the languages of `SHELL` or `PROGRAMS`, and (language, text) of what it prints."""

    page: str
    line: int
    language: str
    text: str
    printed: tuple[str, str] | None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def examples_of(path: Path) -> Iterator[Example]:
    """All of a page, in order."""
    page = path.read_text("utf-8")
    fences = list(_FENCE.finditer(page))
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        language, text = fence.groups()
        if language not in SHELL | PROGRAMS:
            continue
        printed = None
        if following is not None and following.group(1) in PRINTED:
            printed = (following.group(1), following.group(2))
        yield Example(path.name, page.count("\n", 0, fence.start()) + 1, language, text, printed)
