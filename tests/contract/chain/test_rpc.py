"""What a client of JSON-RPC must withstand: endpoints that are away, slow, overloaded or wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.rpc import RpcChain
from fairlead.clock import SystemClock
from fairlead.errors import Unavailable
from tests.contract.chain.worlds import PATIENCE_S, paper_world, served, signature_of

Answer = Callable[[str], Awaitable[str]]
SIGNATURES = ["1" * 64, "1" * 63 + "2", "1" * 63 + "3"]
RAW = bytes([1]) + bytes(64) + b"\x80"


class Endpoint:
    """A server that answers with these words, whatever is asked, and remembers the requests."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.body: Callable[[Any], Any] = lambda request: {"result": None}
        self.requests: list[Any] = []
        self.is_silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if "upgrade: websocket" in head:
                    break
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                request = json.loads(await reader.readexactly(length))
                self.requests.append(request)
                if self.is_silent:
                    await reader.read()
                    break
                body = json.dumps(self.answer(request)).encode()
                writer.write(
                    f"HTTP/1.1 {self.status}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                )
                writer.write(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, request: Any) -> Any:
        if isinstance(request, list):
            return [self.answer(one) for one in request]
        return {"jsonrpc": "2.0", "id": request["id"], **self.body(request)}


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
async def chain(endpoint: Any) -> AsyncIterator[RpcChain]:
    made = RpcChain("local", endpoint.url, SystemClock(), timeout_s=0.5)
    yield made
    await made.stop()


READS: dict[str, Callable[[RpcChain], Awaitable[Any]]] = {
    "blockhash": lambda chain: chain.latest_blockhash(),
    "epoch": lambda chain: chain.epoch_info(),
    "time": lambda chain: chain.time(),
    "accounts": lambda chain: chain.accounts([Pubkey.default()]),
    "simulate": lambda chain: chain.simulate(RAW),
    "statuses": lambda chain: chain.signature_statuses(SIGNATURES),
    "addresses": lambda chain: chain.signatures_for_address(Pubkey.default()),
    "first block": lambda chain: chain.first_available_block(),
    "rent": lambda chain: chain.rent_minimum(0),
    "fee": lambda chain: chain.prioritization_fee([], 50),
}

TROUBLES: dict[str, Callable[[Any], None]] = {
    "429": lambda endpoint: setattr(endpoint, "status", "429 Too Many Requests"),
    "503": lambda endpoint: setattr(endpoint, "status", "503 Service Unavailable"),
    "silence": lambda endpoint: setattr(endpoint, "is_silent", True),
    "error": lambda endpoint: setattr(
        endpoint, "body", lambda _: {"error": {"code": -32005, "message": "behind"}}
    ),
    "another shape": lambda endpoint: setattr(endpoint, "body", lambda _: {"result": {"a": 1}}),
    "not JSON-RPC": lambda endpoint: setattr(endpoint, "answer", lambda _: "hello"),
}


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
async def test_reads_say_unavailable_and_sends_say_unknown(endpoint, chain, trouble):
    TROUBLES[trouble](endpoint)
    reads = [read(chain) for read in READS.values()]
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*reads, return_exceptions=True)
        outcome = await chain.send(RAW)
    wrong = {n: a for n, a in zip(READS, answers, strict=True) if not isinstance(a, Unavailable)}
    assert {} == wrong
    assert (False, False) == (outcome.accepted, outcome.already_processed)
    assert outcome.detail
    assert endpoint.url not in outcome.detail


async def test_a_send_is_made_once_whatever_is_answered(endpoint, chain):
    endpoint.status = "503 Service Unavailable"
    await chain.send(RAW)
    assert ["sendTransaction"] == [request["method"] for request in endpoint.requests]
    options = endpoint.requests[0]["params"][1]
    assert (True, 0) == (options["skipPreflight"], options["maxRetries"])


async def test_already_processed_is_told_apart(endpoint, chain):
    failed = {"code": -32002, "message": "simulation", "data": {"err": "AlreadyProcessed"}}
    endpoint.body = lambda _: {"error": failed}
    outcome = await chain.send(RAW)
    assert (False, True) == (outcome.accepted, outcome.already_processed)


async def test_statuses_asked_in_one_turn_of_the_loop_go_in_one_request(endpoint, chain):
    def statuses(request: Any) -> Any:
        value = [
            {"slot": SIGNATURES.index(s), "err": None, "confirmationStatus": "confirmed"}
            for s in request["params"][0]
        ]
        return {"result": {"context": {"slot": 1}, "value": value}}

    endpoint.body = statuses
    asked = [[SIGNATURES[1]], [SIGNATURES[0], SIGNATURES[2]], [SIGNATURES[1]]]
    answers = await asyncio.gather(*[chain.signature_statuses(one) for one in asked])
    assert [[1], [0, 2], [1]] == [[s.slot for s in answer if s] for answer in answers]
    assert 1 == len(endpoint.requests)
    assert 3 == len(endpoint.requests[0]["params"][0])


async def test_one_who_gives_up_does_not_take_the_answer_from_others(endpoint, chain):
    endpoint.body = lambda request: {
        "result": {"context": {"slot": 1}, "value": [None for _ in request["params"][0]]}
    }
    impatient = asyncio.ensure_future(chain.signature_statuses(SIGNATURES[:1]))
    patient = asyncio.ensure_future(chain.signature_statuses(SIGNATURES[1:]))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (None, None) == await patient


async def test_blockhash_of_two_banks_the_later_one_older_is_refused(endpoint, chain):
    latest = {"blockhash": "1" * 32, "lastValidBlockHeight": 150}
    epoch = {"absoluteSlot": 8, "blockHeight": 7, "epoch": 0}
    endpoint.body = lambda request: {
        "result": {"context": {"slot": 9}, "value": latest}
        if request["method"] == "getLatestBlockhash"
        else epoch
    }
    with pytest.raises(Unavailable, match="two banks"):
        await chain.latest_blockhash()


async def test_waiting_without_a_socket_lasts_its_time_out_at_most(chain):
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(3):
            await chain.wait_for_signature(SIGNATURES[0], 0.05)


async def test_waits_end_when_the_socket_breaks_and_a_new_one_is_made():
    async with paper_world() as world:
        await world.faucet.fund(world.payer)
        world.tick()
        raw = await world.cancel(1)
        async with served(world) as url, asyncio.timeout(PATIENCE_S):
            chain = RpcChain("local", url, SystemClock())
            waiting = asyncio.ensure_future(chain.wait_for_signature(signature_of(raw), 60))
            while chain._hints._socket is None:
                await chain.ping()
            await chain._hints._socket.close()
            await waiting
            again = asyncio.ensure_future(chain.wait_for_signature(signature_of(raw), 60))
            await chain.send(raw)
            world.tick()
            await again
            await chain.stop()
