import asyncio
from typing import Any

import pytest

from fairlead.errors import Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.ports import Committed
from fairlead.store import batch
from fairlead.store.batch import Batcher, Lost, Poisoned


class Database:
    """Flushes that wait to be let through, and do what the values say."""

    def __init__(self) -> None:
        self.flushes: list[list[Any]] = []
        self.doors: list[asyncio.Future[None]] = []
        self.held = False
        self.lose = 0
        self.log: list[str] = []
        self.batcher = Batcher(self.flush, lambda _: self.log.append("told"), lambda: 0.0)

    async def flush(self, writes: Any) -> Committed:
        values = [write.value for write in writes]
        self.flushes.append(values)
        if self.held:
            door = asyncio.get_running_loop().create_future()
            self.doors.append(door)
            await door
        if self.lose:
            self.lose -= 1
            raise Lost("gone")
        if "poison" in values:
            raise Poisoned("bad")
        if "down" in values:
            raise Unavailable("store", "down")
        for write in writes:
            write.result = KeyError(write.value) if write.value == "refused" else write.value
        return Committed((), True)


async def test_what_comes_during_a_flush_goes_with_the_next() -> None:
    database = Database()
    database.held = True
    first = database.batcher.submit(1)
    await asyncio.sleep(0)
    rest = [database.batcher.submit(n) for n in (2, 3, 4)]
    database.held = False
    database.doors[0].set_result(None)
    assert [1, 2, 3, 4] == [await first, *[await future for future in rest]]
    assert [[1], [2, 3, 4]] == database.flushes


async def test_a_refused_write_fails_alone() -> None:
    database = Database()
    futures = [database.batcher.submit(value) for value in (1, "refused", 3)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [1, KeyError, 3] == [results[0], type(results[1]), results[2]]
    assert 1 == len(database.flushes)


async def test_a_poisoned_write_fails_alone() -> None:
    database = Database()
    values = [*range(20), "poison", *range(20, 40)]
    futures = [database.batcher.submit(value) for value in values]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(results.pop(20), AssertionError)
    assert list(range(40)) == results


async def test_the_commit_is_told_before_its_waiters() -> None:
    database = Database()

    async def wait() -> None:
        await database.batcher.submit(1)
        database.log.append("answered")

    await wait()
    assert ["told", "answered"] == database.log


async def test_a_cancelled_waiter_is_left_out_and_breaks_nothing() -> None:
    database = Database()
    database.held = True
    futures = [database.batcher.submit(n) for n in (1, 2)]
    await asyncio.sleep(0)
    futures[0].cancel()
    late = [database.batcher.submit(n) for n in (3, 4)]
    late[0].cancel()
    database.held = False
    database.doors[0].set_result(None)
    assert (2, 4) == (await futures[1], await late[1])
    assert [[1, 2], [4]] == database.flushes


async def test_a_lost_flush_is_done_again() -> None:
    database = Database()
    database.lose = 1
    assert 7 == await database.batcher.submit(7)
    assert [[7], [7]] == database.flushes


async def test_a_flush_that_stays_lost_is_unknown() -> None:
    database = Database()
    database.lose = 99
    with pytest.raises(WriteOutcomeUnknown):
        await database.batcher.submit(7)
    assert 1 + batch.MAX_UNCERTAIN_FLUSHES == len(database.flushes)


async def test_unavailable_is_unavailable_unless_it_may_have_happened() -> None:
    database = Database()
    with pytest.raises(Unavailable):
        await database.batcher.submit("down")
    database.lose = 1
    with pytest.raises(WriteOutcomeUnknown):
        await database.batcher.submit("down")


async def test_the_queue_and_the_flush_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MAX_QUEUE_SIZE", 10)
    monkeypatch.setattr(batch, "MAX_FLUSH_SIZE", 4)
    database = Database()
    futures = [database.batcher.submit(n) for n in range(10)]
    with pytest.raises(Overloaded):
        database.batcher.submit(10)
    await asyncio.gather(*futures)
    assert [4, 4, 2] == [len(values) for values in database.flushes]


async def test_closing_flushes_what_is_queued() -> None:
    database = Database()
    future = database.batcher.submit(1)
    await database.batcher.close()
    assert 1 == future.result()
    with pytest.raises(Unavailable):
        database.batcher.submit(2)
