"""Workers' signs of life in PostgreSQL: an advisory lock each, held by a session of their own. When
the process dies, the server ends the session and with it the locks, at once: nobody waits for a
lease.
"""

from typing import Any

import asyncpg
import structlog

from fairlead.ports import Clock
from fairlead.store.postgres_connections import BROKEN, connect

_log = structlog.get_logger()


class WorkerSession:
    """The connection that holds the locks. Without one, or while it is down, leases must do."""

    def __init__(self, dsn: str | None, clock: Clock, queries: dict[str, str]) -> None:
        self._dsn = dsn
        self._clock = clock
        self._queries = queries
        self._connection: asyncpg.Connection[Any] | None = None
        # What each worker of this process holds on this connection.
        self._keys: dict[str, int] = {}

    async def hold(self, owner: str) -> int | None:
        """The key of the lock that the worker holds now; None when there is no session."""
        if self._dsn is None:
            return None
        try:
            if self._connection is None or self._connection.is_closed():
                self._keys.clear()
                self._connection = await connect(self._dsn)
            while owner not in self._keys:
                # A new key: a session that the server has not yet given up may hold the last.
                key = int.from_bytes(self._clock.random_bytes(4)) >> 1
                if await self._connection.fetchval(self._queries["hold_session"], key):
                    self._keys[owner] = key
            return self._keys[owner]
        except (*BROKEN, asyncpg.PostgresError) as error:
            _log.warning("store.session_lost", worker=owner, error=str(error))
            await self.close()
            return None

    async def let_go(self, owner: str) -> None:
        """The worker has ended."""
        key = self._keys.pop(owner, None)
        if key is None or self._connection is None or self._connection.is_closed():
            return
        try:
            await self._connection.fetchval(self._queries["let_session_go"], key)
        except (*BROKEN, asyncpg.PostgresError):
            await self.close()

    async def close(self) -> None:
        self._keys.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
