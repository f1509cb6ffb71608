"""Which lines and branches of the engine the simulator alone reaches.

    python -m tests.sim.coverage [--seeds 1..100] [--orders 100] [--faults all]

Prints, for each file looked at, the share of its lines and of its branches (both ways out of every
`if`, `while` and `for`) that were lived through, and the lines never reached.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import msgspec

from fairlead.sim.faults import parse_faults
from fairlead.sim.seeds import Plan, live

SOURCE = Path(__file__).parents[2] / "src" / "fairlead"
LOOKED_AT = ("orders", "solana/landing.py", "store", "workers")
LEFT_OUT = "postgres"
"""The simulator's store is SQLite's."""


class Seen:
    """Lines, and steps from one line to the next, of the files looked at."""

    def __init__(self, files: list[Path]) -> None:
        self.lines: dict[str, set[int]] = defaultdict(set)
        self.steps: dict[str, set[tuple[int, int]]] = defaultdict(set)
        self._files = {str(file) for file in files}

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """For `sys.settrace`: follows the frames of these files alone."""
        name = frame.f_code.co_filename
        if name not in self._files:
            return None
        lines, steps, before = self.lines[name], self.steps[name], 0

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal before
            if event == "line":
                lines.add(frame.f_lineno)
                steps.add((before, frame.f_lineno))
                before = frame.f_lineno
            elif event == "return" and before:
                steps.add((before, -1))
            return step

        return step


class Covered(msgspec.Struct):
    """Of one file."""

    lines: int
    missing: list[int]
    branches: int
    half: list[int]


def covered(file: Path, seen: Seen) -> Covered:
    """What was seen of what is there."""
    name, text = str(file), file.read_text()
    tree = ast.parse(text)
    defined = set(_lines_of(compile(text, name, "exec")))
    missing = sorted(defined - seen.lines[name])
    ways = [way for node in ast.walk(tree) for way in _ways(node, seen.steps[name], missing)]
    return Covered(len(defined), missing, len(ways), sorted(line for line, was in ways if not was))


def _lines_of(module: CodeType) -> Iterator[int]:
    """Lines within functions: those of modules and classes run when they are imported."""
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines_of(constant)
            if constant.co_flags & 0x2:
                own = {line for *_, line in constant.co_lines() if line is not None}
                yield from own - {constant.co_firstlineno}


def _ways(
    node: ast.AST, steps: set[tuple[int, int]], missing: list[int]
) -> Iterator[tuple[int, bool]]:
    """Both ways out of a branch, and whether each was gone; none of a branch never reached."""
    if not isinstance(node, ast.If | ast.While | ast.For | ast.AsyncFor):
        return
    head = node.test if isinstance(node, ast.If | ast.While) else node.iter
    tested = range(node.lineno, (head.end_lineno or node.lineno) + 1)
    if node.lineno in missing or node.body[0].lineno in tested:
        return
    after = {to for line, to in steps if line in tested and to not in tested}
    yield node.lineno, node.body[0].lineno in after
    yield node.lineno, bool(after - {node.body[0].lineno})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1..100")
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--faults", default="all")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("..")
    plan = Plan(asked.orders, parse_faults(asked.faults))
    paths = [SOURCE / part for part in LOOKED_AT]
    files = sorted(f for p in paths for f in (p.rglob("*.py") if p.is_dir() else (p,)))
    files = [file for file in files if not file.name.startswith((LEFT_OUT, "__init__"))]
    seen = Seen(files)
    for seed in range(int(first), int(last or first) + 1):
        sys.settrace(seen.trace)
        try:
            lived = live(seed, plan)
        finally:
            sys.settrace(None)
        if lived.violations:
            print(f"seed {seed}: {lived.violations[0]}")
    _print(files, seen)


def _print(files: list[Path], seen: Seen) -> None:
    lines = missing = ways = half = 0
    for file in files:
        found = covered(file, seen)
        lines, missing = lines + found.lines, missing + len(found.missing)
        ways, half = ways + found.branches, half + len(found.half)
        share = 100 * (1 - len(found.missing) / max(found.lines, 1))
        branch = 100 * (1 - len(found.half) / max(found.branches, 1))
        print(f"{share:5.1f} % {branch:5.1f} %  {file.relative_to(SOURCE)}")
        if found.missing:
            print(f"          never: {', '.join(map(str, found.missing))}")
        if found.half:
            print(f"          one way only: {', '.join(map(str, found.half))}")
    print(
        f"lines {lines - missing:,} of {lines:,} ({100 * (1 - missing / lines):.1f} %),"
        f" branches {ways - half:,} of {ways:,} ({100 * (1 - half / ways):.1f} %)"
    )


if __name__ == "__main__":
    main()
