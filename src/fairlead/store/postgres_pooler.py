"""Finds a transaction pooler that nobody told us of, before it does harm.

Through one, a prepared statement may be on another server connection than its next use, LISTEN
hears nothing and a session's lock is somebody else's; and none of it fails at once or always.
"""

from typing import Any

import asyncpg

from fairlead.errors import ConfigError
from fairlead.store.postgres_connections import BROKEN, connect
from fairlead.store.url import PostgresAddress

WITHOUT_FLAG = (
    "leads through a transaction pooler, as PgBouncer has them, which must be said: add"
    " pgbouncer=true to it (after ? or &), and set DATABASE_DIRECT_URL to the database itself for"
    " what a pooler cannot carry; or leave the pooler out"
)
NOT_DIRECT = (
    "leads through a transaction pooler too: it must be the database itself, or a pooler in session"
    " mode. Without it everything works by polling"
)
# A busy pooler may by chance give the same server again and again. A look is two round trips, and
# only
# connections through some pooler are looked at so often.
MAX_LOOKS = 30


async def refuse_hidden_pooler(address: PostgresAddress) -> None:
    """`ConfigError` when what must be a session of our own is not.

    What cannot be reached is not looked at: who needs it will say so.
    """
    dsn = address.session_dsn
    if dsn is None:
        return
    try:
        shared = await shares_its_servers(dsn)
    except (*BROKEN, asyncpg.PostgresError, ValueError):
        return
    if shared and address.pooled:
        raise ConfigError("DATABASE_DIRECT_URL", NOT_DIRECT)
    if shared:
        raise ConfigError("DATABASE_URL", WITHOUT_FLAG)


async def shares_its_servers(dsn: str) -> bool:
    """Whether a connection's server serves others between its transactions."""
    first = await connect(dsn, pooled=True)
    try:
        mine = await _server_of(first)
        # A pooler of any kind greets with a number of its own.
        if mine == first.get_server_pid():
            return False
        second = await connect(dsn, pooled=True)
        try:
            for _ in range(MAX_LOOKS):
                async with second.transaction():
                    # A pooler in session mode keeps the first one's server for it.
                    theirs = await second.fetchval("SELECT pg_backend_pid()")
                    if theirs == mine or await _server_of(first) != mine:
                        return True
            return False
        finally:
            second.terminate()
    finally:
        first.terminate()


async def _server_of(connection: "asyncpg.Connection[Any]") -> int:
    async with connection.transaction():
        pid: int = await connection.fetchval("SELECT pg_backend_pid()")
        return pid
