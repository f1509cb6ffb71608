"""One process, `fairlead serve`, from POST to finalized, on both stores."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.engine import books
from tests.engine.processes import DOCUMENTED_FORMS, FAST, Api, market_order, problem, running

Serve = Callable[..., Api]


@pytest.fixture(params=["sqlite", "postgres"])
def store_variables(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("postgres_url")}


@pytest.fixture
def api(tmp_path: Path, store_variables: dict[str, str]) -> Iterator[Api]:
    serve = Api("serve", tmp_path, {**FAST, **store_variables})
    with running(serve):
        yield serve.wait_ready()


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


async def test_an_order_goes_from_post_to_finalized(client: httpx.AsyncClient) -> None:
    order_id = await books.submit(client, market_order())
    (settled,) = (await books.until_settled(client, [order_id])).values()
    history = await books.events(client, order_id)
    books.check_history(history)
    expected = ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"]
    assert expected == [event["event"] for event in history]
    statuses = ["pending", "routing", "building", "submitted", "confirmed", "confirmed"]
    assert statuses == [event["status"] for event in history]
    assert {"raydium", "meteora"} == {quote["dex"] for quote in settled["quotes"]}
    best = max(settled["quotes"], key=lambda quote: float(quote["amountOut"]))
    assert best["dex"] == settled["selectedDex"] == settled["dex"]
    assert settled["txSignature"] == settled["txHash"] == settled["attempts"][0]["txSignature"]
    assert float(settled["amountOut"]) >= float(settled["quote"]["minimumOut"]) > 0
    assert 0 == settled["retryCount"]


async def test_each_documented_form_executes_with_the_same_terms(
    client: httpx.AsyncClient,
) -> None:
    ids = [await books.submit(client, form) for form in DOCUMENTED_FORMS]
    settled = await books.until_settled(client, ids)
    numbers, strings = settled[ids[0]], settled[ids[1]]
    for same in ("amountInAtoms", "slippageBps", "tokenInMint", "tokenOutMint", "type", "status"):
        assert numbers[same] == strings[same], same
    assert ("1500000000", 100) == (numbers["amountInAtoms"], numbers["slippageBps"])
    # Each is answered in the form it was sent in.
    assert (1.5, 1.0) == (numbers["amountIn"], numbers["slippage"])
    assert ("1.5", "0.01") == (strings["amountIn"], strings["slippage"])
    assert isinstance(numbers["executedPrice"], float)
    assert isinstance(strings["executedPrice"], str)
    assert DOCUMENTED_FORMS[0]["walletAddress"] == numbers["walletAddress"]
    assert numbers["wallet"] != numbers["walletAddress"]


async def test_twenty_requests_with_one_key_make_one_order_and_still_after_a_restart(
    api: Api, client: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": f"key-{uuid.uuid4()}"}
    body = market_order()

    async def post(terms: dict[str, Any]) -> httpx.Response:
        return await client.post("/api/orders/execute", json=terms, headers=key)

    answers = await asyncio.gather(*(post(body) for _ in range(20)))
    assert {202} == {answer.status_code for answer in answers}
    (order_id,) = {answer.json()["orderId"] for answer in answers}
    assert 19 == sum("Idempotent-Replayed" in answer.headers for answer in answers)
    assert 409 == (await post(market_order(1))).status_code
    assert 0 == await asyncio.to_thread(api.stop)
    await asyncio.to_thread(lambda: api.start().wait_ready())
    async with api.client() as again:
        replayed = await again.post("/api/orders/execute", json=body, headers=key)
        assert (202, order_id) == (replayed.status_code, replayed.json()["orderId"])
        other = await again.post("/api/orders/execute", json=market_order(1), headers=key)
        assert (409, "idempotency_conflict") == (other.status_code, problem(other)["code"])
        listed = (await again.get("/api/orders")).json()
        assert 1 == listed["total"]


async def test_several_hundred_orders_end_and_the_counts_are_kept(
    client: httpx.AsyncClient,
) -> None:
    ids = await asyncio.gather(*(books.submit(client, market_order(n)) for n in range(300)))
    settled = await books.until_settled(client, ids)
    assert {"confirmed"} == {order["status"] for order in settled.values()}
    counts = (await client.get("/api/orders", params={"limit": 1})).json()
    assert (0, 0, 300, 300) == (
        counts["waiting"],
        counts["active"],
        counts["completed"],
        counts["total"],
    )
    signatures = {order["txSignature"] for order in settled.values()}
    assert 300 == len(signatures)


async def test_cancel_ends_in_one_status_whatever_wins(client: httpx.AsyncClient) -> None:
    ids = await asyncio.gather(*(books.submit(client, market_order(n)) for n in range(40)))
    answers = await asyncio.gather(*(client.delete(f"/api/orders/{order_id}") for order_id in ids))
    settled = await books.until_settled(client, ids)
    for order_id, answer in zip(ids, answers, strict=True):
        end = settled[order_id]["status"]
        if answer.status_code == 200:
            assert "cancelled" == end
        elif answer.status_code == 202:
            assert end in ("cancelled", "confirmed")
        else:
            assert (409, "already_confirmed", "confirmed") == (
                answer.status_code,
                problem(answer)["code"],
                end,
            )
        books.check_history(await books.events(client, order_id))


async def test_what_the_wallet_cannot_pay_is_refused_with_the_numbers(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/api/orders/execute", json=market_order(amountIn="9000000000"))
    assert (422, "insufficient_funds") == (answer.status_code, problem(answer)["code"])
    assert 0 == (await client.get("/api/orders")).json()["total"]


async def test_an_expiry_that_lies_ahead_is_kept_and_one_that_has_passed_is_refused(
    client: httpx.AsyncClient,
) -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds")
    order_id = await books.submit(client, market_order(expiresAt=ahead))
    (settled,) = (await books.until_settled(client, [order_id])).values()
    assert "confirmed" == settled["status"]
    late = await client.post(
        "/api/orders/execute", json=market_order(expiresAt="2001-01-01T00:00:00Z")
    )
    assert 422 == late.status_code
    assert ["expiresAt"] == [error["field"] for error in problem(late)["errors"]]


async def test_metrics_and_readiness_tell_the_truth(client: httpx.AsyncClient) -> None:
    await books.until_settled(client, [await books.submit(client, market_order())])
    ready = await client.get("/ready")
    assert 200 == ready.status_code
    text = (await client.get("/metrics")).text
    assert 'fairlead_accepts_total{outcome="accepted"} 1' in text
    assert 'fairlead_order_events_total{event="finalized",status="confirmed"} 1' in text
    assert msgspec.json.decode((await client.get("/openapi.json")).content)["openapi"] >= "3.1"
