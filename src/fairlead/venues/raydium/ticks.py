"""Tick to square-root price and back, as Raydium CLMM computes them: Q64.64 in u128.

A tick t stands for the price 1.0001^t. Holds for -443636 <= tick <= 443636, that is for
4295048016 <= square-root price <= 79226673521066979257578248091; outside of it both functions
raise ValueError, and `tick_at_sqrt_price` at the upper end, too, as the program does.
Source: raydium-clmm `libraries/tick_math.rs` (a5a46ff, and the same values at 03b44b7).
"""

from functools import lru_cache

MIN_TICK = -443_636
MAX_TICK = 443_636
MIN_SQRT_PRICE_X64 = 4_295_048_016
"""The square-root price at `MIN_TICK`."""
MAX_SQRT_PRICE_X64 = 79_226_673_521_066_979_257_578_248_091
"""The square-root price at `MAX_TICK`; no pool's price ever reaches it."""

Q64 = 1 << 64
_U128_MAX = (1 << 128) - 1

# 2^64 / 1.0001^(2^(i-1)) for bit i of the tick, as the program rounds them.
_FACTORS = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x09AA508B5B85A500,
    0x005D6AF8DEDC582C,
    0x00002216E584F5FA,
)

# 2^32 / log2(sqrt(1.0001)), and the two error margins around the tick, in Q64.64.
_TICKS_PER_LOG2_X32 = 59_543_866_431_248
_MARGIN_LOW_X64 = 184_467_440_737_095_516
_MARGIN_HIGH_X64 = 15_793_534_762_490_258_745
_LOG2_FRACTION_BITS = 16

TICKS_KEPT = 32_768
"""Square-root prices remembered; pools meet the same initialised ticks again and again."""


@lru_cache(maxsize=TICKS_KEPT)
def sqrt_price_at_tick(tick: int) -> int:
    """The square-root price at this tick, each factor rounded down."""
    if not MIN_TICK <= tick <= MAX_TICK:
        raise ValueError(f"tick {tick} is out of range")
    rest = abs(tick)
    ratio = Q64
    for factor in _FACTORS:
        if rest & 1:
            # The first factor meets 2^64 and so stands as it is.
            ratio = ratio * factor >> 64
        rest >>= 1
    return _U128_MAX // ratio if tick > 0 else ratio


def tick_at_sqrt_price(sqrt_price_x64: int) -> int:
    """The greatest tick whose square-root price is not above this one."""
    if not MIN_SQRT_PRICE_X64 <= sqrt_price_x64 < MAX_SQRT_PRICE_X64:
        raise ValueError(f"square-root price {sqrt_price_x64} is out of range")
    # The program's base-2 logarithm: the integer part, then bits by repeated squaring.
    top_bit = sqrt_price_x64.bit_length() - 1
    log2_x32 = (top_bit - 64) << 32
    mantissa = sqrt_price_x64 >> top_bit - 63 if top_bit >= 64 else sqrt_price_x64 << 63 - top_bit
    for bit in range(31, 31 - _LOG2_FRACTION_BITS, -1):
        mantissa *= mantissa
        is_two_or_more = mantissa >> 127
        mantissa >>= 63 + is_two_or_more
        log2_x32 += is_two_or_more << bit
    log_x64 = log2_x32 * _TICKS_PER_LOG2_X32
    low = log_x64 - _MARGIN_LOW_X64 >> 64
    high = log_x64 + _MARGIN_HIGH_X64 >> 64
    if low == high:
        return low
    return high if sqrt_price_at_tick(high) <= sqrt_price_x64 else low
