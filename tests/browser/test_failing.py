"""Orders that come to nothing say why, round by round."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

import fairlead.web
from fairlead.orders.failures import FAILURE_CODES
from tests.browser.desk import Desk, fact, status, steps

pytestmark = pytest.mark.xdist_group("browser")

ENGINE = {
    "FAIRLEAD_PAPER_RAYDIUM_FAULTS": "slippage_moved:100",
    "FAIRLEAD_PAPER_METEORA_FAULTS": "slippage_moved:100",
    "FAIRLEAD_MAX_ROUNDS": "2",
}


def test_a_failed_order_says_why_and_what_was_tried(desk: Desk) -> None:
    card = desk.order("1.5")
    expect(status(card)).to_have_text("failed")
    why = "The price moved beyond what the order accepts"
    expect(fact(card, "Why it failed")).to_have_text(f"{why}.")
    expect(fact(card, "What was said")).to_contain_text("ExceededSlippage")
    expect(fact(card, "Executed price")).to_have_count(0)
    expect(card.get_by_role("button", name="Cancel order")).to_be_hidden()
    first_round = ["Pending", "Routing", "Building", "Submitted"]
    assert [*first_round, "Routing"] == steps(card)[:5]
    assert "Failed" == steps(card)[-1]
    expect(card.locator(".steps li").nth(4)).to_contain_text(f"{why}: another round")


def test_every_way_to_fail_has_its_words() -> None:
    wording = Path(fairlead.web.__path__[0], "wording.js").read_text("utf-8")
    missing = {code for code in FAILURE_CODES if f'["{code}", "' not in wording}
    assert set() == missing, "say them in FAILURES of src/fairlead/web/wording.js"


def test_a_pair_that_nobody_trades_is_said_before_anything_is_sent(desk: Desk) -> None:
    desk.pays.select_option("BONK")
    desk.gets.select_option("WIF")
    desk.amount.fill("5")
    expect(desk.page.locator("live-quotes")).to_contain_text("No pool trades this pair.")
