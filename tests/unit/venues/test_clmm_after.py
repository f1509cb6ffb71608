"""What a CLMM swap leaves beside amounts: fees, crossed ticks, rewards, the price history.

That it is what the program leaves is held in `tests/vectors/test_chains.py`.
"""

from struct import pack_into, unpack_from

import pytest

from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.raydium import clmm_after, clmm_encode
from fairlead.venues.raydium.clmm_accounts import ConfigRates
from fairlead.venues.raydium.clmm_after import after_swap, observed, steps_of
from fairlead.venues.raydium.clmm_bitmap import array_path
from fairlead.venues.raydium.clmm_encode import Position, ticks_of
from fairlead.venues.raydium.clmm_path import Path, Walk
from fairlead.venues.raydium.clmm_rewards import rewards_at
from fairlead.venues.raydium.ticks import Q64, sqrt_price_at_tick
from fairlead.venues.venue import VenueError
from tests.vectors.pools import key

SPACING, NOW, EPOCH = 10, 1_800_000_000, 7
POOL = key("pool")
RATES = ConfigRates(10_000, 120_000, 40_000)
POSITIONS = (Position(-2_000, 2_000, 10**12), Position(-100, 100, 10**12))


def pool_data() -> bytes:
    ticks = ticks_of(POSITIONS, 0, SPACING)
    return clmm_encode.encode_pool(
        amm_config=key("config"),
        mint_0=min(key("x"), key("y"), key=bytes),
        mint_1=max(key("x"), key("y"), key=bytes),
        decimals_0=9,
        decimals_1=6,
        tick_spacing=SPACING,
        liquidity=ticks.liquidity,
        sqrt_price_x64=sqrt_price_at_tick(0),
        pool_bitmap=ticks.pool_bitmap,
    )


def arrays() -> dict[int, bytes]:
    return {
        start: clmm_encode.encode_tick_array(POOL, start, found, SPACING)
        for start, found in ticks_of(POSITIONS, 0, SPACING).arrays.items()
    }


def walked(data: bytes, amount: int, zero_for_one: bool) -> tuple[Path, Walk]:
    numbers = layout.decode_numbers(data)
    bits = numbers.tick_array_bitmap
    order = array_path(numbers.tick_current, SPACING, bits, 0, zero_for_one, 8)
    known = arrays()
    found = [layout.tick_array_in(known[start]) for start in order.starts]
    path = Path(numbers, RATES, found, order, zero_for_one)
    limit = 4_295_048_017 if zero_for_one else 79_226_673_521_066_979_257_578_248_090
    return path, path.walk(amount, limit, True, len(found))


def after(data: bytes, amount: int, zero_for_one: bool = True, vault: int = 2**60):
    path, walk = walked(data, amount, zero_for_one)
    rewards = rewards_at(data, layout.decode_numbers(data).liquidity, NOW)
    left = after_swap(data, arrays(), path, walk, rewards, vault_out_atoms=vault, epoch=EPOCH)
    return path, walk, left


def u128(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 16], "little")


@pytest.mark.parametrize("zero_for_one", [True, False])
def test_steps_account_for_all_of_the_fee_and_name_each_tick_crossed(zero_for_one):
    path, walk, _ = after(pool_data(), 60 * 10**9, zero_for_one)
    steps = steps_of(path, walk)
    assert walk.fee - walk.protocol_fee - walk.fund_fee == sum(s.liquidity_fee for s in steps)
    assert [-100 if zero_for_one else 100, None] == [step.crossed for step in steps]
    assert [2 * 10**12, 10**12] == [step.liquidity for step in steps]


def test_each_step_pays_its_own_liquidity():
    path, walk, left = after(pool_data(), 60 * 10**9)
    expected = sum(s.liquidity_fee * Q64 // s.liquidity for s in steps_of(path, walk))
    assert (expected, 0) == (u128(left.pool_data, 277), u128(left.pool_data, 293))


def test_only_the_array_of_a_crossed_tick_changes_and_only_there():
    path, walk, left = after(pool_data(), 60 * 10**9)
    (start,) = left.tick_arrays
    was, now = arrays()[start], left.tick_arrays[start]
    at = layout.TICK_OFFSET + layout.TICK_SIZE * ((-100 - start) // SPACING)
    changed = {place for place in range(len(was)) if was[place] != now[place]}
    assert changed <= {*range(at + 36, at + 52), *range(10_125, 10_133)}
    first = steps_of(path, walk)[0]
    assert first.liquidity_fee * Q64 // first.liquidity == u128(now, at + 36)
    assert EPOCH == int.from_bytes(now[10_125:10_133], "little")


def test_a_swap_that_crosses_nothing_touches_no_array():
    assert {} == after(pool_data(), 10**6)[2].tick_arrays


def test_a_swap_that_empties_the_vault_closes_the_pool():
    _, walk, left = after(pool_data(), 10**9)
    assert 0 == left.pool_data[layout.STATUS_OFFSET]
    emptied = after(pool_data(), 10**9, vault=walk.amount_out)[2]
    assert 255 == emptied.pool_data[layout.STATUS_OFFSET]


@pytest.mark.parametrize(("at", "size"), [(277, 16), (309, 8), (1032, 8), (1064, 8), (325, 16)])
def test_a_counter_that_overflows_is_a_panic(at, size):
    data = bytearray(pool_data())
    data[at : at + size] = b"\xff" * size
    with pytest.raises(VenueError, match="panic"):
        after(bytes(data), 10**9)


def test_a_tick_that_grew_more_than_the_pool_is_a_panic():
    path, walk = walked(pool_data(), 60 * 10**9, True)
    spoilt = {start: bytearray(data) for start, data in arrays().items()}
    at = layout.TICK_OFFSET + layout.TICK_SIZE * ((-100 + 600) // SPACING)
    spoilt[-600][at + 67] = 1
    known = {start: bytes(data) for start, data in spoilt.items()}
    rewards = rewards_at(pool_data(), 1, NOW)
    with pytest.raises(VenueError, match="panic"):
        after_swap(pool_data(), known, path, walk, rewards, vault_out_atoms=2**60, epoch=0)


# -- the price history -----------------------------------------------------------------------------


def history(index: int, last: int, cumulative: int) -> bytes:
    data = bytearray(clmm_encode.encode_observation(POOL))
    pack_into("<?QH", data, 8, True, 0, index)
    pack_into("<Iq", data, 51 + 44 * index, last, cumulative)
    return bytes(data)


def entry(data: bytes) -> tuple[int, int, int]:
    """Index, time and cumulative tick of the newest."""
    (index,) = unpack_from("<H", data, 17)
    return index, *unpack_from("<Iq", data, 51 + 44 * index)


def test_a_fresh_history_begins_at_zero():
    assert (0, NOW, 0) == entry(observed(clmm_encode.encode_observation(POOL), NOW, -5))


@pytest.mark.parametrize(
    ("seconds", "index", "expected"),
    [
        (14, 3, (3, NOW, 1_000)),
        (-9, 3, (3, NOW, 1_000)),
        (15, 3, (4, NOW + 15, 1_000 - 5 * 15)),
        (100, 99, (0, NOW + 100, 1_000 - 5 * 100)),
    ],
)
def test_an_entry_is_made_when_the_last_is_old_enough(seconds, index, expected):
    found = observed(history(index, NOW, 1_000), NOW + seconds, -5)
    assert expected == entry(found)


def test_cumulative_ticks_wrap():
    found = observed(history(0, NOW, 2**63 - 1), NOW + 20, 1)
    assert (1, NOW + 20, -(2**63) + 19) == entry(found)


# -- rewards ---------------------------------------------------------------------------------------


def with_reward(opens: int, ends: int, last: int, per_second: int) -> bytes:
    data = bytearray(pool_data())
    pack_into("<BQQQ", data, 397, 1, opens, ends, last)
    data[422:438] = per_second.to_bytes(16, "little")
    data[454:486] = bytes(key("reward mint"))
    return bytes(data)


@pytest.mark.parametrize(
    ("opens", "ends", "seconds", "state"),
    [(-50, 100, 50, 2), (-50, -10, 40, 3), (-50, 0, 50, 3), (0, 100, 0, 1), (10, 100, 0, 1)],
)
def test_rewards_are_paid_for_the_time_they_ran(opens, ends, seconds, state):
    data = with_reward(NOW + opens, NOW + ends, NOW + opens, 3 * Q64 + 1)
    found = rewards_at(data, 1_000, NOW)
    assert (seconds * (3 * Q64 + 1) // 1_000, None, None) == found.growths
    assert state == found.data[0]
    # Rounded up: what is set aside must cover what is paid.
    assert -(-seconds * (3 * Q64 + 1) // Q64) == unpack_from("<Q", found.data, 41)[0]


def test_rewards_without_liquidity_pass_and_are_paid_to_nobody():
    found = rewards_at(with_reward(NOW - 50, NOW + 50, NOW - 50, Q64), 0, NOW)
    assert (0, None, None) == found.growths
    assert NOW == unpack_from("<Q", found.data, 17)[0]


def test_a_reward_updated_after_the_clock_refuses_the_swap():
    with pytest.raises(VenueError, match="RequireGteViolated"):
        rewards_at(with_reward(NOW - 50, NOW + 50, NOW + 1, Q64), 1, NOW)


def test_running_rewards_turn_over_at_crossed_ticks():
    data = with_reward(NOW - 50, NOW + 50, NOW - 50, Q64 << 20)
    _, _, left = after(data, 60 * 10**9)
    (start,) = left.tick_arrays
    at = layout.TICK_OFFSET + layout.TICK_SIZE * ((-100 - start) // SPACING)
    growth = rewards_at(data, layout.decode_numbers(data).liquidity, NOW).growths[0]
    assert growth == u128(left.tick_arrays[start], at + 68) > 0
    assert 0 == u128(left.tick_arrays[start], at + 84)
    assert EPOCH == clmm_after.recent_epoch(left.pool_data)
