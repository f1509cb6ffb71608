"""Meteora DLMM's pools in the paper market: as much in every bin, as far as prices go.

A quarter of a percent and bins ten basis points apart; between stable coins a hundredth and one
basis point. Recent moves add to the fee. The market moves a pool as swaps of the treasury's would
that pay no fee: bin by bin, to the bin next to the price.
"""

from collections.abc import Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.account import AccountState
from fairlead.ledger.market_pool import (
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    mint_going_in,
    pool_at,
    put,
    put_vaults,
    sides_worth,
    with_data,
)
from fairlead.ledger.programs import meteora_dlmm
from fairlead.ledger.programs.meteora_dlmm_accounts import PROGRAM_ID
from fairlead.ledger.tokens import Token
from fairlead.venues.meteora import dlmm_accounts as layout
from fairlead.venues.meteora.bins import (
    BINS_PER_ARRAY,
    array_of,
    first_bin_of,
    id_from_price,
    id_range,
    price_from_id,
)
from fairlead.venues.meteora.dlmm_accounts import PairNumbers, decode_numbers, with_active_id
from fairlead.venues.meteora.dlmm_arrays import (
    ARRAY_SIZE,
    BinContent,
    Extension,
    bins_on_path,
    bitmap_with,
    encode_array,
    encode_extension,
    with_prices_shifted,
)
from fairlead.venues.meteora.dlmm_bin_after import drain_bin
from fairlead.venues.meteora.dlmm_fees import StaticParameters
from fairlead.venues.meteora.dlmm_path import indices_on_path
from fairlead.venues.venue import Venue


class Preset(msgspec.Struct, frozen=True):
    """Settings of a pair and how its bins are filled."""

    # Of the preset's account.
    index: int
    bin_step: int
    base_factor: int
    variable_fee_control: int
    # Seconds.
    filter_period: int
    decay_period: int
    max_volatility_accumulator: int
    # Bins with liquidity on either side of the active one.
    reach: int


VOLATILE = Preset(1, 10, 25_000, 40_000, 30, 600, 350_000, 175)
STABLE = Preset(2, 1, 10_000, 2_000_000, 10, 120, 100_000, 350)
"""The market moves a token by some 7 %, and a pool by 2.4 % from its pair's price."""

REDUCTION_FACTOR = 5_000
PROTOCOL_SHARE_BPS = 1_000

_PAIR, _USER_IN = 0, 4
"""Among the accounts of a swap."""


def _preset(base: Token, quote: Token) -> Preset:
    return STABLE if base.is_stable and quote.is_stable else VOLATILE


def dlmm_pool(base: Token, quote: Token) -> MarketPool:
    """The pool of a pair; X is its base."""
    mint_x, mint_y = Pubkey.from_bytes(base.mint), Pubkey.from_bytes(quote.mint)
    preset = layout.preset_parameter_address(_preset(base, quote).index)
    address = layout.pair_address(preset, mint_x, mint_y)
    return pool_at(address, Venue.METEORA_DLMM, base, quote, layout.reserve_address)


def put_dlmm(accounts: Accounts, pool: MarketPool) -> None:
    """Adds the pair and all that belongs to it; the reserves hold just what is in its bins."""
    preset, address = _preset(pool.base, pool.quote), Pubkey.from_bytes(pool.address)
    sides = sides_worth(pool)
    active_id = bin_at(preset.bin_step, sides[1], sides[0])
    bins = bins_of(preset, active_id, sides[1])
    by_array: dict[int, dict[int, BinContent]] = {}
    for bin_id, content in bins.items():
        by_array.setdefault(array_of(bin_id), {})[bin_id] = content
    bitmap, _ = bitmap_with(by_array)
    data = layout.encode_pair(
        base=layout.preset_parameter_address(preset.index),
        mint_x=Pubkey.from_bytes(pool.base.mint),
        mint_y=Pubkey.from_bytes(pool.quote.mint),
        parameters=_parameters(preset),
        active_id=active_id,
        bitmap=bitmap,
    )
    put(accounts, pool.address, data, PROGRAM_ID)
    put(accounts, bytes(layout.oracle_address(address)), layout.encode_oracle(), PROGRAM_ID)
    extension = encode_extension(address, Extension(0, 0))
    put(accounts, bytes(layout.bitmap_extension_address(address)), extension, PROGRAM_ID)
    for index, found in by_array.items():
        array = encode_array(address, index, _with_all_prices(found, index, preset.bin_step))
        put(accounts, bytes(layout.bin_array_address(address, index)), array, PROGRAM_ID)
    held_x, held_y = (sum(atoms) for atoms in zip(*map(_atoms, bins.values()), strict=True))
    put_vaults(accounts, pool, pool.address, (held_x, held_y))


def bin_at(bin_step: int, numerator: int, denominator: int) -> int:
    """The bin whose price of X in Y is next to this one, within half a step."""
    price = (numerator << 64) * (20_000 + bin_step) // (denominator * 20_000)
    return id_from_price(price, bin_step, round_up=False)


def bins_of(preset: Preset, active_id: int, side_atoms: int) -> dict[int, BinContent]:
    """Bins of the same worth: Y below the active one, X above it, half of each in it."""
    each = side_atoms // preset.reach
    found = {}
    for bin_id in range(active_id - preset.reach, active_id + preset.reach + 1):
        price = price_from_id(bin_id, preset.bin_step)
        # The active bin's two halves add up to one bin.
        y = each if bin_id < active_id else each // 2 if bin_id == active_id else 0
        x = ((each - y) << 64) // price
        supply = price * x + (y << 64)
        found[bin_id] = BinContent(price, x, y, liquidity_supply=supply)
    return found


def _atoms(content: BinContent) -> tuple[int, int]:
    return content.amount_x, content.amount_y


def _with_all_prices(
    bins: Mapping[int, BinContent], index: int, bin_step: int
) -> dict[int, BinContent]:
    """The array's bins, those without liquidity too: the program writes their prices at once."""
    first = first_bin_of(index)
    return {
        bin_id: bins.get(bin_id) or BinContent(price_from_id(bin_id, bin_step))
        for bin_id in range(first, first + BINS_PER_ARRAY)
    }


def _parameters(preset: Preset) -> StaticParameters:
    low, high = id_range(preset.bin_step)
    return StaticParameters(
        base_factor=preset.base_factor,
        filter_period=preset.filter_period,
        decay_period=preset.decay_period,
        reduction_factor=REDUCTION_FACTOR,
        variable_fee_control=preset.variable_fee_control,
        max_volatility_accumulator=preset.max_volatility_accumulator,
        min_bin_id=low,
        max_bin_id=high,
        protocol_share=PROTOCOL_SHARE_BPS,
        base_fee_power_factor=0,
        bin_step=preset.bin_step,
    )


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    """The pool at this price of X in Y, or as far towards it as its liquidity goes."""
    state = read(pool.address)
    if state is None:
        return None
    numbers = decode_numbers(state.data)
    bin_step, price = numbers.bin_step, price_from_id(numbers.active_id, numbers.bin_step)
    asked = (numerator << 64) // denominator
    if abs(asked - price) * 20_000 < bin_step * price:
        # Looked at in every slot: the search for a bin takes ten times as long.
        return None
    return moved_to(read, pool.address, bin_at(bin_step, numerator, denominator))


def moved_to(read: Read, pool_key: bytes, bin_id: int) -> PoolMove | None:
    """The pool once this bin is active; the treasury swaps what lies before it, for no fee.

    Where the liquidity ends before it, in the last bin that has some. The oracle and the volatility
    are left alone: they are of the program's own swaps, the next of which sees how far it went.
    """
    state = read(pool_key)
    if state is None or state.owner != PROGRAM_ID:
        return None
    numbers = decode_numbers(state.data)
    swap_for_y = bin_id < numbers.active_id
    arrays = _arrays(read, pool_key, numbers, bin_id, swap_for_y)
    path = [
        b.bin_id
        for index, array in arrays.items()
        for b in bins_on_path(array.data, index, swap_for_y, False)
    ]
    if bin_id == numbers.active_id or not path:
        return None
    end = max(bin_id, path[-1]) if swap_for_y else min(bin_id, path[-1])
    if end == numbers.active_id or (end < numbers.active_id) != swap_for_y:
        return None
    written = {index: bytearray(array.data) for index, array in arrays.items()}
    paid = taken = 0
    for index, array in written.items():
        for drained in _between(index, numbers.active_id, end):
            more = drain_bin(array, drained, swap_for_y=swap_for_y)
            paid, taken = paid + more[0], taken + more[1]
    changed = {pool_key: with_data(state, with_active_id(state.data, end))}
    for index, data in written.items():
        if data != arrays[index].data:
            address = layout.bin_array_address(Pubkey.from_bytes(pool_key), index)
            changed[bytes(address)] = with_data(arrays[index], bytes(data))
    return PoolMove(changed, *((paid, -taken) if swap_for_y else (-taken, paid)))


def _between(index: int, active_id: int, end: int) -> range:
    """The bins of this array from the active one on, the last one of the way left out."""
    low, high = min(active_id, end + 1), max(active_id, end - 1)
    first = first_bin_of(index)
    return range(max(low, first), min(high, first + BINS_PER_ARRAY - 1) + 1)


def _arrays(
    read: Read, pool_key: bytes, numbers: PairNumbers, bin_id: int, swap_for_y: bool
) -> dict[int, AccountState]:
    """Those with liquidity from the active bin to this one, in the order of the way."""
    count = abs(array_of(bin_id) - array_of(numbers.active_id)) + 1
    indices, _ = indices_on_path(numbers, None, count, swap_for_y=swap_for_y)
    found = {}
    for index in indices:
        state = read(bytes(layout.bin_array_address(Pubkey.from_bytes(pool_key), index)))
        if state is None:
            break
        found[index] = state
    return found


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    """Other prices in the bins that the swap names: they may not be left, whatever they say."""
    if len(keys) <= _USER_IN:
        return {}
    state, source = read(keys[_PAIR]), read(keys[_USER_IN])
    if state is None or state.owner != PROGRAM_ID:
        return {}
    mint_x = state.data[88:120]
    factor_bps = 10_000 + (-shift_bps if mint_going_in(source) == mint_x else shift_bps)
    arrays = {key: read(key) for key in keys}
    return {
        key: with_data(array, with_prices_shifted(array.data, factor_bps))
        for key, array in arrays.items()
        if array is not None and array.owner == PROGRAM_ID and len(array.data) == ARRAY_SIZE
    }


KIND = PoolKind(PROGRAM_ID, meteora_dlmm.PROGRAM, dlmm_pool, put_dlmm, _moved, _against)
