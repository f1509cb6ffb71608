"""The bin arrays a DLMM swap meets in one direction, by the pair's bitmap and its extension."""

from collections.abc import Mapping, Sequence

from solders.pubkey import Pubkey

from fairlead.venues.meteora.bins import array_of
from fairlead.venues.meteora.dlmm_accounts import PairNumbers, bin_array_address
from fairlead.venues.meteora.dlmm_arrays import (
    ArrayBins,
    Bin,
    Extension,
    LeavesBitmap,
    check_array,
    next_array,
)
from fairlead.venues.meteora.dlmm_errors import (
    BITMAP_EXTENSION_IS_NOT_PROVIDED,
    CANNOT_FIND_NON_ZERO_LIQUIDITY,
    PAIR_INSUFFICIENT_LIQUIDITY,
)
from fairlead.venues.meteora.dlmm_fees import MAX_FEE_RATE, fee_for
from fairlead.venues.record import Record
from fairlead.venues.venue import Account

MAX_ARRAYS_ON_PATH = 32
"""A bound on what one loaded pool takes along; a swap cannot compute as many."""


class Path(Record, frozen=True, gc=False):
    """The liquidity in one direction from the active bin on."""

    # By array, in path order, each with its index.
    arrays: tuple[tuple[int, Sequence[Bin]], ...]
    # Why there is no more: the program's error number, None where more exists but was not given.
    end_code: int | None


def indices_on_path(
    numbers: PairNumbers, extension: Extension | None, count: int, *, swap_for_y: bool
) -> tuple[list[int], int | None]:
    """Up to `count` arrays with liquidity, and if there are fewer the program's number for that."""
    indices: list[int] = []
    index = array_of(numbers.active_id)
    parameters = numbers.parameters
    last = array_of(parameters.min_bin_id if swap_for_y else parameters.max_bin_id)
    bitmap = numbers.bin_array_bitmap
    while len(indices) < count:
        try:
            found = next_array(bitmap, extension, index, swap_for_y=swap_for_y)
        except LeavesBitmap:
            return indices, BITMAP_EXTENSION_IS_NOT_PROVIDED
        if found is None:
            return indices, CANNOT_FIND_NON_ZERO_LIQUIDITY
        indices.append(found)
        if found == last:
            return indices, PAIR_INSUFFICIENT_LIQUIDITY
        index = found - 1 if swap_for_y else found + 1
    return indices, None


def path_of(
    lb_pair: Pubkey,
    numbers: PairNumbers,
    extension: Extension | None,
    accounts: Mapping[Pubkey, Account],
    *,
    swap_for_y: bool,
) -> Path:
    """The path as far as its arrays are given."""
    indices, end_code = indices_on_path(
        numbers, extension, MAX_ARRAYS_ON_PATH, swap_for_y=swap_for_y
    )
    arrays: list[tuple[int, ArrayBins]] = []
    for index in indices:
        account = accounts.get(bin_array_address(lb_pair, index))
        if account is None:
            return Path(tuple(arrays), None)
        data = check_array(lb_pair, index, account)
        bins = ArrayBins(data, index, swap_for_y, numbers.supports_limit_order)
        arrays.append((index, bins))
    return Path(tuple(arrays), end_code)


def arrays_reached(path: Path, amount: int, *, exact_in: bool) -> int:
    """How many arrays a swap of this amount may touch, whatever its fee is.

    An exact input goes farthest without a fee, an exact output with the highest fee on it.
    """
    left = amount if exact_in else amount + fee_for(amount, MAX_FEE_RATE)
    for count, (_, bins) in enumerate(path.arrays, 1):
        left -= sum([b.max_amount_in if exact_in else b.amount for b in bins])
        if left <= 0:
            return count
    return len(path.arrays)
