"""The functions, statements and branches of a source file, and names that do not rot with it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import msgspec

OWN_SCOPE = 0x2
"""The flag of code that is no module's and no class's: theirs runs when it is imported."""


NONE = range(0)


class Function(msgspec.Struct, frozen=True):
    # Qualified: `Class.method`, `outer.inner`.
    name: str
    lines: range


class Statement(msgspec.Struct, frozen=True):
    """A statement, an `except` or a `case`."""

    function: str
    # On one line; of one with a block, what stands before the block.
    text: str
    # With its block, without what an `else` or `except` adds to it.
    lines: range
    # What stands behind it in the block that it is in.
    after: range


class Branch(msgspec.Struct, frozen=True):
    """An `if`, `while` or `for`, and where it leads: into its block, or past it."""

    head: range
    inside: int
    # The first line of its `else`.
    otherwise: int | None
    # Whether who enters the block does not come to what stands behind it.
    is_way_out: bool


class Source(msgspec.Struct, frozen=True):
    """A file. Line numbers begin at 1."""

    rows: list[str]
    functions: list[Function]
    statements: list[Statement]
    branches: list[Branch]
    # That do something, within functions.
    lines: frozenset[int]

    def function_of(self, line: int) -> Function:
        """The innermost that holds it."""
        holding = [function for function in self.functions if line in function.lines]
        return min(holding, key=lambda function: len(function.lines))

    def own_lines(self, function: Function) -> set[int]:
        """Those that do something."""
        return {line for line in self.lines if line in function.lines}


def read_source(file: Path) -> Source:
    text = file.read_text()
    lines = frozenset(_lines_of(compile(text, str(file), "exec")))
    source = Source(text.splitlines(), [], [], [], lines)
    _add_below(ast.parse(text), source, "")
    within = {line for function in source.functions for line in function.lines}
    return msgspec.structs.replace(source, lines=lines & within)


def _add_below(node: ast.AST, source: Source, within: str) -> None:
    for _, value in ast.iter_fields(node):
        block = value if isinstance(value, list) else [value]
        for at, child in enumerate(block):
            if isinstance(child, ast.AST):
                behind = block[at + 1 :] if isinstance(child, ast.stmt) else []
                after = range(_lines(behind[0]).start, _lines(behind[-1]).stop) if behind else NONE
                _add(child, source, within, after)


def _add(node: ast.AST, source: Source, within: str, after: range) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        within = f"{within}.{node.name}" if within else node.name
        if not isinstance(node, ast.ClassDef):
            source.functions.append(Function(within, _lines(node)))
    elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
        source.statements.append(_statement(node, source.rows, within, after))
    if isinstance(node, ast.If | ast.While | ast.For | ast.AsyncFor) and not _is_endless(node):
        source.branches.append(_branch(node))
    _add_below(node, source, within)


def _is_endless(node: ast.AST) -> bool:
    return isinstance(node, ast.While) and isinstance(node.test, ast.Constant)


def _statement(
    node: ast.stmt | ast.ExceptHandler | ast.match_case, rows: list[str], within: str, after: range
) -> Statement:
    lines, head = _lines(node), _lines(node)
    block: list[ast.stmt] | list[ast.match_case] = getattr(node, "body", [])
    if isinstance(node, ast.Match):
        block = node.cases
    if block:
        lines = range(lines.start, _lines(block[-1]).stop)
        head = range(head.start, max(_lines(block[0]).start, head.start + 1))
    return Statement(within, one_line(rows, head), lines, after)


def _branch(node: ast.If | ast.While | ast.For | ast.AsyncFor) -> Branch:
    test = node.test if isinstance(node, ast.If | ast.While) else node.iter
    head = range(node.lineno, _lines(test).stop)
    # A loop that never runs out is left by a way out of its block, if at all.
    is_way_out = not isinstance(node, ast.If) or isinstance(
        node.body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break
    )
    otherwise = node.orelse[0].lineno if node.orelse else None
    return Branch(head, node.body[0].lineno, otherwise, is_way_out)


def _lines(node: ast.AST) -> range:
    at = node.pattern if isinstance(node, ast.match_case) else node
    assert isinstance(at, ast.stmt | ast.expr | ast.ExceptHandler | ast.pattern)
    last = node.body[-1] if isinstance(node, ast.match_case) else at
    return range(at.lineno, (last.end_lineno or at.lineno) + 1)


def one_line(rows: list[str], lines: range) -> str:
    """Their text, without the comments that have a line of their own."""
    told = [rows[line - 1].strip() for line in lines]
    return " ".join(row for row in told if not row.startswith("#"))


def _lines_of(module: CodeType) -> Iterator[int]:
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines_of(constant)
            if constant.co_flags & OWN_SCOPE:
                own = {line for *_, line in constant.co_lines() if line is not None}
                yield from own - {constant.co_firstlineno}
