"""One read for all who ask while it runs, and a new one for who comes after: by a task of its own,
or led by the first who asks."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from fairlead.chain.shared_reads import LedReads, SharedReads
from fairlead.errors import Unavailable

Reads = type[SharedReads[str, int]] | type[LedReads[str, int]]
EITHER = pytest.mark.parametrize("kind", [SharedReads, LedReads])


class Source:
    """Answers 1, 2, 3 …, each when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.gates: list[asyncio.Future[None]] = []

    async def read(self) -> int:
        self.begun += 1
        number = self.begun
        self.gates.append(asyncio.get_running_loop().create_future())
        await self.gates[-1]
        return number

    def let(self) -> None:
        self.gates[-1].set_result(None)


@pytest.fixture
def stops_a_spin() -> Iterator[None]:
    """A loop that never lets others run cannot be timed out by asyncio."""

    def stop(*_: object) -> None:
        raise AssertionError("a coroutine spins")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 10)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@EITHER
async def test_all_who_ask_while_it_runs_have_the_same_answer(kind: Reads):
    reads, source = kind(), Source()
    asking = [asyncio.create_task(reads.get("a", source.read)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.let()
    assert [1] * 5 == await asyncio.gather(*asking)


async def test_one_who_gives_up_does_not_stop_it_for_the_others():
    reads, source = SharedReads[str, int](), Source()
    first, second = [asyncio.create_task(reads.get("a", source.read)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    source.let()
    assert 1 == await second


@EITHER
async def test_who_asks_in_the_turn_in_which_it_ends_is_given_a_new_one(kind: Reads, stops_a_spin):
    """The read is over, and the loop has not told so yet: who wants more than it brought, and asks
    until it is there, must not be given the old answer for ever."""
    reads, source = kind(), Source()

    async def wants_the_second() -> int:
        while (answer := await reads.get("a", source.read)) < 2:
            pass
        return answer

    first = asyncio.create_task(reads.get("a", source.read))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.let()
    late = asyncio.create_task(wants_the_second())
    assert 1 == await first
    await asyncio.sleep(0)
    source.let()
    assert 2 == await late


async def test_an_error_is_told_to_all_who_asked_and_the_next_read_is_new():
    reads, source = SharedReads[str, int](), Source()

    async def fails() -> int:
        await source.read()
        raise ValueError("away")

    asking = [asyncio.create_task(reads.get("a", fails)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.let()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert ["away", "away"] == [str(answer) for answer in answers]
    again = asyncio.create_task(reads.get("a", source.read))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.let()
    assert 2 == await again


async def test_closing_stops_what_runs():
    reads, source = SharedReads[str, int](), Source()
    asking = asyncio.create_task(reads.get("a", source.read))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await reads.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_one_who_gives_up_leaves_what_he_led_to_those_who_wait():
    reads, source = LedReads[str, int](), Source()
    first, second, third = [asyncio.create_task(reads.get("a", source.read)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert 2 == source.begun
    source.let()
    assert [2, 2] == list(await asyncio.gather(second, third))


async def test_who_waits_is_told_why_there_is_no_answer_and_reads_anew_after_a_bug():
    reads, source = LedReads[str, int](), Source()

    async def is_away() -> int:
        await source.read()
        raise Unavailable("chain", "away")

    async def is_wrong() -> int:
        await source.read()
        raise ValueError("a bug")

    asking = [asyncio.create_task(reads.get("a", is_away)) for _ in range(2)]
    await asyncio.sleep(0)
    source.let()
    assert ["away"] * 2 == [
        str(e)[-4:] for e in await asyncio.gather(*asking, return_exceptions=True)
    ]
    wrong = asyncio.create_task(reads.get("a", is_wrong))
    right = asyncio.create_task(reads.get("a", source.read))
    await asyncio.sleep(0)
    source.let()
    with pytest.raises(ValueError, match="a bug"):
        await wrong
    await asyncio.sleep(0)
    source.let()
    assert 3 == await right
