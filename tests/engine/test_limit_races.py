"""A limit that is reached while somebody cancels or the time runs out: one end, and the books
agree."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx

from tests.engine import books
from tests.engine.processes import Api, problem
from tests.engine.test_limit import (
    above,
    api,
    check_fill,
    check_swaps,
    client,
    limit_order,
    price_now,
    store_variables,
)

__all__ = ["api", "client", "store_variables"]

ORDERS = 40


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


async def test_a_cancel_while_the_limit_is_reached_ends_in_one_status(
    api: Api,
    client: httpx.AsyncClient,
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    price = await price_now(client)

    async def race(bps: int, within_s: float) -> tuple[str, httpx.Response]:
        order_id = await books.submit(client, limit_order(above(price, bps)))
        await asyncio.sleep(dice.uniform(0, within_s))
        return order_id, await client.delete(f"/api/orders/{order_id}")

    # Half hold at once: they fire at the watcher's next look, up to 200 ms from now. Half are
    # reached in the next seconds.
    races = [race(-30, 0.45) for _ in range(ORDERS // 2)]
    races += [race(dice.randrange(12), 4) for _ in range(ORDERS // 2)]
    raced = await asyncio.gather(*races)
    settled = await books.until_settled(client, [order_id for order_id, _ in raced])
    for order_id, answer in raced:
        order = settled[order_id]
        history = await books.events(client, order_id)
        books.check_history(history)
        check_fill(order)
        end = order["status"]
        if answer.status_code == 200:
            assert "cancelled" == answer.json()["status"] == end, seed
        elif answer.status_code == 202:
            assert end in ("cancelled", "confirmed"), seed
        else:
            assert (409, "already_confirmed") == (answer.status_code, problem(answer)["code"])
            assert "confirmed" == end, seed
    # Both must have won somewhere, or nothing was tried.
    assert {"cancelled", "confirmed"} == {order["status"] for order in settled.values()}, seed
    await asyncio.to_thread(api.stop)
    check_swaps(api.folder, list(settled.values()))


async def test_an_expiry_while_the_limit_is_reached_ends_in_one_status(
    api: Api,
    client: httpx.AsyncClient,
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    price = await price_now(client)

    async def race(bps: int, low_ms: int, high_ms: int) -> str | None:
        at = datetime.now(UTC) + timedelta(milliseconds=dice.randrange(low_ms, high_ms))
        order = limit_order(above(price, bps), expiresAt=iso(at))
        answer = await client.post("/api/orders/execute", json=order)
        # On a busy machine its time may be over before it is read.
        assert answer.status_code == 202 or problem(answer)["errors"][0]["code"] == "in_the_past"
        return str(answer.json()["orderId"]) if answer.status_code == 202 else None

    # Half hold at once and expire about as soon; half are reached and expire in the next seconds.
    races = [race(-30, 100, 600) for _ in range(ORDERS // 2)]
    races += [race(dice.randrange(12), 1_000, 5_000) for _ in range(ORDERS // 2)]
    ids = [order_id for order_id in await asyncio.gather(*races) if order_id is not None]
    settled = await books.until_settled(client, ids)
    for order in settled.values():
        books.check_history(await books.events(client, order["orderId"]))
        check_fill(order)
    assert {"expired", "confirmed"} == {order["status"] for order in settled.values()}, seed
    await asyncio.to_thread(api.stop)
    check_swaps(api.folder, list(settled.values()))


async def test_an_order_whose_price_never_comes_expires_on_time_and_gives_its_funds_back(
    client: httpx.AsyncClient,
) -> None:
    price = await price_now(client)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    order_id = await books.submit(client, limit_order(above(price, 500), expiresAt=iso(at)))
    assert "open" == (await books.order(client, order_id))["status"]
    expired = await books.until(client, order_id, {"expired"})
    history = await books.events(client, order_id)
    assert ["accepted", "rested", "expired"] == [event["event"] for event in history]
    late = datetime.fromisoformat(history[-1]["timestamp"]) - at
    assert timedelta(0) <= late < timedelta(seconds=2)
    check_fill(expired)
    counts = (await client.get("/api/orders", params={"limit": 1})).json()
    assert (0, 1) == (counts["open"], counts["expired"])


async def test_cancelled_orders_give_their_funds_back(
    client: httpx.AsyncClient,
) -> None:
    wallet = (await client.get("/api/wallets")).json()["wallets"][0]
    held = Decimal(next(b["amount"] for b in wallet["balances"] if b["symbol"] == "SOL"))
    price = await price_now(client)
    most = f"{(held * 6 / 10):.3f}"
    for _ in range(3):
        order = limit_order(above(price, 500), amountIn=most)
        order_id = await books.submit(client, order)
        refused = await client.post("/api/orders/execute", json=order)
        assert (422, "insufficient_funds") == (refused.status_code, problem(refused)["code"])
        assert 200 == (await client.delete(f"/api/orders/{order_id}")).status_code
