"""What a page on using the library shows is what its program prints."""

import subprocess
import sys

import pytest

from tests.docs.examples import examples_of
from tests.docs.pages import ROOT


@pytest.mark.parametrize("page", ["routing.md", "venues.md"])
def test_program_prints_what_the_page_shows(page: str) -> None:
    (program,) = [each for each in examples_of(ROOT / "docs" / page) if each.language == "python"]
    assert program.printed is not None
    ran = subprocess.run(
        [sys.executable, "-c", program.text], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    lines = [line.rstrip() for line in ran.stdout.splitlines()]
    assert program.printed[1].splitlines() == lines, ran.stderr
