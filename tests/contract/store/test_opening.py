import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.errors import ConfigError, Unavailable
from fairlead.ports import Store
from fairlead.store.named_sql import load_migrations
from fairlead.store.postgres import PostgresStore
from fairlead.store.postgres_schema import VERSION_TABLE
from fairlead.store.sqlite import SqliteStore
from fairlead.store.url import parse_url
from tests import servers
from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS, FakeClock, new_order
from tests.servers import Server

LATEST = {
    "sqlite": len(load_migrations("sqlite_migrations")),
    "inline": len(load_migrations("sqlite_migrations")),
    "postgres": len(load_migrations("postgres_migrations")),
}
# The last one without resting orders.
OLD_SCHEMA = {"sqlite": 1, "inline": 1, "postgres": 2}


def sql(world: World, sqlite_statement: str, postgres_statement: str) -> None:
    if world.kind == "postgres":
        servers.run_sql(world.place, postgres_statement)
    else:
        connection = sqlite3.connect(world.place)
        connection.execute(sqlite_statement)
        connection.close()


def test_both_stores_are_what_the_port_says() -> None:
    def conforms(store: SqliteStore | PostgresStore) -> Store:
        return store

    assert callable(conforms)


async def test_an_empty_database_is_migrated_and_stays(world: World) -> None:
    store = await world.open()
    assert LATEST[world.kind] == await store.schema_version()
    await store.accept(new_order())
    await world.close(store)
    store = world.make()
    await store.open(migrate=False)
    assert 1 == (await store.counts("local")).total
    await store.close()


async def test_processes_that_start_at_once_migrate_once(postgres_server: Server) -> None:
    servers.run_sql(postgres_server.url, "CREATE DATABASE at_once")
    url = servers.url_of_database(postgres_server.url, "at_once")
    world = World("postgres", url)
    await asyncio.gather(*(world.open() for _ in range(5)))
    await world.close_all()
    servers.run_sql(postgres_server.url, "DROP DATABASE at_once WITH (FORCE)")


async def test_an_older_schema_is_refused_without_leave_to_migrate(world: World) -> None:
    if world.kind == "postgres":
        servers.run_sql(world.place, "DROP SCHEMA IF EXISTS fairlead CASCADE")
    with pytest.raises(ConfigError, match="fairlead migrate"):
        await world.make().open(migrate=False)
    store = await world.open()
    assert LATEST[world.kind] == await store.schema_version()


async def test_a_newer_schema_is_refused(world: World) -> None:
    await world.close(await world.open())
    sql(world, "PRAGMA user_version = 99", "UPDATE fairlead.schema_version SET version = 99")
    with pytest.raises(ConfigError, match="newer fairlead"):
        await world.make().open(migrate=True)
    with pytest.raises(ConfigError, match="newer fairlead"):
        await world.make().open(migrate=False)


async def test_a_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE events (x)")
    connection.close()
    with pytest.raises(sqlite3.OperationalError):
        await SqliteStore(path, FakeClock(), lambda _: None).open()
    connection = sqlite3.connect(path)
    assert [("events",)] == connection.execute("SELECT name FROM sqlite_schema").fetchall()
    connection.close()


async def test_a_second_process_on_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = SqliteStore(path, FakeClock(), lambda _: None)
    await store.open()
    with pytest.raises(ConfigError, match="in use by process"):
        await SqliteStore(path, FakeClock(), lambda _: None).open()
    await store.close()
    again = SqliteStore(path, FakeClock(), lambda _: None)
    await again.open()
    await again.close()


async def test_a_file_that_cannot_be_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        await SqliteStore(tmp_path / "file" / "a.db", FakeClock(), lambda _: None).open()
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at" * 99)
    with pytest.raises(ConfigError):
        await SqliteStore(tmp_path / "text.db", FakeClock(), lambda _: None).open()


async def test_memory_serves_when_inline() -> None:
    store = SqliteStore(":memory:", FakeClock(), lambda _: None, inline=True)
    await store.open()
    await store.accept(new_order())
    assert 1 == len(await store.claim("w", 1, T0_MS))
    await store.close()


async def test_a_closed_store_refuses(store: Any, world: World) -> None:
    await world.close(store)
    with pytest.raises(Unavailable):
        await store.accept(new_order())


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://postgres@127.0.0.1:{port}/nowhere", ConfigError),
        ("postgresql://postgres@127.0.0.1:1/postgres", Unavailable),
    ],
)
async def test_a_wrong_address_is_told_at_the_start(
    postgres_server: Server, url: str, error: type[Exception]
) -> None:
    address = parse_url(url.format(port=postgres_server.port))
    with pytest.raises(error):
        await PostgresStore(address, FakeClock(), lambda _: None).open()


async def test_orders_of_an_older_schema_are_kept(world: World) -> None:
    order = new_order()
    old = OLD_SCHEMA[world.kind]
    terms = msgspec.json.encode(order.terms).decode()
    rows = (
        "INSERT INTO SCHEMA.terms (order_id, principal, request_hash, secret, wallet,"
        " wallet_address, type, terms, created_at_ms)"
        f" VALUES ('{order.order_id}', 'local', 'h', 's', 'w', 'w', 'market', '{terms}', {T0_MS});"
        "INSERT INTO SCHEMA.orders (order_id, principal, status, sequence, priority, due_at_ms,"
        " created_at_ms, updated_at_ms)"
        f" VALUES ('{order.order_id}', 'local', 'pending', 1, 0, {T0_MS}, {T0_MS}, {T0_MS});"
    )
    if world.kind == "postgres":
        scripts = [script for _, script in load_migrations("postgres_migrations")[:old]]
        version = f"UPDATE fairlead.schema_version SET version = {old}"
        servers.run_sql(
            world.place,
            "DROP SCHEMA fairlead CASCADE",
            VERSION_TABLE,
            *scripts,
            rows.replace("SCHEMA", "fairlead"),
            version,
        )
    else:
        connection = sqlite3.connect(world.place)
        for _, script in load_migrations("sqlite_migrations")[:old]:
            connection.executescript(script)
        connection.executescript(f"{rows.replace('SCHEMA', 'main')} PRAGMA user_version = {old};")
        connection.close()
    store = await world.open()
    (claimed,) = await store.claim("w", 5, T0_MS)
    assert (order.order_id, order.terms) == (claimed.order.order_id, claimed.order.terms)
    assert LATEST[world.kind] == await store.schema_version()
