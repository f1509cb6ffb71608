"""An engine that asks for a token: the page asks its reader, and puts it in no address."""

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk, expect_error, status

pytestmark = pytest.mark.xdist_group("browser")

TOKEN = "a-token-for-this-test"
ENGINE = {"FAIRLEAD_API_TOKEN": TOKEN}


def test_the_token_is_asked_for_and_then_orders_go_live(desk: Desk) -> None:
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))
    desk.page.on("websocket", lambda socket: asked.append(socket.url))
    token = desk.token
    expect(token).to_be_focused()
    expect(desk.amount).to_be_hidden()
    token.fill("not the token")
    token.press("Enter")
    expect_error(token, "The token has characters that no token has.")
    token.fill("another-token-than-this")
    token.press("Enter")
    expect(token).to_be_focused()
    expect(token).to_have_attribute("aria-invalid", "true")
    token.fill(TOKEN)
    token.press("Enter")
    expect(token).to_be_hidden()
    card = desk.order("1.5")
    expect(status(card)).to_have_text("finalized")
    assert any(url.startswith("ws") for url in asked)
    assert [] == [url for url in asked if TOKEN in url]


def test_a_reload_does_not_ask_again_until_the_token_is_forgotten(desk: Desk) -> None:
    token = desk.token
    token.fill(TOKEN)
    token.press("Enter")
    expect(desk.amount).to_be_visible()
    desk.page.reload()
    expect(desk.amount).to_be_visible()
    desk.page.get_by_role("button", name="Forget token").click()
    expect(token).to_be_focused()
    expect(desk.amount).to_be_hidden()
    desk.page.reload()
    expect(token).to_be_focused()


def test_the_cookie_goes_to_sockets_of_this_page_only(desk: Desk) -> None:
    token = desk.token
    token.fill(TOKEN)
    token.press("Enter")
    desk.order("1.1")
    expect(status(desk.card("1.1"))).to_have_text("finalized")
    (cookie,) = desk.page.context.cookies(f"{desk.url}/ws/orders/any")
    assert ("fairlead_token", "/ws", "Strict") == (
        cookie["name"],
        cookie["path"],
        cookie["sameSite"],
    )
    assert [] == desk.page.context.cookies(f"{desk.url}/api/orders")
