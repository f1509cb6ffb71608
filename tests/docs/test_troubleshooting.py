"""Every message of docs/troubleshooting.md is brought about here, or is a word of the code."""

import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from fairlead.api import stream
from fairlead.api.outlets import GOING_AWAY, NORMAL, TRY_AGAIN_LATER
from fairlead.api.problems import FIELD_CODES, PROBLEMS
from fairlead.orders.failures import FAILURE_CODES
from fairlead.orders.model import EventType, OrderStatus
from tests import servers
from tests.docs.examples import examples_of
from tests.docs.matching import check, pattern_of
from tests.docs.pages import ROOT, shell_examples
from tests.engine.processes import (
    FAST,
    READY_WITHIN_S,
    Api,
    Process,
    free_port,
    market_order,
    running,
)
from tests.servers import Server

PAGE = ROOT / "docs" / "troubleshooting.md"
TEXT = PAGE.read_text("utf-8")
NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"


def rows(heading: str) -> list[str]:
    """The first cells of the table under a heading."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.+?) \| .+ \| .+ \|$", section, re.MULTILINE)
    return [cell for cell in found if cell != "you see"]


# --- it does not start ---


def ended(folder: Path, command: str = "serve", **variables: str) -> str:
    """What a process says that ends by itself."""
    process = Process(command, folder, {"PORT": str(free_port()), **variables})
    with running(process):
        code = process.wait()
    assert 6 == code or "store" in process.log(), process.log()
    return process.log()


def with_port_taken(folder: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return ended(folder, PORT=str(taken.getsockname()[1]))


def with_folder_taken(folder: Path) -> str:
    first = Api("serve", folder, FAST)
    with running(first):
        first.wait_ready()
        return ended(folder)


def with_file_for_folder(folder: Path) -> str:
    (folder / "file").touch()
    return ended(folder, FAIRLEAD_DATA_DIR=str(folder / "file" / "data"))


def with_note(folder: Path, **variables: str) -> str:
    api = Api("serve", folder, {**FAST, **variables})
    with running(api):
        wait_alive(api)
    return api.log()


def wait_alive(api: Api) -> None:
    """Until /health answers, whatever else does not."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert api.running(), api.log()
        try:
            httpx.get(f"{api.url}/health")
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"it does not answer:\n{api.log()}")


def with_bad_pool(folder: Path) -> str:
    file = folder / "pools.json"
    file.write_text('["7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny",\n\n"abc"]')
    return ended(folder, FAIRLEAD_POOLS_FILE=str(file))


def off_paper(folder: Path) -> str:
    (folder / "key.json").write_text("[]")
    return ended(
        folder,
        FAIRLEAD_CHAIN="devnet",
        FAIRLEAD_RPC_URL="http://127.0.0.1:1",
        FAIRLEAD_KEY_FILES=str(folder / "key.json"),
    )


STARTS: dict[str, Callable[[Path], str]] = {
    "FAIRLEAD_MAX_ROUND: is no": lambda folder: ended(folder, FAIRLEAD_MAX_ROUND="3"),
    "PORT:": with_port_taken,
    "… is in use": with_folder_taken,
    "FAIRLEAD_DATA_DIR:": with_file_for_folder,
    "FAIRLEAD_API_TOKEN:": lambda folder: ended(folder, HOST="0.0.0.0"),
    "DATABASE_URL: is needed": lambda folder: ended(folder, "api"),
    "DATABASE_URL: must be": lambda folder: ended(folder, DATABASE_URL="postgresql://u:p/w@h/d"),
    "store does not answer": lambda folder: ended(folder, DATABASE_URL=NOBODY),
    "MOCK_MODE:": lambda folder: ended(folder, MOCK_MODE="false"),
    "FAIRLEAD_POOLS_FILE:": with_bad_pool,
    "FAIRLEAD_CHAIN:": off_paper,
    "REDIS_URL without": lambda folder: with_note(folder, REDIS_URL="redis://127.0.0.1:1"),
    "MAX_RETRIES": lambda folder: with_note(folder, MAX_RETRIES="3"),
}
# Brought about below, with servers of their own.
WITH_SERVERS = {
    "DATABASE_URL: leads through a transaction pooler",
    "made by a newer fairlead",
}


def starts() -> list[str]:
    return [cell.strip("`") for cell in rows("It does not start")]


def test_every_message_of_a_start_is_tried() -> None:
    tried = [m for m in starts() if m in WITH_SERVERS or m.startswith(tuple(STARTS))]
    assert starts() == tried
    assert len(STARTS) + len(WITH_SERVERS) == len(tried)


@pytest.mark.serial
@pytest.mark.parametrize("message", [m for m in starts() if m not in WITH_SERVERS])
def test_a_start_says_so(message: str, tmp_path: Path) -> None:
    (made,) = (made for start, made in STARTS.items() if message.startswith(start))
    said = made(tmp_path)
    assert re.search(pattern_of(message), said), said


@pytest.mark.serial
def test_newer_tables_are_refused(postgres_url: str, tmp_path: Path) -> None:
    servers.run_sql(postgres_url, "UPDATE fairlead.schema_version SET version = 9999")
    assert "made by a newer fairlead" in ended(tmp_path, DATABASE_URL=postgres_url)


@pytest.mark.serial
def test_a_pooler_that_nobody_told_of_is_refused(
    postgres_server: Server, postgres_url: str, tmp_path: Path
) -> None:
    try:
        pooler = servers.start_pgbouncer(postgres_server)
    except servers.ServerUnavailableError as error:
        pytest.skip(str(error))
    with pooler:
        url = servers.url_of_database(pooler.url, postgres_url.rpartition("/")[2])
        said = ended(tmp_path, DATABASE_URL=url)
    assert "DATABASE_URL: leads through a transaction pooler" in said


# --- a call is refused ---


def send(api: Api, headers: dict[str, str] | None = None, **terms: Any) -> httpx.Response:
    sent = headers or {}
    return httpx.post(f"{api.url}/api/orders/execute", json=market_order(**terms), headers=sent)


def conflict(api: Api) -> httpx.Response:
    send(api, {"idempotency-key": "one"})
    return send(api, {"idempotency-key": "one"}, priority=1)


def cancel_late(api: Api) -> httpx.Response:
    order = send(api).json()["links"]["self"]
    with httpx.stream(
        "GET", f"{api.url}{order}/events", headers={"accept": "text/event-stream"}
    ) as events:
        for _ in events.iter_lines():
            pass
    return httpx.delete(f"{api.url}{order}")


CALLS: dict[str, Callable[[Api], httpx.Response]] = {
    "401 unauthorized": lambda api: send(api, {"authorization": "Bearer wrong"}),
    "403 host_not_allowed": lambda api: send(api, {"host": "evil.example"}),
    "403 origin_not_allowed": lambda api: send(api, {"origin": "https://evil.example"}),
    "409 idempotency_conflict": conflict,
    "409 already_confirmed": cancel_late,
    "415 unsupported_media_type": lambda api: httpx.post(
        f"{api.url}/api/orders/execute", content="{}", headers={"content-type": "text/plain"}
    ),
    "422 invalid_request ambiguous": lambda api: send(api, slippage="0.01"),
    "422 invalid_request too_many_decimals": lambda api: send(api, amountIn="0.0000000001"),
    "422 invalid_request unknown_field": lambda api: send(api, slipageBps=1),
    "422 insufficient_funds": lambda api: send(api, amountIn="1000000"),
    "426 upgrade_required": lambda api: httpx.get(f"{api.url}/ws"),
}
# Brought about below by engines of their own, or by ends and outages in tests/api.
OTHERWISE = {
    *("503 overloaded", "503 too_many_resting", "503 draining"),
    *("503 unavailable", "503 not_ready"),
}


def calls() -> list[str]:
    cells = [cell for cell in rows("A call is refused") if cell[0].isdigit()]
    return [f"{cell[:3]} {' '.join(re.findall('`([a-z_]+)`', cell))}" for cell in cells]


@pytest.mark.serial
def test_every_refused_call_is_refused_so(tmp_path: Path) -> None:
    assert set(calls()) == CALLS.keys() | OTHERWISE
    open_to_all = Api("serve", tmp_path / "open", FAST)
    with_token = Api("serve", tmp_path / "token", {**FAST, "FAIRLEAD_API_TOKEN": "0" * 32})
    with ExitStack() as stack:
        for api in (open_to_all, with_token):
            api.folder.mkdir()
            stack.enter_context(running(api))
        open_to_all.wait_ready()
        wait_alive(with_token)
        for call, make in CALLS.items():
            status, code, *field = call.split()
            answer = make(with_token if code == "unauthorized" else open_to_all)
            told = answer.json()
            assert (int(status), code) == (answer.status_code, told["code"]), told
            assert field == [error["code"] for error in told.get("errors", ())][: len(field)]


@pytest.mark.serial
def test_an_engine_without_workers_says_so(postgres_url: str, tmp_path: Path) -> None:
    variables = {
        **FAST,
        "DATABASE_URL": postgres_url,
        "FAIRLEAD_NODE_PORT": str(free_port()),
        "FAIRLEAD_MAX_WAITING_ORDERS": "1",
    }
    node, api = Process("node", tmp_path, variables), Api("api", tmp_path, variables)
    with running(node, api):
        wait_alive(api)
        ready = httpx.get(f"{api.url}/ready").json()
        assert ("not_ready", "none is alive") == (ready["code"], ready["checks"]["workers"])
        assert 202 == send(api).status_code
        full = send(api)
        assert (503, "overloaded") == (full.status_code, full.json()["code"])
        assert "retry-after" in full.headers


@pytest.mark.serial
def test_an_engine_full_of_resting_orders_says_so(tmp_path: Path) -> None:
    api = Api("serve", tmp_path, {**FAST, "FAIRLEAD_MAX_RESTING_ORDERS": "1"})
    deadline = time.monotonic() + READY_WITHIN_S
    with running(api):
        api.wait_ready()
        # What comes between two counts may pass the bound.
        while (answer := send(api, type="limit", limitPrice="1000")).status_code == 202:
            assert time.monotonic() < deadline, "the bound is never reached"
            time.sleep(0.05)
    assert (503, "too_many_resting") == (answer.status_code, answer.json()["code"])
    assert "retry-after" in answer.headers


def test_the_doctor_says_what_the_page_shows(tmp_path: Path) -> None:
    (example,) = shell_examples(examples_of(PAGE))
    port = str(free_port())
    process = Process("doctor", tmp_path, {"PORT": port})
    with running(process):
        assert 1 == process.wait()
    assert example.printed is not None
    check(*example.printed, process.log())


# --- words of the code ---


def test_every_word_of_the_page_is_one_of_the_code() -> None:
    words = {
        *(PROBLEMS.keys() | FIELD_CODES.keys() | FAILURE_CODES.keys()),
        *(member.value for kind in (EventType, OrderStatus) for member in kind),
    }
    cells = [*rows("A call is refused"), *rows("An order does not move")]
    named = {word for cell in cells for word in re.findall(r"`([a-z_]+)`", cell)}
    assert set() == named - words
    said = {"none is alive", "api does not answer", "/ready"}
    others = {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)} - named
    assert set() == others - said


def test_the_close_codes_are_those_of_the_code() -> None:
    named = {int(code) for cell in rows("A stream breaks off") for code in re.findall(r"\d+", cell)}
    # 1006 is what a client reports when nobody said anything (RFC 6455 7.4.1).
    assert named - {1006} <= {NORMAL, GOING_AWAY, TRY_AGAIN_LATER, stream.UNKNOWN_ORDER}
