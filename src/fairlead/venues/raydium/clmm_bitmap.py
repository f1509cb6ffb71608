"""Which tick arrays a swap walks, in order, from the pool's bitmap and its extension.

An array holds 60 initialisable ticks and starts at a multiple of `60 * tick_spacing`. The pool's
own bitmap covers 512 arrays on either side of tick 0, the extension 14 times 512 more. Here both
are one number whose bit `start / width + 7680` stands for the array. Source: raydium-clmm
`libraries/tick_array_bit_map.rs`, `states/{pool,tickarray_bitmap_extension}.rs` (a5a46ff).
"""

import msgspec

from fairlead.venues.raydium.clmm_accounts import BITMAP_SIZE, ROW_SIZE, ROWS, TICKS_PER_ARRAY

DEFAULT_ARRAYS = BITMAP_SIZE * 8 // 2
"""Arrays that the pool's own bitmap covers on either side of tick 0."""
_LOWEST_DEFAULT = ROWS * ROW_SIZE * 8
_ZERO = _LOWEST_DEFAULT + DEFAULT_ARRAYS
"""The bit of the array that starts at tick 0."""

SPACING_WITHOUT_EXTENSION = 15
"""From this spacing on the pool's own bitmap covers all ticks."""


class ArrayPath(msgspec.Struct, frozen=True, gc=False):
    """The initialised arrays in one direction, by their first ticks."""

    starts: tuple[int, ...]
    # Whether the first of them holds the pool's current tick.
    holds_current_tick: bool
    # Whether there are none after these; False where more were not asked for.
    is_complete: bool
    # Whether that is only known of the pool's own bitmap, its extension not being at hand.
    lacks_extension: bool


def array_start(tick: int, tick_spacing: int) -> int:
    """The first tick of the array that holds this one."""
    width = TICKS_PER_ARRAY * tick_spacing
    return tick // width * width


def is_in_default_bitmap(tick: int, tick_spacing: int) -> bool:
    """Whether the pool's own bitmap knows the array of this tick."""
    number = tick // (TICKS_PER_ARRAY * tick_spacing)
    return -DEFAULT_ARRAYS <= number < DEFAULT_ARRAYS


def array_path(
    tick_current: int,
    tick_spacing: int,
    pool_bitmap: int,
    extension: int | None,
    zero_for_one: bool,
    limit: int,
) -> ArrayPath:
    """At most `limit` arrays in the direction of the swap: the current tick's, then beyond.

    `extension` is None where the account is not at hand; then the pool's own bitmap alone counts,
    and nothing at all where the current tick is outside of it.
    """
    width = TICKS_PER_ARRAY * tick_spacing
    bits = pool_bitmap << _LOWEST_DEFAULT
    if extension is not None:
        bits |= extension
    elif not is_in_default_bitmap(tick_current, tick_spacing):
        bits = 0
    at = tick_current // width + _ZERO
    holds_current = bits >> at & 1 == 1
    starts: list[int] = []
    rest = bits & ((1 << at + 1) - 1) if zero_for_one else bits >> at << at
    while rest and len(starts) < limit:
        bit = rest.bit_length() - 1 if zero_for_one else (rest & -rest).bit_length() - 1
        starts.append((bit - _ZERO) * width)
        rest ^= 1 << bit
    return ArrayPath(tuple(starts), holds_current, not rest, extension is None)
