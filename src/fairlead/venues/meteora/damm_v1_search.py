"""The least input that pays an output: the program has no exact-out instruction, so it is searched.

What comes out hardly ever falls when more goes in, but the roundings of a vault and of the least
fee can make it an atom less. The search therefore looks at some inputs below the one it found.
"""

from collections.abc import Callable

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora.damm_v1_accounts import PoolNumbers
from fairlead.venues.meteora.damm_v1_curve import StableCurve, spot_price
from fairlead.venues.meteora.damm_v1_swap import Swap, VaultSide
from fairlead.venues.venue import ErrorClass, VenueError

INPUTS_LOOKED_AT_BELOW = 12
START_WIDTH = 1024
"""The search begins with a window of this part of its start."""


def least_input(swap: Callable[[int], Swap], wanted: int, start: int) -> Swap:
    """The swap of the least input that pays `wanted` or more atoms; `VenueError` if none does.

    `start` is about the input; a bad one costs time, no more.
    """

    def is_enough(amount: int) -> bool:
        try:
            return swap(amount).amount_out >= wanted
        except VenueError as error:
            # More than the pool can fill, or too little to count.
            return error.error_class is ErrorClass.LIQUIDITY

    low, high = _window(is_enough, max(1, min(start, U64_MAX)))
    while high - low > 1:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle
    looked_at = high - 1
    while looked_at > max(0, high - INPUTS_LOOKED_AT_BELOW):
        if is_enough(looked_at):
            high = looked_at
        looked_at -= 1
    found = swap(high)
    if found.amount_out < wanted:
        raise VenueError(ErrorClass.LIQUIDITY, "insufficient_liquidity", None, f"{wanted} atoms")
    return found


def guess(
    numbers: PoolNumbers,
    stable: StableCurve | None,
    vaults: tuple[VaultSide, VaultSide],
    a_to_b: bool,
    wanted: int,
    now: int,
) -> int:
    """About the input for this output, each division rounded down; good to begin a search with."""
    total_in, total_out = (
        side.lp_amount * side.unlocked_amount(now) // (side.lp_supply or 1)
        for side in (vaults if a_to_b else vaults[::-1])
    )
    if wanted >= total_out:
        raise VenueError(ErrorClass.LIQUIDITY, "insufficient_liquidity", None, f"{wanted} atoms")
    if stable is None:
        net = total_in * wanted // (total_out - wanted)
    else:
        per, of = spot_price(stable, total_in, total_out, a_to_b)
        net = wanted * of // (per or 1)
    rest = numbers.trade_fee_denominator - numbers.trade_fee_numerator
    return net * numbers.trade_fee_denominator // max(rest, 1) + 1


def _window(is_enough: Callable[[int], bool], start: int) -> tuple[int, int]:
    """An input that is too little, or 0, and one that is enough, around the start."""
    step = start // START_WIDTH + 1
    low = high = start
    if is_enough(start):
        low = start - step
        while low > 0 and is_enough(low):
            high, step = low, step * 4
            low = start - step
        return max(low, 0), high
    while high < U64_MAX:
        low, high, step = high, min(start + step, U64_MAX), step * 4
        if is_enough(high):
            return low, high
    raise VenueError(ErrorClass.LIQUIDITY, "insufficient_liquidity")
