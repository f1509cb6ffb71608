"""What docs/routing.md shows is what its program prints."""

import contextlib
import io
from pathlib import Path

from tests.docs.examples import examples_of

PAGE = Path(__file__).parents[3] / "docs" / "routing.md"


def test_program_prints_what_the_page_shows() -> None:
    (program,) = [each for each in examples_of(PAGE) if each.language == "python"]
    assert program.printed is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program.text, program.place, "exec"), {})
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    assert program.printed[1].splitlines() == lines
