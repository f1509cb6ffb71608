"""What a flush of 64 events costs the event loop when Redis is told of it, the later part
included."""

import json
import time

import uvloop

from fairlead.bus.redis import RedisBus
from fairlead.orders.model import EventType
from tests import servers
from tests.contract.bus.world import LOOK, Listener, RedisWorld, Story, flush

EVENTS_PER_FLUSH = 64
FLUSHES = 300
RUN = 60
# As long as that of a routed order with two quotes.
DATA = (
    b'{"selectedDex":"raydium","quotes":[' + b'{"dex":"raydium","amountOut":"1.25"},' * 20 + b"0]}"
)


async def measure(url: str) -> list[float]:
    """µs of loop time per event, one figure a run."""
    bus: RedisBus = RedisWorld(url).bus()
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
    figures = []
    for start in range(0, FLUSHES, RUN):
        used = time.thread_time()
        for committed in flushes[start : start + RUN]:
            bus.publish(committed)
            await bus.sent()
        figures.append((time.thread_time() - used) * 1e6 / (RUN * EVENTS_PER_FLUSH))
    await bus.stop()
    return figures


def main() -> None:
    with servers.start_redis(own=True) as redis:
        figures = uvloop.run(measure(redis.url))
    print(
        json.dumps(
            {
                "what": "a flush with Redis, loop time per event",
                "events_per_flush": EVENTS_PER_FLUSH,
                "us_per_event_best": round(min(figures), 2),
                "us_per_event_worst": round(max(figures), 2),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
