"""One suite on every store: SQLite with its thread, SQLite inline, PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.ports import Committed, RateLimit
from fairlead.store.postgres import PostgresStore
from fairlead.store.sqlite import SqliteStore
from fairlead.store.url import parse_url
from tests.contract.store.making import FakeClock

KINDS = ("sqlite", "inline", "postgres")


class World:
    """A database, the stores opened on it, and everything they said they committed."""

    def __init__(self, kind: str, place: str) -> None:
        self.kind = kind
        self.place = place
        self.clock = FakeClock()
        self.committed: list[Committed] = []
        self._opened: list[Any] = []
        self._made = 0

    def make(self, rate_limit: RateLimit | None = None, **more: Any) -> Any:
        """A store on the same database, not yet open. SQLite allows one at a time."""
        self._made += 1
        clock = FakeClock(seed=self._made)
        clock.ms = self.clock.ms
        if self.kind == "postgres":
            return PostgresStore(
                parse_url(self.place), clock, self.committed.append, rate_limit, **more
            )
        inline = self.kind == "inline"
        return SqliteStore(self.place, clock, self.committed.append, rate_limit, inline, **more)

    async def open(self, rate_limit: RateLimit | None = None, **more: Any) -> Any:
        store = self.make(rate_limit, **more)
        await store.open(migrate=True)
        self._opened.append(store)
        return store

    async def close(self, store: Any) -> None:
        self._opened.remove(store)
        await store.close()

    async def close_all(self) -> None:
        for store in list(self._opened):
            await self.close(store)


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    kind = request.param
    place = (
        request.getfixturevalue("postgres_url") if kind == "postgres" else str(tmp_path / "a.db")
    )
    world = World(kind, place)
    yield world
    await world.close_all()


@pytest.fixture
async def store(world: World) -> Any:
    return await world.open()


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[World]:
    world = World("postgres", postgres_url)
    yield world
    await world.close_all()
