"""What a DLMM swap burns: nearly all of it goes by the bins it fills.

Figures of the compiled program of 2026-05 in a Solana VM whose token program is the cheap one, over
pairs of eight kinds and up to 250 bins: an exact input burns 4,700 to 5,650 units per bin, an exact
output 6,070 to 6,900, limit orders that take part 400 to 1,300 more, a bin stepped over 300.
"""

from fairlead.venues.meteora.bins import BINS_PER_ARRAY
from fairlead.venues.meteora.dlmm_swap import Swap

FIRST_UNITS = 34_000
UNITS_PER_BIN_IN = 5_400
UNITS_PER_BIN_OUT = 6_500
UNITS_OF_ORDERS = 900
UNITS_PER_EMPTY_BIN = 300
UNITS_PER_TOKEN_2022_SIDE = 7_000

ONE_BIN_UNITS = FIRST_UNITS + UNITS_PER_BIN_IN
"""The least that a swap burns."""

MARGIN_PERCENT = 10
CLASSIC_TOKEN_UNITS = 12_400
"""Two transfers by the classic token program instead of the cheap one."""

MAX_UNITS = 1_400_000
"""What a transaction may burn."""


def units_burned(swap: Swap, active_id: int, token_2022_sides: int, *, exact_in: bool) -> int:
    """On average, with the cheap token program."""
    bins = len(swap.steps)
    moved = abs(swap.steps[-1].bin_id - active_id) + 1
    empty = max(0, min(moved, swap.arrays * BINS_PER_ARRAY) - bins)
    with_orders = sum([step.fill.mm_in != step.fill.net_in for step in swap.steps])
    return (
        FIRST_UNITS
        + (UNITS_PER_BIN_IN if exact_in else UNITS_PER_BIN_OUT) * bins
        + UNITS_OF_ORDERS * with_orders
        + UNITS_PER_EMPTY_BIN * empty
        + UNITS_PER_TOKEN_2022_SIDE * token_2022_sides
    )


def units_expected(burned: int) -> int:
    """What to ask for, whichever token program the cluster runs."""
    # The margin rounds down.
    return burned + burned * MARGIN_PERCENT // 100 + CLASSIC_TOKEN_UNITS
