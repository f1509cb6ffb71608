"""docs/api.md leaves nothing out of what the API offers."""

import json
import re

from fairlead.api import stream
from fairlead.api.dialects import FIELDS
from fairlead.api.openapi import document
from fairlead.api.outlets import GOING_AWAY, NORMAL, TRY_AGAIN_LATER
from fairlead.api.problems import PROBLEMS
from tests.docs.pages import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text("utf-8")
PATHS = json.loads(document())["paths"]


def test_every_address_and_method_has_a_row() -> None:
    wanted = {f"{method.upper()} {path}" for path, methods in PATHS.items() for method in methods}
    table = TEXT.partition("## All addresses")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", table, re.MULTILINE)
    assert wanted == set(rows)
    assert len(rows) == len(set(rows))


def test_every_field_of_a_request_and_every_parameter_is_told() -> None:
    parameters = {
        parameter["name"]
        for methods in PATHS.values()
        for operation in methods.values()
        for parameter in operation["parameters"]
    }
    named = set(re.findall(r"[A-Za-z-]+", TEXT))
    assert set() == (parameters | FIELDS.keys()) - named


def test_every_websocket_address_and_close_code_is_told() -> None:
    addresses = [*stream.WEBSOCKET_PATHS, f"{stream.ORDER_PATH_PREFIX}{{orderId}}"]
    assert [] == [address for address in addresses if f"`{address}" not in TEXT]
    codes = {
        *(NORMAL, GOING_AWAY, TRY_AGAIN_LATER),
        *(stream.UNKNOWN_ORDER, stream.BAD_REQUEST, stream.INTERNAL_ERROR),
    }
    rows = re.findall(r"^\| (\d{4}) \|", TEXT, re.MULTILINE)
    assert {str(code) for code in codes} == set(rows)


def test_every_status_of_a_refusal_has_an_advice() -> None:
    table = TEXT.partition("## When it is refused")[2]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    told = {int(status) for row in rows for status in row.split(",")}
    assert {status for status, _, _ in PROBLEMS.values()} == told


def test_every_code_that_the_page_names_exists() -> None:
    named = re.findall(r"\b[1-5]\d\d `([a-z_]+)`", TEXT)
    assert named
    assert set() == set(named) - PROBLEMS.keys()
