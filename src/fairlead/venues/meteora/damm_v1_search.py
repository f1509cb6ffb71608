"""The least input that pays an output: the program has no exact-out instruction, so it is searched.

What comes out hardly ever falls when more goes in, but the roundings of a vault and of the least
fee can make it an atom less. The search therefore looks at some inputs below the one it found.
"""

from collections.abc import Callable

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora.damm_v1_swap import Swap
from fairlead.venues.venue import ErrorClass, VenueError

INPUTS_LOOKED_AT_BELOW = 12
GUESS_WIDTH = 1024
"""The search begins with a window of this part of the guess."""


def least_input(swap: Callable[[int], Swap], wanted: int, guess: int) -> Swap:
    """The swap of the least input that pays `wanted` or more atoms; `VenueError` if none does.

    `guess` is about the input; a bad one costs time, no more.
    """

    def is_enough(amount: int) -> bool:
        try:
            return swap(amount).amount_out >= wanted
        except VenueError as error:
            # More than the pool can fill, or too little to count.
            return error.error_class is ErrorClass.LIQUIDITY

    guess = max(1, min(guess, U64_MAX))
    low, high = _window(is_enough, guess)
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


def _window(is_enough: Callable[[int], bool], guess: int) -> tuple[int, int]:
    """An input that is too little, or 0, and one that is enough, around the guess."""
    step = guess // GUESS_WIDTH + 1
    low = high = guess
    if is_enough(guess):
        low = guess - step
        while low > 0 and is_enough(low):
            high, step = low, step * 4
            low = guess - step
        return max(low, 0), high
    while high < U64_MAX:
        low, high, step = high, min(guess + step, U64_MAX), step * 4
        if is_enough(high):
            return low, high
    raise VenueError(ErrorClass.LIQUIDITY, "insufficient_liquidity")
