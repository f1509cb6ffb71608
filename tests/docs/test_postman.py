"""The Postman collection, run by newman against a real engine."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import is_healthy
from tests.engine.processes import FAST, READY_WITHIN_S, Api, running

POSTMAN = Path(__file__).parents[2] / "postman"
COLLECTION = POSTMAN / "fairlead.json"
RUN_WITHIN_S = 120
TOKEN = "a-token-that-is-long-enough"


def collection() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(COLLECTION.read_text("utf-8"))
    return found


def requests_in(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "item" in item:
            yield from requests_in(item["item"])
        else:
            yield item


def newman() -> list[str]:
    """How newman is started. Without Node.js this is skipped, and says so; never in CI."""
    node, script = shutil.which("node"), POSTMAN / "node_modules" / "newman" / "bin" / "newman.js"
    if node is not None and script.exists():
        return [node, str(script)]
    told = "newman is missing: script/test installs it where there is Node.js 18 or later with npm"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


def run(folder: Path, **variables: str) -> dict[str, Any]:
    """The report of one run."""
    report = folder / "report.json"
    given = [f"{name}={value}" for name, value in variables.items()]
    command = [*newman(), "run", str(COLLECTION), "--reporters", "json"]
    command += ["--reporter-json-export", str(report)]
    command += [word for pair in given for word in ("--env-var", pair)]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_WITHIN_S,
    )
    # 1 is "an assertion failed", which the report tells better.
    assert done.returncode in (0, 1), done.stdout
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))["run"]
    return found


def told(failure: dict[str, Any]) -> str:
    source, error = failure["source"]["name"], failure["error"]
    return f"{source}: {error['test'] if 'test' in error else error['name']}: {error['message']}"


@pytest.mark.parametrize("token", ["", TOKEN], ids=["without-token", "with-token"])
def test_every_request_of_the_collection_passes_its_tests(token: str, tmp_path: Path) -> None:
    api = Api("serve", tmp_path, {**FAST, "FAIRLEAD_API_TOKEN": token})
    with running(api):
        deadline = time.monotonic() + READY_WITHIN_S
        while not is_healthy(api):
            assert api.running(), api.log()
            assert time.monotonic() < deadline, api.log()
        report = run(tmp_path, base_url=api.url, token=token)
    assert [] == [told(failure) for failure in report["failures"]]
    # Some are sent again until an order has ended; none is left out, and each was looked at.
    assert {item["name"] for item in requests_in(collection()["item"])} == {
        execution["item"]["name"] for execution in report["executions"]
    }
    assert all(execution["assertions"] for execution in report["executions"])


def test_every_request_has_tests_and_the_variables_are_there() -> None:
    found = collection()
    assert "http://127.0.0.1:3000" == next(
        variable["value"] for variable in found["variable"] if variable["key"] == "base_url"
    )
    requests = list(requests_in(found["item"]))
    assert len(requests) == len({request["name"] for request in requests})
    for request in requests:
        (script,) = [e["script"]["exec"] for e in request["event"] if e["listen"] == "test"]
        assert any("pm.test(" in line for line in script), request["name"]
        assert request["request"]["url"]["raw"].startswith("{{base_url}}/"), request["name"]


def test_the_lock_has_hashes_and_says_no_address_to_download_from() -> None:
    lock = json.loads((POSTMAN / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert "newman" in json.loads((POSTMAN / "package.json").read_text())["devDependencies"]
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
