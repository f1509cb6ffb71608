"""The rewards that a CLMM pool pays to its liquidity, brought to the clock as every swap does.

Source: raydium-clmm `states/pool.rs`, `update_reward_infos` (a5a46ff).
"""

from struct import Struct as Layout

from fairlead.amounts import U64_MAX, U128_MAX
from fairlead.venues.raydium.clmm_errors import anchor_refusal, panic
from fairlead.venues.raydium.ticks import Q64
from fairlead.venues.record import Record
from fairlead.venues.token2022 import NOBODY
from fairlead.venues.venue import ErrorClass

REWARDS, REWARD_SIZE = 3, 169
REWARDS_OFFSET = 397
"""Of the first one in the pool's bytes."""
STATE_OPENING, STATE_ENDED = 2, 3

# reward_state, open_time, end_time, last_update_time (seconds); emissions_per_second_x64 (low,
# high), reward_total_emissioned.
_HEAD = Layout("<BQQQQQQ")
_MINT_OFFSET, _GROWTH_OFFSET = 57, 153


class Rewards(Record, frozen=True, gc=False):
    """A pool's three rewards at one time."""

    # All of them, as they stand in the pool's bytes.
    data: bytes
    # Per unit of liquidity since they began, Q64.64; None where there is none.
    growths: tuple[int | None, int | None, int | None]


def rewards_at(pool_data: bytes, liquidity: int, unix_timestamp: int) -> Rewards:
    """The pool's rewards after a swap at this time; refused where one was updated later than it."""
    found = [
        pool_data[at : at + REWARD_SIZE]
        for at in range(REWARDS_OFFSET, REWARDS_OFFSET + REWARDS * REWARD_SIZE, REWARD_SIZE)
    ]
    now = unix_timestamp & 0xFFFF_FFFF
    first, second, third = (
        reward if not _exists(reward) else _updated(reward, liquidity, now) for reward in found
    )
    return Rewards(first + second + third, (_growth(first), _growth(second), _growth(third)))


def _exists(reward: bytes) -> bool:
    return reward[_MINT_OFFSET : _MINT_OFFSET + 32] != NOBODY


def _growth(reward: bytes) -> int | None:
    if not _exists(reward):
        return None
    return int.from_bytes(reward[_GROWTH_OFFSET : _GROWTH_OFFSET + 16], "little")


def _updated(reward: bytes, liquidity: int, now: int) -> bytes:
    state, opens, ends, last, emissions, emissions_high, emitted = _HEAD.unpack_from(reward)
    if now <= opens:
        return reward
    latest = min(now, ends)
    growth = _growth(reward) or 0
    if liquidity:
        if latest < last:
            detail = "a reward's last update is after the clock"
            raise anchor_refusal("RequireGteViolated", ErrorClass.TERMINAL, detail)
        per_second = emissions | emissions_high << 64
        growth += (latest - last) * per_second // liquidity
        emitted += -(-(latest - last) * per_second // Q64)
        if growth > U128_MAX or emitted > U64_MAX:
            raise panic("a reward's counter overflows")
    if opens <= latest < ends:
        state = STATE_OPENING
    elif latest == ends:
        state = STATE_ENDED
    after = bytearray(reward)
    _HEAD.pack_into(after, 0, state, opens, ends, latest, emissions, emissions_high, emitted)
    after[_GROWTH_OFFSET : _GROWTH_OFFSET + 16] = growth.to_bytes(16, "little")
    return bytes(after)
