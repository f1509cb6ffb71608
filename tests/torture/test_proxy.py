"""A link passes everything on, until it is broken in one of its ways; then it does again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.engine.processes import free_port
from tests.torture.plan import Cut
from tests.torture.proxy import Link

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self) -> None:
        self.got = b""
        self.has_got = asyncio.Event()
        self.serving = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving += 1
        try:
            while data := await reader.read(1_000):
                self.got += data
                self.has_got.set()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self.serving -= 1


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Link, Echo]]:
    kept = Echo()
    server = await asyncio.start_server(kept.serve, "127.0.0.1", 0)
    link = Link("test", free_port(), server.sockets[0].getsockname()[1])
    await link.open()
    yield link, kept
    await link.close()
    server.close()
    # Each has an end of its own, once what it called is gone.
    while kept.serving:
        await asyncio.sleep(0)


async def call(link: Link) -> Ends:
    """A connection over which something has passed both ways."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    await say(writer, b"hello")
    assert b"hello" == await reader.readexactly(5)
    return reader, writer


async def say(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, properly or not."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"


async def test_reset_breaks_what_there_is_and_lets_new_connections_through(
    echo: tuple[Link, Echo],
) -> None:
    link, _ = echo
    reader, writer = await call(link)
    await link.suffer(Cut.RESET, 0)
    assert b"reset" == await ended(reader)
    writer.close()
    (await call(link))[1].close()


async def test_refuse_breaks_new_connections_too_until_it_is_over(echo: tuple[Link, Echo]) -> None:
    link, _ = echo
    refusing = asyncio.create_task(link.suffer(Cut.REFUSE, 0.2))
    await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    assert await ended(reader) in (b"", b"reset")
    writer.close()
    await refusing
    (await call(link))[1].close()


async def test_stall_holds_everything_back_and_loses_nothing(echo: tuple[Link, Echo]) -> None:
    link, kept = echo
    reader, writer = await call(link)
    kept.has_got.clear()
    stalling = asyncio.create_task(link.suffer(Cut.STALL, 0.2))
    await asyncio.sleep(0)
    await say(writer, b"again")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await kept.has_got.wait()
    await stalling
    assert b"again" == await reader.readexactly(5)
    writer.close()


async def test_unanswered_lets_the_question_through_and_not_the_answer(
    echo: tuple[Link, Echo],
) -> None:
    link, kept = echo
    reader, writer = await call(link)
    kept.has_got.clear()
    breaking = asyncio.create_task(link.suffer(Cut.UNANSWERED, 0.2))
    await asyncio.sleep(0)
    await say(writer, b"again")
    await kept.has_got.wait()
    assert b"reset" == await ended(reader)
    assert b"helloagain" == kept.got
    await breaking
    writer.close()


async def test_half_close_ends_the_answers_and_still_takes_questions(
    echo: tuple[Link, Echo],
) -> None:
    link, kept = echo
    reader, writer = await call(link)
    kept.has_got.clear()
    breaking = asyncio.create_task(link.suffer(Cut.HALF_CLOSE, 0.2))
    assert b"" == await reader.read()
    await say(writer, b"again")
    await kept.has_got.wait()
    await breaking
    writer.close()


async def test_a_server_that_is_gone_breaks_the_connection() -> None:
    link = Link("test", free_port(), free_port())
    await link.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    assert await ended(reader) in (b"", b"reset")
    writer.close()
    await link.close()
