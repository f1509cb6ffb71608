"""signatureSubscribe and slotSubscribe on one socket."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from fairlead.errors import FairleadError
from fairlead.node import params, views
from fairlead.node.failures import INVALID_REQUEST, RpcFailure, invalid_params
from fairlead.node.params import Params
from fairlead.ports import Chain, Clock

MAX_SUBSCRIPTIONS = 10_000
"""Of one socket."""

WAIT_S = 10.0
"""How long a wait for news lasts before the chain is asked in any case."""

LEVELS = {"processed": 0, "confirmed": 1, "finalized": 2}

Send = Callable[[bytes], Awaitable[None]]
_encode = msgspec.json.Encoder().encode


class Subscriptions:
    """What one socket has subscribed to. `send` writes one frame."""

    def __init__(self, chain: Chain, clock: Clock, send: Send, slot_poll_s: float) -> None:
        self._chain = chain
        self._clock = clock
        self._send = send
        self._slot_poll_s = slot_poll_s
        self._ids = itertools.count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._methods: dict[str, Callable[[Params, asyncio.Event], int | bool]] = {
            "signatureSubscribe": self._signature_subscribe,
            "signatureUnsubscribe": self._unsubscribe,
            "slotSubscribe": self._slot_subscribe,
            "slotUnsubscribe": self._unsubscribe,
        }

    def call(
        self, method: str, raw_params: msgspec.Raw, answered: asyncio.Event
    ) -> int | bool | None:
        """The answer; None where the method is not one of these. Frames follow once it is
        `answered`."""
        found = self._methods.get(method)
        return None if found is None else found(Params(raw_params), answered)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _signature_subscribe(self, given: Params, answered: asyncio.Event) -> int:
        signature = params.signature(given.required(0, str))
        commitment = given.config(1).commitment
        return self._start(lambda number: self._signature(number, signature, commitment, answered))

    def _slot_subscribe(self, _: Params, answered: asyncio.Event) -> int:
        return self._start(lambda number: self._slots(number, answered))

    def _unsubscribe(self, given: Params, _: asyncio.Event) -> bool:
        task = self._tasks.pop(given.required(0, int), None)
        if task is None:
            raise invalid_params("Invalid subscription id")
        task.cancel()
        return True

    def _start(self, make: Callable[[int], Coroutine[Any, Any, None]]) -> int:
        if len(self._tasks) >= MAX_SUBSCRIPTIONS:
            raise RpcFailure(INVALID_REQUEST, "Too many subscriptions")
        number = next(self._ids)
        self._tasks[number] = task = asyncio.ensure_future(make(number))
        task.add_done_callback(lambda _: self._tasks.pop(number, None))
        return number

    async def _signature(
        self, number: int, signature: str, commitment: str, answered: asyncio.Event
    ) -> None:
        """One notification, when the signature has reached the commitment; then it is over."""
        await answered.wait()
        while True:
            # Listen first, then ask: what happens in between is heard.
            news = asyncio.ensure_future(self._chain.wait_for_signature(signature, WAIT_S))
            try:
                await asyncio.sleep(0)
                status = await self._status(signature)
                if status is not None and LEVELS[status.commitment] >= LEVELS[commitment]:
                    value = {"err": views.error_value(status.error)}
                    result = views.in_context(status.slot, value)
                    return await self._notify("signatureNotification", number, result)
                await news
            finally:
                news.cancel()

    async def _status(self, signature: str) -> Any:
        try:
            return (await self._chain.signature_statuses([signature]))[0]
        except FairleadError:
            return None  # asked again after the next news

    async def _slots(self, number: int, answered: asyncio.Event) -> None:
        await answered.wait()
        last = -1
        while True:
            try:
                slot = (await self._chain.epoch_info("processed")).slot
                root = (await self._chain.epoch_info("finalized")).slot
            except FairleadError:
                slot, root = last, last
            if slot != last:
                parent = last if last >= 0 else slot - 1
                last = slot
                result = {"slot": slot, "parent": parent, "root": root}
                await self._notify("slotNotification", number, result)
            await self._clock.sleep(self._slot_poll_s)

    async def _notify(self, method: str, number: int, result: Any) -> None:
        params_ = {"result": result, "subscription": number}
        await self._send(_encode({"jsonrpc": "2.0", "method": method, "params": params_}))
