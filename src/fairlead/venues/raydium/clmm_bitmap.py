"""Which tick arrays and ticks a swap walks, in order, from the bitmap and its extension.

An array holds 60 initialisable ticks and starts at a multiple of `60 * tick_spacing`. The pool's
own bitmap covers 512 arrays on either side of tick 0, the extension 14 times 512 more. Here both
are one number whose bit `start / width + 7680` stands for the array. Source: raydium-clmm
`libraries/tick_array_bit_map.rs`, `states/{pool,tickarray_bitmap_extension}.rs` (a5a46ff).
"""

from collections.abc import Iterator, Sequence

from fairlead.venues.raydium.clmm_accounts import (
    BITMAP_SIZE,
    ROW_SIZE,
    ROWS,
    TICKS_PER_ARRAY,
    PoolNumbers,
    Tick,
    TickArray,
)
from fairlead.venues.raydium.clmm_errors import accounts_end, panic, refusal
from fairlead.venues.record import Record
from fairlead.venues.venue import VenueError

DEFAULT_ARRAYS = BITMAP_SIZE * 8 // 2
"""Arrays that the pool's own bitmap covers on either side of tick 0."""
_LOWEST_DEFAULT = ROWS * ROW_SIZE * 8
_ZERO = _LOWEST_DEFAULT + DEFAULT_ARRAYS
"""The bit of the array that starts at tick 0."""

SPACING_WITHOUT_EXTENSION = 15
"""From this spacing on the pool's own bitmap covers all ticks."""


ARRAYS_PER_SWAP = 4
"""Tick arrays that a swap names unless told: 32 bytes of its transaction each."""
MAX_ARRAYS = 8
"""Tick arrays loaded in either direction."""


class ArrayPath(Record, frozen=True, gc=False):
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


def ticks_ahead(
    numbers: PoolNumbers, arrays: Sequence[TickArray], order: ArrayPath, zero_for_one: bool
) -> Iterator[tuple[Tick, int] | VenueError]:
    """Initialised ticks in the direction with the number of their array; at last, why no more."""
    tick_current = numbers.tick_current
    for number in range(len(order.starts)):
        if number == len(arrays):
            yield accounts_end("NotEnoughTickArrayAccount", "the tick arrays given end")
        ticks = arrays[number].ticks
        if number == 0 and order.holds_current_tick:
            # Downwards the current tick itself counts, upwards it is behind.
            if zero_for_one:
                ticks = tuple(tick for tick in ticks if tick.index <= tick_current)
            else:
                ticks = tuple(tick for tick in ticks if tick.index > tick_current)
        elif not ticks:
            yield refusal("InvalidTickArray", "an array of the bitmap has no initialised tick")
        for tick in reversed(ticks) if zero_for_one else ticks:
            yield tick, number
    if not order.is_complete:
        yield accounts_end("NotEnoughTickArrayAccount", "the tick arrays given end")
    if order.lacks_extension:
        if not is_in_default_bitmap(tick_current, numbers.tick_spacing):
            yield panic("the bitmap extension is missing")
        yield accounts_end("MissingTickArrayBitmapExtensionAccount")
    if not order.starts:
        yield refusal("InsufficientLiquidityForDirection")
    yield refusal("LiquidityInsufficient")
