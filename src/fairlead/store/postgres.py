"""The store of several processes: PostgreSQL through asyncpg.

A flush is one statement, `fairlead.flush()`, which commits by itself: one round trip and one
wait for the disk for all its writes. When its answer is lost nobody can tell whether it was
committed, so the writes are done again: an accept finds its own order, a claim its own token, a
change its own event.
"""

from collections.abc import Callable, Sequence

import asyncpg
import structlog

from fairlead.errors import ConfigError, Fenced, Unavailable, WriteOutcomeUnknown
from fairlead.orders.model import Change
from fairlead.ports import Clock, Committed, RateLimit
from fairlead.store.batch import Poisoned, Write
from fairlead.store.named_sql import load_queries
from fairlead.store.postgres_connections import BROKEN, PostgresConnections
from fairlead.store.postgres_pooler import refuse_hidden_pooler
from fairlead.store.postgres_reader import PostgresReads
from fairlead.store.postgres_reclaims import PostgresReclaims
from fairlead.store.postgres_schema import check_schema, migrate_schema, schema_version
from fairlead.store.postgres_session import WorkerSession
from fairlead.store.postgres_writer import PostgresFlush
from fairlead.store.principals import Principals
from fairlead.store.url import PostgresAddress
from fairlead.store.writes import Lease, QueuedWrites, Release

# Rows over which the counts of one principal are spread, so that processes need not wait in line.
SHARDS = 16

_log = structlog.get_logger()


class PostgresStore(QueuedWrites, PostgresReads, PostgresReclaims):
    """`ports.Store` on one database. `notify_channel`, when given, hears of every flush."""

    def __init__(
        self,
        address: PostgresAddress,
        clock: Clock,
        on_commit: Callable[[Committed], None],
        rate_limit: RateLimit | None = None,
        notify_channel: str | None = None,
    ) -> None:
        super().__init__(clock, self._flush, on_commit, rate_limit)
        self._address = address
        self._channel = notify_channel
        self._shard = clock.random_bytes(1)[0] % SHARDS
        self._connections = PostgresConnections(address, clock)
        self._queries = load_queries("postgres_queries")
        self._principals = Principals()
        self._session = WorkerSession(address.session_dsn, clock, self._queries)

    # --- opening and closing

    async def open(self, *, migrate: bool = True) -> None:
        """Connect, and bring the tables up to date or check that they are."""
        for note in self._address.notes:
            _log.warning("store.address", note=note)
        await self._connections.open()
        try:
            await refuse_hidden_pooler(self._address)
            connection = await self._connections.writer()
            await (migrate_schema if migrate else check_schema)(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            await self._connections.close()
            raise ConfigError(
                "DATABASE_URL",
                f"its user may not work here: {error}. Let it own the schema fairlead, or create"
                " one: GRANT CREATE ON DATABASE",
            ) from error
        except (*BROKEN, asyncpg.PostgresError) as error:
            await self._connections.close()
            raise Unavailable("store", str(error) or type(error).__name__) from error
        except BaseException:
            await self._connections.close()
            raise

    async def close(self) -> None:
        """Commit what is queued and disconnect."""
        await self._batcher.close()
        await self._session.close()
        await self._connections.close()

    async def schema_version(self) -> int:
        """The number of the last migration that the database has seen."""
        return await schema_version(await self._connections.writer())

    def wrote(self, server_pid: int) -> bool:
        """Whether what this session of the server tells comes of a flush of this store, whose
        writers hear of it by themselves. Of a flush whose answer is lost they may not: they find it
        when they look."""
        return self._connections.is_writer(server_pid)

    # --- writing

    async def _flush(self, writes: Sequence[Write]) -> Committed:
        flush = PostgresFlush(writes, self._principals)
        unknown = flush.unknown_orders()
        if unknown:
            flush.learn(await self._read("principals_of", unknown))
        try:
            arguments = flush.arguments(self._shard, self._rate_limit, self._channel)
        except (AssertionError, UnicodeDecodeError) as error:
            raise Poisoned(str(error)) from error
        committed = flush.read(await self._connections.write(self._queries["flush"], *arguments))
        for write in writes:
            if write.uncertain and isinstance(write.result, Fenced):
                write.result = await self._find_out(write.value, write.result)
        return committed

    async def _find_out(self, change: Change, fenced: Fenced) -> int | Exception:
        """What became of a change whose first answer was lost and which is refused now."""
        if not change.events:
            return WriteOutcomeUnknown(f"of a change of {change.order_id}")
        ours = change.events[0]
        rows = await self._read("written_at", change.order_id, change.sequence + 1)
        for at_ms, type, status, data in rows:
            if (change.at_ms, ours.type, ours.status, ours.data.decode()) == (
                at_ms,
                type,
                status,
                data,
            ):
                return change.sequence + len(change.events)
        return fenced

    async def register_worker(self, owner: str, lease_until_ms: int) -> None:
        key = await self._session.hold(owner)
        await self._batcher.submit(Lease(owner, lease_until_ms, renew=False, session_key=key))

    async def renew_lease(self, owner: str, lease_until_ms: int) -> bool:
        key = await self._session.hold(owner)
        lease = Lease(owner, lease_until_ms, renew=True, session_key=key)
        alive: bool = await self._batcher.submit(lease)
        return alive

    async def release_worker(self, owner: str, now_ms: int) -> None:
        await super().release_worker(owner, now_ms)
        await self._session.let_go(owner)

    async def release_dead_workers(self, now_ms: int) -> tuple[str, ...]:
        dead = await self._read("dead_workers", now_ms)
        if not dead:
            return ()
        release = Release(tuple((row[0], row[1]) for row in dead), now_ms)
        gone: tuple[str, ...] = await self._batcher.submit(release)
        return gone

    async def take_watch(self, owner: str) -> bool:
        # As a read, done again when its connection breaks: asked twice, it answers the same.
        ((taken,),) = await self._read("take_watch", owner)
        return bool(taken)

    async def know_to_slot(self, slot: int) -> None:
        # Also as a read: said twice, it is as true.
        await self._read("know_to_slot", slot)
