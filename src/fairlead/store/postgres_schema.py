"""The schema of the PostgreSQL store: forward from an empty database, by one process at a time."""

from typing import Any

import asyncpg

from fairlead.errors import ConfigError
from fairlead.store.named_sql import load_migrations

MIGRATIONS = "postgres_migrations"
VERSION_TABLE = """
CREATE SCHEMA IF NOT EXISTS fairlead;
CREATE TABLE IF NOT EXISTS fairlead.schema_version (version integer NOT NULL);
INSERT INTO fairlead.schema_version
SELECT 0 WHERE NOT EXISTS (SELECT FROM fairlead.schema_version);
"""


async def schema_version(connection: "asyncpg.Connection[Any]") -> int:
    """The number of the last migration that the database has seen, 0 when it is empty."""
    try:
        # Behind a pooler a transaction keeps the steps of a statement on one server connection.
        async with connection.transaction():
            version = await connection.fetchval("SELECT version FROM fairlead.schema_version")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return 0
    return int(version or 0)


async def check_schema(connection: "asyncpg.Connection[Any]") -> int:
    """The version, if this fairlead can work with it; `ConfigError` if not."""
    version = await schema_version(connection)
    known = len(load_migrations(MIGRATIONS))
    if version > known:
        raise ConfigError(
            "DATABASE_URL",
            f"the database has schema {version}, made by a newer fairlead; this one knows {known}."
            " Start the newer one.",
        )
    if version < known:
        raise ConfigError(
            "DATABASE_URL",
            f"the database has schema {version} and this fairlead needs {known}:"
            " run `fairlead migrate`",
        )
    return version


async def migrate_schema(connection: "asyncpg.Connection[Any]") -> int:
    """Run what is missing, all or nothing; processes that start at once take turns."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(24940, 0)")
        version = await schema_version_inside(connection)
        for number, script in load_migrations(MIGRATIONS)[version:]:
            await connection.execute(script)
            await connection.execute("UPDATE fairlead.schema_version SET version = $1", number)
    return await check_schema(connection)


async def schema_version_inside(connection: "asyncpg.Connection[Any]") -> int:
    """The version, in a transaction that holds the migration lock: the table is made if missing."""
    exists = await connection.fetchval("SELECT to_regclass('fairlead.schema_version') IS NOT NULL")
    if not exists:
        await connection.execute(VERSION_TABLE)
    return await schema_version(connection)
