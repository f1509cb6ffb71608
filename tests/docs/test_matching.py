"""What the comparison with the pages lets through, and what it does not."""

import json

import pytest

from tests.docs.matching import check_http, check_json, check_text

SHOWN = {
    "orderId": "01a1f810-389e-7000-a340-255dd145f44d",
    "status": "pending",
    "executedPrice": "146.27076",
    "createdAt": "2026-11-20T08:26:15.070Z",
    "dex": "meteora",
    "slot": 12,
    "attempts": [{"number": 1, "…": "…"}, "…"],
}
REAL = {
    "orderId": "ffffffff-0000-7000-a340-255dd145f44d",
    "status": "pending",
    "executedPrice": "7",
    "createdAt": "2027-01-01T00:00:00.000Z",
    "dex": "raydium",
    "slot": 99,
    "attempts": [{"number": 1, "state": "live"}, {"number": 2}],
}


def test_other_ids_times_prices_and_pools_are_the_same_document() -> None:
    check_json(json.dumps(SHOWN), json.dumps(REAL))


@pytest.mark.parametrize(
    "change",
    [
        {"status": "routing"},
        {"orderId": "7"},
        {"executedPrice": None},
        {"executedPrice": 7},
        {"createdAt": "yesterday"},
        {"dex": "orca"},
        {"slot": "99"},
        {"attempts": []},
        {"attempts": [{"number": 2}]},
        {"new": 1},
    ],
    ids=str,
)
def test_another_document_is_told(change: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check_json(json.dumps(SHOWN), json.dumps({**REAL, **change}))


def test_a_member_that_is_gone_is_told() -> None:
    with pytest.raises(AssertionError):
        check_json(json.dumps({**SHOWN, "…": "…"}), json.dumps({"orderId": REAL["orderId"]}))


def test_lines_are_the_same_but_for_numbers_and_what_is_left_out() -> None:
    check_text(
        "1 order, price 146.2\n…\ndone: … of SOL", "12 order,   price 3\nx\ny\ndone: all of SOL"
    )


@pytest.mark.parametrize("printed", ["a 1\nb", "a 1\nc\nd", "c\na 1", "a one\nc", ""])
def test_other_lines_are_told(printed: str) -> None:
    with pytest.raises(AssertionError):
        check_text("a 1\nc", printed)


def test_an_answer_is_its_status_the_shown_headers_and_its_body() -> None:
    shown = 'HTTP/1.1 202 Accepted\ncontent-type: application/json\n\n{"status": "pending"}\n'
    real = "HTTP/1.1 202 Accepted\r\nDate: now\r\nContent-Type: application/json\r\n\r\n{}"
    check_http(shown, real.replace("{}", '{"status":"pending"}'))
    for other in (real, real.replace("202", "200"), real.replace("Content-Type", "Content")):
        with pytest.raises(AssertionError):
            check_http(shown, other)
