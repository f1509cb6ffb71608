"""An engine that takes no order on and lets one wait: cancelling before anything was sent."""

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk, status, steps

pytestmark = pytest.mark.xdist_group("browser")

ENGINE = {"FAIRLEAD_CONCURRENCY": "0", "FAIRLEAD_MAX_WAITING_ORDERS": "1"}


def test_a_waiting_order_is_cancelled_and_a_second_one_is_told_to_come_later(desk: Desk) -> None:
    waiting = desk.order("1")
    expect(status(waiting)).to_have_text("pending")
    desk.order("2")
    expect(desk.message).to_contain_text("The engine has too many orders waiting")
    expect(desk.amount).to_have_value("2")
    waiting.get_by_role("button", name="Cancel order").click()
    expect(status(waiting)).to_have_text("cancelled")
    assert ["Pending", "Cancelled"] == steps(waiting)
    desk.execute.click()
    expect(desk.message).to_be_empty()
    card = desk.card("2")
    expect(status(card)).to_have_text("pending")
    card.get_by_role("button", name="Cancel order").click()
    expect(status(card)).to_have_text("cancelled")


def test_what_was_over_before_a_reload_is_shown_closed_after_it(desk: Desk) -> None:
    card = desk.order("3")
    card.get_by_role("button", name="Cancel order").click()
    expect(status(card)).to_have_text("cancelled")
    desk.page.reload()
    expect(status(card)).to_have_text("cancelled")
    expect(card.locator(".steps")).to_be_hidden()
    card.locator("summary").click()
    expect(card.locator(".steps")).to_be_visible()
