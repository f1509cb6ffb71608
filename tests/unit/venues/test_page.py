"""What docs/venues.md shows is what its program prints."""

import subprocess
import sys
from pathlib import Path

from tests.docs.examples import examples_of

ROOT = Path(__file__).parents[3]


def test_program_prints_what_the_page_shows() -> None:
    page = ROOT / "docs" / "venues.md"
    (program,) = [each for each in examples_of(page) if each.language == "python"]
    assert program.printed is not None
    ran = subprocess.run(
        [sys.executable, "-c", program.text], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert program.printed[1].splitlines() == ran.stdout.splitlines(), ran.stderr
