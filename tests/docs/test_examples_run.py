"""The examples of the pages do what the pages say, typed as they stand there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import PROGRAMS, Example, examples_of
from tests.docs.matching import check, check_text
from tests.docs.pages import ROOT, drawn, node, run_program, shell_examples, typed
from tests.engine.processes import FAST, Api, free_port, running

# Pages that are typed beside a running `script/server`.
BESIDE_A_SERVER = (
    "README.md",
    "docs/first-order.md",
    "docs/how-an-order-lives.md",
    "docs/api.md",
    "docs/proof.md",
)
PORT_OF_THE_PAGES = "3000"
DATABASE_OF_THE_PAGES = "postgresql://fairlead:secret@localhost:5432/fairlead"
REDIS_OF_THE_PAGES = "redis://localhost:6379"

pytestmark = pytest.mark.serial


def programs() -> list[Example]:
    return [
        example
        for page in BESIDE_A_SERVER
        for example in examples_of(ROOT / page)
        if example.language in PROGRAMS
    ]


def is_drawing(example: Example) -> bool:
    """`--watch` draws on a terminal and prints lines elsewhere."""
    return "--watch" in example.text and "--json" not in example.text


def drawings() -> list[Example]:
    pages = [example for page in BESIDE_A_SERVER for example in examples_of(ROOT / page)]
    return [example for example in pages if is_drawing(example)]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = Api("serve", tmp_path_factory.mktemp("serve"), FAST)
    with running(api):
        yield api.wait_ready()


def check_all(examples: list[Example], printed: list[str]) -> None:
    for example, real in zip(examples, printed, strict=True):
        if example.printed is not None and not is_drawing(example):
            try:
                check(*example.printed, real)
            except AssertionError as error:
                raise AssertionError(f"{example.place}: {error}\n{real}") from error


@pytest.mark.parametrize("page", BESIDE_A_SERVER)
def test_every_shell_example_works_as_pasted(page: str, serve: Api, tmp_path: Path) -> None:
    examples = shell_examples(examples_of(ROOT / page))
    beside = [example for example in examples if "DATABASE_URL=" not in example.text]
    assert beside
    words = {PORT_OF_THE_PAGES: str(serve.port)}
    # FAST: `fairlead demo` starts an engine of its own.
    check_all(beside, typed(beside, tmp_path, words, **FAST, PORT=str(serve.port)))


@pytest.mark.parametrize("example", drawings(), ids=lambda example: example.place)
def test_a_drawing_is_what_a_terminal_shows(example: Example, serve: Api, tmp_path: Path) -> None:
    assert example.printed is not None
    shown = drawn(example, tmp_path, PORT=str(serve.port))
    # It is drawn again and again; the page has the last one.
    title = example.printed[1].splitlines()[0].partition("  ")[0]
    check_text(f"{example.printed[1]}\n…", title + shown.rpartition(title)[2])


@pytest.mark.parametrize("program", programs(), ids=lambda example: example.place)
def test_every_program_prints_what_the_page_shows(
    program: Example, serve: Api, tmp_path: Path
) -> None:
    if program.language == "js" and node() is None:
        pytest.skip("no Node 20 or later on this machine")
    printed = run_program(program, tmp_path, {PORT_OF_THE_PAGES: str(serve.port)})
    assert program.printed is not None, f"{program.place}: the page does not show what it prints"
    check_all([program], [printed])


def test_several_processes_are_started_as_the_readme_says(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    starts = [e for e in examples_of(ROOT / "README.md") if "DATABASE_URL=" in e.text]
    assert 1 == len(starts)
    port = str(free_port())
    wait = (
        f"for _ in $(seq 150); do curl -sf http://127.0.0.1:{port}/ready >/dev/null && break;"
        " sleep 0.2; done\nfairlead order submit SOL USDC 1.5 --watch --json | tail -n 1"
    )
    then = Example("README.md", 0, "sh", wait, ("json", '{"event":"finalized","…":"…"}'))
    words = {
        PORT_OF_THE_PAGES: port,
        DATABASE_OF_THE_PAGES: postgres_url,
        REDIS_OF_THE_PAGES: redis_url,
    }
    printed = typed(
        [*starts, then],
        tmp_path,
        words,
        **FAST,
        PORT=port,
        FAIRLEAD_NODE_PORT=str(free_port()),
        FAIRLEAD_DATA_DIR=str(tmp_path / "data"),
    )
    # The processes told before where they are.
    check_all([then], [printed[1].strip().splitlines()[-1]])
