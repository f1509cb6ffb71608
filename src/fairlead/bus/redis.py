"""Wake-ups between hosts by Redis pub/sub, and the events as other programs may follow them there.

`publish` tells this process at once and leaves the rest to a task, which sends all that has queued
meanwhile in one command. While Redis is away nothing queues: events for it are dropped and counted,
listeners in other processes find the work by looking at the store, and afterwards everybody is told
to look again and the hash of active orders is repaired.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from fairlead.bus.active_orders import (
    ACTIVE_ORDERS_KEY,
    PUBLISH_SCRIPT,
    ActiveOrders,
    published,
    repair,
)
from fairlead.bus.connection import (
    EXCHANGE_TIMEOUT_S,
    LAST_WAIT_S,
    SILENCE_S,
    Connection,
    end,
    wait_before_attempt,
)
from fairlead.bus.local import LocalBus
from fairlead.errors import Unavailable
from fairlead.orders.model import StoredEvent
from fairlead.ports import Clock, Committed, Signal, Wake

# Events that may wait for Redis; a flush that does not fit is dropped and the hash repaired later.
# At 1 KB an event this is 20 MB.
MAX_QUEUED_EVENTS = 20_000
# Events in one command: Redis serves nobody else meanwhile, a few µs for each.
MAX_EVENTS_PER_COMMAND = 512
# How long a stopping bus waits for what has queued to be sent.
DRAIN_TIMEOUT_S = 1.0

_log = structlog.get_logger("fairlead.bus")


class WakeMessage(msgspec.Struct, frozen=True, gc=False, rename={"sender": "from"}):
    """One message on the wake channel."""

    position: int | None
    work: bool
    # The bus that sent it, which ignores it.
    sender: str


_wake_encoder = msgspec.json.Encoder()
_wake_decoder = msgspec.json.Decoder(WakeMessage)


class RedisBus:
    """`prefix` keeps the wake-ups of several engines on one Redis apart."""

    def __init__(self, url: str, prefix: str, clock: Clock, active_orders: ActiveOrders) -> None:
        # Events that Redis was not told of, since the start.
        self.dropped_events = 0
        self._url = url
        self._wake_channel = f"{prefix}wake"
        self._keys = [ACTIVE_ORDERS_KEY, f"{prefix}ended"]
        self._clock = clock
        self._active_orders = active_orders
        self._id = clock.random_bytes(8).hex()
        self._local = LocalBus()
        self._redis: Redis | None = None
        self._queue: deque[StoredEvent] = deque()
        self._wake: Wake | None = None
        self._something_queued = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._hash_is_wrong = asyncio.Event()
        self._connection = Connection("redis", clock, self._session)

    async def start(self) -> None:
        self._connection.start()

    async def stop(self) -> None:
        """Sends what has queued if Redis takes it within a second."""
        if self._redis is not None:
            try:
                async with asyncio.timeout(DRAIN_TIMEOUT_S):
                    await self.sent()
            except TimeoutError:
                _log.warning("bus_stopped_with_unsent_events", events=len(self._queue))
        await self._connection.stop()

    def subscribe(self, listener: Callable[[Signal], None]) -> Callable[[], None]:
        return self._local.subscribe(listener)

    def publish(self, committed: Committed) -> None:
        self._local.deliver(committed)
        count = len(committed.events)
        if self._redis is None:
            self._drop(count)
            return
        if len(self._queue) + count > MAX_QUEUED_EVENTS:
            self._drop(count)
        else:
            self._queue.extend(committed.events)
        position = committed.events[-1].position if count else None
        self._queue_wake(Wake(position, committed.work))

    async def sent(self) -> None:
        """Returns once Redis was told of everything published so far, or it was dropped."""
        await self._all_sent.wait()

    async def ping(self) -> None:
        """Ask Redis; `Unavailable` while the bus has no connection, or when it is silent."""
        self._connection.check()
        try:
            if self._redis is None:
                raise ConnectionError("the connection was lost")
            async with asyncio.timeout(EXCHANGE_TIMEOUT_S):
                await self._redis.ping()
        except (OSError, TimeoutError, RedisError) as error:
            raise Unavailable("bus", f"redis: {error!r}") from error

    def _drop(self, count: int) -> None:
        self.dropped_events += count
        self._hash_is_wrong.set()

    def _queue_wake(self, wake: Wake) -> None:
        """Wake-ups that wait become one: the last position, and work if any had work."""
        waiting = self._wake
        if waiting is not None:
            position = waiting.position if wake.position is None else wake.position
            wake = Wake(position, waiting.work or wake.work)
        self._wake = wake
        self._all_sent.clear()
        self._something_queued.set()

    async def _session(self, serving: Callable[[], None]) -> None:
        # One attempt only: what to do after a failure is decided in bus/connection.
        redis = Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=EXCHANGE_TIMEOUT_S,
            socket_timeout=EXCHANGE_TIMEOUT_S,
            socket_keepalive=True,
        )
        pubsub = redis.pubsub()
        dropped_before = self.dropped_events
        tasks: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.timeout(EXCHANGE_TIMEOUT_S):
                await pubsub.subscribe(self._wake_channel)
                await pubsub.get_message(timeout=EXCHANGE_TIMEOUT_S)
            self._redis = redis
            serving()
            self._hash_is_wrong.set()
            # What others committed before the subscription told nobody here; what this process
            # committed before the connection told nobody there.
            self._local.deliver(Wake())
            self._queue_wake(Wake())
            tasks = {
                asyncio.create_task(self._receive(pubsub)),
                asyncio.create_task(self._send(redis)),
                asyncio.create_task(self._keep_hash_right(redis)),
            }
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._redis = None
            # Not a TaskGroup: it cancels only once.
            await end(tasks, again_after_s=0.1)
            self._drop(len(self._queue))
            self._queue.clear()
            self._wake = None
            self._all_sent.set()
            if self.dropped_events > dropped_before:
                _log.warning("bus_events_dropped", server="redis", total=self.dropped_events)
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            await redis.aclose()

    async def _send(self, redis: Redis) -> None:
        """Sends what has queued, all of it in one command, as soon as the last one is answered."""
        script = redis.register_script(PUBLISH_SCRIPT)
        while True:
            await self._something_queued.wait()
            self._something_queued.clear()
            while self._queue or self._wake is not None:
                size = min(len(self._queue), MAX_EVENTS_PER_COMMAND)
                events = [self._queue.popleft() for _ in range(size)]
                # With the first command of several, since others wait for it.
                wake, self._wake = self._wake, None
                message = b"" if wake is None else self._message(wake)
                arguments: list[bytes | str] = [
                    published(events),
                    self._wake_channel,
                    message,
                ]
                try:
                    async with asyncio.timeout(EXCHANGE_TIMEOUT_S):
                        await script(keys=self._keys, args=arguments)
                except BaseException:
                    self._drop(size)
                    raise
            self._all_sent.set()

    def _message(self, wake: Wake) -> bytes:
        return _wake_encoder.encode(WakeMessage(wake.position, wake.work, self._id))

    async def _receive(self, pubsub: PubSub) -> None:
        """Turns other buses' messages into `Wake`, until the connection breaks or stays silent."""
        asked = False
        while True:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=SILENCE_S)
            if message is not None:
                asked = False
                self._on_message(message)
            elif asked:
                raise ConnectionError("no answer on the wake channel")
            else:
                await pubsub.ping()
                asked = True

    def _on_message(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        try:
            wake = _wake_decoder.decode(message["data"])
        except msgspec.DecodeError:
            # Somebody else's message, or a newer version's: it still says "look".
            self._local.deliver(Wake())
            return
        if wake.sender != self._id:
            self._local.deliver(Wake(wake.position, wake.work))

    async def _keep_hash_right(self, redis: Redis) -> None:
        """Repairs the hash after events were dropped, trying until the store answers as well."""
        failures = 0
        while True:
            await self._hash_is_wrong.wait()
            self._hash_is_wrong.clear()
            try:
                changed = await repair(redis, self._keys[1], self._active_orders)
            # The hash is worth less than the connection: nothing that goes wrong here may end it.
            except Exception as error:
                self._hash_is_wrong.set()
                failures += 1
                _log.warning("bus_active_orders_not_repaired", problem=str(error))
                wait = wait_before_attempt(failures, self._clock.random_bytes(1)[0])
            else:
                failures = 0
                wait = LAST_WAIT_S
                if changed:
                    _log.info("bus_active_orders_repaired", orders=changed)
            # Also after a success: while too much comes for Redis, every flush asks for a repair.
            await self._clock.sleep(wait)
