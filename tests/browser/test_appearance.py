"""The page on a phone and on a desk, light and dark, with an order in it."""

from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PICTURES
from tests.browser.desk import Desk, status
from tests.engine.processes import Api

pytestmark = pytest.mark.xdist_group("browser")

ColorScheme = Literal["light", "dark"]

PHONE, TABLE = (320, 640), (1280, 900)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, TABLE], ids=["phone", "table"])
def test_everything_fits_into_the_width(
    browser: Browser, engine: Api, scheme: ColorScheme, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    with browser.new_context(color_scheme=scheme, viewport=viewport) as context:  # type: ignore[arg-type]
        desk = Desk(context.new_page(), engine.url).open()
        expect(status(desk.order("1234.567891234"))).to_have_text("finalized")
        desk.kind("Limit").check()
        desk.amount.fill("4321.123456789")
        expect(desk.offers).to_have_count(2)
        desk.execute.click()
        expect(desk.limit_price).to_be_focused()
        PICTURES.mkdir(parents=True, exist_ok=True)
        desk.page.screenshot(path=PICTURES / f"page-{scheme}-{size[0]}.png", full_page=True)
        too_wide = desk.page.evaluate(
            """[...document.querySelectorAll('main *, header *')]
            .filter(it => it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 1
              && getComputedStyle(it).display !== 'inline')
            .map(it => it.tagName + '.' + it.className)"""
        )
        assert [] == too_wide
        whole = desk.page.evaluate("document.documentElement.scrollWidth")
        assert size[0] >= whole
        assert [] == desk.failures


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_reader(browser: Browser, engine: Api, scheme: ColorScheme) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = Desk(context.new_page(), engine.url).open().page
        ground = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        red = int(ground.removeprefix("rgb(").split(",")[0])
        assert ("light" if red > 127 else "dark") == scheme
