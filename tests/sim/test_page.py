"""What docs/simulator.md tells to type does what the page says."""

from pathlib import Path

from tests.docs.examples import examples_of
from tests.docs.matching import check
from tests.docs.pages import ROOT, shell_examples, typed


def test_the_page_does_what_it_says(tmp_path: Path):
    examples = shell_examples(examples_of(ROOT / "docs" / "simulator.md"))
    assert 2 == len(examples)
    for example, printed in zip(examples, typed(examples, tmp_path, {}), strict=True):
        assert example.printed is not None
        check(*example.printed, printed)
