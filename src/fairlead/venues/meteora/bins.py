"""Bin ids and prices of a Meteora DLMM pair, in the program's own truncating arithmetic.

A bin has one price, (1 + bin_step/10,000)^id, as Y per X in atoms with 64 fraction bits. Source:
MeteoraAg/dlmm-sdk @ fb02e51, `commons/src/math/` and `commons/src/constants.rs`.

Range: ids MIN_BIN_ID … MAX_BIN_ID as far as the price lies within 1 … 2^128-1 (of 2^-64 … 2^64).
With a bin step of 1 that is the whole range of ids, with larger steps less: `id_range` says.
"""

from functools import lru_cache

BPS = 10_000
U128_MAX = 2**128 - 1
ONE_Q64 = 1 << 64

MIN_BIN_ID, MAX_BIN_ID = -443_636, 443_636
"""The program's constants: with a bin step of 1 basis point the price there is about 2^∓64."""

MAX_EXPONENT = 0x80000
"""The program's power loops over 19 bits and fails from here on."""

BINS_PER_ARRAY = 70
MAX_BIN_STEP = 2**16 - 1
"""What the account's u16 holds; the program makes pairs with at most 400."""

PRICES_KEPT = 8_192


class PriceOutOfRange(ValueError):
    """The program's power has no result for this id and bin step."""


@lru_cache(maxsize=PRICES_KEPT)
def price_from_id(bin_id: int, bin_step_bps: int) -> int:
    """The Q64.64 price of a bin; `PriceOutOfRange` where the program fails.

    The base is above one, so the program works with its inverse, which keeps each product within
    128 bits; every product and both inversions truncate.
    """
    assert 0 <= bin_step_bps <= MAX_BIN_STEP
    if bin_id == 0:
        return ONE_Q64
    exponent = abs(bin_id)
    if exponent >= MAX_EXPONENT:
        raise PriceOutOfRange(bin_id, bin_step_bps)
    square = U128_MAX // (ONE_Q64 + (bin_step_bps << 64) // BPS)
    result = ONE_Q64
    while exponent:
        if exponent & 1:
            result = result * square >> 64
        square = square * square >> 64
        exponent >>= 1
    if not result:
        raise PriceOutOfRange(bin_id, bin_step_bps)
    return U128_MAX // result if bin_id > 0 else result


def id_range(bin_step_bps: int) -> tuple[int, int]:
    """The lowest and the highest id that have a price with this bin step."""
    return _end(bin_step_bps, MIN_BIN_ID), _end(bin_step_bps, MAX_BIN_ID)


def id_from_price(price: int, bin_step_bps: int, *, round_up: bool) -> int:
    """The bin with this Q64.64 price, else the next one above (`round_up`) or below.

    `PriceOutOfRange` where no bin of `id_range` has such a price. Prices never fall with the id.
    """
    low, high = id_range(bin_step_bps)
    at_most, at_least = price_from_id(low, bin_step_bps), price_from_id(high, bin_step_bps)
    if bin_step_bps == 0 or (price > at_least if round_up else price < at_most):
        raise PriceOutOfRange(price, bin_step_bps)
    # The least id whose price is not below, or (rounding down) is above, the one asked for.
    while low < high:
        middle = (low + high) // 2
        reached = price_from_id.__wrapped__(middle, bin_step_bps)
        if reached >= price if round_up else reached > price:
            high = middle
        else:
            low = middle + 1
    if round_up or price_from_id(low, bin_step_bps) <= price:
        return low
    return low - 1


def array_of(bin_id: int) -> int:
    """The index of the bin array that holds this bin; rounds toward minus infinity."""
    return bin_id // BINS_PER_ARRAY


def first_bin_of(array_index: int) -> int:
    """The lowest bin id of this array."""
    return array_index * BINS_PER_ARRAY


def _end(bin_step_bps: int, outermost: int) -> int:
    """Of the ids from 0 to `outermost` the last one that has a price."""
    inside, outside = 0, outermost
    if _has_price(outermost, bin_step_bps):
        return outermost
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if _has_price(middle, bin_step_bps):
            inside = middle
        else:
            outside = middle
    return inside


def _has_price(bin_id: int, bin_step_bps: int) -> bool:
    try:
        price_from_id.__wrapped__(bin_id, bin_step_bps)
    except PriceOutOfRange:
        return False
    return True
