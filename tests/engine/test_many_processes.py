"""An API and two workers on PostgreSQL and Redis, 500 sockets, 2,000 orders; then the same with
kills."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.engine import books
from tests.engine.ledger import landed_swaps
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

SOCKETS = 500
ORDERS, ORDERS_WITH_KILLS = 2_000, 2_000
AT_ONCE = 32

pytestmark = pytest.mark.serial


class Engine:
    """node + api + two workers, by their own commands."""

    def __init__(self, folder: Path, postgres: Server, redis: Server) -> None:
        self.folder = folder
        self.postgres = postgres
        variables = {
            **FAST,
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "FAIRLEAD_NODE_PORT": str(free_port()),
            "FAIRLEAD_LEASE_MS": "5000",
        }
        self.node = Process("node", folder, variables)
        self.api = Api("api", folder, variables)
        self.metrics_ports = [free_port() for _ in range(2)]
        self.workers = [
            Process("worker", folder, {**variables, "FAIRLEAD_METRICS_PORT": str(port)})
            for port in self.metrics_ports
        ]

    @asynccontextmanager
    async def up(self) -> AsyncIterator[httpx.AsyncClient]:
        with running(self.node, self.api, *self.workers):
            await asyncio.to_thread(self.api.wait_ready)
            async with self.api.client() as client:
                yield client


@asynccontextmanager
async def herd(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """500 readers of /ws in a process of their own, all connected."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.socket_herd", str(port), str(SOCKETS), "280",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert {"connected": SOCKETS} == json.loads(await process.stdout.readline())
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def report(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What the readers saw, once they have been told to end."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    await process.wait()
    return found


async def submit_all(client: httpx.AsyncClient, count: int) -> list[str]:
    """All orders, a bounded number at a time; the same key until each is answered."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        async with places:
            return await books.submit(
                client, market_order(number), **{"Idempotency-Key": f"order-{number}"}
            )

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def attempts(url: str) -> dict[str, str]:
    """Signature -> order of all that was ever stored."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT signature, order_id::text FROM fairlead.attempts")
        return {row["signature"]: row["order_id"] for row in rows}
    finally:
        await connection.close()


async def check(engine: Engine, client: httpx.AsyncClient, ids: list[str], seen: Any) -> None:
    """Every socket every frame in order; every order ended; at most one swap an order."""
    settled = await books.until_settled(client, ids)
    assert {"confirmed"} == {order["status"] for order in settled.values()}
    assert 0 == seen["out_of_order"]
    assert 1 == len(seen["seen"]), "the sockets saw different things"
    assert set(ids) == set(seen["orders"])
    last = {order_id: len(await books.events(client, order_id)) for order_id in ids[::20]}
    assert last == {order_id: seen["orders"][order_id] for order_id in last}
    order_of = await attempts(engine.postgres.url)
    swaps: dict[str, int] = {}
    for signature, error in landed_swaps(engine.folder):
        assert signature in order_of, f"{signature} was sent without being stored"
        if error is None:
            swaps[order_of[signature]] = swaps.get(order_of[signature], 0) + 1
    assert {1} == set(swaps.values())


async def test_every_socket_gets_every_frame_and_every_order_ends_once(
    tmp_path: Path, own_postgres: Server, own_redis: Server
) -> None:
    engine = Engine(tmp_path, own_postgres, own_redis)
    async with engine.up() as client, herd(engine.api.port) as readers:
        ids = await submit_all(client, ORDERS)
        await books.until_settled(client, ids, 240)
        seen = await report(readers)
        await check(engine, client, ids, seen)


async def test_the_same_with_a_worker_killed_every_second_and_redis_restarted(
    tmp_path: Path, own_postgres: Server, own_redis: Server
) -> None:
    engine = Engine(tmp_path, own_postgres, own_redis)
    async with engine.up() as client, herd(engine.api.port) as readers:
        killing = asyncio.create_task(kill_workers(engine, own_redis))
        ids = await submit_all(client, ORDERS_WITH_KILLS)
        await books.until_settled(client, ids, 240)
        killing.cancel()
        kills = (await asyncio.gather(killing, return_exceptions=True))[0]
        assert isinstance(kills, asyncio.CancelledError), kills
        seen = await report(readers)
        await check(engine, client, ids, seen)


async def is_up(port: int) -> None:
    """Returns once somebody accepts connections there."""
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.transport.abort()
                return


async def kill_workers(engine: Engine, redis: Server) -> None:
    """One worker after the other, -9, each started again; Redis restarted in between. Each has
    started before it is killed: where that takes longer than a second, nobody would ever work."""
    for round in range(1_000):
        worker = engine.workers[round % 2]
        await is_up(engine.metrics_ports[round % 2])
        await asyncio.sleep(1)
        await asyncio.to_thread(worker.kill)
        worker.start()
        if round % 3 == 2:
            await asyncio.to_thread(redis.restart)
