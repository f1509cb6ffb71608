"""Reloads, lost answers, restarts with an order on its way: nothing is lost or sent twice."""

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import wait_healthy
from tests.browser.desk import Desk, status, steps
from tests.engine.processes import Api

pytestmark = pytest.mark.xdist_group("browser")

# Long enough on its way for something to happen meanwhile.
ENGINE = {
    "FAIRLEAD_PAPER_LAND_MIN_MS": "2500",
    "FAIRLEAD_PAPER_LAND_MAX_MS": "3000",
    # What was on its way when the engine crashed is soon proven dead, and signed anew.
    "FAIRLEAD_PAPER_BLOCKHASH_WINDOW": "80",
    "FAIRLEAD_MAX_BLOCKHASH_WINDOW": "80",
    "FAIRLEAD_LEASE_MS": "1000",
    "FAIRLEAD_HEARTBEAT_MS": "200",
}


def orders_in(engine: Api) -> int:
    total = httpx.get(f"{engine.url}/api/orders", params={"limit": 1}).json()["total"]
    assert isinstance(total, int)
    return total


def test_a_reload_in_the_middle_shows_the_order_again_and_it_goes_on(desk: Desk) -> None:
    card = desk.order("1.5")
    expect(status(card)).to_have_text("submitted")
    desk.page.reload()
    expect(status(card)).to_have_text("submitted")
    assert ["Pending", "Routing", "Building", "Submitted"] == steps(card)
    expect(status(card)).to_have_text("finalized")
    assert ["Confirmed", "Finalized"] == steps(card)[-2:]


def test_a_crash_of_the_engine_in_the_middle_is_survived(desk: Desk, engine: Api) -> None:
    card = desk.order("1.6")
    expect(status(card)).to_have_text("submitted")
    engine.kill()
    expect(desk.connection).to_have_text("Connection lost. Trying again…")
    engine.start()
    wait_healthy(engine)
    expect(desk.connection).to_have_text("Connected")
    expect(status(card)).to_have_text("finalized")
    told = steps(card)
    assert ["Pending", "Routing", "Building", "Submitted"] == told[:4]
    assert ["Confirmed", "Finalized"] == told[-2:]


def test_an_order_whose_answer_got_lost_is_sent_again_and_stays_one(
    desk: Desk, engine: Api
) -> None:
    before = orders_in(engine)

    def lose_the_answer(route: Route) -> None:
        assert 202 == route.fetch().status
        route.abort()

    desk.page.route("**/api/orders/execute", lose_the_answer)
    desk.amount.fill("1.7")
    desk.execute.click()
    expect(desk.message).to_contain_text("No answer came")
    expect(desk.amount).to_be_disabled()
    desk.page.unroute("**/api/orders/execute")
    # Not even a reload forgets what was sent.
    desk.page.reload()
    expect(desk.message).to_contain_text("No answer came")
    expect(desk.amount).to_have_value("1.7")
    desk.send_again.click()
    expect(status(desk.card("1.7"))).to_have_text("submitted")
    expect(desk.message).to_be_empty()
    expect(desk.amount).to_be_enabled()
    assert before + 1 == orders_in(engine)


def test_an_engine_that_is_down_is_said_and_the_order_can_be_sent_when_it_is_back(
    desk: Desk, engine: Api
) -> None:
    before = orders_in(engine)
    engine.stop()
    desk.amount.fill("1.8")
    desk.execute.click()
    expect(desk.message).to_contain_text("No answer came")
    expect(desk.connection).to_have_text("Connection lost. Trying again…")
    engine.start()
    wait_healthy(engine)
    expect(desk.connection).to_have_text("Connected")
    desk.send_again.click()
    expect(status(desk.card("1.8"))).to_have_text("submitted")
    assert before + 1 == orders_in(engine)


def test_a_page_opened_while_the_engine_is_going_down_comes_up_with_it(
    desk: Desk, engine: Api
) -> None:
    desk.page.route("**/api/tokens", lambda route: route.abort())
    desk.page.reload()
    expect(desk.page.locator(".page-trouble[role=alert]")).to_have_text(
        "The engine does not answer."
    )
    desk.page.unroute("**/api/tokens")
    expect(desk.amount).to_be_visible()


def test_an_order_of_another_engine_is_not_shown(desk: Desk) -> None:
    unknown = "01a1f77f-f5f4-7000-bfde-390a38b82cb2"
    desk.page.evaluate(f"localStorage.setItem('fairlead.orders', '[\"{unknown}\"]')")
    desk.page.reload()
    expect(desk.page.get_by_text("None yet.")).to_be_visible()
    assert "[]" == desk.page.evaluate("localStorage.getItem('fairlead.orders')")


def test_cancelling_in_flight_ends_as_the_chain_says(desk: Desk) -> None:
    card = desk.order("1.9")
    expect(status(card)).to_have_text("submitted")
    card.get_by_role("button", name="Cancel order").click()
    cancel = card.get_by_role("button", name="Cancel order")
    expect(cancel).to_be_hidden()
    assert "Cancelling" in steps(card)
    # The focus went on with the reader.
    expect(card.locator("summary")).to_be_focused()
    expect(card.locator(".steps")).not_to_have_class("steps going-on")
    assert steps(card)[-1] in ("Finalized", "Cancelled")
