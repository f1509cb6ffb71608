"""Buses of each kind, stopped after the test."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from fairlead.ports import Bus
from tests.contract.bus.world import LOOK, Listener, LocalWorld, PostgresWorld, RedisWorld, World


@pytest.fixture(params=["local", "postgres", "redis"])
def world(request: pytest.FixtureRequest) -> World:
    """Every kind of bus."""
    if request.param == "local":
        return LocalWorld()
    if request.param == "postgres":
        return PostgresWorld(request.getfixturevalue("postgres_url"))
    return RedisWorld(request.getfixturevalue("redis_url"))


@pytest.fixture(params=["postgres", "redis"])
def shared_world(request: pytest.FixtureRequest) -> World:
    """The kinds that reach other processes."""
    if request.param == "postgres":
        return PostgresWorld(request.getfixturevalue("postgres_url"))
    return RedisWorld(request.getfixturevalue("redis_url"))


@pytest.fixture
async def started() -> AsyncIterator[Callable[[Bus], Awaitable[Listener]]]:
    """Starts a bus and says who listens to it; it is stopped after the test."""
    buses: list[Bus] = []

    async def start(bus: Bus) -> Listener:
        listener = Listener(bus)
        buses.append(bus)
        await bus.start()
        return listener

    yield start
    for bus in buses:
        await bus.stop()


@pytest.fixture
async def connected(
    started: Callable[[Bus], Awaitable[Listener]],
) -> Callable[[Bus], Awaitable[Listener]]:
    """Starts a bus that has a server, and waits for its first wake-up: it is connected."""

    async def start(bus: Bus) -> Listener:
        listener = await started(bus)
        await listener.hears(LOOK)
        return listener

    return start
