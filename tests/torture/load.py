"""Clients that send, repeat, look at and cancel orders, whatever answers."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import aiohttp

from tests.torture.orders import IN_THE_PAST, Making, Sent

CLIENTS = 12
REQUEST_TIMEOUT_S = 12.0
"""Longer than an API waits for PostgreSQL."""

_RETRY_S = 0.1
_GONE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
_ENDS = ("cancelled", "failed", "expired")


class Load:
    """All clients. `sent` and `violations` are what they saw."""

    def __init__(self, seed: int, apis: Sequence[str], per_second: float) -> None:
        self.sent: dict[str, Sent] = {}
        self.by_id: dict[str, Sent] = {}
        # (what must hold, what was seen, order or key)
        self.violations: list[tuple[str, str, str]] = []
        self.answers: Counter[str] = Counter()
        self._making = Making(seed)
        self._dice = random.Random(f"clients {seed}")
        self._apis = list(apis)
        self._gap_s = CLIENTS / per_second
        self._stopped = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until `stop`; then until everything that was sent has an answer."""
        timeout = aiohttp.ClientTimeout(REQUEST_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=256)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            self._session = session
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch_prices())
                    for _ in range(CLIENTS):
                        group.create_task(self._client())
                while self._later:
                    await asyncio.wait(self._later)
                await self._cancel_what_rests()
            finally:
                # Stopped before its end, they would ask over a session that is closed.
                for task in self._later:
                    task.cancel()

    def stop(self) -> None:
        self._stopped.set()

    @property
    def refused(self) -> list[Sent]:
        """What was answered, and never with a 202."""
        return [each for each in self.sent.values() if each.is_answered and each.order_id is None]

    @property
    def accepted(self) -> int:
        return len(self.by_id)

    async def _client(self) -> None:
        while not await self._stops_within(self._dice.expovariate(1 / self._gap_s)):
            sent = self._making.order()
            self.sent[sent.key] = sent
            # A client that hears nothing sends on two ways at once.
            twice = self._dice.random() < 0.1
            await asyncio.gather(*(self._send(sent) for _ in range(2 if twice else 1)))
            if sent.order_id is not None:
                self._do_later(self._afterwards(sent))

    def _do_later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return False
        return True

    async def _afterwards(self, sent: Sent) -> None:
        """Some are looked at, sent again, sent with other terms, or cancelled."""
        dice = self._dice
        chance = dice.random()
        await self._stops_within(dice.expovariate(1 / 2.0))
        if chance < 0.12:
            await self._send(sent)
        elif chance < 0.16:
            await self._send_other_terms(sent)
        elif chance < 0.30 or (sent.rests_for_good and chance < 0.6):
            await self.cancel(sent)
        elif chance < 0.45:
            await self._look(sent)

    async def _ask(self, method: str, path: str, **given: Any) -> tuple[int, dict[str, Any]] | None:
        """Status and body of an answer; None without one."""
        url = f"http://{self._dice.choice(self._apis)}{path}"
        try:
            async with self._session.request(method, url, **given) as answer:
                found: dict[str, Any] = await answer.json(content_type=None)
                status = answer.status
        except _GONE as error:
            self.answers[f"none ({type(error).__name__})"] += 1
            return None
        code = found.get("code", "")
        self.answers[f"{status} {code}".strip()] += 1
        if status == 500:
            self._violated(
                "no answer is a bug (500)", f"{method} {path}: {found}", path.rpartition("/")[2]
            )
        return status, found

    def _violated(self, rule: str, text: str, about: str) -> None:
        self.violations.append((rule, text, about))

    # --- one order ---

    async def _send(self, sent: Sent) -> None:
        """With the same key until it is answered."""
        headers = {"Idempotency-Key": sent.key}
        while True:
            answer = await self._ask("POST", "/api/orders/execute", json=sent.body, headers=headers)
            if answer is not None and answer[0] != 503:
                self._heard(sent, *answer)
                return
            sent.note("POST: no answer" if answer is None else f"POST: 503 {answer[1]['code']}")
            await asyncio.sleep(_RETRY_S)

    def _heard(self, sent: Sent, status: int, body: dict[str, Any]) -> None:
        sent.is_answered = True
        if status != 202:
            why = body.get("errors") or body.get("detail")
            sent.note(f"POST: {status} {body.get('code')}: {why}")
            sent.refusal = IN_THE_PAST if _is_past(status, body) else str(body.get("code"))
            if sent.order_id is not None or status == 409:
                rule = "the same key and terms are the same order"
                self._violated(rule, f"{status} {body}", sent.order_id or sent.key)
            return
        order_id = str(body["orderId"])
        sent.note(f"POST: 202 {order_id}")
        if sent.order_id not in (None, order_id):
            text = f"{sent.key} was {sent.order_id}, now {order_id}"
            self._violated("one order for each key", text, order_id)
        sent.order_id = order_id
        self.by_id[order_id] = sent

    async def _send_other_terms(self, sent: Sent) -> None:
        body = {**sent.body, "slippageBps": sent.body["slippageBps"] + 1}
        headers = {"Idempotency-Key": sent.key}
        answer = await self._ask("POST", "/api/orders/execute", json=body, headers=headers)
        if answer is None or answer[0] == 503 or _is_past(*answer):
            return
        if (409, sent.order_id) != (answer[0], answer[1].get("orderId")):
            rule = "a key used for other terms is a conflict"
            self._violated(rule, f"{answer}", str(sent.order_id))

    async def cancel(self, sent: Sent) -> int | None:
        """The status of the answer."""
        answer = await self._ask("DELETE", f"/api/orders/{sent.order_id}")
        if answer is None:
            sent.note("cancel: no answer")
            return None
        status, body = answer
        code = str(body.get("code", body.get("status", "")))
        sent.note(f"cancel: {status} {code}")
        if status == 404:
            self._violated("what was accepted is there", f"cancel: {body}", str(sent.order_id))
        elif status == 200:
            self._promised(sent, "cancelled")
        elif status == 409 and (end := code.removeprefix("already_")) in _ENDS:
            self._promised(sent, end)
        return status

    async def _cancel_what_rests(self) -> None:
        """What nothing else would ever end, once nobody sends any more."""
        for sent in list(self.by_id.values()):
            while sent.rests_for_good and sent.promised_end is None:
                if await self.cancel(sent) in (200, 202, 409):
                    break
                await asyncio.sleep(_RETRY_S)

    async def _look(self, sent: Sent) -> None:
        answer = await self._ask("GET", f"/api/orders/{sent.order_id}")
        if answer is None or answer[0] == 503:
            return
        status, body = answer
        if status != 200:
            self._violated("what was accepted is there", f"{answer}", str(sent.order_id))
        elif body["status"] in _ENDS:
            self._promised(sent, body["status"])
        elif body.get("finalizedAt"):
            self._promised(sent, "confirmed")

    def _promised(self, sent: Sent, end: str) -> None:
        if sent.promised_end not in (None, end):
            text = f"{sent.promised_end} was told, then {end}"
            self._violated("an end is the end", text, str(sent.order_id))
        sent.promised_end = end

    # --- prices for limits ---

    async def _watch_prices(self) -> None:
        while not await self._stops_within(0.5):
            token_in, token_out = self._making.pair()
            query = {"tokenIn": token_in, "tokenOut": token_out, "amountIn": "1"}
            answer = await self._ask("GET", "/api/quotes", params=query)
            if answer is not None and answer[0] == 200 and answer[1].get("best"):
                price = Decimal(answer[1]["best"]["amountOut"])
                self._making.prices[token_in, token_out] = price


def _is_past(status: int, body: dict[str, Any]) -> bool:
    """A new request whose time has passed is refused before its key is looked up."""
    return status == 422 and "in_the_past" in str(body.get("errors"))
