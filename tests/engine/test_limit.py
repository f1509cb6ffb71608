"""Limit orders on `fairlead serve` under a moving market, on both stores, restarts included."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine import books
from tests.engine.ledger import landed_swaps
from tests.engine.processes import FAST, Api, market_order, running

SLOT_MS = 100
# With this seed SOL rises against USDC for the first 200 slots of a new chain, 14 bps in 4 s.
RISING = {
    **FAST,
    "FAIRLEAD_PAPER_SEED": "42425",
    "FAIRLEAD_PAPER_SLOT_MS": str(SLOT_MS),
    # What a kill takes from the chain is proven dead in 5 s.
    "FAIRLEAD_PAPER_BLOCKHASH_WINDOW": "40",
}
HELD_S = 1.0
"""A price that lasts for so long must be seen: the watcher looks five times in it."""


@pytest.fixture(params=["sqlite", "postgres"])
def store_variables(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("postgres_url")}


@pytest.fixture
def api(tmp_path: Path, store_variables: dict[str, str]) -> Iterator[Api]:
    serve = Api("serve", tmp_path, {**RISING, **store_variables})
    with running(serve):
        yield serve.wait_ready()


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


def limit_order(price: str, **given: Any) -> dict[str, Any]:
    """Sells 1 SOL at this price or better."""
    return market_order(**{"type": "limit", "amountIn": "1", "limitPrice": price, **given})


async def price_now(client: httpx.AsyncClient) -> Decimal:
    """What 1 SOL brings at the best venue."""
    query = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1"}
    answer = await client.get("/api/quotes", params=query)
    return Decimal(answer.json()["best"]["amountOut"])


def above(price: Decimal, bps: int) -> str:
    return f"{(price * (10_000 + bps) / 10_000).quantize(Decimal('0.000001'), ROUND_CEILING):f}"


async def ladder(client: httpx.AsyncClient, steps_bps: Sequence[int], **given: Any) -> list[str]:
    """A limit order for each step above the market; their ids."""
    price = await price_now(client)
    orders = [limit_order(above(price, bps), **given) for bps in steps_bps]
    return list(await asyncio.gather(*(books.submit(client, order) for order in orders)))


class Tape:
    """Prices as they were quoted while it ran."""

    def __init__(self) -> None:
        self.prices: list[tuple[float, Decimal]] = []

    async def record(self, client: httpx.AsyncClient) -> None:
        while True:
            self.prices.append((time.monotonic(), await price_now(client)))
            await asyncio.sleep(0.05)

    def held(self, price: Decimal) -> bool:
        """Whether the market was there for so long that nobody could miss it, and not just now."""
        since: float | None = None
        for at, seen in self.prices:
            since = None if seen < price else at if since is None else since
            if since is not None and at - since >= HELD_S:
                return True
        return False


def check_fill(order: dict[str, Any]) -> None:
    """Nothing below the limit, in amount or in price, and nothing of an order that did not fill."""
    if order["status"] != "confirmed":
        assert (None, None) == (order["amountOut"], order["executedPrice"]), order
        return
    assert Decimal(order["amountOut"]) >= Decimal(order["minimumOut"]) > 0, order
    assert Decimal(order["executedPrice"]) >= Decimal(order["limitPrice"]), order


def check_swaps(folder: Path, orders: Sequence[dict[str, Any]]) -> None:
    """The chain's own record: one successful swap for each confirmed order, and no other."""
    swapped = [signature for signature, error in landed_swaps(folder) if error is None]
    assert len(swapped) == len(set(swapped))
    filled = {order["txSignature"] for order in orders if order["status"] == "confirmed"}
    assert filled == set(swapped)


async def test_a_limit_that_holds_at_once_rests_first_and_is_filled(
    client: httpx.AsyncClient,
) -> None:
    (order_id,) = await ladder(client, [-20])
    (settled,) = (await books.until_settled(client, [order_id])).values()
    history = await books.events(client, order_id)
    books.check_history(history)
    expected = ["accepted", "rested", "claimed", "routed", "submitted", "confirmed", "finalized"]
    assert expected == [event["event"] for event in history]
    assert ("limit", "confirmed") == (settled["type"], settled["status"])
    check_fill(settled)


async def test_a_slippage_larger_than_the_way_to_the_limit_does_not_undercut_it(
    client: httpx.AsyncClient,
) -> None:
    ids = await ladder(client, [-1, 0, 1], slippageBps=5_000)
    for order in (await books.until_settled(client, ids)).values():
        check_fill(order)
        assert order["status"] == "confirmed"
        assert all(
            Decimal(q["minimumOut"]) >= Decimal(order["minimumOut"]) for q in order["quotes"]
        )


async def test_swaps_that_the_market_moves_against_do_not_fill_below_the_limit(
    tmp_path: Path, store_variables: dict[str, str]
) -> None:
    """Half of the swaps meet a market a fifth lower than quoted, and each order would take half of
    its quote: only its limit keeps it from that."""
    moved = {
        "FAIRLEAD_PAPER_RAYDIUM_FAULTS": "slippage_moved:50",
        "FAIRLEAD_PAPER_METEORA_FAULTS": "slippage_moved:50",
    }
    serve = Api("serve", tmp_path, {**RISING, **moved, **store_variables})
    with running(serve):
        await asyncio.to_thread(serve.wait_ready)
        async with serve.client() as client:
            ids = await ladder(client, [-20] * 20, slippageBps=5_000)
            settled = await books.until_settled(client, ids)
            histories = [await books.events(client, order_id) for order_id in ids]
    for order, history in zip(settled.values(), histories, strict=True):
        check_fill(order)
        books.check_history(history)
    assert {"confirmed"} == {order["status"] for order in settled.values()}
    # Whom the market refused, the program did, at the limit: they rested again.
    assert any(event["event"] == "reopened" for history in histories for event in history)
    check_swaps(serve.folder, list(settled.values()))


async def test_under_a_moving_market_each_limit_that_is_reached_is_filled_and_no_other(
    api: Api, client: httpx.AsyncClient
) -> None:
    tape = Tape()
    recording = asyncio.create_task(tape.record(client))
    ids = await ladder(client, [*range(-10, 30), 500, 600, 700])
    await asyncio.sleep(8)
    recording.cancel()
    await asyncio.wait({recording})
    orders = [await books.order(client, order_id) for order_id in ids]
    reached = [o for o in orders if tape.held(Decimal(o["limitPrice"]))]
    assert 15 <= len(reached) <= len(ids) - 3, "the market did not move as it should"
    settled = await books.until_settled(client, [order["orderId"] for order in reached])
    assert {"confirmed"} == {order["status"] for order in settled.values()}
    counts = (await client.get("/api/orders", params={"limit": 1})).json()
    far = [await books.order(client, order_id) for order_id in ids[-3:]]
    assert ["open"] * 3 == [order["status"] for order in far]
    assert counts["open"] >= 3
    # Those near the market may have been filled meanwhile; what rests is cancelled at once.
    for order_id in ids:
        await client.delete(f"/api/orders/{order_id}")
    ended = await books.until_settled(client, ids)
    for order in ended.values():
        check_fill(order)
        books.check_history(await books.events(client, order["orderId"]))
    await asyncio.to_thread(api.stop)
    check_swaps(api.folder, list(ended.values()))


async def test_kill_minus_nine_in_the_middle_loses_no_resting_order(
    api: Api, client: httpx.AsyncClient
) -> None:
    ids = await ladder(client, [*range(-5, 15), 500, 600])
    near, far = ids[:-2], ids[-2:]
    # Some are filled, some in flight, some at rest.
    await books.until(client, ids[5], {"submitted", "confirmed"})
    for _ in range(3):
        await asyncio.to_thread(api.kill)
        await asyncio.to_thread(lambda: api.start().wait_ready())
        await asyncio.sleep(0.7)
    async with api.client() as again:
        settled = await books.until_settled(again, near)
        assert {"confirmed"} == {order["status"] for order in settled.values()}
        for order in settled.values():
            check_fill(order)
            books.check_history(await books.events(again, order["orderId"]))
        resting = [await books.order(again, order_id) for order_id in far]
        assert ["open", "open"] == [order["status"] for order in resting]
        counts = (await again.get("/api/orders", params={"limit": 1})).json()
        assert (2, len(near), len(ids)) == (counts["open"], counts["completed"], counts["total"])
    await asyncio.to_thread(api.stop)
    check_swaps(api.folder, list(settled.values()))


async def test_a_stream_tells_the_whole_life_of_a_resting_order(client: httpx.AsyncClient) -> None:
    (order_id,) = await ladder(client, [2])
    headers = {"accept": "text/event-stream"}
    async with client.stream("GET", f"/api/orders/{order_id}/events", headers=headers) as stream:
        lines = [line async for line in stream.aiter_lines() if line.startswith("data: ")]
    told = [line.partition('"event":"')[2].partition('"')[0] for line in lines]
    told = [event for event in told if event]
    assert ["accepted", "rested", "claimed"] == told[:3]
    assert "finalized" == told[-1]
