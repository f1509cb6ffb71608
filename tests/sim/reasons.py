"""Why the simulator does not reach what it does not: never_reached.toml, held to the source."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.sim.missed import Kind, Missed
from tests.sim.places import NONE, Source, one_line, read_source

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "fairlead"
BLOCK = " … "
"""Between what a statement says and what its block does, where that tells it from others."""
WITHIN = " → "
"""Between a statement and one in its block that says the same as others of the function."""

LIST = Path(__file__).with_name("never_reached.toml")


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, the tests that hold it instead if there are any, and what of each file it is about."""

    why: str
    tests: list[str]
    # Whole ones, by qualified name.
    functions: dict[str, list[str]] = {}
    # `function: statement`, with its block: a part of its text that no other has.
    never: dict[str, list[str]] = {}
    # `function: branch`: its block is always entered; with what stands behind it, if that is never
    # come to then.
    always: dict[str, list[str]] = {}


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files that the simulator does not run at all."""

    files: str
    why: str
    tests: list[str]


class Reasons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reasons: list[Reason]
    left_out: list[LeftOut]


class Named(msgspec.Struct, frozen=True):
    """What one entry is about, in the source as it is."""

    reason: Reason
    file: str
    entry: str
    never: range
    always: range

    def explains(self, missed: Missed) -> bool:
        return missed.line in (self.never if missed.kind is Kind.NEVER else self.always)


class Held(msgspec.Struct, frozen=True):
    """The list, and what of it is not so."""

    named: list[Named]
    wrong: list[str]


def read_reasons(file: Path = LIST) -> Reasons:
    return msgspec.toml.decode(file.read_bytes(), type=Reasons)


def hold(reasons: Reasons, source: Path = SOURCE, root: Path = ROOT) -> Held:
    """Every entry found in the source below `source`, and every test below `root`."""
    named: list[Named] = []
    tests = [test for each in reasons.reasons for test in each.tests]
    tests += [test for each in reasons.left_out for test in each.tests]
    wrong = [f"{test}: no such file" for test in tests if not (root / test).is_file()]
    empty = [each.files for each in reasons.left_out if not list(source.glob(each.files))]
    wrong += [f"{files}: no such files" for files in empty]
    sources: dict[str, Source] = {}
    for reason, kind, file, entry in _entries(reasons):
        if file not in sources and (source / file).is_file():
            sources[file] = read_source(source / file)
        found = _find(sources[file], kind, entry) if file in sources else "no such file"
        if isinstance(found, str):
            wrong.append(f"{file}: {entry}: {found}")
        else:
            named.append(Named(reason, file, entry, *found))
    return Held(named, wrong)


def _entries(reasons: Reasons) -> Iterator[tuple[Reason, Kind | None, str, str]]:
    for reason in reasons.reasons:
        tables = (
            (None, reason.functions),
            (Kind.NEVER, reason.never),
            (Kind.ALWAYS, reason.always),
        )
        for kind, table in tables:
            for file, entries in table.items():
                for entry in entries:
                    yield reason, kind, file, entry


def _find(source: Source, kind: Kind | None, entry: str) -> tuple[range, range] | str:
    """The lines that an entry says are never reached, and the branches whose block is always
    entered; or what is wrong with it."""
    name, _, snippet = entry.partition(": ")
    functions = [function for function in source.functions if function.name == name]
    if not functions:
        return "no such function"
    if kind is None:
        lines = functions[0].lines
        return (lines, lines) if len(functions) == 1 else "more than one function"
    outer, _, snippet = snippet.rpartition(WITHIN)
    head, _, inner = snippet.partition(BLOCK)
    own = [each for each in source.statements if each.function == name]
    blocks = [each.lines for each in own if outer in each.text]
    found = [
        each
        for each in own
        if head in each.text
        and inner in one_line(source.rows, each.lines)
        and (not outer or any(each.lines.start in block for block in blocks))
    ]
    if not found or not snippet:
        return "no such statement"
    if len(found) > 1:
        return f"{len(found)} statements"
    if kind is Kind.NEVER:
        return found[0].lines, NONE
    branches = [each for each in source.branches if each.head.start == found[0].lines.start]
    if not branches:
        return "no branch"
    return found[0].after if branches[0].is_way_out else NONE, branches[0].head
