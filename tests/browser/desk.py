"""The page as its reader sees it: fields by their labels, orders by what stands in them."""

import re
from decimal import Decimal
from typing import Self

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

# Chromium reports every refused or unanswered request of a page as an error of its own.
_OF_THE_NETWORK = re.compile(r"Failed to load resource|WebSocket connection to")


class Desk:
    """One open page of the engine at `url`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        # Errors of scripts and of the content policy; then those about requests.
        self.failures: list[str] = []
        self.network_failures: list[str] = []
        # Addresses of other origins that were asked for anything.
        self.strangers: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.on("request", self._request)
        self.amount = page.get_by_label("Amount", exact=True)
        self.token = page.get_by_label("Token", exact=True)
        self.pays = page.get_by_label("You pay with")
        self.gets = page.get_by_label("You get")
        self.limit_price = page.get_by_label("Limit price")
        self.expires = page.get_by_label("Expires")
        self.execute = page.get_by_role("button", name="Execute order")
        self.send_again = page.get_by_role("button", name="Send again")
        self.message = page.locator("order-form .message")
        self.offers = page.locator("live-quotes tbody tr")
        self.best = page.locator("live-quotes tr", has_text="Best")
        self.connection = page.locator("connection-state")
        self.cards = page.locator("order-card")

    def open(self) -> Self:
        self.page.goto(self.url)
        # Keys pressed before would go nowhere.
        expect(self.page.locator("#amountIn:visible, #token:visible")).to_have_count(1)
        return self

    def kind(self, name: str) -> Locator:
        return self.page.get_by_role("radio", name=name)

    def order(self, amount: str) -> Locator:
        """Send a market order of so much SOL for USDC; its card."""
        self.amount.fill(amount)
        self.execute.click()
        return self.card(amount)

    def card(self, amount: str) -> Locator:
        """The card of the order over this amount."""
        head = self.page.get_by_role("heading", name=f"{Decimal(amount):,} SOL → USDC", exact=True)
        return self.cards.filter(has=head)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            of_the_network = _OF_THE_NETWORK.match(message.text)
            (self.network_failures if of_the_network else self.failures).append(message.text)

    def _request(self, request: Request) -> None:
        own = (self.url + "/", self.url.replace("http", "ws", 1) + "/", "data:")
        if not request.url.startswith(own):
            self.strangers.add(request.url)


def status(card: Locator) -> Locator:
    """Where the order stands."""
    return card.locator(".status")


def fact(card: Locator, name: str) -> Locator:
    """The value that stands beside this name."""
    return card.locator(".facts > div", has=card.page.get_by_text(name, exact=True)).locator("dd")


def steps(card: Locator) -> list[str]:
    """What happened, in order."""
    return card.locator(".steps b").all_inner_texts()


def error_of(field: Locator) -> str:
    """The error that describes a field to who cannot see where it stands; "" when it has none."""
    told = field.evaluate(
        """field => field.getAttribute('aria-invalid') !== 'true' ? '' :
        field.getAttribute('aria-describedby').split(' ')
          .map(id => document.getElementById(id))
          .filter(place => place.classList.contains('error'))
          .map(place => place.textContent).join(' ')"""
    )
    assert isinstance(told, str)
    return told


def expect_error(field: Locator, text: str) -> None:
    expect(field).to_have_attribute("aria-invalid", "true")
    assert text == error_of(field)
