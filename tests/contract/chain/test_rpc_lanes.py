"""How calls share requests: which go together, and that none suffers for another."""

import asyncio
import json
from typing import Any

import pytest

from fairlead.chain import rpc_lanes
from fairlead.chain.rpc_lanes import BatchRefused, Lane, NoAnswer, RpcError
from fairlead.errors import Unavailable
from tests.contract.chain.worlds import PATIENCE_S


class Wire:
    """Requests as they were made; each is answered when the test says so."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: list[asyncio.Future[bytes]] = []

    async def post(self, body: bytes) -> bytes:
        self.requests.append(json.loads(body))
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def methods(self, request: int) -> list[str]:
        asked = self.requests[request]
        return [one["method"] for one in (asked if isinstance(asked, list) else [asked])]

    def answer(self, request: int, **special: Any) -> None:
        """The method's name as the result of each call; `special` by method, None for no answer."""
        asked = self.requests[request]
        calls = asked if isinstance(asked, list) else [asked]
        said = [
            {"jsonrpc": "2.0", "id": one["id"], **what}
            for one in reversed(calls)
            if (what := special.get(one["method"], {"result": one["method"]})) is not None
        ]
        content = said if isinstance(asked, list) else said[0]
        self.answers[request].set_result(json.dumps(content).encode())

    def fail(self, request: int, error: Exception) -> None:
        self.answers[request].set_exception(error)


def ask(lane: Lane, *methods: str) -> list["asyncio.Task[Any]"]:
    return [asyncio.ensure_future(lane.ask([(method, [])])) for method in methods]


async def turns(count: int = 5) -> None:
    """Let the loop turn: whatever goes out without waiting has gone out."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(wire: Wire, requests: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(wire.requests) < requests:
            await asyncio.sleep(0.001)


async def texts(tasks: list["asyncio.Task[Any]"]) -> list[Any]:
    """Results as values, failures as their types' names."""
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait(tasks)
    return [
        type(error).__name__ if (error := task.exception()) else json.loads(bytes(task.result()[0]))
        for task in tasks
    ]


async def test_calls_of_one_turn_go_together_and_one_alone_is_no_batch():
    wire = Wire()
    lane = Lane(wire.post, requests=2, calls=50)
    first = ask(lane, "a", "b", "c")
    await turns()
    alone = ask(lane, "d")
    await turns()
    assert [["a", "b", "c"], ["d"]] == [wire.methods(0), wire.methods(1)]
    assert isinstance(wire.requests[1], dict)
    wire.answer(0)
    wire.answer(1)
    assert ["a", "b", "c", "d"] == await texts([*first, *alone])


async def test_calls_gather_while_the_lanes_requests_are_under_way():
    wire = Wire()
    lane = Lane(wire.post, requests=2, calls=3)
    tasks = ask(lane, "a")
    await turns()
    tasks += ask(lane, "b")
    await turns()
    for name in "cdefg":
        tasks += ask(lane, name)
        await turns()
    assert 2 == len(wire.requests)
    wire.answer(0)
    await until(wire, 3)
    assert ["c", "d", "e"] == wire.methods(2)
    wire.answer(2)
    await until(wire, 4)
    assert ["f", "g"] == wire.methods(3)
    wire.answer(1)
    wire.answer(3)
    assert list("abcdefg") == await texts(tasks)


async def test_an_error_or_a_missing_answer_fails_only_its_own_call():
    wire = Wire()
    lane = Lane(wire.post, requests=1, calls=50)
    tasks = ask(lane, "good", "bad", "lost", "other")
    await turns()
    error = {"code": -32004, "message": "no", "data": {"err": "x"}}
    wire.answer(0, bad={"error": error}, lost=None)
    assert ["good", "RpcError", "Unavailable", "other"] == await texts(tasks)
    raised = tasks[1].exception()
    assert isinstance(raised, RpcError)
    assert (-32004, b'{"err": "x"}') == (raised.rpc_code, raised.data)


async def test_a_request_without_an_answer_fails_those_in_it_and_nobody_else():
    wire = Wire()
    lane = Lane(wire.post, requests=2, calls=50)
    unlucky = ask(lane, "a", "b")
    await turns()
    others = ask(lane, "c", "d")
    await turns()
    wire.fail(0, NoAnswer("HTTP 503"))
    wire.answer(1)
    assert ["Unavailable", "Unavailable"] == await texts(unlucky)
    assert unlucky[0].exception() is not unlucky[1].exception()
    assert ["c", "d"] == await texts(others)


@pytest.mark.parametrize("refusal", ["status", "code", "parse"])
async def test_after_a_refused_batch_every_call_goes_alone(refusal):
    wire = Wire()
    lane = Lane(wire.post, requests=9, calls=50)
    tasks = ask(lane, "a", "b")
    await turns()
    if refusal == "status":
        wire.fail(0, BatchRefused("HTTP 400"))
    else:
        code = -32600 if refusal == "code" else -32700
        said = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": "no batches"}}
        wire.answers[0].set_result(json.dumps(said).encode())
    assert ["Unavailable", "Unavailable"] == await texts(tasks)
    tasks = ask(lane, "c", "d")
    await turns()
    assert [["c"], ["d"]] == [wire.methods(1), wire.methods(2)]
    wire.answer(1)
    wire.answer(2)
    assert ["c", "d"] == await texts(tasks)


async def test_one_answer_that_says_later_does_not_end_batches():
    wire = Wire()
    lane = Lane(wire.post, requests=9, calls=50)
    tasks = ask(lane, "a", "b")
    await turns()
    said = {"jsonrpc": "2.0", "id": None, "error": {"code": 429, "message": "too many"}}
    wire.answers[0].set_result(json.dumps(said).encode())
    assert ["Unavailable", "Unavailable"] == await texts(tasks)
    ask(lane, "c", "d")
    await turns()
    assert ["c", "d"] == wire.methods(1)
    await lane.close()


async def test_calls_that_belong_together_are_never_parted():
    wire = Wire()
    lane = Lane(wire.post, requests=9, calls=2)
    one = ask(lane, "a")
    both = asyncio.ensure_future(lane.ask([("b", []), ("c", [])]))
    await turns()
    assert [["a"], ["b", "c"]] == [wire.methods(0), wire.methods(1)]
    wire.answer(0)
    wire.answer(1)
    assert [b'"b"', b'"c"'] == [bytes(raw) for raw in await both]
    assert ["a"] == await texts(one)


async def test_one_who_gave_up_before_the_request_is_not_asked_for():
    wire = Wire()
    lane = Lane(wire.post, requests=1, calls=50)
    tasks = ask(lane, "a")
    await turns()
    impatient, patient = ask(lane, "b", "c")
    await turns()
    impatient.cancel()
    await turns()
    wire.answer(0)
    await until(wire, 2)
    assert ["c"] == wire.methods(1)
    wire.answer(1)
    assert ["a", "c"] == await texts([*tasks, patient])


async def test_one_who_gives_up_later_does_not_take_the_answer_from_others():
    wire = Wire()
    lane = Lane(wire.post, requests=1, calls=50)
    impatient, patient = ask(lane, "a", "b")
    await turns()
    impatient.cancel()
    await turns()
    wire.answer(0)
    assert ["b"] == await texts([patient])


async def test_a_request_that_hangs_does_not_stop_the_lane():
    wire = Wire()
    lane = Lane(wire.post, requests=1, calls=50)
    hanging = ask(lane, "a")
    await turns()
    late = ask(lane, "b")
    await until(wire, 2)
    wire.answer(1)
    assert ["b"] == await texts(late)
    assert not hanging[0].done()
    await lane.close()
    assert ["Unavailable"] == await texts(hanging)


async def test_a_request_is_bounded_in_bytes_and_the_line_in_calls(monkeypatch):
    wire = Wire()
    lane = Lane(wire.post, requests=9, calls=50)
    large = "x" * (rpc_lanes.MAX_REQUEST_BYTES // 2)
    tasks = [asyncio.ensure_future(lane.ask([("a", [large])])) for _ in range(3)]
    await turns()
    assert [1, 1, 1] == [len(wire.methods(number)) for number in range(3)]
    monkeypatch.setattr(rpc_lanes, "MAX_WAITING", 2)
    tasks = ask(lane, "a", "b", "c")
    await turns(1)
    with pytest.raises(Unavailable, match="wait"):
        tasks[2].result()
    await lane.close()


async def test_closing_fails_what_waits_and_what_is_under_way():
    wire = Wire()
    lane = Lane(wire.post, requests=1, calls=50)
    tasks = ask(lane, "a")
    await turns()
    tasks += ask(lane, "b")
    await turns()
    await lane.close()
    assert ["Unavailable", "Unavailable"] == await texts(tasks)
    assert 1 == len(wire.requests)
