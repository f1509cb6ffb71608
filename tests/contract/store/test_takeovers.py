"""Three workers on one PostgreSQL claim, write, die and take over, interleaved by a seed."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from fairlead.errors import Fenced
from fairlead.orders.lifecycle import TRANSITIONS
from fairlead.orders.model import EventType, Order, OrderStatus
from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS, change, new_attempt, new_order, stored

ORDERS = 24
STEPS = 60
LEASE_MS = 40
NEXT = {
    OrderStatus.ROUTING: EventType.ROUTED,
    OrderStatus.BUILDING: EventType.SUBMITTED,
    OrderStatus.SUBMITTED: EventType.CONFIRMED,
    OrderStatus.CONFIRMED: EventType.FINALIZED,
}


@dataclass
class Seen:
    """What the checkers know: time, and every write that a worker was told had happened."""

    now_ms: int = T0_MS
    told: list[tuple[str, int, EventType]] = field(default_factory=list)
    fenced: int = 0


class Worker:
    """Holds orders in memory as a real one does; believes it owns them until it is fenced off."""

    def __init__(self, name: str, store: Any, seen: Seen, seed: int) -> None:
        self.name = name
        self.store = store
        self.seen = seen
        self.random = random.Random(seed)
        self.held: dict[str, Order] = {}
        self.incarnation = 0

    @property
    def owner(self) -> str:
        return f"{self.name}.{self.incarnation}"

    async def run(self) -> None:
        await self.store.register_worker(self.owner, self.seen.now_ms + LEASE_MS)
        for _ in range(STEPS):
            self.seen.now_ms += 1
            await self.random.choice(
                [self.take, self.write, self.write, self.write, self.renew, self.bury, self.stall]
            )()

    async def take(self) -> None:
        claim = self.random.choice([self.store.claim, self.store.adopt])
        for one in await claim(self.owner, 4, self.seen.now_ms):
            order = one.order
            assert order.owner == self.owner
            # One that it holds already was taken from it unnoticed, and is given back to it here.
            self.held[order.order_id] = order

    async def write(self) -> None:
        orders = self.random.sample(list(self.held.values()), min(5, len(self.held)))
        await asyncio.gather(*map(self.write_one, orders))

    async def write_one(self, order: Order) -> None:
        type = NEXT[order.status]
        values: dict[str, Any] = {"owner": self.owner, "at_ms": self.seen.now_ms}
        if type is EventType.SUBMITTED:
            values["new_attempt"] = new_attempt(order)
        ends = type is EventType.FINALIZED
        release = not ends and self.random.random() < 0.2
        wanted = change(order, type, end=ends, release=release, **values)
        try:
            sequence = await self.store.apply(wanted)
        except Fenced:
            self.seen.fenced += 1
            self.held.pop(order.order_id, None)
            return
        self.seen.told.append((order.order_id, sequence, type))
        if ends or release:
            self.held.pop(order.order_id, None)
        else:
            self.held[order.order_id] = msgspec.structs.replace(
                order, sequence=sequence, status=wanted.status
            )

    async def renew(self) -> None:
        if not await self.store.renew_lease(self.owner, self.seen.now_ms + LEASE_MS):
            # Declared dead: begin anew. Sometimes with the old orders still in memory, as a zombie.
            if self.random.random() < 0.5:
                self.held.clear()
            else:
                await self.write()
                self.held.clear()
            self.incarnation += 1
            await self.store.register_worker(self.owner, self.seen.now_ms + LEASE_MS)

    async def bury(self) -> None:
        await self.store.release_dead_workers(self.seen.now_ms)

    async def stall(self) -> None:
        self.seen.now_ms += self.random.randrange(25)


@pytest.mark.parametrize("seed", range(6))
async def test_an_order_is_one_workers_at_a_time(postgres: World, seed: int) -> None:
    seen = Seen()
    stores = [await postgres.open() for _ in range(3)]
    orders = [new_order(priority=i % 3) for i in range(ORDERS)]
    await asyncio.gather(*(stores[0].accept(order) for order in orders))
    workers = [Worker(f"w{i}", store, seen, seed * 10 + i) for i, store in enumerate(stores)]
    await asyncio.gather(*(worker.run() for worker in workers))

    feed = await stores[0].feed(0, 100_000)
    assert list(range(1, len(feed) + 1)) == [event.position for event in feed]
    # No event that a worker was told of is lost.
    written = {(event.order_id, event.sequence): event.type for event in feed}
    for order_id, sequence, type in seen.told:
        assert type == written[order_id, sequence]
    assert len(seen.told) == len({(order_id, sequence) for order_id, sequence, _ in seen.told})
    # Every event of a worker is one that was told: a fenced-off write left nothing.
    ours = [e for e in feed if e.type in NEXT.values()]
    assert len(ours) == len(seen.told)
    for order in orders:
        events = await stores[1].events(order.order_id, 0, 1_000)
        assert list(range(1, len(events) + 1)) == [event.sequence for event in events]
        status = None
        for event in events:
            assert TRANSITIONS[status, event.type] == event.status
            status = event.status
        row = await stored(stores[2], order.order_id)
        assert (len(events), status) == (row.sequence, row.status)
        live = [a for a in await stores[0].attempts(order.order_id) if a.state == "live"]
        assert len(live) <= 1
    total = (await stores[0].counts("local")).by_status
    recount: dict[OrderStatus, int] = {}
    for order in orders:
        status = (await stored(stores[0], order.order_id)).status
        recount[status] = recount.get(status, 0) + 1
    assert recount == total
    assert seen.fenced or seed, "the first seed is known to fence somebody off"
