"""The machine's clock: ids that sort by their making, randomness that does not repeat."""

import os
import time
import uuid

import pytest

from fairlead.clock import SystemClock


def test_ids_are_uuid_7_of_now() -> None:
    made = uuid.UUID(SystemClock().new_id())
    assert (7, uuid.RFC_4122) == (made.version, made.variant)
    assert abs((made.int >> 80) - time.time_ns() // 1_000_000) < 1_000


def test_ids_grow_also_within_a_millisecond_and_when_time_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    times = iter([5_000] * 5_000 + [4_000] * 5_000 + [6_000] * 10)
    monkeypatch.setattr("fairlead.clock.time.time_ns", lambda: next(times) * 1_000_000)
    ids = [clock.new_id() for _ in range(10_010)]
    assert ids == sorted(set(ids))
    assert {7} == {uuid.UUID(one).version for one in ids}


def test_random_bytes_are_as_many_as_asked_and_never_again() -> None:
    clock = SystemClock()
    drawn = [clock.random_bytes(32) for _ in range(1_000)]
    assert 1_000 == len(set(drawn))
    assert [0, 1, 64, 65, 10_000] == [len(clock.random_bytes(n)) for n in (0, 1, 64, 65, 10_000)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_draws_its_own() -> None:
    clock = SystemClock()
    clock.random_bytes(1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, clock.random_bytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != clock.random_bytes(16)


async def test_time_goes_on() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert abs(clock.now_ms() - time.time() * 1_000) < 1_000
