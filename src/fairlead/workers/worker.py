"""A worker: claims orders as places come free, keeps its lease, takes over what dead workers left.
One of all workers watches the resting orders too (`watcher`), and takes back what ended ones lent
(`reclaiming`).

Any number of them run beside each other, in one process or many. Recovery is the normal path: an
order whose worker died is adopted and driven on from what is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from fairlead.errors import FairleadError, WriteOutcomeUnknown
from fairlead.orders.acceptance import begun
from fairlead.orders.model import Claimed, NewOrder, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.ports import Bus, Committed, Hand, Signal
from fairlead.workers import executor
from fairlead.workers.hands import Begun, Doubts
from fairlead.workers.places import Place, Places
from fairlead.workers.reclaiming import Reclaimer, ReclaimerSettings
from fairlead.workers.reconciling import Reconciler
from fairlead.workers.settler import Settler
from fairlead.workers.watcher import Watcher, WatcherSettings
from fairlead.workers.work import ExecutorSettings, Parts, Work, Workbench

log = structlog.get_logger("fairlead.worker")

_CANCELS = frozenset({E.CANCEL_REQUESTED, E.CANCELLED})
# After these an order waits for its due time.
_MADE_TO_WAIT = frozenset({E.ROUND_FAILED, E.TAKEN_OVER})

ADOPT_BATCH = 256
"""Orders taken over at a time."""


class WorkerSettings(msgspec.Struct, frozen=True):
    """What the operator may set about a worker."""

    execution: ExecutorSettings = ExecutorSettings()
    # Orders between claim and `confirmed` at a time; 0 takes no new ones.
    concurrency: int = 64
    lease_ms: int = 10_000
    heartbeat_ms: int = 2_000
    # How often to look for dead workers, orphans and cancels.
    watch_ms: int = 250
    # How often to look for work though nothing said that there is any.
    idle_poll_ms: int = 1_000
    # How often to ask about finality.
    settle_poll_ms: int = 400
    # How often prices are compared with the limits of resting orders.
    trigger_poll_ms: int = 200
    reclaims: ReclaimerSettings = ReclaimerSettings()
    # How long a graceful stop waits for orders on their way to `confirmed`.
    stop_grace_s: float = 10.0


def watcher_settings(settings: WorkerSettings) -> WatcherSettings:
    """The watcher's pace, which is the worker's wherever there is one."""
    return WatcherSettings(
        poll_ms=settings.trigger_poll_ms,
        follow_ms=settings.idle_poll_ms,
        take_ms=settings.watch_ms,
        hold_ms=settings.heartbeat_ms,
    )


class Worker:
    """One worker. `run` until cancelled or stopped; `stop` finishes or hands over what runs."""

    def __init__(self, parts: Parts, bus: Bus, settings: WorkerSettings) -> None:
        self.owner = parts.clock.new_id()
        self.settings = settings
        self.places = Places(settings.concurrency)
        self.bench = Workbench(parts, self.places, settings.execution, lambda: self.owner)
        self.settler = Settler(self.bench, settings.settle_poll_ms, self._land_again)
        self.watcher = Watcher(self.bench, watcher_settings(settings), lambda: self.owner)
        self.reconciler = Reconciler(self.bench)
        self.reclaimer = Reclaimer(self.bench, settings.reclaims, lambda: self.owner)
        self.ready = asyncio.Event()
        # Until when others leave its orders alone, as the store last agreed.
        self.lease_until_ms = 0
        self._parts = parts
        self._bus = bus
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._driving: dict[str, asyncio.Task[None]] = {}
        # When the next waiting order is due, as last asked; asked again when that may have changed.
        self._due_ms: int | None = None
        self._ask_due = True
        # The last claim left nothing that was due, and nothing has been heard since.
        self._idle = False
        # The store knows `owner` as a living worker, as far as we have heard.
        self._registered = False
        self._doubts = Doubts()
        # Names under which we were declared dead, and may yet own what a late claim took.
        self._former: list[str] = []

    @property
    def driving(self) -> int:
        """Orders in this worker's hands, those that await finality not counted."""
        return len(self._driving)

    async def run(self) -> None:
        """Work until `stop`, then let go of everything."""
        unsubscribe = self._bus.subscribe(self._heard)
        try:
            await self._register()
            self.reconciler.begin()
            async with asyncio.TaskGroup() as group:
                loops = [
                    group.create_task(self._forever(body), name=name)
                    for name, body in (
                        ("claim", self._claim_once),
                        ("lease", self._renew_once),
                        ("watch", self._watch_once),
                    )
                ]
                loops.append(group.create_task(self.settler.run(), name="settle"))
                loops.append(group.create_task(self.watcher.run(), name="triggers"))
                loops.append(group.create_task(self.reconciler.run(), name="reconcile"))
                loops.append(group.create_task(self.reclaimer.run(), name="reclaim"))
                self.ready.set()
                await self._stopping.wait()
                await self._finish()
                for loop in loops:
                    loop.cancel()
        finally:
            self.ready.clear()
            unsubscribe()
            await self._hand_over()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what runs is finished or handed over."""
        self._stopping.set()
        self._wake.set()

    def begin(self, order: NewOrder) -> Hand | None:
        """Drive an order that the API of this process is about to accept. Where its first attempt
        needs nobody outside, it is stored in the commit that accepts the order.

        None while orders may wait: a new one must not overtake them.
        """
        if not self._may_take():
            return None
        self._start(begun(order, self.owner), self.places.take())
        return Begun(self.owner, order.order_id, self._leave, self._doubt)

    def _may_take(self) -> bool:
        if not (self._idle and self._registered and self.ready.is_set()) or self.places.free == 0:
            return False
        now_ms = self.bench.now_ms()
        if self._wake.is_set() or self._stopping.is_set() or now_ms >= self.lease_until_ms:
            return False
        return self._due_ms is None or self._due_ms > now_ms

    # --- loops ---

    async def _forever(self, body: Callable[[], Awaitable[None]]) -> None:
        """Repeat; a part that does not answer is asked again."""
        while True:
            try:
                await body()
            except FairleadError as error:
                log.warning("worker_waits", error=str(error), code=error.code)
                await self._parts.clock.sleep(self.settings.watch_ms / 1000)

    async def _claim_once(self) -> None:
        if self._stopping.is_set():
            await asyncio.Event().wait()
        if self.places.free == 0:
            self.places.freed.clear()
            await self.places.freed.wait()
            return
        self._wake.clear()
        owner, asked = self.owner, self.places.free
        taking = self._parts.store.claim(owner, asked, self.bench.now_ms())
        claimed = await self._taken(owner, taking)
        if not self._is_still(owner):
            return
        for each in claimed:
            # A regained place may have been taken meanwhile: then this one waits for the next.
            place = self.places.take() if self.places.free else Place(None)
            self._start(each, place)
        if len(claimed) < asked:
            await self._sleep_until_work()

    async def _sleep_until_work(self) -> None:
        if self._wake.is_set():
            return
        if self._ask_due:
            self._ask_due = False
            self._due_ms = await self._parts.store.next_due_ms()
        wait_ms = self.settings.idle_poll_ms
        if self._due_ms is not None:
            wait_ms = min(max(self._due_ms - self.bench.now_ms(), 1), wait_ms)
        self._idle = True
        try:
            async with asyncio.timeout(wait_ms / 1000):
                await self._wake.wait()
        except TimeoutError:
            # What was due has been claimed by now, or nothing was said in a long time: ask again.
            self._ask_due = True
        finally:
            self._idle = False

    async def _renew_once(self) -> None:
        await self._parts.clock.sleep(self.settings.heartbeat_ms / 1000)
        owner, until_ms = self.owner, self.bench.now_ms() + self.settings.lease_ms
        if await self._parts.store.renew_lease(owner, until_ms):
            self.lease_until_ms = until_ms
        else:
            await self._begin_anew(owner)

    async def _watch_once(self) -> None:
        """Free what dead workers held, adopt orphans, hear of cancels that other processes
        wrote."""
        await self._release_former()
        owner = self.owner
        dead = await self._parts.store.release_dead_workers(self.bench.now_ms())
        if owner in dead:
            # This process was held up so long that it found itself dead.
            await self._begin_anew(owner)
        if dead:
            log.warning("took_over", workers=dead)
            self._wake.set()
        await self._adopt()
        await self._look_for_doubtful()
        for order_id in await self._parts.store.cancelling(self.owner):
            work = self.bench.in_hand.get(order_id)
            if work is not None and work.order.status is not OrderStatus.CANCELLING:
                self._notice(order_id)
        await self._parts.clock.sleep(self.settings.watch_ms / 1000)

    async def _adopt(self) -> None:
        while not self._stopping.is_set():
            owner = self.owner
            taking = self._parts.store.adopt(owner, ADOPT_BATCH, self.bench.now_ms())
            orphans = await self._taken(owner, taking)
            if not self._is_still(owner):
                return
            for orphan in orphans:
                self._start(orphan, Place(None))
            if len(orphans) < ADOPT_BATCH:
                return

    async def _taken(
        self, owner: str, taking: Awaitable[tuple[Claimed, ...]]
    ) -> tuple[Claimed, ...]:
        try:
            return await taking
        except WriteOutcomeUnknown:
            # Orders may be ours that we do not know of, and nobody frees those of a living worker.
            await self._begin_anew(owner)
            return ()

    async def _look_for_doubtful(self) -> None:
        for order_id in self._doubts.to_look_for(self.bench.now_ms()):
            owner = self.owner
            order = await self._parts.store.order(order_id)
            if order is None:
                continue
            attempts = await self._parts.store.attempts(order_id)
            self._doubts.settle(order_id)
            # Else it waits for any worker, or has one, or is freed with what the dead owned.
            if order.owner == owner == self.owner and order_id not in self._driving:
                self._start(Claimed(order, attempts), Place(None))

    # --- orders ---

    def _leave(self, order_id: str) -> None:
        task = self._driving.get(order_id)
        if task is not None:
            task.cancel()

    def _doubt(self, order_id: str) -> None:
        self._doubts.add(order_id, self.bench.now_ms())

    def _start(self, claimed: Claimed, place: Place) -> None:
        order_id = claimed.order.order_id
        self.settler.drop(order_id)
        # We may lose an order and get it back before the task that had it has learnt of it.
        earlier = self._driving.get(order_id)
        if earlier is not None:
            earlier.cancel()
        task = asyncio.get_running_loop().create_task(self._drive(claimed, place, earlier))
        self._driving[order_id] = task
        task.add_done_callback(partial(self._driven, order_id, place))

    async def _drive(
        self, claimed: Claimed, place: Place, earlier: "asyncio.Task[None] | None"
    ) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        work = await executor.drive(self.bench, claimed, place)
        if work is not None:
            self.settler.add(work)

    def _driven(self, order_id: str, place: Place, task: "asyncio.Task[None]") -> None:
        """A callback, not a `finally`: a task cancelled before its first step runs none of its
        own."""
        place.release()
        if self._driving.get(order_id) is task:
            del self._driving[order_id]
            self.bench.changed.discard(order_id)
        if not task.cancelled() and task.exception() is not None:
            self.bench.bugs += 1
            log.error("order_task_died", order_id=order_id, exc_info=task.exception())

    def _land_again(self, work: Work) -> None:
        self._start(Claimed(work.order, work.attempts), Place(None))

    def _notice(self, order_id: str) -> None:
        """Somebody else wrote this order: its task reads it again at the next step."""
        self.bench.changed.add(order_id)

    def _heard(self, signal: Signal) -> None:
        self.watcher.heard(signal)
        if signal.work:
            self._wake.set()
        if not isinstance(signal, Committed):
            self._ask_due = True
            return
        for event in signal.events:
            if event.type in _CANCELS:
                if event.order_id in self._driving:
                    self._notice(event.order_id)
            elif event.type in _MADE_TO_WAIT:
                self._ask_due = True

    # --- beginning and end ---

    async def _register(self) -> None:
        until_ms = self.bench.now_ms() + self.settings.lease_ms
        await self._parts.store.register_worker(self.owner, until_ms)
        self.lease_until_ms = until_ms
        self._registered = True

    async def _begin_anew(self, owner: str) -> None:
        """Others take over what this worker had; it goes on under another name."""
        if owner != self.owner:
            return
        log.warning("begins_anew", owner=owner)
        self._registered = False
        await self._drop_everything()
        if owner == self.owner:
            self._former.append(owner)
            self.owner = self._parts.clock.new_id()
        await self._register()
        self.reconciler.begin()
        # What was heard meanwhile is not known to be all.
        self._wake.set()

    def _is_still(self, owner: str) -> bool:
        """Whether what was taken under this name is ours. Otherwise nobody would ever free it: the
        name is no longer among the workers."""
        if owner == self.owner:
            return True
        self._former.append(owner)
        return False

    async def _release_former(self) -> None:
        while self._former:
            name = self._former[0]
            await self._parts.store.release_worker(name, self.bench.now_ms())
            self._former.remove(name)

    async def _finish(self) -> None:
        """Let what holds a place come to `confirmed`, within the grace."""
        try:
            async with asyncio.timeout(self.settings.stop_grace_s):
                while self.places.free < self.places.size:
                    self.places.freed.clear()
                    await self.places.freed.wait()
        except TimeoutError:
            log.info("hands_over", orders=len(self._driving))

    async def _drop_everything(self) -> None:
        tasks = list(self._driving.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.settler.clear()

    async def _hand_over(self) -> None:
        await self._drop_everything()
        try:
            await self._release_former()
            await self._parts.store.release_worker(self.owner, self.bench.now_ms())
        except FairleadError as error:
            # The lease will run out, and others take over then.
            log.warning("not_released", error=str(error))
