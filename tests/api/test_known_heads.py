"""Requests for orders that are answered without the parser are answered as if by it."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from bench.accept_cost import Sink
from fairlead.api.http import Api, create_app
from fairlead.api.protocols import HttpConnection
from fairlead.orders.model import NewOrder
from fairlead.ports import Accepted
from tests.api.test_server import BODY, request
from tests.api.world import ORDER, world


class HeldStore:
    """Accepts at once, or when it is let go."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.accepted: list[NewOrder] = []
        self.go = asyncio.Event()
        self.go.set()

    async def accept(self, order: NewOrder) -> Accepted:
        await self.go.wait()
        self.accepted.append(order)
        result: Accepted = await self._store.accept(order)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Line(Sink):
    """A transport of one connection, and what went out on it."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    @property
    def said(self) -> bytes:
        return b"".join(self.written)

    async def says(self, answers: int) -> bytes:
        async with asyncio.timeout(5):
            while self.said.count(b"HTTP/1.1 ") < answers or not self.said.endswith(b"}"):
                await asyncio.sleep(0)
        return self.said


def connected(api: Api) -> tuple[HttpConnection, Line]:
    config = uvicorn.Config(api, interface="asgi3", log_config=None, proxy_headers=False)
    config.load()
    state, line = ServerState(), Line()
    state.default_headers = [(b"date", b"Fri, 20 Nov 2026 05:51:02 GMT")]
    connection = HttpConnection(config, state, {})
    connection.connection_made(line)
    return connection, line


@pytest.fixture
async def here():
    async with world() as here:
        store: Any = HeldStore(here.store)
        yield store, create_app(replace(here.deps, store=store))


def lines_of(answer: bytes) -> list[bytes]:
    return sorted(answer.partition(b"\r\n\r\n")[0].split(b"\r\n"))


async def asked(api: Api, *packets: bytes, answers: int | None = None) -> bytes:
    """What a new connection says to these packets, each sent when the last is answered."""
    connection, line = connected(api)
    for number, packet in enumerate(packets, 1):
        connection.data_received(packet)
        if answers is None:
            await line.says(number)
    return await line.says(answers or len(packets))


async def test_both_ways_give_the_same_answer(here: Any):
    store, api = here
    first, second = await asked(api, request()), await asked(api, request())
    assert api.known_heads.find(request()) is not None
    assert lines_of(first) == lines_of(second)
    assert [b"accepted" in answer for answer in (first, second)] == [True, True]
    assert 2 == len({order.order_id for order in store.accepted})


async def test_refusals_are_the_same_too(here: Any):
    _, api = here
    wrong = json.dumps({**ORDER, "tokenOut": "NONE"}).encode()
    answers = [await asked(api, request(body=wrong)) for _ in range(3)]
    assert answers[0].startswith(b"HTTP/1.1 422 ")
    bodies = {answer.partition(b"\r\n\r\n")[2] for answer in answers}
    assert 1 == len(bodies)
    assert lines_of(answers[0]) == lines_of(answers[2])


async def test_a_key_is_not_part_of_what_is_known(here: Any):
    store, api = here
    keyed = [request(f"Idempotency-Key: {key}\r\n") for key in ("a", "b", "a")]
    answer = await asked(api, *keyed)
    assert api.known_heads.find(keyed[0]) is not None
    assert api.known_heads.find(request()) is not None
    assert 1 == answer.count(b"idempotent-replayed: true")
    assert ["a", "b", "a"] == [order.idempotency_key for order in store.accepted]
    assert 2 == len({line for line in answer.split(b'"') if len(line) == 36})


@pytest.mark.parametrize("key", ["two words", "two\r\nidempotency-key: keys", "", "é"])
async def test_an_unusual_key_is_read_by_the_parser(here: Any, key: str):
    _, api = here
    await asked(api, request())
    odd = request().replace(b"\r\n\r\n", f"\r\nidempotency-key: {key}\r\n\r\n".encode())
    assert api.known_heads.find(odd) is None
    await asked(api, odd)
    assert api.known_heads.find(odd) is None


@pytest.mark.parametrize(
    "head",
    [
        "transfer-encoding: chunked\r\n",
        "expect: 100-continue\r\n",
        "origin: http://localhost\r\n",
        "connection: close\r\n",
        "x: a\r\n b\r\n",
        "x: " + "a" * 3_000 + "\r\n",
        "upgrade: websocket\r\nconnection: upgrade\r\n",
        "host: localhost\r\n",
    ],
)
async def test_what_needs_care_is_not_remembered(here: Any, head: str):
    _, api = here
    connection, _ = connected(api)
    connection.data_received(request(head))
    assert api.known_heads.find(request(head)) is None
    connection.connection_lost(None)


@pytest.mark.parametrize(
    "changed",
    [
        lambda data: data.replace(b"HTTP/1.1", b"HTTP/1.0"),
        lambda data: data.replace(b"execute ", b"execute?numbers=json "),
        lambda data: data.replace(b"localhost", b"elsewhere"),
        lambda data: data[:-1],
        lambda data: data + b"G",
        lambda data: data.replace(b"\r\n\r\n", b"\r\n a\r\n\r\n"),
        lambda data: data.replace(b"\r\n\r\n", b"\r\nidempotency-key: a\r\n b\r\n\r\n"),
    ],
)
async def test_another_head_is_not_known(here: Any, changed: Any):
    _, api = here
    await asked(api, request())
    assert api.known_heads.find(changed(request())) is None


async def test_packets_may_be_cut_anywhere(here: Any):
    store, api = here
    await asked(api, request())
    data = request() + request("idempotency-key: b\r\n") + request("idempotency-key: c\r\n")
    for size in (1, 7, len(request()) - 1, len(request()) + 1, len(data)):
        store.accepted.clear()
        cut = [data[at : at + size] for at in range(0, len(data), size)]
        answer = await asked(api, *cut, answers=3)
        assert 3 == answer.count(b"HTTP/1.1 202 "), size
        assert [None, "b", "c"] == [order.idempotency_key for order in store.accepted]


async def test_what_comes_meanwhile_is_answered_after(here: Any):
    store, api = here
    await asked(api, request())
    connection, line = connected(api)
    store.go.clear()
    connection.data_received(request())
    connection.data_received(request("idempotency-key: x\r\n"))
    connection.data_received(b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await asyncio.sleep(0)
    assert b"" == line.said
    store.go.set()
    said = await line.says(3)
    codes = [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert [b"202", b"202", b"404"] == codes


async def test_an_end_of_service_lets_the_answer_out(here: Any):
    store, api = here
    await asked(api, request())
    connection, line = connected(api)
    store.go.clear()
    connection.data_received(request())
    connection.shutdown()
    assert not line.closed
    store.go.set()
    assert b"202" in await line.says(1)
    assert line.closed


async def test_a_client_that_leaves_leaves_its_order(here: Any):
    store, api = here
    await asked(api, request())
    connection, line = connected(api)
    store.go.clear()
    connection.data_received(request())
    await asyncio.sleep(0)
    line.closed = True
    connection.connection_lost(None)
    store.go.set()
    async with asyncio.timeout(5):
        while len(store.accepted) < 2 or connection.tasks:
            await asyncio.sleep(0)
    assert b"" == line.said


async def test_silence_is_counted_from_the_last_answer(here: Any, monkeypatch: pytest.MonkeyPatch):
    _, api = here
    await asked(api, request())
    connection, line = connected(api)
    connection.data_received(request())
    await line.says(1)
    connection.timeout_keep_alive_handler()
    still_open = not line.closed
    assert still_open, "its timer was set before that answer"
    monkeypatch.setattr(connection, "timeout_keep_alive", 0)
    connection.timeout_keep_alive_handler()
    assert line.closed
    connection.connection_lost(None)


async def test_only_so_many_are_remembered(here: Any, monkeypatch: pytest.MonkeyPatch):
    _, api = here
    monkeypatch.setattr("fairlead.api.known_heads.MAX_HEADS", 2)
    for name in "abc":
        await asked(api, request(f"x: {name}\r\n"))
    known = [api.known_heads.find(request(f"x: {name}\r\n")) is not None for name in "abc"]
    assert [False, False, True] == known
    assert BODY in request()
