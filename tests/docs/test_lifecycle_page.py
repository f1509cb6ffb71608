"""docs/how-an-order-lives.md has the table of the code."""

import re

from fairlead.orders.lifecycle import TRANSITIONS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-an-order-lives.md"


def test_the_table_is_that_of_the_code() -> None:
    table = PAGE.read_text("utf-8").partition("## Statuses")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \| `(\w+)` \|", table, re.MULTILINE)
    told = [
        ((None if before == "–" else before.strip("`"), event), after)
        for befores, event, after in rows
        for before in befores.split(", ")
    ]
    coded = {
        (None if before is None else before.value, event.value): after.value
        for (before, event), after in TRANSITIONS.items()
    }
    assert coded == dict(told)
    assert len(told) == len(coded), "a step is told twice"
