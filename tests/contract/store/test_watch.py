"""One worker at a time watches the triggers."""

import asyncio
from typing import Any

from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS

LEASE_MS = T0_MS + 10_000


async def test_the_first_worker_that_asks_has_the_watch_and_keeps_it(store: Any) -> None:
    for owner in ("w", "v"):
        await store.register_worker(owner, LEASE_MS)
    assert await store.take_watch("w")
    assert not await store.take_watch("v")
    assert await store.take_watch("w")


async def test_who_is_no_worker_does_not_get_the_watch(store: Any) -> None:
    assert not await store.take_watch("w")
    await store.register_worker("w", LEASE_MS)
    assert await store.take_watch("w")
    await store.release_worker("w", T0_MS)
    assert not await store.take_watch("w")


async def test_the_watch_passes_on_when_its_worker_is_gone(store: Any) -> None:
    for owner, until_ms in (("w", LEASE_MS), ("v", LEASE_MS + 5)):
        await store.register_worker(owner, until_ms)
    assert await store.take_watch("w")
    assert ("w",) == await store.release_dead_workers(LEASE_MS)
    assert await store.take_watch("v")
    await store.register_worker("w", LEASE_MS + 10)
    assert not await store.take_watch("w")
    await store.release_worker("v", LEASE_MS)
    assert await store.take_watch("w")


async def test_one_of_many_that_ask_at_once_gets_the_watch(world: World) -> None:
    stores = [await world.open()]
    if world.kind == "postgres":
        stores += [await world.open() for _ in range(3)]
    for number in range(12):
        await stores[number % len(stores)].register_worker(f"w{number}", LEASE_MS)
    for _ in range(12):
        answers = await asyncio.gather(
            *(stores[number % len(stores)].take_watch(f"w{number}") for number in range(12))
        )
        assert 1 == sum(answers)
        await stores[0].release_worker(f"w{answers.index(True)}", T0_MS)
        await stores[0].register_worker(f"w{answers.index(True)}", LEASE_MS)


async def test_asking_writes_nothing_when_nothing_changes(postgres: World) -> None:
    store = await postgres.open()
    for owner in ("w", "v"):
        await store.register_worker(owner, LEASE_MS)
    assert await store.take_watch("w")
    rows = "SELECT xmin, xmax, ctid FROM fairlead.watch"
    before = await store._connections.read(rows)
    assert await store.take_watch("w")
    assert not await store.take_watch("v")
    assert before == await store._connections.read(rows)
