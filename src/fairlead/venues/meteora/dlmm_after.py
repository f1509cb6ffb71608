"""What a DLMM swap leaves behind: the bytes of pair, bin arrays, extension and oracle.

The program's source is not public. Every rule is what the compiled program of 2026-05 was seen to
do in a Solana VM, byte for byte; `docs/venues-dlmm.md` says on how many swaps.
"""

from collections.abc import Mapping
from struct import Struct as Layout

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.meteora.bins import array_of
from fairlead.venues.meteora.dlmm_accounts import (
    ACTIVE_ID_OFFSET,
    BITMAP_OFFSET,
    NOBODY,
    PairNumbers,
)
from fairlead.venues.meteora.dlmm_arrays import BITMAP_REACH, NEGATIVE_OFFSET, POSITIVE_OFFSET
from fairlead.venues.meteora.dlmm_bin_after import Reward, fill_bin, is_empty
from fairlead.venues.meteora.dlmm_errors import MATH_OVERFLOW, refusal
from fairlead.venues.meteora.dlmm_fees import FeeSplit, split_fee, update_references
from fairlead.venues.meteora.dlmm_oracle import after_observation
from fairlead.venues.meteora.dlmm_swap import Step, Swap
from fairlead.venues.record import Record

HOST_FEE_BPS = 2_000
"""Of the protocol's part of each bin's fee, where the instruction names a host's account."""

MAX_REWARDED_BINS = 15
"""The first bins that a swap fills share, evenly, what the rewards accrued since the last one."""

_REWARD_OFFSETS = (264, 264 + 144)
# From a reward's mint on: the end, the rate in two words, the last update.
_REWARD = Layout("<104xQQQQ")
_REWARD_UPDATED_OFFSET = 128
_VOLATILITY = Layout("<IIi")
_VOLATILITY_OFFSET = 40
_UPDATED_OFFSET = 56
_PROTOCOL_FEE_OFFSET = 216
_I32, _I64, _U64 = Layout("<i"), Layout("<q"), Layout("<Q")


class PairAccounts(Record, frozen=True, gc=False):
    """The bytes that a swap changes."""

    pair: bytes
    oracle: bytes
    # By index; before a swap those that it fills, after it those that it filled.
    arrays: Mapping[int, bytes]
    # None where the pair has none or the instruction does not name it.
    extension: bytes | None = None


class Transition(Record, frozen=True, gc=False):
    """What a swap leaves behind: bytes, and what the transfers carry."""

    accounts: PairAccounts
    # Atoms, transfer fees included.
    into_reserve_atoms: int
    out_of_reserve_atoms: int
    # To the host, of the token that the fee is in.
    host_atoms: int


def after_swap(
    before: PairAccounts,
    numbers: PairNumbers,
    swap: Swap,
    swap_for_y: bool,
    now: int,
    *,
    has_host: bool = False,
) -> Transition:
    """The accounts after this swap of them."""
    pair = bytearray(before.pair)
    rewards = _accrue(pair, numbers, len(swap.steps), now)
    splits = [_split(step, numbers) for step in swap.steps]
    arrays, emptied = _fill_arrays(before.arrays, numbers, swap, splits, swap_for_y, rewards)
    protocol = sum([split.protocol for split in splits])
    host = _host_fee(numbers, swap) if has_host else 0
    if not swap.fee_on_input:
        protocol += sum([step.fill.surplus for step in swap.steps])
    _add_protocol_fee(pair, protocol - host, swap.fee_on_input == swap_for_y)
    _move_price(pair, numbers, swap, now)
    extension = _forget(pair, before.extension, emptied)
    oracle = after_observation(before.oracle, numbers.active_id, now)
    after = PairAccounts(bytes(pair), oracle, arrays, extension)
    return Transition(after, swap.into_reserve, swap.out_of_reserve, host)


def _split(step: Step, numbers: PairNumbers) -> FeeSplit:
    fill = step.fill
    return split_fee(fill.fee, numbers.parameters.protocol_share, fill.mm_in, fill.net_in)


def _host_fee(numbers: PairNumbers, swap: Swap) -> int:
    """The host's part, bin by bin of what the protocol would get were all fee market makers'."""
    share, total = numbers.parameters.protocol_share, 0
    for step in swap.steps:
        fill = step.fill
        mm_fee = -(-fill.fee * fill.mm_in // fill.net_in) if fill.net_in else 0
        for part in (mm_fee, fill.fee - mm_fee):
            total += part * share // BPS * HOST_FEE_BPS // BPS
    return total


def _fill_arrays(
    before: Mapping[int, bytes],
    numbers: PairNumbers,
    swap: Swap,
    splits: list[FeeSplit],
    swap_for_y: bool,
    rewards: tuple[Reward, ...],
) -> tuple[dict[int, bytes], list[int]]:
    """The arrays that were filled, and those whose last limit order was taken with it."""
    written: dict[int, bytearray] = {}
    with_orders: set[int] = set()
    fee_is_x = swap.fee_on_input == swap_for_y
    for place, (step, split) in enumerate(zip(swap.steps, splits, strict=True)):
        index = array_of(step.bin_id)
        data = written.get(index)
        if data is None:
            data = written[index] = bytearray(before[index])
        due = rewards if place < MAX_REWARDED_BINS else ()
        fill_bin(data, step, split, due, swap_for_y=swap_for_y, fee_is_x=fee_is_x)
        if step.fill.mm_in != step.fill.net_in:
            with_orders.add(index)
    emptied = [index for index in with_orders if is_empty(written[index])]
    return {index: bytes(data) for index, data in written.items()}, emptied


def _accrue(pair: bytearray, numbers: PairNumbers, bins: int, now: int) -> tuple[Reward, ...]:
    """What is due of each reward to one of the bins that share it; the pair's clocks move on.

    A pair that takes limit orders keeps them where others keep the growth of rewards. One reward
    with a mint is enough for both to be looked at.
    """
    if numbers.supports_limit_order or all(pair[at : at + 32] == NOBODY for at in _REWARD_OFFSETS):
        return ()
    due = []
    for place, at in enumerate(_REWARD_OFFSETS):
        end, low, high, updated = _REWARD.unpack_from(pair, at)
        until = min(now, end)
        if until < updated:
            raise refusal(MATH_OVERFLOW, "a reward's clock is ahead")
        if until > updated:
            amount = (low | high << 64) * (until - updated)
            due.append(Reward(place, amount // min(bins, MAX_REWARDED_BINS)))
            _U64.pack_into(pair, at + _REWARD_UPDATED_OFFSET, until)
    return tuple(due)


def _add_protocol_fee(pair: bytearray, atoms: int, is_x: bool) -> None:
    at = _PROTOCOL_FEE_OFFSET if is_x else _PROTOCOL_FEE_OFFSET + 8
    total = _U64.unpack_from(pair, at)[0] + atoms
    if total > U64_MAX:
        raise refusal(MATH_OVERFLOW, "the protocol's fees")
    _U64.pack_into(pair, at, total)


def _move_price(pair: bytearray, numbers: PairNumbers, swap: Swap, now: int) -> None:
    """Volatility is stored always, its time only where the active bin changed."""
    last = swap.steps[-1]
    reference, index_reference = update_references(
        numbers.parameters, numbers.v_parameters, numbers.active_id, now
    )
    stored = (last.volatility_accumulator, reference, index_reference)
    _VOLATILITY.pack_into(pair, _VOLATILITY_OFFSET, *stored)
    if last.bin_id != numbers.active_id:
        _I64.pack_into(pair, _UPDATED_OFFSET, now)
        _I32.pack_into(pair, ACTIVE_ID_OFFSET, last.bin_id)


def _forget(pair: bytearray, extension: bytes | None, emptied: list[int]) -> bytes | None:
    """Clears the bits of arrays that hold nothing more; the extension's bytes after that."""
    for index in emptied:
        if -BITMAP_REACH <= index < BITMAP_REACH:
            _clear(pair, BITMAP_OFFSET, index + BITMAP_REACH)
        elif extension is not None:
            changed = bytearray(extension)
            if index > 0:
                _clear(changed, POSITIVE_OFFSET, index - BITMAP_REACH)
            else:
                _clear(changed, NEGATIVE_OFFSET, -index - BITMAP_REACH - 1)
            extension = bytes(changed)
    return extension


def _clear(data: bytearray, at: int, bit: int) -> None:
    data[at + bit // 8] &= ~(1 << bit % 8)
