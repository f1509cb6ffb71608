"""The server's edges: heads, pipelines, protocols and frames that are not as they should be."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.serving import frame, served, socket
from tests.api.world import EXECUTE, ORDER

BODY = json.dumps(ORDER).encode()


def request(head: str = "", *, version: str = "1.1", body: bytes = BODY) -> bytes:
    lines = (
        f"POST {EXECUTE} HTTP/{version}\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{head}\r\n"
    )
    return lines.encode() + body


async def exchanged(address: str, *pieces: bytes, until_closed: bool = True) -> bytes:
    """What the server says to these bytes until it closes."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    async with asyncio.timeout(10):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if until_closed:
            answer = await reader.read()
    writer.close()
    return answer


async def test_answers_on_one_connection_come_in_the_order_of_requests():
    async with served() as (here, address):
        many = b"".join(request(f"idempotency-key: {i}\r\n") for i in range(20))
        answer = await exchanged(address, many, request("connection: close\r\n"))
        assert 21 == answer.count(b"HTTP/1.1 202 Accepted\r\n")
        first = await here.post(ORDER, **{"idempotency-key": "0"})
        assert answer.index(first.json()["orderId"].encode()) < answer.index(b"\r\n\r\n") + 200
        assert 21 == await here.order_count()


@pytest.mark.parametrize(("head", "version"), [("connection: close\r\n", "1.1"), ("", "1.0")])
async def test_a_connection_closes_when_the_client_asks(head: str, version: str):
    async with served() as (_, address):
        answer = await exchanged(address, request(head, version=version))
        assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
        assert b"connection: close" in answer.lower()
        assert b'"success":true' in answer


async def test_answers_carry_a_date():
    async with served() as (_, address):
        answer = await exchanged(address, request(), request("connection: close\r\n"))
        assert 2 == answer.lower().count(b"\r\ndate: ")


@pytest.mark.parametrize(
    "pieces",
    [
        [f"GET /health HTTP/1.1\r\nhost: localhost\r\nx: {'a' * 17_000}\r\n\r\n".encode()],
        [b"GET /health HTTP/1.1\r\nx: ", *[b"a" * 4_000] * 5],
        [b"GET /health HTTP/1.1\r\n", *[b"a: b\r\n" * 100] * 28],
        [f"GET /{'a' * 17_000} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()],
    ],
    ids=["at-once", "endless-value", "endless-names", "address"],
)
async def test_too_large_a_head_is_431(pieces: list[bytes]):
    async with served() as (_, address):
        answer = await exchanged(address, *pieces)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"application/problem+json" in answer


async def test_what_is_no_http_is_400():
    async with served() as (_, address):
        answer = await exchanged(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"malformed_request"' in answer


async def test_a_client_that_leaves_in_the_middle_makes_no_order():
    async with served() as (here, address):
        await exchanged(address, request()[:-5], until_closed=False)
        whole = await exchanged(address, request("connection: close\r\n"))
        assert b"202 Accepted" in whole
        assert 1 == await here.order_count()


async def test_sockets_are_not_compressed_and_take_small_messages_only():
    async with served() as (_, address), socket(address, "/ws") as ws:
        assert "sec-websocket-extensions" not in ws.response.headers  # type: ignore[union-attr]
        await frame(ws)
        await ws.send("what a client says is not asked for")
        await ws.send("x" * 70_000)
        await ws.wait_closed()
        assert 1009 == ws.close_code


async def test_pings_are_answered():
    async with served() as (_, address), socket(address, "/ws") as ws:
        pong = await ws.ping()
        async with asyncio.timeout(5):
            await pong


def test_the_loop_is_uvloop_where_there_is_one():
    from fairlead.api.server import loop_factory

    loop: Any = loop_factory()()
    loop.close()
    assert "uvloop" in type(loop).__module__
