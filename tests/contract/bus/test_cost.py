"""What a flush costs the event loop, the part that a task does later included."""

import time

import pytest

from fairlead.bus.redis import RedisBus
from fairlead.orders.model import EventType
from tests.contract.bus.world import LOOK, Listener, RedisWorld, Story, flush

EVENTS_PER_FLUSH = 64
FLUSHES = 300
# The measured figure is 2 to 3; the machine may be slower.
LIMIT_US_PER_EVENT = 5.0

# As long as that of a routed order with two quotes.
DATA = (
    b'{"selectedDex":"raydium","quotes":[' + b'{"dex":"raydium","amountOut":"1.25"},' * 20 + b"0]}"
)


@pytest.mark.serial
async def test_a_flush_of_64_events_costs_the_loop_5_us_an_event_with_redis(redis_url: str):
    world = RedisWorld(redis_url)
    bus: RedisBus = world.bus()
    listener = Listener(bus)
    await bus.start()
    await listener.hears(LOOK)
    stories = [Story() for _ in range(EVENTS_PER_FLUSH)]
    for story in stories:
        story.goes_on(EventType.ACCEPTED)
        story.goes_on(EventType.CLAIMED)
    flushes = [
        flush(*(story.goes_on(EventType.STILL_PROVING, DATA) for story in stories))
        for _ in range(FLUSHES)
    ]
    best_us = float("inf")
    # The best of a few runs: what others do on the machine only adds.
    for start in range(0, FLUSHES, 60):
        used = time.thread_time()
        for committed in flushes[start : start + 60]:
            bus.publish(committed)
            await bus.sent()
        used = time.thread_time() - used
        best_us = min(best_us, used * 1e6 / (60 * EVENTS_PER_FLUSH))
    await bus.stop()
    assert best_us <= LIMIT_US_PER_EVENT
