"""What a swap leaves in the accounts of a CLMM pool, byte for byte as the compiled program does.

The walk says how far the price went; here its fees become growths per unit of liquidity, crossed
ticks turn their growths over, running rewards are brought to the clock and the price history gets
its entry. Bytes in, bytes out. Source: raydium-clmm `instructions/swap.rs`,
`states/{pool,tick_array,oracle}.rs` (a5a46ff), the build before the volatility fee: it still keeps
totals of fees and of swapped amounts, and panics where a counter would leave its type.
"""

from struct import Struct as Layout

from fairlead.amounts import U64_MAX, U128_MAX
from fairlead.venues.raydium.clmm_accounts import (
    POOL_HEAD,
    POOL_HEAD_OFFSET,
    STATUS_OFFSET,
    TICK_OFFSET,
    TICK_SIZE,
)
from fairlead.venues.raydium.clmm_bitmap import array_start
from fairlead.venues.raydium.clmm_errors import panic
from fairlead.venues.raydium.clmm_path import Path, Walk
from fairlead.venues.raydium.clmm_rewards import REWARDS_OFFSET, Rewards
from fairlead.venues.raydium.ticks import Q64
from fairlead.venues.record import Record

STATUS_ALL_OFF = 255
"""What the program sets where the vault had no more than the swap takes out."""

OBSERVATIONS, OBSERVATION_SECONDS = 100, 15
"""Entries of the price history, and the least time between two of them."""

# sqrt_price_x64 (low, high), tick_current.
_PRICE = Layout("<QQi")
_PRICE_OFFSET = 253
_GROWTH_OFFSETS = (277, 293)
_PROTOCOL_FEES_OFFSETS = (309, 317)
# By the input's side: what went in, what came out. All u128.
_SWAPPED_OFFSETS = ((325, 341), (357, 373))
_TOTAL_FEES_OFFSETS = (1032, 1048)
_FUND_FEES_OFFSETS = (1064, 1072)
_RECENT_EPOCH_OFFSET = 1088
_LIQUIDITY_OFFSET = 237

_ARRAY_RECENT_EPOCH_OFFSET = 10_125
# Within a tick: fee growths of token 0 and 1, then three of rewards.
_FEE_OUTSIDE_OFFSET, _REWARDS_OUTSIDE_OFFSET = 36, 68

# Within the price history: initialized, recent_epoch, observation_index.
_HISTORY_HEAD = Layout("<?QH")
_HISTORY_HEAD_OFFSET = 8
_OBSERVATION = Layout("<Iq")
_OBSERVATION_OFFSET, _OBSERVATION_SIZE = 51, 44


class Transition(Record, frozen=True, gc=False):
    """The bytes after a swap, the price history aside."""

    pool_data: bytes
    # Of the arrays in which a tick was crossed, by their first ticks.
    tick_arrays: dict[int, bytes]


class Step(Record, frozen=True, gc=False):
    """A step of a walk at one liquidity."""

    liquidity: int
    # What the fee of the step leaves to the liquidity, in atoms.
    liquidity_fee: int
    # The tick crossed at its end; None where it ends between ticks.
    crossed: int | None


def steps_of(path: Path, walk: Walk) -> list[Step]:
    """The steps of a walk on this path, in order."""
    filled = walk.ticks_crossed
    lasting = [
        fee - protocol - fund
        for fee, protocol, fund in zip(
            path.fees[: filled + 1],
            path.protocol_fees[: filled + 1],
            path.fund_fees[: filled + 1],
            strict=True,
        )
    ]
    found = [
        Step(path.liquidities[i], lasting[i + 1] - lasting[i], path.ticks[i]) for i in range(filled)
    ]
    if walk.amount_in != path.amounts_in[filled] or walk.sqrt_price_x64 != path.prices[filled]:
        reached = filled < len(path.ticks) and walk.sqrt_price_x64 == path.prices[filled + 1]
        left = walk.fee - walk.protocol_fee - walk.fund_fee - lasting[filled]
        crossed = path.ticks[filled] if reached else None
        found.append(Step(path.liquidities[filled], left, crossed))
    return found


def after_swap(
    pool_data: bytes,
    tick_arrays: dict[int, bytes],
    path: Path,
    walk: Walk,
    rewards: Rewards,
    *,
    vault_out_atoms: int,
    epoch: int,
) -> Transition:
    """The accounts after this walk; `VenueError` panic where a counter overflows.

    `tick_arrays` are the bytes of at least the arrays walked, by their first ticks; `rewards` are
    the pool's, at the clock. `vault_out_atoms` is what the output's vault held before.
    """
    side = 0 if path.zero_for_one else 1
    growths = [_u128(pool_data, at) for at in _GROWTH_OFFSETS]
    spacing = POOL_HEAD.unpack_from(pool_data, POOL_HEAD_OFFSET)[2]
    arrays: dict[int, bytearray] = {}
    liquidity_fees = 0
    for step in steps_of(path, walk):
        if step.liquidity:
            growths[side] += step.liquidity_fee * Q64 // step.liquidity
            liquidity_fees += step.liquidity_fee
            if growths[side] > U128_MAX:
                raise panic("the fee growth leaves u128")
        if step.crossed is not None:
            start = array_start(step.crossed, spacing)
            if start not in arrays:
                arrays[start] = bytearray(tick_arrays[start])
                _put(arrays[start], _ARRAY_RECENT_EPOCH_OFFSET, 8, epoch)
            at = TICK_OFFSET + TICK_SIZE * ((step.crossed - start) // spacing)
            _cross(arrays[start], at, (growths[0], growths[1]), rewards)
    pool = bytearray(pool_data)
    _put(pool, _GROWTH_OFFSETS[side], 16, growths[side])
    _book(pool, walk, side, liquidity_fees)
    pool[REWARDS_OFFSET : REWARDS_OFFSET + len(rewards.data)] = rewards.data
    _put(pool, _RECENT_EPOCH_OFFSET, 8, epoch)
    if vault_out_atoms <= walk.amount_out:
        pool[STATUS_OFFSET] = STATUS_ALL_OFF
    return Transition(bytes(pool), {start: bytes(data) for start, data in arrays.items()})


def _book(pool: bytearray, walk: Walk, side: int, liquidity_fees: int) -> None:
    """Writes where the walk ended, and adds its amounts to the totals of the input's side."""
    price = walk.sqrt_price_x64
    _PRICE.pack_into(pool, _PRICE_OFFSET, price & U64_MAX, price >> 64, walk.tick)
    _put(pool, _LIQUIDITY_OFFSET, 16, walk.liquidity)
    _add(pool, _PROTOCOL_FEES_OFFSETS[side], 8, walk.protocol_fee)
    _add(pool, _FUND_FEES_OFFSETS[side], 8, walk.fund_fee)
    _add(pool, _TOTAL_FEES_OFFSETS[side], 8, liquidity_fees)
    into, out_of = _SWAPPED_OFFSETS[side]
    _add(pool, into, 16, walk.amount_in)
    _add(pool, out_of, 16, walk.amount_out)


def recent_epoch(pool_data: bytes) -> int:
    """The epoch in which the pool was last changed."""
    return int.from_bytes(pool_data[_RECENT_EPOCH_OFFSET : _RECENT_EPOCH_OFFSET + 8], "little")


def observed(data: bytes, unix_timestamp: int, tick: int) -> bytes:
    """The price history after a swap to another tick, with this one as what stood until now.

    Unchanged where the last entry is too young. The time is kept in 32 bits, as the program cuts
    it.
    """
    now = unix_timestamp & 0xFFFF_FFFF
    is_initialized, epoch, index = _HISTORY_HEAD.unpack_from(data, _HISTORY_HEAD_OFFSET)
    at = _OBSERVATION_OFFSET + _OBSERVATION_SIZE * index
    cumulative = 0
    if is_initialized:
        last, cumulative = _OBSERVATION.unpack_from(data, at)
        seconds = max(0, now - last)
        if seconds < OBSERVATION_SECONDS:
            return data
        cumulative = _wrapped(cumulative + tick * seconds)
        index = (index + 1) % OBSERVATIONS
        at = _OBSERVATION_OFFSET + _OBSERVATION_SIZE * index
    after = bytearray(data)
    _HISTORY_HEAD.pack_into(after, _HISTORY_HEAD_OFFSET, True, epoch, index)
    _OBSERVATION.pack_into(after, at, now, cumulative)
    return bytes(after)


def _cross(array: bytearray, at: int, fee_growths: tuple[int, int], rewards: Rewards) -> None:
    """Turns the growths on the far side of the tick at this offset into those on the other."""
    for number, growth in enumerate(fee_growths):
        _turn(array, at + _FEE_OUTSIDE_OFFSET + 16 * number, growth)
    for number, reward in enumerate(rewards.growths):
        if reward is not None:
            _turn(array, at + _REWARDS_OUTSIDE_OFFSET + 16 * number, reward)


def _turn(array: bytearray, at: int, growth: int) -> None:
    outside = growth - _u128(array, at)
    if outside < 0:
        raise panic("a tick's growth is more than the pool's")
    _put(array, at, 16, outside)


def _add(pool: bytearray, at: int, size: int, atoms: int) -> None:
    total = int.from_bytes(pool[at : at + size], "little") + atoms
    if total >= 1 << 8 * size:
        raise panic("a counter of the pool overflows")
    _put(pool, at, size, total)


def _put(data: bytearray, at: int, size: int, value: int) -> None:
    data[at : at + size] = value.to_bytes(size, "little")


def _u128(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 16], "little")


def _wrapped(value: int) -> int:
    """As i64 arithmetic wraps."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
