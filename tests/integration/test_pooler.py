"""DATABASE_URL through PgBouncer in transaction mode: what works, what not, and who is told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from fairlead.clock import SystemClock
from fairlead.errors import ConfigError
from fairlead.store.postgres import PostgresStore
from fairlead.store.postgres_pooler import shares_its_servers
from fairlead.store.url import parse_url
from tests import servers
from tests.engine import books
from tests.engine.processes import FAST, Api, Process, free_port, market_order, running
from tests.servers import Server, url_of_database

WITHIN_S = 60.0
SMALL = 2
LEASE_ONLY = "goes through a transaction pooler"


@pytest.fixture(scope="module", params=[SMALL, 20], ids=["small", "usual"])
def pooler(request: pytest.FixtureRequest, postgres_server: Server) -> Iterator[Server]:
    """A transaction pooler before the tests' PostgreSQL."""
    yield from pooler_of(postgres_server, "transaction", request.param)


@pytest.fixture(scope="module")
def small_pooler(postgres_server: Server) -> Iterator[Server]:
    yield from pooler_of(postgres_server, "transaction", SMALL)


@pytest.fixture(scope="module")
def session_pooler(postgres_server: Server) -> Iterator[Server]:
    yield from pooler_of(postgres_server, "session", 20)


def pooler_of(postgres: Server, mode: str, pool_size: int) -> Iterator[Server]:
    try:
        pooler = servers.start_pgbouncer(postgres, mode=mode, pool_size=pool_size)
    except servers.ServerUnavailableError as error:
        pytest.skip(str(error))
    with pooler:
        yield pooler


def through(pooler: Server, url: str) -> str:
    """The same database, through the pooler."""
    return url_of_database(pooler.url, url.rpartition("/")[2])


def store_at(url: str, direct_url: str | None = None) -> PostgresStore:
    return PostgresStore(parse_url(url, direct_url), SystemClock(), lambda committed: None)


def notes_in(process: Process) -> list[str]:
    """The warnings about the database's address that it logged."""
    lines = process.log_path.read_text(errors="replace").splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    return [line["note"] for line in logged if line["event"] == "store.address"]


class Engine:
    """node, api and workers as processes, all through the pooler."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        shared = {**FAST, "FAIRLEAD_NODE_PORT": str(free_port()), **variables}
        self.node = Process("node", folder, shared)
        self.api = Api("api", folder, shared)
        self.workers = [Process("worker", folder, shared) for _ in range(2)]

    @asynccontextmanager
    async def up(self) -> AsyncIterator[httpx.AsyncClient]:
        """With the first worker only."""
        with running(self.node, self.api, self.workers[0]):
            try:
                await asyncio.to_thread(self.api.wait_ready)
                async with self.api.client() as client:
                    yield client
            finally:
                if self.workers[1].running():
                    self.workers[1].stop()


async def left_by_a_dead_worker(engine: Engine, client: httpx.AsyncClient) -> tuple[float, Any]:
    """Kill a worker with an order in hand while another is there; seconds until that one has it,
    and the order once it has ended."""
    order_id = await books.submit(client, market_order())
    await books.until(client, order_id, ["submitted"])
    engine.workers[1].start()
    while (await workers_alive(client)) < 2:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(engine.workers[0].kill)
    killed_at = time.monotonic()
    while (await workers_alive(client)) > 1:
        await asyncio.sleep(0.02)
    noticed_s = time.monotonic() - killed_at
    (settled,) = (await books.until_settled(client, [order_id])).values()
    return noticed_s, settled


async def workers_alive(client: httpx.AsyncClient) -> int:
    lines = (await client.get("/metrics")).text.splitlines()
    return round(
        next(float(n.split()[1]) for n in lines if n.startswith("fairlead_workers_alive "))
    )


# Slow enough that a worker can be killed with an order in hand.
LANDS_LATE = {"FAIRLEAD_PAPER_LAND_MIN_MS": "3000", "FAIRLEAD_PAPER_LAND_MAX_MS": "3000"}


async def test_serve_migrates_accepts_and_executes_through_a_pooler_alone(
    pooler: Server, postgres_server: Server, tmp_path: Path
) -> None:
    name = f"pooled_{tmp_path.name.replace('-', '_')}_{pooler.port}"
    servers.run_sql(postgres_server.url, f"CREATE DATABASE {name}")
    url = url_of_database(pooler.url, name)
    serve = Api("serve", tmp_path, {**FAST, "DATABASE_URL": f"{url}?pgbouncer=true"})
    try:
        async with asyncio.timeout(WITHIN_S):
            with running(serve):
                await asyncio.to_thread(serve.wait_ready)
                async with serve.client() as client:
                    orders = [books.submit(client, market_order(n)) for n in range(100)]
                    settled = await books.until_settled(client, await asyncio.gather(*orders))
                assert 0 == await asyncio.to_thread(serve.stop)
        assert {"confirmed"} == {order["status"] for order in settled.values()}
        (note,) = notes_in(serve)
        assert LEASE_ONLY in note
        assert "prepared statement" not in serve.log_path.read_text()
    finally:
        # With force: the pooler keeps its connections for a while.
        servers.run_sql(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_pooler_that_is_killed_and_comes_back_is_waited_for(
    postgres_server: Server, postgres_url: str, tmp_path: Path
) -> None:
    for pooler in pooler_of(postgres_server, "transaction", SMALL):
        url = f"{through(pooler, postgres_url)}?pgbouncer=true"
        serve = Api("serve", tmp_path, {**FAST, "DATABASE_URL": url})
        async with asyncio.timeout(WITHIN_S):
            with running(serve):
                await asyncio.to_thread(serve.wait_ready)
                async with serve.client() as client:
                    before = await books.submit(client, market_order())
                    await asyncio.to_thread(pooler.kill)
                    while (await client.get("/ready")).status_code != 503:
                        await asyncio.sleep(0.05)
                    await asyncio.to_thread(pooler.restart)
                    after = await books.submit(client, market_order(1))
                    settled = await books.until_settled(client, [before, after])
                assert 0 == await asyncio.to_thread(serve.stop)
        assert {"confirmed"} == {order["status"] for order in settled.values()}


async def test_a_dead_worker_is_noticed_by_its_lease_and_events_are_found_by_polling(
    small_pooler: Server, postgres_url: str, tmp_path: Path
) -> None:
    lease_s = 3.0
    url = f"{through(small_pooler, postgres_url)}?pgbouncer=true"
    timing = {"FAIRLEAD_LEASE_MS": "3000", "FAIRLEAD_HEARTBEAT_MS": "500"}
    engine = Engine(tmp_path, {"DATABASE_URL": url, **LANDS_LATE, **timing})
    async with asyncio.timeout(WITHIN_S), engine.up() as client:
        # The API sees what the worker wrote, and tells it live.
        order_id = await books.submit(client, market_order())
        seen = []
        stream = client.stream(
            "GET", f"/api/orders/{order_id}/events", headers={"accept": "text/event-stream"}
        )
        async with stream as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    seen.append(json.loads(line[5:])["event"])
                if seen[-1:] == ["confirmed"]:
                    break
        assert ["accepted", "claimed", "routed", "submitted", "confirmed"] == seen
        noticed_s, settled = await left_by_a_dead_worker(engine, client)
    assert "confirmed" == settled["status"]
    assert 1 == len(settled["attempts"])
    # A heartbeat before its death it had the whole lease.
    assert lease_s - 0.5 - 0.5 <= noticed_s <= lease_s + 5
    assert [1, 1, 1] == [len(notes_in(p)) for p in (engine.api, *engine.workers)]


async def test_a_direct_url_carries_locks_and_listen(
    small_pooler: Server, postgres_url: str, tmp_path: Path
) -> None:
    pooled = f"{through(small_pooler, postgres_url)}?pgbouncer=true"
    # Only wake-ups and locks can be as quick as what is asked below.
    slow = {"FAIRLEAD_LEASE_MS": "50000", "FAIRLEAD_STORE_POLL_MS": "20000"}
    urls = {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": postgres_url}
    engine = Engine(tmp_path, {**urls, **slow, **LANDS_LATE})
    async with asyncio.timeout(WITHIN_S), engine.up() as client:
        posted_at = time.monotonic()
        order_id = await books.submit(client, market_order())
        await books.until(client, order_id, ["submitted"])
        assert time.monotonic() - posted_at < 10
        noticed_s, settled = await left_by_a_dead_worker(engine, client)
    assert "confirmed" == settled["status"]
    assert noticed_s < 10
    assert [] == [note for p in (engine.api, *engine.workers) for note in notes_in(p)]


async def test_a_pooler_without_its_flag_is_refused_with_what_to_add(
    pooler: Server, postgres_url: str
) -> None:
    async with asyncio.timeout(WITHIN_S):
        store = store_at(through(pooler, postgres_url))
        with pytest.raises(ConfigError, match=r"^DATABASE_URL: .*add pgbouncer=true"):
            await store.open()


async def test_a_pooler_is_found_while_others_use_it(pooler: Server, postgres_url: str) -> None:
    url = through(pooler, postgres_url)

    async def busy() -> None:
        connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            while True:
                async with connection.transaction():
                    await connection.execute("SELECT pg_sleep(0.002)")
        finally:
            connection.terminate()

    async with asyncio.timeout(WITHIN_S):
        others = [asyncio.create_task(busy()) for _ in range(4)]
        try:
            assert [True] * 10 == [await shares_its_servers(url) for _ in range(10)]
        finally:
            for other in others:
                other.cancel()
            await asyncio.gather(*others, return_exceptions=True)


async def test_a_direct_url_that_is_pooled_too_is_refused(
    small_pooler: Server, postgres_url: str
) -> None:
    pooled = through(small_pooler, postgres_url)
    async with asyncio.timeout(WITHIN_S):
        store = store_at(f"{pooled}?pgbouncer=true", pooled)
        with pytest.raises(ConfigError, match=r"^DATABASE_DIRECT_URL: "):
            await store.open()


async def test_a_pooler_in_session_mode_is_as_good_as_the_database(
    session_pooler: Server, postgres_url: str, tmp_path: Path
) -> None:
    url = through(session_pooler, postgres_url)
    serve = Api("serve", tmp_path, {**FAST, "DATABASE_URL": url})
    async with asyncio.timeout(WITHIN_S):
        with running(serve):
            await asyncio.to_thread(serve.wait_ready)
            async with serve.client() as client:
                order_id = await books.submit(client, market_order())
                await books.until(client, order_id, ["confirmed"])
    assert [] == notes_in(serve)


async def test_stores_share_few_servers_with_clients_that_name_their_statements(
    small_pooler: Server, postgres_url: str
) -> None:
    url = through(small_pooler, postgres_url)
    async with asyncio.timeout(WITHIN_S):
        # Statements of these names now wait on the pool's servers for whoever uses them too.
        stranger = await asyncpg.connect(url)
        async with stranger.transaction():
            for number in range(20):
                await stranger.fetchval(f"SELECT {number}")
        stores = [store_at(f"{url}?pgbouncer=true") for _ in range(6)]
        for store in stores:
            await store.open()
        try:
            now_ms = SystemClock().now_ms()
            for _ in range(10):
                await asyncio.gather(*(store.queue(now_ms) for store in stores for _ in range(3)))
                await asyncio.gather(
                    *(s.register_worker(SystemClock().new_id(), now_ms + 60_000) for s in stores)
                )
            assert 60 == (await stores[0].queue(now_ms)).workers
        finally:
            for store in stores:
                await store.close()
            stranger.terminate()
