"""How long until orders move again after something was killed: an order is sent and watched."""

import asyncio
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

GIVES_UP_S = 20.0
"""An order that has not moved by then, with nothing else broken, is a violation."""

_POLL_S = 0.01
_REQUEST_TIMEOUT_S = 2.0
_GONE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
_MOVED = {"submitted", "confirmed"}


@dataclass
class Recoveries:
    """Seconds by what was killed."""

    # Nothing else was broken from the kill until the order had moved.
    alone_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    amid_others_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stood_still: list[str] = field(default_factory=list)

    def add(self, kind: str, seconds: float | None, was_alone: bool) -> None:
        if seconds is None:
            if was_alone:
                self.stood_still.append(kind)
            return
        (self.alone_s if was_alone else self.amid_others_s)[kind].append(seconds)

    def figures(self) -> dict[str, dict[str, object]]:
        """By kind: how many, median and worst, and how many within a second."""
        kinds = sorted({*self.alone_s, *self.amid_others_s})
        return {
            kind: {
                **_figures(self.alone_s.get(kind, [])),
                "amid_others": _figures(self.amid_others_s.get(kind, [])),
            }
            for kind in kinds
        }


def _figures(seconds: list[float]) -> dict[str, object]:
    if not seconds:
        return {"count": 0}
    return {
        "count": len(seconds),
        "median_s": round(statistics.median(seconds), 3),
        "worst_s": round(max(seconds), 3),
        "within_1_s": sum(each <= 1.0 for each in seconds),
    }


class Probe:
    """Sends orders past all links, each until it moves."""

    def __init__(self, seed: int, apis: Callable[[], list[str]]) -> None:
        self._seed = seed
        # Those that are up at the moment.
        self._apis = apis
        self._numbers = itertools.count(1)
        self.accepted: dict[str, dict[str, Any]] = {}

    async def seconds_to_move(self) -> float | None:
        """From now until an order that is sent now is on its way to the chain; None if it gives
        up."""
        began = time.monotonic()
        key = f"probe-{self._seed}-{next(self._numbers)}"
        body = {
            "tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "0.01", "priority": 9,
            "slippageBps": 500,
        }  # fmt: skip
        timeout = aiohttp.ClientTimeout(_REQUEST_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                async with asyncio.timeout(GIVES_UP_S):
                    order_id = await self._send(session, key, body)
                    self.accepted[order_id] = body
                    while not await self._has_moved(session, order_id):
                        await asyncio.sleep(_POLL_S)
            except TimeoutError:
                return None
        return time.monotonic() - began

    async def _send(self, session: aiohttp.ClientSession, key: str, body: dict[str, Any]) -> str:
        headers = {"Idempotency-Key": key}
        while True:
            for api in self._apis():
                try:
                    url = f"http://{api}/api/orders/execute"
                    async with session.post(url, json=body, headers=headers) as answer:
                        if answer.status == 202:
                            return str((await answer.json())["orderId"])
                except _GONE:
                    continue
            await asyncio.sleep(_POLL_S)

    async def _has_moved(self, session: aiohttp.ClientSession, order_id: str) -> bool:
        for api in self._apis():
            try:
                async with session.get(f"http://{api}/api/orders/{order_id}/events") as answer:
                    if answer.status == 200:
                        events = (await answer.json())["events"]
                        return any(event["status"] in _MOVED for event in events)
            except _GONE:
                continue
        return False
