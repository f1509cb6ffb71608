"""What a client of JSON-RPC must withstand: endpoints that are away, slow, overloaded or wrong."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.chain.rpc import MAX_AGE_S, RpcChain
from fairlead.chain.rpc_http import RpcError
from fairlead.clock import SystemClock
from fairlead.errors import Unavailable
from tests.contract.chain.worlds import PATIENCE_S, StepClock, paper_world, served, signature_of

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
        # Methods that get no answer.
        self.hangs: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if "upgrade: websocket" in head:
                    break
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                request = json.loads(await reader.readexactly(length))
                self.requests.append(request)
                calls = request if isinstance(request, list) else [request]
                if self.is_silent or self.hangs & {one["method"] for one in calls}:
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


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_a_result_that_comes_with_a_failure_is_not_believed(endpoint, chain, status):
    """ "null" would mean that there is no such transaction."""
    endpoint.status = status
    with pytest.raises(Unavailable, match=status[:3]):
        await chain.transaction(SIGNATURES[0], "finalized")


async def test_an_error_that_comes_with_a_failure_keeps_its_code(endpoint, chain):
    endpoint.status = "400 Bad Request"
    endpoint.body = lambda _: {"error": {"code": -32602, "message": "wrong"}}
    with pytest.raises(RpcError) as raised:
        await chain.first_available_block()
    assert -32602 == raised.value.rpc_code


async def test_a_send_waits_behind_no_read(endpoint, chain):
    endpoint.hangs = {"getFirstAvailableBlock", "getMultipleAccounts"}
    endpoint.body = lambda _: {"result": str(Signature.default())}
    reads = [asyncio.ensure_future(chain.first_available_block()) for _ in range(200)]
    reads += [asyncio.ensure_future(chain.accounts([Pubkey.default()])) for _ in range(200)]
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        outcomes = await asyncio.gather(chain.send(RAW), chain.send(RAW))
    assert [True, True] == [outcome.accepted for outcome in outcomes]
    assert not any(read.done() for read in reads)
    async with asyncio.timeout(PATIENCE_S):
        ended = await asyncio.gather(*reads, return_exceptions=True)
    assert {Unavailable} == {type(one) for one in ended}


async def test_sends_of_one_turn_are_answered_each_for_itself(endpoint, chain):
    other = bytes([1]) + bytes(63) + b"\x01\x80"
    failed = {"code": -32002, "message": "simulation", "data": {"err": "AlreadyProcessed"}}
    endpoint.body = lambda request: (
        {"result": str(Signature.default())}
        if b64decode(request["params"][0]) == RAW
        else {"error": failed}
    )
    outcomes = await asyncio.gather(chain.send(RAW), chain.send(other))
    assert [(True, False), (False, True)] == [(o.accepted, o.already_processed) for o in outcomes]


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


def block(number: int) -> Callable[[Any], Any]:
    """An endpoint at the block of this number, which is a slot's too."""
    latest = {"blockhash": str(number) * 32, "lastValidBlockHeight": number + 150}
    answers: dict[str, Any] = {
        "getLatestBlockhash": {"context": {"slot": number}, "value": latest},
        "getEpochInfo": {"absoluteSlot": number, "blockHeight": number, "epoch": 0},
        "getRecentPrioritizationFees": [{"slot": number, "prioritizationFee": number}],
    }
    return lambda request: {"result": answers[request["method"]]}


@pytest.fixture
async def stepped(endpoint: Any) -> AsyncIterator[tuple[RpcChain, StepClock]]:
    """A chain whose clock moves when told to."""
    clock = StepClock()
    made = RpcChain("local", endpoint.url, clock)
    yield made, clock
    await made.stop()


async def test_a_blockhash_is_shared_for_a_slot_as_long_as_slots_were_seen_to_last(
    endpoint, stepped
):
    chain, clock = stepped
    endpoint.body = block(1)
    both = await asyncio.gather(chain.latest_blockhash(), chain.latest_blockhash())
    assert [1, 1] == [one.slot for one in both]
    assert 1 == len(endpoint.requests), "asked once for all who ask meanwhile"
    clock.advance(100)
    endpoint.body = block(2)
    assert 2 == (await chain.latest_blockhash()).slot, "how long a slot lasts is not known yet"
    endpoint.body = block(3)
    clock.advance(99)
    told = await chain.latest_blockhash()
    # Hash, slot and height stay those of one answer, however old it is (rule 13).
    assert ("2" * 32, 2, 2, 152) == (
        told.blockhash,
        told.slot,
        told.block_height,
        told.last_valid_block_height,
    )
    clock.advance(1)
    assert 3 == (await chain.latest_blockhash()).slot


async def test_nothing_is_told_again_for_longer_than_the_bound(endpoint, stepped):
    chain, clock = stepped
    for number in (1, 2):
        endpoint.body = block(number)
        await chain.latest_blockhash()
        clock.advance(60_000)
    endpoint.body = block(3)
    await chain.latest_blockhash()
    endpoint.body = block(4)
    clock.advance(int(MAX_AGE_S * 1_000) + 1)
    assert 4 == (await chain.latest_blockhash()).slot
    assert 4 == (await chain.epoch_info("confirmed")).slot


async def test_what_proofs_rest_on_is_asked_each_time(endpoint, stepped):
    chain, clock = stepped
    for number in (1, 2):
        endpoint.body = block(number)
        await chain.latest_blockhash()
        clock.advance(100)
    asked = len(endpoint.requests)
    heights = [(await chain.epoch_info("finalized")).slot for _ in range(3)]
    assert ([2, 2, 2], asked + 3) == (heights, len(endpoint.requests))
    await asyncio.gather(*[chain.epoch_info("finalized") for _ in range(2)])
    assert 2 == len(endpoint.requests[-1])
    endpoint.body = block(3)
    confirmed = [(await chain.epoch_info("confirmed")).slot for _ in range(2)]
    assert ([3, 3], asked + 5) == (confirmed, len(endpoint.requests))


async def test_fees_are_shared_by_those_who_lock_the_same_accounts(endpoint, stepped):
    chain, clock = stepped
    one, other = Pubkey.default(), Pubkey.from_bytes(b"\x01" * 32)
    endpoint.body = block(7)
    assert 7 == await chain.prioritization_fee([one], 50)
    endpoint.body = block(8)
    assert 7 == await chain.prioritization_fee([one], 50)
    assert 8 == await chain.prioritization_fee([one, other], 50)
    clock.advance(int(MAX_AGE_S * 1_000) + 1)
    assert 8 == await chain.prioritization_fee([one], 50)


async def test_a_failed_read_is_not_remembered(endpoint, stepped):
    chain, _ = stepped
    endpoint.body = lambda _: {"error": {"code": -32005, "message": "behind"}}
    both = await asyncio.gather(
        *[chain.latest_blockhash() for _ in range(2)], return_exceptions=True
    )
    assert [RpcError, RpcError] == [type(one) for one in both]
    endpoint.body = block(1)
    assert 1 == (await chain.latest_blockhash()).slot


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
