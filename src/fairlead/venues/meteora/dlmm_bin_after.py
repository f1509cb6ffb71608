"""A DLMM bin's bytes after it was filled: amounts, fees and rewards per share, limit orders."""

from struct import Struct as Layout

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora.bins import BINS_PER_ARRAY
from fairlead.venues.meteora.dlmm_curve import BinFill, amount_in_for
from fairlead.venues.meteora.dlmm_errors import MATH_OVERFLOW, refusal
from fairlead.venues.meteora.dlmm_fees import U128_MAX, FeeSplit
from fairlead.venues.meteora.dlmm_swap import Step
from fairlead.venues.record import Record

_BINS_OFFSET, _BIN_SIZE = 56, 144
_AMOUNTS = Layout("<QQ")
_AMOUNTS_AND_PRICE = Layout("<QQQQ")
# Of the liquidity supply, which has 64 fraction bits, only the whole part counts.
_SHARES = Layout("<Q")
_SHARES_OFFSET = 40
# What orders sold, of X and of Y, and what their owners earned: who sells X, who sells Y.
_FULFILLED_OFFSET, _ORDER_FEE_OFFSET = 48, 64
_REWARD_OFFSET = 48
_FEE_OFFSET = 80
# Open; of those in processing all and what remains; how often open ones began to be processed.
_ORDERS = Layout("<QQQI")
_ORDERS_OFFSET = 112
# Liquidity supply, open orders, what remains of those in processing.
_HOLDINGS = Layout("<32xQQ64xQ8xQ8x")
_WORD = Layout("<Q")


class Reward(Record, frozen=True, gc=False):
    """What one bin is due of one of the pair's two rewards."""

    # 0 or 1.
    place: int
    # Atoms with 64 fraction bits.
    amount: int


def fill_bin(
    array: bytearray,
    step: Step,
    split: FeeSplit,
    rewards: tuple[Reward, ...],
    *,
    swap_for_y: bool,
    fee_is_x: bool,
) -> None:
    """Writes what this step did to its bin."""
    at = _BINS_OFFSET + _BIN_SIZE * (step.bin_id % BINS_PER_ARRAY)
    fill = step.fill
    x, y = _AMOUNTS.unpack_from(array, at)
    # Layers are filled in order: the market makers' is used up before any order is touched.
    mm_out = min(y if swap_for_y else x, fill.gross_out)
    if swap_for_y:
        x, y = x + fill.mm_in, y - mm_out
    else:
        x, y = x - mm_out, y + fill.mm_in
    if x > U64_MAX or y > U64_MAX:
        raise refusal(MATH_OVERFLOW, f"bin {step.bin_id}")
    _AMOUNTS.pack_into(array, at, x, y)
    shares = _SHARES.unpack_from(array, at + _SHARES_OFFSET)[0]
    if shares:
        _grow(array, at + _FEE_OFFSET + (0 if fee_is_x else 16), split.market_makers << 64, shares)
        for reward in rewards:
            _grow(array, at + _REWARD_OFFSET + 16 * reward.place, reward.amount, shares)
    if fill.net_in != fill.mm_in:
        _fill_orders(array, at, fill, mm_out, split.limit_orders, swap_for_y)


def drain_bin(array: bytearray, bin_id: int, *, swap_for_y: bool) -> tuple[int, int]:
    """Writes the bin as if the market makers' part had been swapped for no fee: (paid, taken)."""
    at = _BINS_OFFSET + _BIN_SIZE * (bin_id % BINS_PER_ARRAY)
    x, y, low, high = _AMOUNTS_AND_PRICE.unpack_from(array, at)
    taken, price = y if swap_for_y else x, low | high << 64
    if not taken:
        return 0, 0
    paid = amount_in_for(taken, price, swap_for_y)
    _AMOUNTS.pack_into(array, at, *((x + paid, 0) if swap_for_y else (0, y + paid)))
    return paid, taken


def is_empty(array: bytearray) -> bool:
    """Whether none of the array's bins has liquidity or orders left."""
    bins = memoryview(array)[_BINS_OFFSET : _BINS_OFFSET + BINS_PER_ARRAY * _BIN_SIZE]
    return not any(map(any, _HOLDINGS.iter_unpack(bins)))


def _fill_orders(
    array: bytearray, at: int, fill: BinFill, mm_out: int, fee: int, swap_for_y: bool
) -> None:
    """Orders in processing first, then the open ones, which thereby are in processing."""
    amount = fill.gross_out - mm_out
    waiting, total, remaining, age = _ORDERS.unpack_from(array, at + _ORDERS_OFFSET)
    if amount > remaining:
        total, remaining = waiting, waiting - (amount - remaining)
        waiting, age = 0, age + 1
    else:
        remaining -= amount
    _ORDERS.pack_into(array, at + _ORDERS_OFFSET, waiting, total, remaining, age)
    side = 8 if swap_for_y else 0
    _add(array, at + _FULFILLED_OFFSET + side, amount)
    _add(array, at + _ORDER_FEE_OFFSET + side, fee)


def _add(array: bytearray, at: int, atoms: int) -> None:
    total = _WORD.unpack_from(array, at)[0] + atoms
    if total > U64_MAX:
        raise refusal(MATH_OVERFLOW, "a bin's limit orders")
    _WORD.pack_into(array, at, total)


def _grow(array: bytearray, at: int, amount: int, shares: int) -> None:
    """Adds to a growth per share, of 128 bits with 64 of them a fraction, which wraps around."""
    total = int.from_bytes(array[at : at + 16], "little") + amount // shares & U128_MAX
    array[at : at + 16] = total.to_bytes(16, "little")
