"""kill -9 of `fairlead serve` in the middle of orders: nothing is lost, nothing is done twice."""

import asyncio
import contextlib
import random
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from tests.engine import books
from tests.engine.ledger import landed_swaps
from tests.engine.processes import FAST, Api, market_order, running

KILLS = 10
ORDERS = 500
MOVES_WITHIN_S = 1.0


@pytest.mark.serial
async def test_kill_minus_nine_in_the_middle_of_500_orders_ten_times(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    serve = Api("serve", tmp_path, FAST)
    accepted: dict[str, str] = {}
    slowest_s = 0.0
    with running(serve):
        await asyncio.to_thread(serve.wait_ready)
        for round in range(KILLS):
            accepted |= await _burst_until_killed(serve, round, dice)
            await asyncio.to_thread(lambda: serve.start().wait_ready())
            slowest_s = max(slowest_s, await _time_to_move(serve))
        async with serve.client() as client:
            settled = await books.until_settled(client, list(accepted.values()), 120)
            for order_id in accepted.values():
                books.check_history(await books.events(client, order_id))
            # The same key after all those crashes is still the same order.
            for key, order_id in list(accepted.items())[::50]:
                number = int(key.rpartition("-")[2])
                body = market_order(number)
                answer = await client.post(
                    "/api/orders/execute", json=body, headers={"Idempotency-Key": key}
                )
                assert order_id == answer.json()["orderId"], seed
        await asyncio.to_thread(serve.stop)
    assert slowest_s <= MOVES_WITHIN_S, f"seed {seed}: orders moved {slowest_s:.2f} s after ready"
    assert len(accepted) > ORDERS, "the kills left hardly anything to look at"
    assert {"confirmed"} == {order["status"] for order in settled.values()}, seed
    _check_against_ledger(tmp_path, settled)


async def _burst_until_killed(serve: Api, round: int, dice: random.Random) -> dict[str, str]:
    """POST orders until the process is killed; key -> id of those that were answered."""
    accepted: dict[str, str] = {}
    kill_after = dice.randrange(50, ORDERS - 50)
    async with serve.client() as client:

        async def post(number: int) -> None:
            key = f"{round}-{number}"
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post(
                    "/api/orders/execute",
                    json=market_order(number),
                    headers={"Idempotency-Key": key},
                )
                assert answer.status_code == 202, answer.text
                accepted[key] = answer.json()["orderId"]
                if len(accepted) == kill_after:
                    serve.kill()

        await asyncio.gather(*(post(number) for number in range(ORDERS)))
    assert not serve.running()
    return accepted


async def _time_to_move(serve: Api) -> float:
    """Seconds from readiness until an order sent now has been routed."""
    async with serve.client() as client:
        began = time.monotonic()
        order_id = await books.submit(client, market_order(priority=9))
        await books.until(client, order_id, {"submitted", "confirmed"})
        return time.monotonic() - began


def _check_against_ledger(folder: Path, settled: dict[str, dict[str, object]]) -> None:
    """The ledger's own record: at most one successful swap an order, and none that is not
    stored."""
    (database,) = folder.rglob("fairlead.sqlite3")
    with contextlib.closing(sqlite3.connect(database)) as books_db:
        attempts = dict(books_db.execute("SELECT signature, order_id FROM attempts"))
    successes: dict[str, int] = {}
    for signature, error in landed_swaps(folder):
        assert signature in attempts, f"{signature} was sent without being stored"
        if error is None:
            order_id = attempts[signature]
            successes[order_id] = successes.get(order_id, 0) + 1
    assert successes, "the ledger holds no swap"
    assert {1} == set(successes.values())
    assert set(settled) <= set(successes)
