"""What an order costs as it runs, part by part as a whole: for bench.profile.

`bench.stages` calls each function for itself; here the engine's own loops call them, so that what
lies between the stages is measured too. Outside are HTTP's sockets, the store and what is told of
a commit.
"""

import asyncio
from collections.abc import Sequence
from statistics import median
from time import thread_time
from typing import Any

from bench import accept_cost
from bench.stages import Pipeline, Stages
from fairlead.api.server import loop_factory
from fairlead.orders.model import Change, Claimed, Order
from fairlead.workers import executor
from fairlead.workers.places import Places
from fairlead.workers.settler import Settler
from fairlead.workers.work import ExecutorSettings, Parts, Work, Workbench

# Slots after which what is confirmed is final.
DEPTH = 40
SETTLE_TIMEOUT_S = 30.0


class Forgetful:
    """A store that takes every change and keeps none."""

    def __init__(self) -> None:
        self._ends_awaited = 0
        self._ended = asyncio.Event()

    async def apply(self, change: Change) -> int:
        if change.end:
            self._ends_awaited -= 1
            if self._ends_awaited == 0:
                self._ended.set()
        return change.sequence + len(change.events)

    async def ends(self, orders: int) -> None:
        """Returns when so many more orders have ended."""
        self._ends_awaited, self._ended = orders, asyncio.Event()
        await self._ended.wait()


def accept_us() -> float:
    """From the bytes of a POST to those of its answer; at best."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(accept_cost.measure(None)) * 1e6


def drive_and_settle_us(batches: Sequence[Sequence[bytes]]) -> tuple[float, float]:
    """From the claim to `confirmed`, and from there to `finalized`: the median batch of each. The
    first batch warms up and does not count."""
    driven, settled = [], []
    pipeline, store = Pipeline(Stages()), Forgetful()
    outside: Any = store
    parts = Parts(outside, pipeline.chain, pipeline.pools, pipeline.wallet, pipeline.clock)
    bench = Workbench(parts, Places(len(batches[0])), ExecutorSettings(), lambda: "worker")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        for bodies in batches:
            orders = pipeline.accept(bodies)
            used, works = runner.run(_drive(bench, orders))
            driven.append(used * 1e6 / len(orders))
            for _ in range(DEPTH):
                pipeline.chain.tick()
            used = runner.run(_settle(bench, store, works))
            settled.append(used * 1e6 / len(orders))
    return median(driven[1:]), median(settled[1:])


async def _drive(bench: Workbench, orders: Sequence[Order]) -> tuple[float, list[Work | None]]:
    """Seconds of CPU, and what awaits finality."""
    began = thread_time()
    works = [await executor.drive(bench, Claimed(order), bench.places.take()) for order in orders]
    return thread_time() - began, works


async def _settle(bench: Workbench, store: Forgetful, works: Sequence[Work | None]) -> float:
    """Seconds of CPU until all of them are final."""
    settler = Settler(bench, 1, lambda _: None)
    for work in works:
        assert work is not None, "it did not come to be confirmed"
        settler.add(work)
    began = thread_time()
    task = asyncio.create_task(settler.run())
    async with asyncio.timeout(SETTLE_TIMEOUT_S):
        await store.ends(len(works))
    task.cancel()
    return thread_time() - began
