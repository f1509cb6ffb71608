"""What other programs see on Redis: a frame per event on the order's channel, and the hash."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from fairlead.bus import redis as redis_bus
from fairlead.bus.redis import RedisBus
from fairlead.errors import Unavailable
from fairlead.orders.model import EventType as E
from fairlead.ports import Bus, Wake
from tests.contract.bus.world import (
    LOOK,
    PATIENCE_S,
    HurriedClock,
    Listener,
    RedisWorld,
    Story,
    flush,
)
from tests.servers import Server

Start = Callable[[Bus], Awaitable[Listener]]

LIFE = (E.ACCEPTED, E.CLAIMED, E.ROUTED, E.SUBMITTED, E.CONFIRMED, E.FINALIZED)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def world(redis_url: str) -> RedisWorld:
    return RedisWorld(redis_url)


class Reader:
    """Another program, subscribed to the channels of one order and of the wake-ups."""

    def __init__(self, redis: Redis, world: RedisWorld, order_id: str) -> None:
        self._pubsub = redis.pubsub()
        self._channels = (f"order:status:{order_id}", f"{world.prefix}wake")

    async def __aenter__(self) -> "Reader":
        await self._pubsub.subscribe(*self._channels)
        for _ in self._channels:
            assert "subscribe" == (await self._message())["type"]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _message(self) -> dict[str, Any]:
        message: dict[str, Any] | None = await self._pubsub.get_message(timeout=PATIENCE_S)
        assert message is not None
        return message

    async def frames(self, count: int) -> list[dict[str, Any]]:
        return [msgspec.json.decode((await self._message())["data"]) for _ in range(count)]

    async def frames_until_wake(self, position: int | None) -> list[dict[str, Any]]:
        """The frames before the wake-up for this position: by then the hash is written too."""
        frames = []
        while True:
            message = await self._message()
            content = msgspec.json.decode(message["data"])
            if message["channel"] == self._channels[0]:
                frames.append(content)
            elif content["position"] == position:
                return frames


async def test_each_event_is_a_frame_on_its_orders_channel(
    world: RedisWorld, redis: Redis, connected: Start
):
    story = Story()
    bus = world.bus()
    async with Reader(redis, world, story.order_id) as reader:
        await connected(bus)
        events = [story.goes_on(E.ACCEPTED), story.goes_on(E.CLAIMED)]
        data = (
            b'{"selectedDex":"raydium","quotes":[{"amountOut":1.25}],"reason":"\xc3\xa9 \\"x\\""}'
        )
        events.append(story.goes_on(E.ROUTED, data))
        bus.publish(flush(*events))
        frames = await reader.frames_until_wake(events[-1].position)
    common = {"type": "status_update", "orderId": story.order_id}
    assert [
        common
        | {
            "sequence": 1,
            "status": "pending",
            "timestamp": "2025-10-09T08:53:20.008Z",
            "event": "accepted",
        },
        common
        | {
            "sequence": 2,
            "status": "routing",
            "timestamp": "2025-10-09T08:53:20.009Z",
            "event": "claimed",
        },
        common
        | {
            "sequence": 3,
            "status": "building",
            "timestamp": "2025-10-09T08:53:20.010Z",
            "event": "routed",
            "selectedDex": "raydium",
            "quotes": [{"amountOut": 1.25}],
            "reason": 'é "x"',
        },
    ] == frames


async def test_the_hash_holds_orders_until_they_have_ended(
    world: RedisWorld, redis: Redis, connected: Start
):
    bus = world.bus()
    story, failing = Story(), Story()
    await connected(bus)
    async with Reader(redis, world, story.order_id) as reader:
        for type in LIFE:
            event = story.goes_on(type)
            bus.publish(flush(event))
            await reader.frames_until_wake(event.position)
            shown = None if type is E.FINALIZED else event.status.value
            assert shown == await redis.hget("orders:active", story.order_id)
        last = [failing.goes_on(type) for type in (E.ACCEPTED, E.CLAIMED, E.FAILED)][-1]
        bus.publish(flush(last))
        await reader.frames_until_wake(last.position)
    assert {} == await redis.hgetall("orders:active")


async def test_a_late_event_of_another_process_does_not_revive_an_ended_order(
    world: RedisWorld, redis: Redis, connected: Start
):
    here, there = world.bus(), world.bus()
    await connected(here)
    await connected(there)
    story = Story()
    accepted, *_, ended = [story.goes_on(type) for type in LIFE]
    async with Reader(redis, world, story.order_id) as reader:
        there.publish(flush(ended))
        await reader.frames_until_wake(ended.position)
        here.publish(flush(accepted))
        await reader.frames_until_wake(accepted.position)
    assert {} == await redis.hgetall("orders:active")


async def test_a_bus_ignores_its_own_messages(world: RedisWorld, connected: Start):
    here, there = world.bus(), world.bus()
    listener_here, listener_there = await connected(here), await connected(there)
    # The other's first wake-up, sent when it connected.
    await listener_here.hears(LOOK)
    mine = flush(Story().goes_on(E.ACCEPTED))
    here.publish(mine)
    await listener_there.hears(Wake(mine.events[0].position, False))
    theirs = flush(Story().goes_on(E.ACCEPTED))
    there.publish(theirs)
    await listener_here.hears_one(lambda s: s == Wake(theirs.events[0].position, False))
    here.publish(mine)
    assert [mine] == listener_here.signals


@pytest.mark.parametrize("message", ["", "nonsense", "{}", '{"position":1}', "[]"])
async def test_a_foreign_message_is_only_a_reason_to_look(
    message: str, world: RedisWorld, redis: Redis, connected: Start
):
    listener = await connected(world.bus())
    await redis.publish(f"{world.prefix}wake", message)
    await listener.hears(LOOK)


async def test_flushes_that_queued_are_sent_together_and_in_order(
    world: RedisWorld, redis: Redis, connected: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_bus, "MAX_EVENTS_PER_COMMAND", 4)
    bus = world.bus()
    await connected(bus)
    story = Story()
    events = [story.goes_on(E.ACCEPTED), story.goes_on(E.CLAIMED)]
    events += [story.goes_on(E.STILL_PROVING) for _ in range(9)]
    async with Reader(redis, world, story.order_id) as reader:
        for event in events:
            bus.publish(flush(event))
        # What has queued is sent before the bus stops.
        await bus.stop()
        frames = await reader.frames_until_wake(events[-1].position)
        frames += await reader.frames(len(events) - len(frames))
    assert list(range(1, len(events) + 1)) == [frame["sequence"] for frame in frames]


async def test_after_an_outage_the_hash_says_what_the_store_says(
    own_redis: Server, connected: Start
):
    world = RedisWorld(own_redis.url)
    bus = world.bus()
    listener = await connected(bus)
    await asyncio.to_thread(own_redis.kill)
    await until(lambda: ping_fails(bus))
    story = Story()
    bus.publish(flush(story.goes_on(E.ACCEPTED), story.goes_on(E.CLAIMED)))
    world.active = {story.order_id: "routing", "another's": "open"}
    await asyncio.to_thread(own_redis.start)
    await listener.hears(LOOK)
    async with Redis.from_url(own_redis.url, decode_responses=True) as redis:
        await until_hash_is(redis, world.active)
    assert 2 == bus.dropped_events


async def test_at_the_start_the_hash_is_freed_of_orders_long_ended(
    world: RedisWorld, redis: Redis, connected: Start
):
    await redis.hset("orders:active", mapping={"ended": "submitted", "moved": "pending"})
    world.active = {"moved": "open", "missing": "cancelling"}
    await connected(world.bus())
    await until_hash_is(redis, world.active)


async def test_a_repair_does_not_undo_what_happened_meanwhile(
    world: RedisWorld, redis: Redis, connected: Start
):
    """Events published while the store is being read are newer than what it answers."""
    ended, moved, new = Story(), Story(), Story()
    await redis.hset(
        "orders:active", mapping={ended.order_id: "pending", moved.order_id: "pending", "x": "open"}
    )
    reading, answer = asyncio.Event(), asyncio.Event()

    async def active_orders() -> dict[str, str]:
        reading.set()
        await answer.wait()
        return {ended.order_id: "routing", moved.order_id: "open"}

    bus = RedisBus(world.url, world.prefix, HurriedClock(), active_orders)
    await connected(bus)
    await reading.wait()
    async with Reader(redis, world, new.order_id) as reader:
        events = [ended.goes_on(E.ACCEPTED), ended.goes_on(E.CLAIMED), ended.goes_on(E.FAILED)]
        events += [moved.goes_on(E.ACCEPTED), moved.goes_on(E.CLAIMED), new.goes_on(E.ACCEPTED)]
        bus.publish(flush(*events))
        await reader.frames_until_wake(events[-1].position)
    answer.set()
    await until_hash_is(redis, {moved.order_id: "routing", new.order_id: "pending"})


async def test_a_store_that_does_not_answer_only_delays_the_repair(
    world: RedisWorld, redis: Redis, connected: Start
):
    asked = 0

    async def active_orders() -> dict[str, str]:
        nonlocal asked
        asked += 1
        if asked <= 3:
            raise Unavailable("store", "planted")
        return {"one": "open"}

    bus = RedisBus(world.url, world.prefix, HurriedClock(), active_orders)
    await connected(bus)
    await until_hash_is(redis, {"one": "open"})
    await bus.ping()


async def test_a_redis_that_stops_answering_blocks_nobody_and_the_queue_is_bounded(
    own_redis: Server, connected: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_bus, "MAX_QUEUED_EVENTS", 3)
    monkeypatch.setattr(redis_bus, "EXCHANGE_TIMEOUT_S", 0.3)
    world = RedisWorld(own_redis.url)
    bus = world.bus()
    listener = await connected(bus)
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        for _ in range(9):
            committed = flush(Story().goes_on(E.ACCEPTED))
            bus.publish(committed)
            assert committed is listener.signals[-1]
        with pytest.raises(Unavailable):
            await bus.ping()
        await until(lambda: ping_fails(bus))
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert 6 <= bus.dropped_events <= 9
    listener.signals.clear()
    await listener.hears(LOOK)
    await bus.ping()


async def ping_fails(bus: Bus) -> bool:
    try:
        await bus.ping()
    except Unavailable:
        return True
    return False


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks again and again, each time after an answer from the server or a turn of the loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0)


async def until_hash_is(redis: Redis, wanted: dict[str, str]) -> None:
    async def is_wanted() -> bool:
        return wanted == await redis.hgetall("orders:active")

    await until(is_wanted)
