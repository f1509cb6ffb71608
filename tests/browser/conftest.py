"""A real browser on a real `fairlead serve`: one of each per test module, a fresh profile per test.

The browser is the one installed here (`TEST_CHROMIUM`, else the first Chromium or Chrome on PATH);
without one the tests are skipped and say so; in CI they fail. What each test last saw is kept as a
picture in `test-output/browser/`, which git ignores.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.desk import Desk
from tests.engine.processes import FAST, READY_WITHIN_S, Api, running

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = Path(__file__).parents[2] / "test-output" / "browser"
SEEN_WITHIN_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: what the README promises of the page is never skipped in CI")
        pytest.skip("needs Chromium or Chrome: install one, or name it in TEST_CHROMIUM")
    expect.set_options(timeout=SEEN_WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """`fairlead serve` with the settings that the module names in ENGINE."""
    variables = {**FAST, **getattr(request.module, "ENGINE", {})}
    api = Api("serve", tmp_path_factory.mktemp("engine"), variables)
    with running(api):
        wait_healthy(api)
        yield api


def wait_healthy(api: Api) -> None:
    """Until it answers; /ready would ask for a token where there is one."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert api.running(), api.log()
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{api.url}/health", timeout=5).status_code == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"no answer:\n{api.log()}")


@pytest.fixture
def context(browser: Browser, engine: Api) -> Iterator[BrowserContext]:
    """A profile that has seen nothing yet."""
    context = browser.new_context(base_url=engine.url)
    yield context
    context.close()


@pytest.fixture
def desk(request: pytest.FixtureRequest, context: BrowserContext, engine: Api) -> Iterator[Desk]:
    """The page, opened. Whatever the test was about: no script failed, nothing broke the page's
    own policy, and nothing was asked of another origin."""
    desk = Desk(context.new_page(), engine.url)
    desk.open()
    yield desk
    PICTURES.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    desk.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    # pytest shows these beside a failure only.
    print(f"orders: {desk.cards.all_inner_texts()}\nrequests that failed: {desk.network_failures}")
    print(f"the engine's log:\n{engine.log()}")
    assert [] == desk.failures
    assert set() == desk.strangers
