"""Reads the books after a test: what the API answered, what the store holds, what the chain
executed."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

ENDED = {"failed", "cancelled", "expired"}


async def submit(client: httpx.AsyncClient, body: dict[str, Any], **headers: str) -> str:
    """POST an order that must be accepted; its id."""
    answer = await client.post("/api/orders/execute", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["orderId"])


async def order(client: httpx.AsyncClient, order_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/orders/{order_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def events(client: httpx.AsyncClient, order_id: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/api/orders/{order_id}/events")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


async def until(
    client: httpx.AsyncClient, order_id: str, statuses: Iterable[str], within_s: float = 30.0
) -> dict[str, Any]:
    """The order as soon as it is in one of these statuses."""
    wanted = set(statuses)
    deadline = time.monotonic() + within_s
    while True:
        found = await order(client, order_id)
        if found["status"] in wanted:
            return found
        assert time.monotonic() < deadline, f"still {found['status']}: {found}"
        await asyncio.sleep(0.02)


async def until_settled(
    client: httpx.AsyncClient, order_ids: Sequence[str], within_s: float = 60.0
) -> dict[str, dict[str, Any]]:
    """All these orders once each is finalized or has ended; the next within this time of the last.
    How long all take is the machine's affair."""
    deadline = time.monotonic() + within_s
    settled: dict[str, dict[str, Any]] = {}
    waiting = list(order_ids)
    while waiting:
        # One that waits stands for those behind it: asking for each in turn would be a load test.
        found = await order(client, waiting[-1])
        if found["status"] in ENDED or found.get("finalizedAt"):
            settled[waiting.pop()] = found
            deadline = time.monotonic() + within_s
            continue
        assert time.monotonic() < deadline, f"{len(waiting)} have not ended, as {found}"
        await asyncio.sleep(0.05)
    return settled


def check_history(history: Sequence[dict[str, Any]]) -> None:
    """Sequences without a gap, from accepted to a last event."""
    assert list(range(1, len(history) + 1)) == [e["sequence"] for e in history]
    assert history[0]["event"] == "accepted"
    assert history[-1]["event"] in {"finalized", *ENDED}, history[-1]
    assert history[-1]["event"] not in {e["event"] for e in history[:-1]}
