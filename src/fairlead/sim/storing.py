"""The store of a simulated world, and the way of one process to it.

It is the SQLite store on the loop itself, and plays the server that all processes share: a write
may be made and unheard of, not made, made later, or rolled back together with its neighbours.
"""

import asyncio
import contextvars
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from fairlead.errors import FairleadError, Unavailable, WriteOutcomeUnknown
from fairlead.orders.lent import Reclaim, ReclaimSettled
from fairlead.orders.model import Change, Claimed, NewOrder
from fairlead.ports import Accepted, Clock, Committed
from fairlead.sim.clock import ProcessClock
from fairlead.sim.faults import Dice
from fairlead.store.batch import Write
from fairlead.store.sqlite import SqliteStore

LONG_S = 20.0
"""How long a process hears nothing of its write, before its connection is given up."""

MOMENT_S = 2.0
"""Within this a write is made of which nothing was heard."""

_T = TypeVar("_T")


class SimStore(SqliteStore):
    """The store; tells `on_write` what each commit did, in order."""

    def __init__(
        self,
        clock: Clock,
        on_commit: Callable[[Committed], None],
        on_write: Callable[[Any, Any], None],
        dice: Dice,
        image: bytes | None = None,
    ) -> None:
        """`image`: the copy that it is restored from."""
        super().__init__(":memory:", clock, on_commit, inline=True)
        self._on_write = on_write
        self._dice = dice
        self._image = image
        self._faults = dice.table(("flush_void", "flush_unheard"))

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        if self._image is not None:
            connection.deserialize(self._image)
        return connection

    def image(self) -> bytes:
        """The whole file, for `image` of another one."""
        return self._writer.serialize()

    async def _flush(self, writes: Sequence[Write]) -> Committed:
        fault = self._faults.draw()
        if fault == "flush_void":
            _silence(writes, fault)
            return Committed((), work=False)
        committed = await super()._flush(writes)
        for write in writes:
            if not isinstance(write.result, BaseException):
                self._on_write(write.value, write.result)
        if fault == "flush_unheard":
            _silence(writes, fault)
        return committed

    async def _commit(self) -> None:
        if self._dice.hits("flush_rolled_back"):
            raise sqlite3.OperationalError("disk I/O error (simulated)")
        await super()._commit()

    def rows(self, statement: str, *values: object) -> list[Any]:
        """For checkers: whatever the tables hold."""
        return self._rows(statement, *values)


class Place(Protocol):
    """What a process's store has to know of it."""

    clock: ProcessClock

    def tell(self, what: str, order_id: str = "") -> None: ...
    async def gate(self) -> None: ...
    async def point(self, name: str) -> None: ...


class StoreOfProcess:
    """The store as one process reaches it: every method of `ports.Store`."""

    def __init__(self, store: SimStore, process: Place, dice: Dice) -> None:
        self.is_down = False
        self._store = store
        self._process = process
        self._dice = dice
        self._faults = dice.table(
            ("write_refused", "write_lost", "write_unheard", "write_deaf", "write_mute",
             "write_late")
        )  # fmt: skip
        self._claim_faults = dice.table(("claim_lost", "claim_unheard"))
        # Writes that nobody waits for any more and that are made all the same.
        self._late: set[asyncio.Task[None]] = set()

    def __getattr__(self, method: str) -> Any:
        """The reads."""
        inner = getattr(self._store, method)

        async def call(*values: Any, **named: Any) -> Any:
            await self._ask(method)
            return await inner(*values, **named)

        setattr(self, method, call)
        return call

    async def _ask(self, method: str) -> None:
        await self._process.gate()
        if self.is_down:
            raise Unavailable("store", f"{method} (simulated)")

    # -- writes

    async def accept(self, order: NewOrder, owner: str | None = None) -> Accepted:
        make = partial(self._store.accept, order, owner)
        return await self._write(make, "accept", order.order_id)

    async def apply(self, change: Change) -> int:
        return await self._write(
            partial(self._store.apply, change), name_of(change), change.order_id
        )

    async def claim(self, owner: str, places: int, now_ms: int) -> tuple[Claimed, ...]:
        return await self._taken(lambda: self._store.claim(owner, places, now_ms), "claim")

    async def adopt(self, owner: str, limit: int, now_ms: int) -> tuple[Claimed, ...]:
        return await self._taken(lambda: self._store.adopt(owner, limit, now_ms), "adopt")

    async def register_worker(self, owner: str, lease_until_ms: int) -> None:
        await self._write(lambda: self._store.register_worker(owner, lease_until_ms), "register")

    async def renew_lease(self, owner: str, lease_until_ms: int) -> bool:
        return await self._write(lambda: self._store.renew_lease(owner, lease_until_ms), "renew")

    async def release_worker(self, owner: str, now_ms: int) -> None:
        await self._write(lambda: self._store.release_worker(owner, now_ms), "hand_over")

    async def release_dead_workers(self, now_ms: int) -> tuple[str, ...]:
        await self._ask("release_dead_workers")
        dead = await self._store.release_dead_workers(now_ms)
        if dead:
            await self._process.point("take_over")
        return dead

    async def take_watch(self, owner: str) -> bool:
        await self._ask("take_watch")
        return await self._store.take_watch(owner)

    async def know_to_slot(self, slot: int) -> None:
        await self._write(lambda: self._store.know_to_slot(slot), "known_to")

    async def begin_reclaim(self, reclaim: Reclaim) -> bool:
        return await self._write(lambda: self._store.begin_reclaim(reclaim), "reclaim")

    async def settle_reclaim(self, settled: ReclaimSettled) -> None:
        await self._write(lambda: self._store.settle_reclaim(settled), "reclaim_settled")

    async def absent_latches(self, addresses: Sequence[str]) -> None:
        await self._write(lambda: self._store.absent_latches(addresses), "latches_absent")

    async def _taken(
        self, make: Callable[[], Awaitable[tuple[Claimed, ...]]], name: str
    ) -> tuple[Claimed, ...]:
        """A claim. One that took nothing is no point of interest."""
        await self._ask(name)
        fault = self._claim_faults.draw()
        if fault is not None:
            self._process.tell(f"{fault} over {name}")
        if fault == "claim_lost":
            raise WriteOutcomeUnknown(f"{name}: {fault} (simulated)")
        taken = await make()
        if taken:
            await self._process.point(name)
        if fault == "claim_unheard":
            raise WriteOutcomeUnknown(f"{name}: {fault} (simulated)")
        return taken

    async def _write(self, make: Callable[[], Awaitable[_T]], name: str, order_id: str = "") -> _T:
        await self._ask(name)
        fault = self._faults.draw()
        if fault is None:
            done = await make()
            await self._process.point(name)
            return done
        self._process.tell(f"{fault} over {name}", order_id)
        if fault == "write_refused":
            raise Unavailable("store", f"{name} (simulated)")
        if fault in ("write_unheard", "write_deaf"):
            await make()
            await self._process.point(name)
        if fault == "write_late":
            # Nobody's: what the server has in hand outlives the process.
            later = self._made_later(make)
            task = asyncio.get_running_loop().create_task(later, context=contextvars.Context())
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        if fault in ("write_deaf", "write_mute"):
            await self._process.clock.sleep(LONG_S)
        raise WriteOutcomeUnknown(f"{name}: {fault} (simulated)")

    async def _made_later(self, make: Callable[[], Awaitable[object]]) -> None:
        """The server had it in hand when the connection broke; the process may be dead by now."""
        await asyncio.sleep(self._dice.random.uniform(0.0, MOMENT_S))
        try:
            await make()
        except FairleadError:
            # Refused like any other that comes too late.
            return

    async def quiet(self) -> None:
        """Until nothing is on its way."""
        while self._late:
            await asyncio.wait(set(self._late))


def _silence(writes: Sequence[Write], fault: str) -> None:
    """Nobody hears what became of a write."""
    for write in writes:
        write.result = WriteOutcomeUnknown(f"{fault} (simulated)")


def name_of(change: Change) -> str:
    """What a change does, for the list of crash points: its last event, or what it sets."""
    if change.events:
        return change.events[-1].type.value
    if change.new_attempt is not None:
        return "failed_found"
    if change.settled:
        return "attempt_died"
    return "fired" if change.owner is None else "put_off"
