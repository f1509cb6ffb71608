"""The containers without Docker: their commands, environment and health checks, as processes of
this machine on a real PostgreSQL and Redis; and what the image is built from."""

import asyncio
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from fairlead.config import load_settings
from tests import servers
from tests.engine import books, containers
from tests.engine.containers import ROOT, MissingVariableError, Places
from tests.engine.processes import (
    FAST,
    READY_WITHIN_S,
    Process,
    free_port,
    market_order,
    problem,
    running,
)
from tests.servers import Server

TOKEN = "a-token-that-is-long-enough"
GIVEN = {"FAIRLEAD_API_TOKEN": TOKEN, "DATABASE_PASSWORD": "abc123"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ORDERS_AT_ONCE = 20
# Until each of two workers has confirmed one; the second batch is seldom needed.
MAX_BATCHES = 20


async def until_healthy(*processes: Process) -> None:
    """As `depends_on: condition: service_healthy` waits."""
    for process in processes:
        async with asyncio.timeout(READY_WITHIN_S):
            while not await asyncio.to_thread(containers.is_healthy, process):
                assert process.running(), process.log()
                await asyncio.sleep(0.05)


async def confirmed_by(client: httpx.AsyncClient, worker: Process) -> float:
    """How many orders this worker has confirmed, as its metrics tell who has the token."""
    url = f"http://127.0.0.1:{worker.variables['FAIRLEAD_METRICS_PORT']}/metrics"
    assert 401 == (await client.get(url, headers={"Authorization": ""})).status_code
    counts = re.findall(
        r'^fairlead_order_events_total\{.*event="confirmed".*\} (\S+)$',
        (await client.get(url)).text,
        re.MULTILINE,
    )
    return sum(float(count) for count in counts)


async def test_orders_are_confirmed_by_the_processes_of_the_compose_file(
    tmp_path: Path, own_postgres: Server, own_redis: Server
) -> None:
    file = containers.services(GIVEN)
    database = file["postgres"]["environment"]
    servers.run_sql(
        own_postgres.url,
        f"CREATE ROLE {database['POSTGRES_USER']} SUPERUSER LOGIN"
        f" PASSWORD '{database['POSTGRES_PASSWORD']}'",
        f"CREATE DATABASE {database['POSTGRES_DB']} OWNER {database['POSTGRES_USER']}",
    )
    node_port, api_port = free_port(), free_port()
    places = Places(
        f"127.0.0.1:{own_postgres.port}", f"127.0.0.1:{own_redis.port}", f"127.0.0.1:{node_port}"
    )
    node = containers.process_of(
        file["node"], tmp_path, free_port(), places, FAIRLEAD_NODE_PORT=str(node_port), **FAST
    )
    api = containers.process_of(file["api"], tmp_path, api_port, places, **FAST)
    workers = [
        containers.process_of(file["worker"], tmp_path, free_port(), places, **FAST)
        for _ in range(file["worker"]["deploy"]["replicas"])
    ]
    assert 2 == len(workers)
    assert not containers.is_healthy(api)
    url = f"http://127.0.0.1:{api_port}"
    with running(node):
        await until_healthy(node)
        with running(api, *workers):
            await until_healthy(api, *workers)
            async with httpx.AsyncClient(base_url=url, headers=BEARER, timeout=30) as client:
                await strangers_are_refused(client)
                await both_confirm(client, workers)
                assert 0 == looked_at(api, tmp_path)


async def strangers_are_refused(client: httpx.AsyncClient) -> None:
    """Without the token, and under a name that is not the API's."""
    without = await client.get("/api/orders", headers={"Authorization": ""})
    assert (401, "unauthorized") == (without.status_code, problem(without)["code"])
    foreign = await client.get("/api/orders", headers={"Host": "elsewhere.example"})
    assert "host_not_allowed" == problem(foreign)["code"]
    # As the containers beside it call it.
    inside = await client.get("/api/orders", headers={"Host": "api:3000"})
    assert 200 == inside.status_code


async def both_confirm(client: httpx.AsyncClient, workers: list[Process]) -> None:
    """Orders until each worker has confirmed one; every order is confirmed."""
    for _ in range(MAX_BATCHES):
        bodies = [market_order(number) for number in range(ORDERS_AT_ONCE)]
        ids = await asyncio.gather(*(books.submit(client, body) for body in bodies))
        settled = await books.until_settled(client, ids)
        assert {"confirmed"} == {order["status"] for order in settled.values()}
        if all([await confirmed_by(client, worker) for worker in workers]):
            return
    raise AssertionError("one worker did everything")


def looked_at(api: Process, folder: Path) -> int:
    """The exit code of `docker compose exec api fairlead doctor`."""
    doctor = Process("doctor", folder, api.variables)
    with running(doctor):
        return doctor.wait()


@pytest.mark.parametrize("name", GIVEN)
def test_a_secret_that_is_not_set_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(MissingVariableError, match=f"^{name}: .*openssl rand"):
        containers.services({**GIVEN, name: ""})


def test_ports_are_published_on_this_machine_only() -> None:
    file = containers.services(GIVEN)
    published = {name: service.get("ports") for name, service in file.items()}
    assert ["127.0.0.1:3000:3000"] == published.pop("api")
    assert {None} == set(published.values())
    assert "127.0.0.1:4000:3000" in containers.services({**GIVEN, "PORT": "4000"})["api"]["ports"]


def test_a_stopping_container_has_longer_than_its_process_takes() -> None:
    shutdown_s = load_settings(containers.image_environment() | GIVEN).api.shutdown_ms / 1000
    ours = [s for s in containers.services(GIVEN).values() if s["image"] == containers.OUR_IMAGE]
    assert 3 == len(ours)
    for service in ours:
        assert shutdown_s < float(service["stop_grace_period"].removesuffix("s"))


def test_the_image_is_built_from_what_the_context_has(tmp_path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" == next(line for line in ignored if not line.startswith("#"))
    copied = [rest.split() for name, rest in containers.dockerfile() if name == "COPY"]
    sources = [word for words in copied if "--from=build" not in words for word in words[:-1]]
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)
    for source in sources:
        to = tmp_path / source
        to.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-R", ROOT / source, to], check=True)
    # pip builds with what is in the lock, and in the same way.
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("fairlead/")}
    there = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "fairlead").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == packed


def test_the_image_does_not_run_as_root() -> None:
    assert "10001" == containers.instruction("USER")
    assert "useradd --uid 10001 " in " ".join(
        rest for name, rest in containers.dockerfile() if name == "RUN"
    )
