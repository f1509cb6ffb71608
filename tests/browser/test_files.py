"""How the page's own files are served; needs no browser."""

from pathlib import Path

import httpx
import pytest

import fairlead.web
from tests.engine.processes import Api

pytestmark = pytest.mark.xdist_group("browser")

FOLDER = Path(fairlead.web.__path__[0])
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in TYPES)


def test_every_file_has_its_type_its_policy_and_asks_to_be_checked(engine: Api) -> None:
    for name in FILES:
        answer = httpx.get(f"{engine.url}/web/{name}")
        assert (200, (FOLDER / name).read_bytes()) == (answer.status_code, answer.content)
        assert TYPES[Path(name).suffix] == answer.headers["content-type"].partition(";")[0]
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "no-cache" == answer.headers["cache-control"]


def test_the_policy_lets_nothing_in_but_our_own_files(engine: Api) -> None:
    policy = httpx.get(engine.url).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert "'none'" == rules.pop("default-src")
    assert {"'self'", "'none'", "'self' data:", "'script'"} == set(rules.values())
    page = (FOLDER / "index.html").read_text("utf-8")
    assert "style=" not in page
    assert " on" not in page.replace(" on ", "").replace(" once", "")


@pytest.mark.parametrize("path", ["/", "/web/page.js"])
def test_what_the_browser_has_is_not_sent_again(engine: Api, path: str) -> None:
    first = httpx.get(engine.url + path)
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = httpx.get(engine.url + path, headers={"if-none-match": known})
        assert (304, b"", tag) == (again.status_code, again.content, again.headers["etag"])
    assert 200 == httpx.get(engine.url + path, headers={"if-none-match": '"other"'}).status_code


@pytest.mark.parametrize(
    "name",
    ["__init__.py", "nothing.js", "..%2fapi%2fpages.py", "%2e%2e/__init__.py", "page.js/", ""],
)
def test_nothing_else_is_served(engine: Api, name: str) -> None:
    answer = httpx.get(f"{engine.url}/web/{name}")
    assert 404 == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]


def test_a_foreign_host_gets_no_file(engine: Api) -> None:
    for path in ("/", "/web/page.js"):
        assert 403 == httpx.get(engine.url + path, headers={"host": "evil.example"}).status_code
