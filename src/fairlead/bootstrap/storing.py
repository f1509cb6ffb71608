"""The store of the settings, and the bus that goes with it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fairlead.bus.local import LocalBus
from fairlead.clock import SystemClock
from fairlead.config import Settings
from fairlead.errors import ConfigError
from fairlead.ports import Bus, Committed, RateLimit, Store
from fairlead.store.sqlite import SqliteStore
from fairlead.store.url import PostgresAddress, parse_url

NOTIFY_CHANNEL = "fairlead"
REDIS_PREFIX = "fairlead:"
DATABASE_FILE = "fairlead.sqlite3"


class OpenableStore(Store, Protocol):
    """A store with its beginning and end."""

    async def open(self, *, migrate: bool = True) -> None: ...
    async def close(self) -> None: ...
    async def schema_version(self) -> int: ...
    def observe_flushes(self, observe: Callable[[int, float], None]) -> None: ...


def open_store(
    settings: Settings, clock: SystemClock, on_commit: Callable[[Committed], None]
) -> OpenableStore:
    """The store of the settings, not opened yet."""
    per_minute = settings.workers.orders_per_minute
    rate = RateLimit(per_minute, 60_000) if per_minute is not None else None
    if settings.store.embedded:
        return SqliteStore(data_folder(settings) / DATABASE_FILE, clock, on_commit, rate)
    from fairlead.store.postgres import PostgresStore

    channel = None if settings.store.redis_url else NOTIFY_CHANNEL
    return PostgresStore(postgres_address(settings), clock, on_commit, rate, channel)


def bus_for(settings: Settings, clock: SystemClock, store: Store) -> Bus:
    """Redis where there is one, else the database's own notifications, else this process alone."""
    if settings.store.embedded:
        return LocalBus()
    if settings.store.redis_url is not None:
        from fairlead.bus.redis import RedisBus

        return RedisBus(settings.store.redis_url, REDIS_PREFIX, clock, store.active_orders)
    session_dsn = postgres_address(settings).session_dsn
    if session_dsn is None:
        # Through a transaction pooler nothing can be heard: everybody polls.
        return LocalBus()
    from fairlead.bus.postgres import PostgresBus
    from fairlead.store.postgres import PostgresStore

    assert isinstance(store, PostgresStore), "the store of these settings"
    return PostgresBus(session_dsn, NOTIFY_CHANNEL, clock, store.wrote)


def postgres_address(settings: Settings) -> PostgresAddress:
    """Where DATABASE_URL leads."""
    assert settings.store.database_url is not None
    return parse_url(settings.store.database_url, settings.store.database_direct_url)


def data_folder(settings: Settings) -> Path:
    """The folder of what this process keeps on disk, made if it is missing."""
    folder = settings.store.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigError(
            "FAIRLEAD_DATA_DIR", f"{folder} cannot be made ({error.strerror}); choose another"
        ) from None
    if not writable:
        raise ConfigError(
            "FAIRLEAD_DATA_DIR", f"{folder} cannot be written by this user; choose another"
        )
    return folder
