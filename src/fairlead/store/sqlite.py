"""The embedded store: one SQLite file, one process, one writer.

The SQL of a flush runs on the event loop and only its COMMIT, which waits for the disk, in a
thread: a thread that ran the statements too would fight a busy loop for the interpreter at
every step. Nothing touches the writing connection while it commits; reads have a connection of
their own, on which WAL shows them the last commit. `inline` keeps even the COMMIT on the loop,
and then one connection does for all: for the deterministic simulator.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from fairlead.errors import ConfigError, Unavailable
from fairlead.ports import Clock, Committed, RateLimit
from fairlead.store.batch import Lost, Poisoned, Write
from fairlead.store.named_sql import load_migrations, load_queries
from fairlead.store.sqlite_reader import SqliteReads
from fairlead.store.sqlite_reclaims import SqliteReclaims
from fairlead.store.sqlite_statements import Statements
from fairlead.store.sqlite_writer import SqliteFlush
from fairlead.store.writes import KnowToSlot, QueuedWrites, Release, Watch

# RETURNING came with it.
OLDEST_SQLITE = (3, 35, 0)
# Pages of 4 KiB that the WAL grows to before they are moved into the file.
CHECKPOINT_PAGES = 4_000
# Statements kept compiled.
CACHED_STATEMENTS = 128


class SqliteStore(QueuedWrites, SqliteReads, SqliteReclaims):
    """`ports.Store` on one file. `path` may be ":memory:" when inline."""

    def __init__(
        self,
        path: str | Path,
        clock: Clock,
        on_commit: Callable[[Committed], None],
        rate_limit: RateLimit | None = None,
        inline: bool = False,
    ) -> None:
        super().__init__(clock, self._flush, on_commit, rate_limit)
        self._path = str(path)
        self._inline = inline
        self._queries: dict[str, str] = {}
        self._lock: IO[str] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._position = 0
        # Marks this opening of the file: workers of an earlier one are gone.
        self._session = 0

    # --- opening and closing

    async def open(self, *, migrate: bool = True) -> None:
        """Take the file for this process; bring its tables up to date, or check them."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConfigError("DATABASE_URL", f"SQLite {sqlite3.sqlite_version} is older than 3.35")
        if self._path != ":memory:":
            self._lock = _lock(Path(self._path))
        try:
            self._writer = self._connect()
            self._migrate(migrate)
            self._reader = self._writer if self._inline else self._connect()
        except BaseException:
            self._unlock()
            raise
        self._queries = load_queries("sqlite_queries")
        self._statements = Statements(self._queries)
        if not self._inline:
            self._thread = ThreadPoolExecutor(1, "store-commit")
        ((self._session,),) = self._writer.execute(self._queries["next_opening"]).fetchall()
        self._position = await self.feed_head()

    async def close(self) -> None:
        """Commit what is queued and let go of the file."""
        await self._batcher.close()
        if self._thread is not None:
            self._thread.shutdown()
        self._reader.close()
        self._writer.close()
        self._unlock()

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=CACHED_STATEMENTS,
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except sqlite3.Error as error:
            raise ConfigError("DATABASE_URL", f"cannot open {self._path}: {error}") from error
        return connection

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def schema_version(self) -> int:
        """The number of the last migration that the file has seen."""
        ((version,),) = self._writer.execute("PRAGMA user_version")
        return int(version)

    def _migrate(self, migrate: bool) -> None:
        migrations = load_migrations("sqlite_migrations")
        ((version,),) = self._writer.execute("PRAGMA user_version")
        if version > len(migrations):
            raise ConfigError(
                "DATABASE_URL",
                f"{self._path} has schema {version}, made by a newer fairlead; this one knows"
                f" {len(migrations)}. Start the newer one.",
            )
        if version < len(migrations) and not migrate:
            raise ConfigError(
                "DATABASE_URL",
                f"{self._path} has schema {version} and this fairlead needs {len(migrations)}:"
                " run `fairlead migrate`",
            )
        for number, script in migrations[version:]:
            self._writer.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    # --- writing

    async def _flush(self, writes: Sequence[Write]) -> Committed:
        flush = SqliteFlush(
            self._writer, self._statements, self._position, self._session, self._rate_limit
        )
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            committed = flush.run(writes)
        except (sqlite3.IntegrityError, AssertionError) as error:
            self._roll_back()
            raise Poisoned(str(error)) from error
        except sqlite3.Error as error:
            self._roll_back()
            raise Unavailable("store", str(error)) from error
        except BaseException:
            self._roll_back()
            raise
        try:
            await self._commit()
        except sqlite3.Error as error:
            # Rolled back as far as this process sees; what the disk has is another question.
            self._roll_back()
            raise Lost(str(error)) from error
        self._position += len(committed.events)
        return committed

    async def _commit(self) -> None:
        if self._thread is None:
            self._writer.execute("COMMIT")
            return
        # Shielded: were this task cancelled, the thread would still be using the connection.
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(self._thread, self._writer.execute, "COMMIT"))

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    async def release_dead_workers(self, now_ms: int) -> tuple[str, ...]:
        dead = self._read("dead_workers", now_ms, self._session)
        if not dead:
            return ()
        gone: tuple[str, ...] = await self._batcher.submit(Release(tuple(dead), now_ms))
        return gone

    async def take_watch(self, owner: str) -> bool:
        # Asked often and hardly ever given away: a read says most of the time what the answer is.
        ((holder, alive, known),) = self._read("watcher", owner)
        if not known or (alive and holder != owner):
            return False
        if holder == owner:
            return True
        taken: bool = await self._batcher.submit(Watch(owner))
        return taken

    async def know_to_slot(self, slot: int) -> None:
        await self._batcher.submit(KnowToSlot(slot))


def _lock(path: Path) -> IO[str]:
    """Hold `path`.lock while the file returned is open; the end of the process lets go too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Path(f"{path}.lock").open("a+", encoding="ascii")  # noqa: SIM115 (held open)
    except OSError as error:
        raise ConfigError("DATABASE_URL", f"cannot open {path}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise ConfigError(
            "DATABASE_URL",
            f"{path} is in use by process {holder}: SQLite serves one process."
            " Stop that one, or set DATABASE_URL=postgresql://… to run several",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
