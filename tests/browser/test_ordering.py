"""From typing an order to its last word, on an engine that is quick and makes no failures."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.desk import Desk, expect_error, fact, status, steps
from tests.engine.processes import Api

pytestmark = pytest.mark.xdist_group("browser")

ENGINE = {"FAIRLEAD_PAPER_LAND_MIN_MS": "200", "FAIRLEAD_PAPER_LAND_MAX_MS": "300"}

MARKET_STEPS = ["Pending", "Routing", "Building", "Submitted", "Confirmed", "Finalized"]


def test_an_order_is_followed_from_the_form_to_its_last_word(desk: Desk, engine: Api) -> None:
    card = desk.order("1.5")
    expect(status(card)).to_have_text("finalized")
    assert MARKET_STEPS == steps(card)
    order_id = card.get_attribute("data-order-id")
    told = httpx.get(f"{engine.url}/api/orders/{order_id}").json()
    expect(fact(card, "Signature")).to_have_text(told["txSignature"])
    expect(fact(card, "Received")).to_have_text(f"{told['amountOut']} USDC")
    price = fact(card, "Executed price").locator("data")
    expect(price).to_have_attribute("value", told["executedPrice"])
    chosen = card.locator("quote-table tr", has_text="Chosen")
    expect(chosen).to_have_attribute("data-venue", told["venue"])
    expect(card.locator("quote-table tbody tr")).to_have_count(2)
    expect(fact(card, "Chosen because")).to_contain_text("more, net of fees, than")
    assert [] == desk.network_failures


def test_each_step_has_its_time(desk: Desk) -> None:
    card = desk.order("1.25")
    expect(status(card)).to_have_text("finalized")
    times = card.locator(".steps time")
    assert len(MARKET_STEPS) == times.count()
    at = [datetime.fromisoformat(time.get_attribute("datetime") or "") for time in times.all()]
    assert sorted(at) == at
    for text in times.all_inner_texts():
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", text)


def test_quotes_of_both_venues_come_while_the_amount_is_typed_and_the_best_is_marked(
    desk: Desk,
) -> None:
    desk.amount.press_sequentially("2.5")
    expect(desk.offers).to_have_count(2)
    expect(desk.best).to_have_count(1)
    exact = desk.offers.locator("td:nth-child(2)")
    amounts = {row.get_attribute("title") or "": row for row in exact.all()}
    most = max(amounts, key=Decimal)
    expect(desk.best.locator("td").first).to_have_attribute("title", most)


def test_an_answer_to_an_older_question_is_not_shown(desk: Desk) -> None:
    held: list[Route] = []
    desk.page.route("**/api/quotes?*amountIn=1", lambda route: held.append(route))
    with desk.page.expect_request("**/api/quotes?*amountIn=1"):
        desk.amount.fill("1")
    desk.amount.fill("1000")
    expect(desk.best).to_have_count(1)
    newer = desk.best.inner_text()
    for route in held:
        route.continue_()
    desk.page.wait_for_load_state("networkidle")
    assert newer.split()[-2:] == desk.best.inner_text().split()[-2:]
    assert Decimal(desk.best.locator("td").first.get_attribute("title") or "0") > 10_000


def test_wrong_fields_say_why_and_the_first_has_the_focus(desk: Desk) -> None:
    desk.kind("Limit").check()
    desk.amount.fill("1,5")
    desk.execute.click()
    expect(desk.amount).to_be_focused()
    expect_error(desk.amount, "The amount must have a point before its decimals, as in 1.5.")
    expect_error(desk.limit_price, "The limit price must be given.")
    desk.amount.fill("1.5")
    expect(desk.amount).not_to_have_attribute("aria-invalid", "true")
    desk.gets.select_option("SOL")
    desk.execute.click()
    expect(desk.gets).to_be_focused()
    expect_error(desk.gets, "The token must differ from the token you pay with.")
    expect(desk.cards).to_have_count(0)


def test_an_amount_that_is_still_being_typed_is_not_called_wrong(desk: Desk) -> None:
    for beginning in ("0", "0.", "0.0", "0.05"):
        desk.amount.fill(beginning)
        expect(desk.amount).not_to_have_attribute("aria-invalid", "true")
    desk.amount.fill("0.0000000001")
    expect_error(desk.amount, "The amount can have 9 decimals at most.")


def test_what_the_engine_says_of_a_field_stands_at_that_field(desk: Desk) -> None:
    # More atoms than fit: only the engine knows that rule.
    desk.amount.fill("99999999999")
    expect(desk.amount).to_have_attribute("aria-invalid", "true")
    desk.execute.click()
    expect(desk.amount).to_be_focused()
    expect(desk.page.locator("#amountIn-error")).to_contain_text("The amount ")
    expect(desk.message).to_be_empty()


def test_too_little_in_the_wallet_is_said_in_clear_words(desk: Desk) -> None:
    desk.amount.fill("150000")
    desk.execute.click()
    expect(desk.message).to_contain_text("Not enough SOL. The order needs 150,000.")
    expect(desk.message).to_contain_text("the wallet holds ")
    expect(desk.execute).to_be_focused()
    expect(desk.amount).to_have_value("150000")


def test_an_order_needs_no_mouse(desk: Desk) -> None:
    keyboard = desk.page.keyboard
    reached = []
    for _ in range(5):
        keyboard.press("Tab")
        reached.append(
            desk.page.evaluate("document.activeElement.name || document.activeElement.textContent")
        )
    assert ["API", "type", "tokenIn", "tokenOut", "amountIn"] == reached
    keyboard.type("0.75")
    keyboard.press("Enter")
    expect(status(desk.card("0.75"))).to_have_text("finalized")


def test_what_has_the_focus_can_be_seen(desk: Desk) -> None:
    for control in (desk.amount, desk.pays, desk.execute):
        desk.page.keyboard.press("Tab")  # from here on the keyboard is in use
        control.focus()
        outline = control.evaluate("control => getComputedStyle(control).outlineStyle")
        assert "solid" == outline


def test_news_are_told_to_who_cannot_see_them(desk: Desk) -> None:
    desk.amount.fill("0.6")
    told = desk.page.locator("#announcements")
    expect(told).to_have_attribute("role", "status")
    expect(told).to_contain_text("Best quote: ")
    desk.execute.click()
    expect(told).to_have_text("0.6 SOL → USDC: Finalized, it stays")


def test_two_clicks_send_one_order(desk: Desk) -> None:
    held: list[Route] = []
    desk.page.route("**/api/orders/execute", lambda route: held.append(route))
    desk.amount.fill("0.4")
    with desk.page.expect_request("**/api/orders/execute"):
        desk.execute.click()
    expect(desk.execute).to_have_attribute("aria-disabled", "true")
    desk.execute.click(force=True)
    desk.amount.press("Enter")
    assert 1 == len(held)
    held[0].continue_()
    expect(status(desk.card("0.4"))).to_have_text("finalized")
    # One that comes later finds no amount to send.
    desk.execute.click()
    expect_error(desk.amount, "The amount must be given.")
    expect(desk.cards).to_have_count(1)


def test_a_limit_that_holds_is_executed(desk: Desk) -> None:
    desk.kind("Limit").check()
    desk.limit_price.fill("1")
    card = desk.order("0.3")
    expect(card.locator(".kind")).to_contain_text("Limit order at 1 USDC per SOL or better")
    expect(status(card)).to_have_text("finalized")


def test_a_limit_out_of_reach_waits_until_it_is_cancelled(desk: Desk) -> None:
    desk.kind("Limit").check()
    desk.amount.fill("0.2")
    expect(desk.page.locator("#price-now")).to_contain_text("USDC per SOL, net of fees.")
    desk.limit_price.fill("1000000")
    the_day_after_tomorrow = datetime.now(UTC) + timedelta(days=2)
    desk.expires.fill(the_day_after_tomorrow.strftime("%Y-%m-%dT%H:%M"))
    card = desk.order("0.2")
    expect(status(card)).to_have_text("open")
    expect(card.locator(".kind")).to_contain_text("until ")
    card.get_by_role("button", name="Cancel order").click()
    expect(status(card)).to_have_text("cancelled")
    assert ["Pending", "Open", "Cancelled"] == steps(card)
