"""The engine that fairlead is measured against: it starts, and does what it is measured by."""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator

import pytest

from bench.burst import Follower
from bench.engine import Engine, counts, get
from bench.live import open_socket
from bench.load import market_orders, run
from bench.reference.start import FOLDER, ReferenceUnavailableError, install, node, running_on
from tests import servers
from tests.servers import Server, url_of_database

ORDERS = 20
TIMEOUT_S = 30.0


@pytest.fixture
def reference(postgres_server: Server, redis_url: str, worker_id: str) -> Iterator[Engine]:
    try:
        node()
        install()
    except ReferenceUnavailableError as error:
        # A measuring stick, no part of fairlead: nothing that fairlead promises goes untested.
        pytest.skip(f"the reference engine of bench/ cannot run here: {error}")
    name = f"reference_{worker_id}_{os.getpid()}"
    servers.run_sql(postgres_server.url, f"CREATE DATABASE {name}")
    with contextlib.ExitStack() as stack:
        drop = f"DROP DATABASE {name} WITH (FORCE)"
        stack.callback(servers.run_sql, postgres_server.url, drop)
        url = url_of_database(postgres_server.url, name)
        yield stack.enter_context(running_on(url, redis_url))


async def test_the_reference_engine_confirms_what_it_accepts(reference: Engine) -> None:
    frames: list[dict[str, str]] = []
    follower = Follower()

    def on_frame(frame: bytes, now: float) -> None:
        frames.append(json.loads(frame))
        follower.on_frame(frame, now)

    port = reference.port
    socket = await open_socket(port, "/ws", on_frame)
    requests = market_orders(port, ORDERS)
    load = await run(port, requests, connections=4, timeout_s=TIMEOUT_S, keep_bodies=True)
    async with asyncio.timeout(TIMEOUT_S):
        await follower.reaches(ORDERS)
    socket.transport.close()

    assert {202: ORDERS} == load.statuses
    ids = {json.loads(body)["orderId"] for body in load.bodies}
    assert ORDERS == len(ids)
    for order_id in ids:
        told = [frame["status"] for frame in frames if frame["orderId"] == order_id]
        assert ["routing", "building", "submitted", "confirmed"] == told
    stored = await asyncio.to_thread(counts, port)
    assert (ORDERS, ORDERS, 0) == (stored["total"], stored["completed"], stored["failed"])
    answer = await asyncio.to_thread(get, port, f"/api/orders/{ids.pop()}")
    order = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert ("confirmed", 1, 64) == (order["status"], order["attempts"], len(order["txHash"]))


async def test_the_reference_engine_refuses_what_is_no_order(reference: Engine) -> None:
    port = reference.port
    wrong = [order.replace(b'"market"', b'"marked"') for order in market_orders(port, 2)]

    load = await run(port, wrong, connections=1, timeout_s=TIMEOUT_S)

    assert {400: 2} == load.statuses
    assert 0 == (await asyncio.to_thread(counts, port))["total"]


def test_every_package_of_the_reference_engine_is_locked_by_its_hash_and_without_address() -> None:
    text = (FOLDER / "package-lock.json").read_text()

    packages = json.loads(text)["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert wanted == packages.pop("")["dependencies"]
    assert wanted == {name: packages[f"node_modules/{name}"]["version"] for name in wanted}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert "://" not in text
