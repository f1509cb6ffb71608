"""docs/deployment.md, typed from top to bottom against a real PostgreSQL and Redis."""

import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection

import httpx
import pytest
from websockets import Origin
from websockets.sync.client import connect

from fairlead.telemetry import Metrics
from tests import servers
from tests.docs.examples import examples_of
from tests.docs.matching import check
from tests.docs.pages import ROOT, environment, shell_examples, typed
from tests.engine.ledger import landed_swaps
from tests.engine.processes import FAST, Api, Process, free_port, market_order, running

PAGE = ROOT / "docs" / "deployment.md"
TEXT = PAGE.read_text("utf-8")
# Long enough in flight that a restart meets them there.
IN_FLIGHT = {"FAIRLEAD_PAPER_LAND_MIN_MS": "1000", "FAIRLEAD_PAPER_LAND_MAX_MS": "1500"}


@pytest.mark.serial
def test_everything_works_as_typed(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    port, node_port = free_port(), free_port()
    words = {
        "postgresql://fairlead:secret@localhost:5432/fairlead": postgres_url,
        "redis://localhost:6379": redis_url,
        "3000": str(port),
        "8899": str(node_port),
        "9101": str(free_port()),
        "9102": str(free_port()),
    }
    examples = shell_examples(examples_of(PAGE))
    printed = typed(
        examples,
        tmp_path,
        words,
        **FAST,
        **IN_FLIGHT,
        PORT=str(port),
        FAIRLEAD_NODE_PORT=str(node_port),
        FAIRLEAD_DATA_DIR=str(tmp_path / "data"),
    )
    for example, real in zip(examples, printed, strict=True):
        if example.printed is not None:
            try:
                check(*example.printed, real)
            except AssertionError as error:
                raise AssertionError(f"{example.place}: {error}\n{real}") from error


@pytest.mark.serial
def test_a_restore_as_the_page_says_fills_no_order_again(postgres_url: str, tmp_path: Path) -> None:
    """Stop, restore, start."""
    node_port = {"FAIRLEAD_NODE_PORT": str(free_port())}
    backup_url = f"{postgres_url}_backup"
    now, backup = ({**FAST, **node_port, "DATABASE_URL": url} for url in (postgres_url, backup_url))
    with running(Process("node", tmp_path, now)):
        api = Api("api", tmp_path, now)
        with running(api):
            wait_for(f"{api.url}/health")
            for number in range(3):
                httpx.post(f"{api.url}/api/orders/execute", json=market_order(number))
        servers.run_sql(
            servers.url_of_database(postgres_url, "postgres"),
            f"CREATE DATABASE {name_of(backup_url)} TEMPLATE {name_of(postgres_url)}",
        )
        try:
            # Time goes on after the backup.
            with running(api, Process("worker", tmp_path, now)):
                wait_for(f"{api.url}/health")
                wait_for_counts(api, completed=3)
                before = fills(api)
            # And what was restored begins with the past.
            restored = Api("api", tmp_path, backup)
            with running(Process("worker", tmp_path, backup), restored):
                wait_for(f"{restored.url}/health")
                wait_for_counts(restored, completed=3)
                assert before == fills(restored)
        finally:
            servers.run_sql(postgres_url, f"DROP DATABASE {name_of(backup_url)} WITH (FORCE)")
    assert 3 == sum(error is None for _, error in landed_swaps(tmp_path))


def fills(api: Api) -> dict[str, tuple[str, str]]:
    """By order: the signature of its swap, and what it gave."""
    orders = httpx.get(f"{api.url}/api/orders").json()["orders"]
    return {each["orderId"]: (each["txSignature"], each["amountOut"]) for each in orders}


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def wait_for_counts(api: Api, **wanted: int) -> None:
    deadline = time.monotonic() + 60
    counts: dict[str, int] = {}
    while time.monotonic() < deadline:
        counts = httpx.get(f"{api.url}/api/orders").json()
        if wanted == {name: counts[name] for name in wanted}:
            return
        time.sleep(0.05)
    raise AssertionError(f"{wanted} was never so: {counts}")


def test_every_metric_of_the_page_is_told() -> None:
    told = Metrics().render().decode()
    named = set(re.findall(r"`(fairlead_[a-z_]+)`", TEXT))
    assert len(named) >= 5
    assert [] == [name for name in named if f"# TYPE {name} " not in told]


def test_every_service_of_compose_is_a_part_of_the_page() -> None:
    compose = ROOT / "compose.yaml"
    assert compose.exists()
    commands = re.findall(r"^    command: \[(\w+)\]$", compose.read_text("utf-8"), re.MULTILINE)
    assert {"node", "api", "worker"} == set(commands)
    assert [] == [command for command in commands if f"`fairlead {command}`" not in TEXT]


# --- the proxy ---


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=5, verify=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@contextmanager
def nginx(folder: Path, program: str, port: int, api_port: int) -> Iterator[None]:
    """nginx with the page's configuration before this API."""
    (snippet,) = re.findall(r"^```nginx\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    certificate, key = folder / "desk.pem", folder / "desk.key"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=desk.example"
        f" -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    for ours, theirs in {
        "/etc/ssl/desk.example.pem": str(certificate),
        "/etc/ssl/desk.example.key": str(key),
        "listen 443": f"listen 127.0.0.1:{port}",
        "127.0.0.1:3000": f"127.0.0.1:{api_port}",
    }.items():
        assert ours in snippet
        snippet = snippet.replace(ours, theirs)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{snippet}}}\n"
    )
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(file)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert 0 == tested.returncode, tested.stderr
    process = subprocess.Popen(command)
    try:
        wait_for(f"https://127.0.0.1:{port}/health")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.serial
def test_a_websocket_comes_through_nginx_with_the_page_s_configuration(tmp_path: Path) -> None:
    program = shutil.which("nginx", path=environment(tmp_path)["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("no nginx on this machine: the page's configuration is not checked")
    api = Api("serve", tmp_path, {**FAST, "FAIRLEAD_ALLOWED_HOSTS": "desk.example"})
    port = free_port()
    with running(api):
        api.wait_ready()
        with nginx(tmp_path, program, port, api.port):
            trusting = ssl._create_unverified_context()
            host = {"host": "desk.example"}
            accepted = httpx.post(
                f"https://127.0.0.1:{port}/api/orders/execute",
                json=market_order(),
                headers=host,
                verify=trusting,
            )
            assert 202 == accepted.status_code
            with connect(
                f"wss://desk.example:{port}{accepted.json()['links']['websocket']}",
                sock=create_connection(("127.0.0.1", port)),
                ssl=trusting,
                server_hostname="desk.example",
                origin=Origin(f"https://desk.example:{port}"),
            ) as socket:
                frames = list(socket)
    assert '"finalized"' in str(frames[-1])
