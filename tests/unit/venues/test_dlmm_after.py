"""What a DLMM swap leaves beside amounts: fees and rewards per share, limit orders, the oracle.

That it is what the program leaves is held in `tests/vectors/test_chains.py`.
"""

from struct import pack, unpack_from
from typing import Any

import msgspec
import pytest

from fairlead.venues.meteora import dlmm_accounts
from fairlead.venues.meteora.bins import price_from_id
from fairlead.venues.meteora.dlmm_accounts import decode_numbers, encode_oracle, encode_pair
from fairlead.venues.meteora.dlmm_after import PairAccounts, Transition, after_swap
from fairlead.venues.meteora.dlmm_arrays import (
    BinContent,
    Extension,
    bins_on_path,
    bitmap_with,
    encode_array,
    encode_extension,
)
from fairlead.venues.meteora.dlmm_fees import StaticParameters
from fairlead.venues.meteora.dlmm_oracle import after_observation, is_whole
from fairlead.venues.meteora.dlmm_path import Path
from fairlead.venues.meteora.dlmm_swap import Swap, swap_in
from fairlead.venues.venue import VenueError
from tests.vectors.pools import key

NOW, STEP = 1_800_000_000, 10
PAIR = key("pair")
PARAMETERS = StaticParameters(
    base_factor=10_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    min_bin_id=-69_000,
    max_bin_id=69_000,
    protocol_share=1_000,
    base_fee_power_factor=0,
    bin_step=STEP,
)
REWARD, FEE_X = 48, 80


def with_reward(data: bytes, rate: int, updated: int, ends: int) -> bytes:
    info = bytes(key("reward")) + bytes(64) + pack("<QQ", 1_000, ends)
    info += rate.to_bytes(16, "little") + pack("<QQ", updated, 0)
    return data[:264] + info + data[408:]


def state(
    bins: dict[int, BinContent], index: int = 0, *, orders: bool = False, pair: bytes | None = None
) -> PairAccounts:
    """A pair whose bins are all in one array."""
    bitmap, extension = bitmap_with({index: None})
    kind = dlmm_accounts.LIMIT_ORDER if orders else dlmm_accounts.LIQUIDITY_MINING
    made = encode_pair(
        base=key("base"),
        mint_x=key("x"),
        mint_y=key("y"),
        parameters=PARAMETERS,
        active_id=max(bins),
        bitmap=bitmap,
        function_type=kind,
    )
    array = encode_array(PAIR, index, bins)
    return PairAccounts(
        pair or made, encode_oracle(2), {index: array}, encode_extension(PAIR, extension)
    )


def sold(before: PairAccounts, amount: int, *, host: bool = False) -> tuple[Swap, Transition]:
    """A swap of X for Y and what it leaves."""
    numbers = decode_numbers(before.pair)
    ((index, array),) = before.arrays.items()
    path = Path(((index, bins_on_path(array, index, True, numbers.supports_limit_order)),), None)
    swap = swap_in(numbers, path, (None, None), True, amount, NOW)
    return swap, after_swap(before, numbers, swap, True, NOW, has_host=host)


def of_y(bin_id: int, atoms: int = 10**9, **orders: Any) -> BinContent:
    return BinContent(price_from_id(bin_id, STEP), amount_y=atoms, **orders)


def growth(array: bytes, bin_id: int, at: int) -> int:
    start = 56 + 144 * (bin_id % 70) + at
    return int.from_bytes(array[start : start + 16], "little")


def owed(pair: bytes) -> tuple[int, int]:
    x, y = unpack_from("<QQ", pair, 216)
    return x, y


def test_fee_goes_to_shares_and_protocol_and_none_is_lost():
    before = state({bin_id: of_y(bin_id) for bin_id in range(20, 30)})
    swap, left = sold(before, 4 * 10**9)
    shares = 10**9
    paid = sum(growth(left.accounts.arrays[0], i, FEE_X) * shares >> 64 for i in range(20, 30))
    protocol, none = owed(left.accounts.pair)
    assert 0 == none
    assert swap.fee - 2 * len(swap.steps) <= paid + protocol <= swap.fee


def test_bins_not_filled_keep_their_bytes():
    before = state({bin_id: of_y(bin_id) for bin_id in range(20, 30)})
    swap, left = sold(before, 3 * 10**9)
    filled = {step.bin_id for step in swap.steps}
    assert {29, 28, 27} <= filled
    for bin_id in set(range(70)) - filled:
        row = slice(56 + 144 * bin_id, 56 + 144 * (bin_id + 1))
        assert before.arrays[0][row] == left.accounts.arrays[0][row]


def test_a_host_is_paid_out_of_the_protocols_part():
    before = state({bin_id: of_y(bin_id) for bin_id in range(20, 30)})
    _, alone = sold(before, 3 * 10**9)
    _, shared = sold(before, 3 * 10**9, host=True)
    assert 0 == alone.host_atoms
    assert owed(alone.accounts.pair)[0] == owed(shared.accounts.pair)[0] + shared.host_atoms
    assert 0 <= owed(alone.accounts.pair)[0] - 5 * shared.host_atoms < 20


@pytest.mark.parametrize(("amount", "bins"), [(10**6, 1), (3 * 10**9, 4), (20 * 10**9, 15)])
def test_rewards_since_the_last_swap_are_shared_by_the_first_fifteen_bins(amount, bins):
    before = state({bin_id: of_y(bin_id) for bin_id in range(20, 60)})
    rate = 7 << 64
    before = msgspec.structs.replace(
        before, pair=with_reward(before.pair, rate, NOW - 100, NOW + 1_000)
    )
    swap, left = sold(before, amount)
    grown = [growth(left.accounts.arrays[0], i, REWARD) for i in range(70)]
    rewarded = [step.bin_id for step in swap.steps][:15]
    assert bins == len(rewarded)
    assert {rate * 100 // bins // 10**9} == {grown[i] for i in rewarded}
    assert 0 == sum(grown) - sum(grown[i] for i in rewarded)
    assert (NOW,) == unpack_from("<Q", left.accounts.pair, 264 + 128)


def test_rewards_end_and_may_not_be_ahead():
    before = state({20: of_y(20)})
    for ends, updated, seconds in ((NOW - 40, NOW - 100, 60), (NOW - 40, NOW - 40, 0)):
        pair = with_reward(before.pair, 1 << 64, updated, ends)
        _, left = sold(msgspec.structs.replace(before, pair=pair), 10**6)
        assert (seconds << 64) // 10**9 == growth(left.accounts.arrays[0], 20, REWARD)
    ahead = with_reward(before.pair, 1 << 64, NOW - 10, NOW - 40)
    with pytest.raises(VenueError, match="MathOverflow"):
        sold(msgspec.structs.replace(before, pair=ahead), 10**6)


def orders_of(array: bytes, bin_id: int) -> tuple[int, ...]:
    """Open, all in processing, of them remaining, age; sold so far."""
    at = 56 + 144 * bin_id
    sold_y = unpack_from("<Q", array, at + 56)[0]
    return (*unpack_from("<QQQI", array, at + 112), sold_y)


def test_orders_in_processing_are_filled_first_and_then_the_open_ones_are_in_processing():
    content = of_y(
        20,
        0,
        open_order_amount=500_000,
        total_processing_order_amount=400_000,
        processed_order_remaining_amount=100_000,
    )
    before = state({20: content, 19: of_y(19)}, orders=True)
    swap, left = sold(before, 40_000)
    out = swap.steps[0].fill.gross_out
    expected = (500_000, 400_000, 100_000 - out, 1, out)
    assert expected == orders_of(left.accounts.arrays[0], 20)
    swap, left = sold(before, 400_000)
    out = swap.steps[0].fill.gross_out
    expected = (0, 500_000, 600_000 - out, 2, out)
    assert expected == orders_of(left.accounts.arrays[0], 20)


@pytest.mark.parametrize("index", [0, 3, -4, 511, -512, 512, 600, -513, -700])
def test_an_array_whose_last_order_is_taken_is_forgotten(index):
    bin_id = 70 * index + 20
    first = BinContent(1 << 64, open_order_amount=5_000)
    before = state({bin_id: first}, index, orders=True)
    numbers = decode_numbers(before.pair)
    bins = bins_on_path(before.arrays[index], index, True, True)
    cost = bins[0].max_amount_in
    swap = swap_in(numbers, Path(((index, bins),), None), (None, None), True, cost + 6, NOW)
    assert 5_000 == swap.out_of_reserve
    left = after_swap(before, numbers, swap, True, NOW).accounts
    assert 0 == decode_numbers(left.pair).bin_array_bitmap
    assert encode_extension(PAIR, Extension(0, 0)) == left.extension
    some = swap_in(numbers, Path(((index, bins),), None), (None, None), True, cost - 9, NOW)
    kept = after_swap(before, numbers, some, True, NOW).accounts
    assert numbers.bin_array_bitmap == decode_numbers(kept.pair).bin_array_bitmap
    assert before.extension == kept.extension


def observations(data: bytes) -> list[tuple[int, int, int]]:
    return [
        (
            int.from_bytes(data[at : at + 16], "little", signed=True),
            *unpack_from("<qq", data, at + 16),
        )
        for at in range(32, len(data), 32)
    ]


def test_oracle_sums_the_active_bin_over_time_in_a_ring():
    data = after_observation(encode_oracle(2), -7, NOW)
    assert (0, 1, 2) == unpack_from("<QQQ", data, 8)
    assert (-7, NOW, NOW) == observations(data)[0]
    data = after_observation(data, -7, NOW + 119)
    assert [(-7 * 120, NOW, NOW + 119), (0, 0, 0)] == observations(data)
    data = after_observation(data, 5, NOW + 120)
    last = (-7 * 120 + 5, NOW + 120, NOW + 120)
    assert [(-7 * 120, NOW, NOW + 119), last] == observations(data)
    assert (1, 2, 2) == unpack_from("<QQQ", data, 8)
    data = after_observation(data, 1, NOW + 400)
    assert [(-7 * 120 + 5 + 280, NOW + 400, NOW + 400), last] == observations(data)
    assert (0, 2, 2) == unpack_from("<QQQ", data, 8)


def test_an_oracle_that_is_cut_off_is_not_whole():
    data = encode_oracle(2)
    assert is_whole(data)
    assert not any(map(is_whole, (data[:-1], data[:32], data[:8], data + b"\0")))
    assert not is_whole(data[:8] + pack("<QQQ", 2, 2, 2) + data[32:])
    assert not is_whole(data[:8] + pack("<QQQ", 0, 0, 3) + data[32:])


def test_volatility_is_stored_and_its_time_only_where_the_price_moved():
    before = state({bin_id: of_y(bin_id) for bin_id in range(20, 30)})
    _, stays = sold(before, 1_000)
    _, moves = sold(before, 3 * 10**9)
    assert 0 == decode_numbers(stays.accounts.pair).v_parameters.last_update_timestamp
    after = decode_numbers(moves.accounts.pair)
    assert NOW == after.v_parameters.last_update_timestamp
    assert (29 - after.active_id) * 10_000 == after.v_parameters.volatility_accumulator
    assert 29 == after.v_parameters.index_reference
