"""What never_reached.toml names is there; and how reached and missed are told apart."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from tests.sim.missed import Reach, reach_of
from tests.sim.places import read_source
from tests.sim.reasons import LeftOut, Reason, Reasons, hold, read_reasons
from tests.sim.tracing import Traced

CODE = """\
import asyncio


class Till:
    def paid(self, prices, limit):
        total = 0
        for price in prices:
            if price > limit:
                raise ValueError(price)
            total += price
        return total


async def later(value):
    await asyncio.sleep(0)
    return value


async def asked(value):
    if await later(value):
        return "yes"
    else:
        return "no"


def any_large(prices):
    if any(price > 5 for price in prices):
        return True
    return False
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    (tmp_path / "till.py").write_text(CODE)
    spec = importlib.util.spec_from_file_location("till", tmp_path / "till.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missed(module: ModuleType, run: Callable[[], object]) -> list[str]:
    """What is missed of the functions that were run, as text."""
    reach, rows = reach_while(module, run)
    return [f"{each.kind.value} {rows[each.line - 1].strip()}" for each in reach.missed]


def reach_while(module: ModuleType, run: Callable[[], object]) -> tuple[Reach, list[str]]:
    file = Path(str(module.__file__))
    source, traced = read_source(file), Traced([file])
    with traced.tracing():
        run()
    entered = {
        line
        for function in source.functions
        if (lines := source.own_lines(function)) & traced.lines[str(file)]
        for line in lines
    }
    source = msgspec.structs.replace(
        source,
        lines=frozenset(entered),
        branches=[each for each in source.branches if each.head.start in entered],
    )
    return reach_of(source, traced.lines[str(file)], traced.steps[str(file)]), source.rows


def test_every_entry_names_what_is_there_and_a_test_that_is():
    assert [] == hold(read_reasons()).wrong


def test_a_test_that_never_held_leaves_its_block_unreached(module: ModuleType):
    reach, _ = reach_while(module, lambda: module.Till().paid([1, 2], 5))
    assert (6, 1, 4, 1) == (reach.lines, len(reach.never), reach.ways, reach.ways_missed)
    assert ["never raise ValueError(price)"] == missed(
        module, lambda: module.Till().paid([1, 2], 5)
    )


def test_what_raises_has_not_gone_past(module: ModuleType):
    def run():
        with pytest.raises(ValueError):
            module.Till().paid([9], 5)
        with pytest.raises(TypeError):
            module.Till().paid([None], 5)

    assert [
        "always for price in prices:",
        "always if price > limit:",
        "never total += price",
        "never return total",
    ] == missed(module, run)


def test_to_wait_within_a_test_is_neither_way_out_of_it(module: ModuleType):
    assert ['never return "no"'] == missed(module, lambda: asyncio.run(module.asked(1)))
    assert ['never return "yes"'] == missed(module, lambda: asyncio.run(module.asked(0)))


def test_the_end_of_a_generator_is_no_way_out_of_the_branch_that_it_stands_in(module: ModuleType):
    assert ["always if any(price > 5 for price in prices):", "never return False"] == missed(
        module, lambda: module.any_large([9])
    )


def reasons_of(tests: list[str] | None = None, **tables: dict[str, list[str]]) -> Reasons:
    tests = ["till.py"] if tests is None else tests
    return Reasons([Reason("", tests, **tables)], [])


@pytest.mark.parametrize(
    ("reasons", "wrong"),
    [
        (reasons_of(functions={"till.py": ["Till.paid", "later"]}), []),
        (reasons_of(never={"till.py": ["Till.paid: if price"]}), []),
        (reasons_of(always={"till.py": ["Till.paid: for price in prices:"]}), []),
        (reasons_of(functions={"shop.py": ["paid"]}), ["shop.py: paid: no such file"]),
        (reasons_of(functions={"till.py": ["paid"]}), ["till.py: paid: no such function"]),
        (reasons_of(never={"till.py": ["later: raise"]}), ["later: raise: no such statement"]),
        (reasons_of(never={"till.py": ["any_large: return"]}), ["2 statements"]),
        (reasons_of(never={"till.py": ["later"]}), ["no such statement"]),
        (reasons_of(never={"till.py": ["any_large: if any … return True"]}), []),
        (reasons_of(never={"till.py": ["any_large: if any → return"]}), []),
        (reasons_of(never={"till.py": ["any_large: raise → return"]}), ["no such statement"]),
        (
            reasons_of(never={"till.py": ["any_large: if any … return False"]}),
            ["no such statement"],
        ),
        (reasons_of(always={"till.py": ["later: return"]}), ["later: return: no branch"]),
        (reasons_of(["test_till.py"]), ["test_till.py: no such file"]),
        (Reasons([], [LeftOut("shop*.py", "", [])]), ["shop*.py: no such files"]),
    ],
)
def test_an_entry_that_names_nothing_is_told(reasons: Reasons, wrong: list[str], tmp_path: Path):
    (tmp_path / "till.py").write_text(CODE)
    found = hold(reasons, tmp_path, tmp_path).wrong
    assert len(wrong) == len(found)
    assert all(said in told for said, told in zip(wrong, found, strict=True))


def test_an_entry_explains_its_statement_with_its_block_and_no_more(tmp_path: Path):
    (tmp_path / "till.py").write_text(CODE)
    (named,) = hold(
        reasons_of(never={"till.py": ["asked: if await later"]}), tmp_path, tmp_path
    ).named
    rows = CODE.splitlines()
    assert ["if await later(value):", 'return "yes"'] == [rows[n - 1].strip() for n in named.never]


def test_what_stands_behind_a_way_out_that_is_always_taken_is_explained_by_it(tmp_path: Path):
    (tmp_path / "till.py").write_text(CODE)
    entries = {"till.py": ["any_large: if any", "Till.paid: for price"]}
    large, paid = hold(reasons_of(always=entries), tmp_path, tmp_path).named
    rows = CODE.splitlines()
    assert ["return False"] == [rows[line - 1].strip() for line in large.never]
    assert ["return total"] == [rows[line - 1].strip() for line in paid.never]
    assert ["for price in prices:"] == [rows[line - 1].strip() for line in paid.always]


def test_tracing_ends(module: ModuleType):
    before = sys.gettrace()
    reach_while(module, lambda: module.any_large([]))
    assert before is sys.gettrace()
