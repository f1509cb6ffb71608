"""What Redis shows other programs: a channel per order, and the hash of the orders not ended.

The hash is a picture of the store, not a source. Two things keep it right although several
processes write it and any of them may lose Redis for a while:

* An order's end is remembered for a minute, so that another process's late `pending` cannot bring
  it back for good. No message waits longer than that to be sent.
* After an outage `changes_to` compares the hash, read first, with the store, read second. What was
  in the hash before the store was read and is not active there has ended. Each change is made only
  where the hash still says what was read, so that a newer event wins.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping

import msgspec
from redis.asyncio import Redis

from fairlead.bus.frames import status_frame
from fairlead.orders.lifecycle import is_last
from fairlead.orders.model import StoredEvent

ACTIVE_ORDERS_KEY = "orders:active"
# How long an ended order is remembered: far more than a message is under way (EXCHANGE_TIMEOUT_S).
ENDED_KEPT_S = 60
# Changes made by one call of the repair: Redis is busy with each for a few ms at most.
REPAIR_CHUNK = 500

# Arguments: a msgpack list of [order id, status ("" when ended), frame], the wake channel and its
# message ("" for none). A script: a pipeline costs the loop 11 µs an event, mostly for its answers.
PUBLISH_SCRIPT = f"""
local now = tonumber(redis.call('TIME')[1])
for _, event in ipairs(cmsgpack.unpack(ARGV[1])) do
  local order, status = event[1], event[2]
  redis.call('PUBLISH', 'order:status:' .. order, event[3])
  if status == '' then
    redis.call('HDEL', KEYS[1], order)
    redis.call('ZADD', KEYS[2], now, order)
  elseif not redis.call('ZSCORE', KEYS[2], order) then
    redis.call('HSET', KEYS[1], order, status)
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - {ENDED_KEPT_S})
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return 1
"""

# Argument: a msgpack list of [order id, status that was read, status it has], "" for none.
REPAIR_SCRIPT = """
for _, change in ipairs(cmsgpack.unpack(ARGV[1])) do
  local order, read, status = change[1], change[2], change[3]
  if (redis.call('HGET', KEYS[1], order) or '') == read then
    if status == '' then
      redis.call('HDEL', KEYS[1], order)
    elseif not redis.call('ZSCORE', KEYS[2], order) then
      redis.call('HSET', KEYS[1], order, status)
    end
  end
end
return 1
"""

Change = tuple[str, str, str]
ActiveOrders = Callable[[], Awaitable[Mapping[str, str]]]
"""Id and status of every order that has not ended, read from the store: all but failed, cancelled,
expired and finalized ones."""

_encode = msgspec.msgpack.Encoder().encode


def published(events: list[StoredEvent]) -> bytes:
    """The publish script's first argument."""
    return _encode(
        [(e.order_id, "" if is_last(e.type) else e.status.value, status_frame(e)) for e in events]
    )


def changes_to(hash_: Mapping[str, str], active: Mapping[str, str]) -> Iterator[Change]:
    """What turns the hash, read before `active` was, into `active`."""
    for order_id, status in active.items():
        read = hash_.get(order_id, "")
        if read != status:
            yield order_id, read, status
    for order_id, read in hash_.items():
        if order_id not in active:
            yield order_id, read, ""


async def repair(redis: Redis, ended_key: str, active_orders: ActiveOrders) -> int:
    """Make the hash say what the store says, and return how many entries were wrong.

    Events published meanwhile are not undone; those committed before are in `active_orders`.
    """
    hash_: dict[str, str] = {}
    async for order_id, status in redis.hscan_iter(ACTIVE_ORDERS_KEY, count=REPAIR_CHUNK):
        hash_[order_id.decode()] = status.decode()
    changes = list(changes_to(hash_, await active_orders()))
    script = redis.register_script(REPAIR_SCRIPT)
    for start in range(0, len(changes), REPAIR_CHUNK):
        chunk = _encode(changes[start : start + REPAIR_CHUNK])
        await script(keys=[ACTIVE_ORDERS_KEY, ended_key], args=[chunk])
    return len(changes)
