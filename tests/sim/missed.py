"""What a trace never saw of a source: lines never reached, and branches gone one way only."""

from collections.abc import Iterator
from enum import Enum

import msgspec

from tests.sim.places import Branch, Source


class Kind(Enum):
    NEVER = "never"
    # A branch whose block was always entered: its test always held, its loop never ran out.
    ALWAYS = "always"


class Missed(msgspec.Struct, frozen=True):
    """A line never reached, or the head of a branch of which one way was never gone."""

    line: int
    kind: Kind


class Reach(msgspec.Struct, frozen=True):
    """What was seen of a file."""

    lines: int
    never: list[int]
    # Ways out of its branches, two for each; those of branches never reached are not among them.
    ways: int
    ways_missed: int
    # In order. A way that leads to a line never reached is told by that line.
    missed: list[Missed]


def reach_of(source: Source, lines: set[int], steps: set[tuple[int, int]]) -> Reach:
    """What was seen, given the lines and the steps between them."""
    never = source.lines - lines
    missed = [Missed(line, Kind.NEVER) for line in never]
    ways = ways_missed = 0
    for branch in source.branches:
        if branch.head.start in never or branch.inside in branch.head:
            continue
        not_gone = list(_not_gone(branch, steps))
        ways, ways_missed = ways + 2, ways_missed + len(not_gone)
        missed += [Missed(branch.head.start, kind) for kind, to in not_gone if to not in never]
    missed.sort(key=lambda each: (each.line, each.kind.value))
    return Reach(len(source.lines), sorted(never), ways, ways_missed, missed)


def _not_gone(branch: Branch, steps: set[tuple[int, int]]) -> Iterator[tuple[Kind, int | None]]:
    """The ways never gone, and the lines they lead to, as far as the source says."""
    reached = {to for line, to in steps if line in branch.head and to not in branch.head}
    if branch.inside not in reached:
        yield Kind.NEVER, branch.inside
    if not reached - {branch.inside}:
        yield Kind.ALWAYS, branch.otherwise
