"""The watcher: tells resting orders that their limit holds, or that their time is over.

It is a part of every worker, and idle in all but the one that has the watch. That one keeps a book
of what rests (`triggers.price`), as old as the last news from the store, and compares it with the
pools again and again. What it writes is fenced by the sequence at which an order came to rest: a
watcher that has lost its watch and does not know it yet, or one whose book is behind, does no harm.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
from solders.pubkey import Pubkey

from fairlead.errors import FairleadError, Fenced, Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.orders import proofs, resting
from fairlead.orders.model import OrderStatus
from fairlead.ports import Committed, PoolSnapshot, Signal
from fairlead.triggers.price import Book, Pair
from fairlead.triggers.sizes import Resting
from fairlead.workers.work import Workbench

log = structlog.get_logger("fairlead.watcher")

PAGE = 256
"""Triggers read at a time: a few milliseconds of this process."""

EXPIRE_BATCH = 512
"""Orders whose end is written at a time."""

NEVER_FIRED = 2
"""Events of an order that has only been accepted and come to rest: nothing of it was signed."""

NEWS_GAP_S = 0.05
"""News that come closer together than this are looked at together."""

BUG_PAUSE_S = 1.0
"""Wait after an error nobody foresaw."""


class WatcherSettings(msgspec.Struct, frozen=True):
    """How often to look at what."""

    # Pools of pairs with resting orders, and expiries.
    poll_ms: int = 200
    # The store, though nothing was heard of it.
    follow_ms: int = 1_000
    # Whether the watch is to be had; and, for whoever has it, whether it is still.
    take_ms: int = 250
    hold_ms: int = 2_000


class Watcher:
    """Watches while this worker has the watch. `run` until cancelled."""

    def __init__(
        self, bench: Workbench, settings: WatcherSettings, owner: Callable[[], str]
    ) -> None:
        # Told of each look at a pair: candidates, orders fired, seconds the decision took.
        self.on_look: Callable[[int, int, float], None] = lambda candidates, fired, seconds: None
        # Told of how many orders were ended.
        self.on_expired: Callable[[int], None] = lambda orders: None
        self._bench = bench
        self._parts = bench.parts
        self._settings = settings
        self._owner = owner
        # None: somebody else has the watch, as far as we know.
        self._book: Book | None = None
        # Up to where the store's triggers are in the book; while it is being built, those at rest.
        self._position = 0
        # Where to follow from once it is built; None when it is.
        self._built_from: int | None = None
        self._news = asyncio.Event()
        self._followed_s = 0.0
        # Under which name we have the watch, and until when we need not ask.
        self._held_as = ""
        self._held_until_s = 0.0

    @property
    def resting(self) -> int:
        """Orders that wait for their price; 0 while another worker watches."""
        return 0 if self._book is None else len(self._book)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forever(self._keep_once), name="book")
            group.create_task(self._forever(self._look_once), name="prices")

    def heard(self, signal: Signal) -> None:
        """News of orders that came to rest or ceased to; in another process, of whatever."""
        book = self._book
        if book is None or self._news.is_set():
            return
        if not isinstance(signal, Committed):
            self._news.set()
            return
        some_rest = len(book) > 0
        for event in signal.events:
            if event.status is OrderStatus.OPEN or (some_rest and event.order_id in book):
                self._news.set()
                return

    async def _forever(self, body: Callable[[], Awaitable[None]]) -> None:
        """Repeat; a part that does not answer is asked again, and no error here ends the worker."""
        while True:
            try:
                await body()
            except FairleadError as error:
                log.warning("watcher_waits", error=str(error), code=error.code)
                await self._parts.clock.sleep(self._settings.poll_ms / 1000)
            except Exception:
                self._bench.bugs += 1
                log.exception("watcher_error")
                await self._parts.clock.sleep(BUG_PAUSE_S)

    # -- the book

    async def _keep_once(self) -> None:
        if not await self._has_watch():
            self._forget()
            await self._parts.clock.sleep(self._settings.take_ms / 1000)
            return
        book = self._book
        if book is None:
            book = await self._begin()
        await self._follow(book)
        await self._expire(book)
        await self._wait()

    async def _has_watch(self) -> bool:
        clock, owner = self._parts.clock, self._owner()
        if self._held_as == owner and clock.monotonic() < self._held_until_s:
            return True
        until_s = clock.monotonic() + self._settings.hold_ms / 1000
        has = await self._parts.store.take_watch(owner)
        if self._held_as != owner:
            # Under this name it is new: what the last one knew is old.
            self._forget()
        self._held_as, self._held_until_s = (owner, until_s) if has else ("", 0.0)
        return has and owner == self._owner()

    def _forget(self) -> None:
        if self._book is not None:
            log.info("watch_lost", resting=len(self._book))
        self._book = None

    async def _begin(self) -> Book:
        # What happens to an order after its page was read has a position above this one.
        head = await self._parts.store.feed_head()
        self._position, self._built_from = 0, head
        self._followed_s = float("-inf")
        self._book = Book()
        log.info("watch_taken", owner=self._held_as)
        return self._book

    async def _follow(self, book: Book) -> None:
        """Read what came to rest or ceased to, page by page. Orders fire while it goes on."""
        clock = self._parts.clock
        overdue_s = self._followed_s + self._settings.follow_ms / 1000
        if not self._news.is_set() and clock.monotonic() < overdue_s:
            return
        self._news.clear()
        while True:
            building = self._built_from is not None
            page = await self._parts.store.triggers(self._position, PAGE, resting_only=building)
            for state in page:
                book.put(state)
            if page:
                self._position = page[-1].position
            if len(page) == PAGE:
                await clock.sleep(0)
            elif self._built_from is not None:
                log.info("watching", resting=len(book))
                self._position, self._built_from = self._built_from, None
            else:
                break
        self._followed_s = clock.monotonic()

    async def _expire(self, book: Book) -> None:
        # Not while one may have been filled without our knowledge (rule 23).
        while self._bench.gate.may_expire:
            now_ms = self._bench.now_ms()
            over = book.expired(now_ms, EXPIRE_BATCH)
            if not over:
                return
            ended, gone, left = await self._write(
                over, functools.partial(self._expired, now_ms=now_ms)
            )
            for order in (*ended, *gone):
                book.drop(order)
            if ended:
                self.on_expired(len(ended))
            if left:
                # They are told again.
                return

    async def _expired(self, order: Resting, now_ms: int) -> None:
        """Store the end of an order at rest, with what proves that nothing of it can land."""
        change = resting.expired(order.order_id, order.sequence, now_ms)
        if order.sequence > NEVER_FIRED:
            change = proofs.marked(change, await self._parts.store.attempts(order.order_id))
        await self._parts.store.apply(change)

    async def _fired(self, order: Resting, now_ms: int) -> None:
        await self._parts.store.apply(resting.fired(order.order_id, order.sequence, now_ms))

    async def _wait(self) -> None:
        """Until there are news, but no longer than an expiry may be late."""
        await self._parts.clock.sleep(NEWS_GAP_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self._settings.poll_ms / 1000 - NEWS_GAP_S, 0)):
                await self._news.wait()

    # -- prices

    async def _look_once(self) -> None:
        clock, book = self._parts.clock, self._book
        next_s = clock.monotonic() + self._settings.poll_ms / 1000
        if book is not None:
            looks = [self._look(book, pair) for pair in book.pairs]
            results = await asyncio.gather(*looks, return_exceptions=True)
            for result in results:
                if isinstance(result, Unavailable):
                    log.warning("prices_unknown", error=str(result))
                elif isinstance(result, BaseException):
                    raise result
        await clock.sleep(max(next_s - clock.monotonic(), 0.0))

    async def _look(self, book: Book, pair: Pair) -> None:
        """Fire what a pair's pools allow now."""
        clock = self._parts.clock
        snapshot: PoolSnapshot | None = None
        old_s = 0.0
        while True:
            if snapshot is None or clock.monotonic() >= old_s:
                old_s = clock.monotonic() + self._settings.poll_ms / 1000
                snapshot = await self._parts.pools.snapshot(*map(Pubkey.from_string, pair))
            began_s = clock.monotonic()
            decision = book.decide(pair, snapshot)
            seconds = clock.monotonic() - began_s
            now_ms = self._bench.now_ms()
            fired, gone, _ = await self._write(
                decision.fired, functools.partial(self._fired, now_ms=now_ms)
            )
            for order in fired:
                book.fire(order)
            for order in gone:
                # Its new state comes by its position.
                book.drop(order)
            self.on_look(decision.candidates, len(fired), seconds)
            if decision.is_complete:
                return
            await clock.sleep(0)

    async def _write(
        self,
        orders: Sequence[Resting],
        write: Callable[[Resting], Awaitable[None]],
    ) -> tuple[list[Resting], list[Resting], list[Resting]]:
        """Store a change of each: which are stored, which rest no more as they did, and of which it
        is not known and must be tried again."""
        if not orders:
            return [], [], []
        results = await asyncio.gather(*[write(each) for each in orders], return_exceptions=True)
        stored: list[Resting] = []
        gone: list[Resting] = []
        left: list[Resting] = []
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, Fenced):
                gone.append(order)
            elif isinstance(result, Unavailable | WriteOutcomeUnknown | Overloaded):
                left.append(order)
            elif isinstance(result, BaseException):
                raise result
            else:
                stored.append(order)
        if left:
            log.warning("store_waits", orders=len(left))
        return stored, gone, left
