"""What the client sends, how it reads answers and refusals, and when it asks again."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fairlead import errors
from fairlead.client import (
    Client,
    NotAuthorized,
    RequestRejected,
    SubmitOutcomeUnknown,
    TooManyResting,
)
from tests.unit.client.serving import HurriedClock, raw_serving, serving

ID = "01977f2a-0000-7000-8000-000000000001"
ACCEPTED = {"success": True, "orderId": ID, "status": "pending", "message": "Order accepted"}


def problem(status: int, code: str, **more: Any) -> Response:
    body = {"type": f"urn:x:{code}", "title": code, "status": status, "detail": "no", "code": code}
    return JSONResponse({**body, **more}, status, media_type="application/problem+json")


def client_of(url: str, **options: Any) -> Client:
    return Client(url, clock=HurriedClock(), **options)


class Script:
    """Answers one request after another with what was prepared; the last again and again."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append(
            (
                request.method,
                str(request.url).removeprefix(str(request.base_url)),
                dict(request.headers),
                msgspec.json.decode(body) if body else None,
            )
        )
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def routes(self) -> list[Route]:
        return [Route("/{path:path}", self.answer, methods=["GET", "POST", "DELETE"])]


async def test_submit_sends_the_canonical_form_with_a_key_of_its_own() -> None:
    script = Script(JSONResponse(ACCEPTED, 202))
    async with serving(script.routes()) as url, client_of(url, token="t" * 16) as client:
        order = await client.submit("SOL", "USDC", Decimal("1.50"), slippage_bps=50)
    method, path, headers, body = script.requests[0]
    assert ("POST", "api/orders/execute") == (method, path)
    assert {
        "type": "market",
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amountIn": "1.50",
        "slippageBps": 50,
    } == body
    assert "Bearer tttttttttttttttt" == headers["authorization"]
    assert headers["idempotency-key"] == order.idempotency_key
    assert (ID, "pending", False) == (order.order_id, order.status, order.replayed)


async def test_a_price_makes_it_a_limit_order() -> None:
    script = Script(JSONResponse(ACCEPTED, 202))
    async with serving(script.routes()) as url, client_of(url) as client:
        await client.submit("SOL", "USDC", "1", limit_price=Decimal("162.50"))
        await client.submit("SOL", "USDC", "1", type="market", limit_price="162.5")
    sent = [(body["type"], body["limitPrice"]) for _, _, _, body in script.requests]
    # What contradicts itself is for the engine to refuse, not for us to guess.
    assert [("limit", "162.50"), ("market", "162.5")] == sent


async def test_too_many_resting_orders_are_told_as_such_when_they_stay() -> None:
    full = problem(503, "too_many_resting")
    full.headers["Retry-After"] = "10"
    script = Script(full)
    async with serving(script.routes()) as url, client_of(url, retry_for_s=5) as client:
        with pytest.raises(TooManyResting) as raised:
            await client.submit("SOL", "USDC", "1", limit_price="162.5")
    assert ("no", 10, "too_many_resting") == (
        str(raised.value),
        raised.value.retry_after_s,
        raised.value.code,
    )
    assert isinstance(raised.value, errors.Transient)


async def test_submit_of_an_exact_output_names_it_and_the_most_it_may_cost() -> None:
    script = Script(JSONResponse(ACCEPTED, 202))
    async with serving(script.routes()) as url, client_of(url) as client:
        await client.submit("SOL", "USDC", amount_out=Decimal("100.0"), max_amount_in="0.7")
        await client.submit("SOL", "USDC", amount_out_atoms=5, max_amount_in_atoms=2**64 - 1)
    units, atoms = (body for _, _, _, body in script.requests)
    assert ("100.0", "0.7") == (units["amountOut"], units["maxAmountIn"])
    assert ("5", str(2**64 - 1)) == (atoms["amountOutAtoms"], atoms["maxAmountInAtoms"])
    assert not {"amountIn", "amountInAtoms"} & {*units, *atoms}


async def test_submit_repeats_a_503_with_the_same_key_after_retry_after() -> None:
    busy = problem(503, "overloaded")
    busy.headers["Retry-After"] = "3"
    replay = JSONResponse(ACCEPTED, 202, {"Idempotent-Replayed": "true"})
    script = Script(busy, problem(503, "unavailable"), replay)
    clock = HurriedClock()
    async with serving(script.routes()) as url, Client(url, clock=clock) as client:
        order = await client.submit("SOL", "USDC", 1)
    assert order.replayed
    keys = {headers["idempotency-key"] for _, _, headers, _ in script.requests}
    assert (3, {order.idempotency_key}) == (len(script.requests), keys)
    assert clock.slept[0] >= 3


async def test_submit_repeats_a_broken_connection_with_the_same_key() -> None:
    seen: list[bytes] = []
    body = msgspec.json.encode(ACCEPTED)

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(next(x for x in head.split(b"\r\n") if x.lower().startswith(b"idempotency")))
        if len(seen) == 3:
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    async with raw_serving(answer) as url, client_of(url) as client:
        assert ID == (await client.submit("SOL", "USDC", "1")).order_id
    assert (3, 1) == (len(seen), len(set(seen)))


async def test_submit_without_any_answer_says_that_the_order_may_be_stored() -> None:
    async def hang_up(head: bytes, writer: asyncio.StreamWriter) -> None:
        pass

    async with raw_serving(hang_up) as url, client_of(url) as client:
        with pytest.raises(SubmitOutcomeUnknown) as raised:
            await client.submit("SOL", "USDC", "1", idempotency_key="mine")
    assert "mine" == raised.value.idempotency_key


async def test_a_server_that_is_not_there_is_unavailable_and_nothing_was_stored() -> None:
    async with raw_serving(lambda head, writer: asyncio.sleep(0)) as url:
        pass
    async with client_of(url) as client:
        with pytest.raises(errors.Unavailable):
            await client.submit("SOL", "USDC", "1")


async def test_an_unknown_outcome_of_the_store_stays_unknown() -> None:
    script = Script(problem(503, "write_outcome_unknown"))
    async with serving(script.routes()) as url, client_of(url) as client:
        with pytest.raises(SubmitOutcomeUnknown):
            await client.submit("SOL", "USDC", "1")
        assert len(script.requests) > 3
        with pytest.raises(errors.Unavailable):
            await client.get(ID)


FIELD = {"field": "amountIn", "code": "required", "message": "is missing"}
FUNDS = {"asset": "lamports", "neededAtoms": "9", "balanceAtoms": "5", "reservedAtoms": "1"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (problem(401, "unauthorized"), NotAuthorized),
        (problem(404, "order_not_found", orderId=ID), errors.OrderNotFound),
        (problem(409, "idempotency_conflict", orderId=ID), errors.IdempotencyConflict),
        (problem(409, "already_confirmed", orderId=ID), errors.CannotCancel),
        (problem(422, "invalid_request", errors=[FIELD]), errors.InvalidOrder),
        (problem(422, "insufficient_funds", **FUNDS), errors.InsufficientFunds),
        (problem(415, "unsupported_media_type"), RequestRejected),
        (Response("<html>", 404), RequestRejected),
    ],
)
async def test_refusals_are_errors_of_their_family_and_not_repeated(
    answer: Response, expected: type[errors.Rejected]
) -> None:
    script = Script(answer)
    async with serving(script.routes()) as url, client_of(url) as client:
        with pytest.raises(errors.Rejected) as raised:
            await client.cancel(ID)
    assert (expected, 1) == (type(raised.value), len(script.requests))


async def test_errors_carry_their_data() -> None:
    script = Script(
        problem(422, "insufficient_funds", **FUNDS), problem(422, "wallet_not_held", errors=[FIELD])
    )
    async with serving(script.routes()) as url, client_of(url) as client:
        with pytest.raises(errors.InsufficientFunds) as funds:
            await client.submit("SOL", "USDC", "1")
        with pytest.raises(errors.InvalidOrder) as invalid:
            await client.submit("SOL", "USDC", "1")
    assert (9, 5, 1) == (
        funds.value.needed_atoms,
        funds.value.balance_atoms,
        funds.value.reserved_atoms,
    )
    assert ("wallet_not_held", "amountIn") == (invalid.value.code, invalid.value.errors[0].field)


async def test_json_numbers_arrive_with_their_digits() -> None:
    body = b'{"orderId":"%b","status":"confirmed","amountIn":1.50,"executedPrice":142.100000001}'
    script = Script(Response(body % ID.encode(), media_type="application/json"))
    async with serving(script.routes()) as url, client_of(url) as client:
        order = await client.get(ID)
    assert ("1.50", "142.100000001") == (order.amount_in, order.executed_price)


async def test_a_list_is_asked_for_with_what_was_given_only() -> None:
    script = Script(JSONResponse({"orders": [], "total": 3, "nextCursor": None}))
    async with serving(script.routes()) as url, client_of(url) as client:
        assert 3 == (await client.list(status="failed", limit=5)).total
    assert "api/orders?status=failed&limit=5&numbers=string" == script.requests[0][1]


async def test_an_answer_of_something_else_is_said_to_be_no_api() -> None:
    script = Script(Response("hello"))
    async with serving(script.routes()) as url, client_of(url) as client:
        with pytest.raises(errors.Unavailable, match="not a fairlead API"):
            await client.get(ID)


async def test_a_float_amount_is_refused_before_it_is_sent() -> None:
    async with client_of("http://127.0.0.1:1") as client:
        with pytest.raises(TypeError, match="float"):
            await client.submit("SOL", "USDC", 1.5)  # type: ignore[arg-type]
