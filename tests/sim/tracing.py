"""Lines, and steps from one line to the next, of the source files that are traced."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from opcode import opmap
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

LEFT = -1
"""Where a step goes that returns."""

YIELD = opmap["YIELD_VALUE"]


class Traced:
    """What was seen, by the path of the file."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.lines: dict[str, set[int]] = {str(file): set() for file in files}
        self.steps: dict[str, set[tuple[int, int]]] = defaultdict(set)
        self._bytes: dict[CodeType, bytes] = {}

    @contextmanager
    def tracing(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A frame begins, or goes on after an `await` or `yield`: then from that one's line."""
        name = frame.f_code.co_filename
        if name not in self.lines:
            return None
        lines, steps, before = self.lines[name], self.steps[name], frame.f_lineno
        # A comprehension's or a lambda's return is none of the branch that it stands in.
        steps = set() if frame.f_code.co_name.startswith("<") else steps

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal before
            if event == "line":
                lines.add(frame.f_lineno)
                steps.add((before, frame.f_lineno))
                before = frame.f_lineno
            elif event == "exception":
                if not issubclass(argument[0], StopIteration | StopAsyncIteration):
                    # To be thrown out of a test is neither way out of it.
                    before = 0
            elif event == "return" and before and not self._waits(frame):
                steps.add((before, LEFT))
            return step

        return step

    def _waits(self, frame: FrameType) -> bool:
        """Whether it comes back: a `yield` or an `await` that is not done."""
        code = self._bytes.setdefault(frame.f_code, b"")
        if not code:
            code = self._bytes[frame.f_code] = frame.f_code.co_code
        return code[frame.f_lasti] == YIELD
