"""Connections to PostgreSQL: each attempt and each statement ends in bounded time, a lost
connection is made again, and asyncpg's and the system's errors become ours.
"""

import asyncio
from typing import Any

import asyncpg

from fairlead.errors import ConfigError, Unavailable
from fairlead.ports import Clock
from fairlead.store.batch import Lost, Poisoned
from fairlead.store.url import PostgresAddress

CONNECT_TIMEOUT_S = 5.0
# Longer than any statement of ours takes; a lock held by a hung session ends in it.
STATEMENT_TIMEOUT_S = 10.0
# How long writes wait for a server that is restarting before they are refused, and how often it is
# tried meanwhile.
PATIENCE_S = 5.0
RETRY_S = 0.1
# Connections for reads, opened as needed.
MAX_READERS = 4
# How often a read is done again on another connection.
MAX_READS = 3

# The connection, not the statement, is at fault.
BROKEN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)
# Two processes were in each other's way: nothing was written, and again it will work.
COLLIDED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# No fault of the statement: no room, too many connections, a standby.
UNABLE = (
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
)


async def connect(dsn: str, *, pooled: bool = False) -> "asyncpg.Connection[Any]":
    """A new connection, in at most `CONNECT_TIMEOUT_S`; raises what asyncpg raises."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            # A transaction pooler gives each transaction another server connection.
            statement_cache_size=0 if pooled else 100,
        )


def config_error(error: BaseException) -> ConfigError | None:
    """What the operator must change, if it is that and not a server that is down."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return ConfigError("DATABASE_URL", f"the server refuses the user or password: {error}")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return ConfigError("DATABASE_URL", f"the database is not there: {error}")
    if isinstance(error, asyncpg.ClientConfigurationError | ValueError):
        return ConfigError("DATABASE_URL", f"cannot be understood: {error}")
    return None


class PostgresConnections:
    """The one connection that writes, and a few that read."""

    def __init__(self, address: PostgresAddress, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._writer: asyncpg.Connection[Any] | None = None
        self._readers: asyncpg.Pool[Any] | None = None
        self._down_since: float | None = None

    async def open(self) -> None:
        """Connect once, so that a wrong address is told now."""
        try:
            self._writer = await connect(self._address.write_dsn, pooled=self._address.pooled)
        except (*BROKEN, asyncpg.PostgresError, ValueError) as error:
            raise config_error(error) or Unavailable("store", _text(error)) from error
        self._readers = asyncpg.create_pool(
            self._address.write_dsn,
            min_size=0,
            max_size=MAX_READERS,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            statement_cache_size=0 if self._address.pooled else 100,
            # Nothing of ours outlives its statement: no need to ask the server to forget it.
            reset=_nothing,
        )
        await self._readers

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.terminate()
        if self._readers is not None:
            self._readers.terminate()

    async def writer(self) -> "asyncpg.Connection[Any]":
        """The writing connection, made again if need be; `Unavailable` when that takes too long."""
        while True:
            if self._writer is not None and not self._writer.is_closed():
                return self._writer
            try:
                self._writer = await connect(self._address.write_dsn, pooled=self._address.pooled)
                self._down_since = None
            except (*BROKEN, asyncpg.PostgresError) as error:
                now = self._clock.monotonic()
                if self._down_since is None:
                    self._down_since = now
                if now - self._down_since >= PATIENCE_S:
                    raise Unavailable("store", _text(error)) from error
                await self._clock.sleep(RETRY_S)

    def is_writer(self, server_pid: int) -> bool:
        """Whether this session of the server is the connection that writes. A pooler has many."""
        writer = self._writer
        return (
            not self._address.pooled
            and writer is not None
            and not writer.is_closed()
            and writer.get_server_pid() == server_pid
        )

    async def write(self, statement: str, *values: Any) -> Any:
        """The one row of a statement that commits itself; `Lost`, `Poisoned` or `Unavailable`."""
        while True:
            connection = await self.writer()
            try:
                # Behind a pooler a transaction keeps the steps of a statement on one server
                # connection.
                if not self._address.pooled:
                    return await connection.fetchrow(statement, *values)
                async with connection.transaction():
                    return await connection.fetchrow(statement, *values)
            except COLLIDED:
                continue
            except UNABLE as error:
                raise Unavailable("store", _text(error)) from error
            except asyncpg.DataError as error:
                raise Poisoned(_text(error)) from error
            except BROKEN as error:
                connection.terminate()
                raise Lost(_text(error)) from error
            except asyncpg.PostgresError as error:
                raise Poisoned(_text(error)) from error
            except asyncio.CancelledError:
                connection.terminate()
                raise

    async def read(self, statement: str, *values: Any) -> list[Any]:
        """All rows; tried again on a connection that is not broken, then `Unavailable`."""
        assert self._readers is not None, "the store is not open"
        for left in reversed(range(MAX_READS)):
            try:
                async with self._readers.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                    try:
                        rows: list[Any]
                        if not self._address.pooled:
                            rows = await connection.fetch(statement, *values)
                            return rows
                        async with connection.transaction():
                            rows = await connection.fetch(statement, *values)
                            return rows
                    except BROKEN:
                        connection.terminate()
                        raise
            except asyncpg.DataError:
                raise
            except (*BROKEN, asyncpg.PostgresError) as error:
                if left == 0 or not isinstance(error, BROKEN) or isinstance(error, TimeoutError):
                    raise Unavailable("store", _text(error)) from error
        raise AssertionError("unreachable")


async def _nothing(_connection: Any) -> None:
    pass


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
