import pytest
from solders.pubkey import Pubkey

from fairlead.venues import classify, decode_pool
from fairlead.venues.meteora import dlmm
from fairlead.venues.meteora.dlmm_accounts import (
    CUSTOMIZABLE_PERMISSIONLESS,
    LIMIT_ORDER,
    PROGRAM_ID,
    UNDETERMINED,
    bin_array_address,
    bitmap_extension_address,
)
from fairlead.venues.meteora.dlmm_arrays import BinContent
from fairlead.venues.meteora.dlmm_fees import FeeSplit, VariableParameters
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import Account, ErrorClass, VenueError
from tests.unit.venues.dlmm_pairs import (
    DLMM_PAIR,
    FLAT,
    MINTS,
    NOW,
    ONE,
    USER,
    USER_X,
    USER_Y,
    accounts_of,
    changed,
    dlmm_pool,
    price,
)

X, Y = MINTS


def code_of(pool, mint, amount, *, exact_in=True, arrays=None) -> tuple[str, ErrorClass]:
    ask = pool.quote_exact_in if exact_in else pool.quote_exact_out
    with pytest.raises(VenueError) as caught:
        ask(mint, amount, NOW, arrays=arrays)
    return caught.value.name, caught.value.error_class


def test_fee_is_rounded_up_and_taken_from_the_input():
    quote = dlmm_pool().quote_exact_in(X, 1_001, NOW)
    # 0.1 % of 1001 is 1.001: 2.
    assert (2, X, 999) == (quote.fee_atoms, quote.fee_mint, quote.amount_out_atoms)


@pytest.mark.parametrize(
    ("mode", "input_mint", "fee_mint"), [(0, X, X), (0, Y, Y), (1, X, Y), (1, Y, Y)]
)
def test_fee_is_taken_in_the_token_of_the_mode(mode, input_mint, fee_mint):
    quote = dlmm_pool(collect_fee_mode=mode).quote_exact_in(input_mint, 10**6, NOW)
    assert (fee_mint, 1_000) == (quote.fee_mint, quote.fee_atoms)


def test_each_bin_further_pays_a_higher_fee_up_to_the_cap():
    volatile = changed(FLAT, variable_fee_control=2_000_000, max_volatility_accumulator=100_000)
    pool = dlmm_pool(parameters=volatile)
    swap = pool.exact_in(X, 8 * 10**6, NOW)
    # 10^6 + ceil(2,000,000 * (n * 10,000 * 10)^2 / 10^11)
    rates = [1_000_000 + 200_000 * n * n for n in range(8)]
    assert rates == [step.fee_rate for step in swap.steps]
    # Of each bin's fee the part above the base rate: 200 of 1200, 800 of 1800 …
    fees = [step.fill.fee for step in swap.steps]
    added = sum(f * n * n // (5 + n * n) for n, f in enumerate(fees))
    assert added == swap.variable_fee(volatile.base_fee_rate)
    steep = dlmm_pool(parameters=changed(volatile, variable_fee_control=2**31))
    assert 100_000_000 == steep.exact_in(X, 8 * 10**6, NOW).steps[-1].fee_rate


@pytest.mark.parametrize(
    ("seconds", "accumulator"), [(29, 70_000), (30, 30_000), (599, 30_000), (600, 0)]
)
def test_volatility_stays_then_decays_then_is_gone(seconds, accumulator):
    volatile = changed(FLAT, variable_fee_control=100, filter_period=30, decay_period=600)
    left = VariableParameters(60_000, 50_000, 2, NOW.unix_timestamp - seconds)
    pool = dlmm_pool(parameters=volatile, v_parameters=left)
    # The reference is 5 bins, 2 bins away; later half of 6 bins, from here.
    assert accumulator == pool.exact_in(X, 100, NOW).steps[0].volatility_accumulator


def test_stopping_at_the_atom_that_drains_a_bin_leaves_the_next_alone():
    pool = dlmm_pool()
    first = pool.numbers.active_id
    drained = pool.quote_exact_out(X, ONE, NOW).amount_in_atoms
    assert [first] == [step.bin_id for step in pool.exact_in(X, drained, NOW).steps]
    beyond = [step.bin_id for step in pool.exact_in(X, drained + 1, NOW).steps]
    assert [first, first - 1] == beyond


ORDERS = {
    0: BinContent(price(0), amount_x=40, amount_y=40),
    -1: BinContent(
        price(-1),
        amount_y=20,
        open_order_amount=300,
        total_processing_order_amount=900,
        processed_order_remaining_amount=100,
    ),
}


@pytest.mark.parametrize(
    ("function_type", "reward", "most"),
    [(LIMIT_ORDER, None, 460), (UNDETERMINED, None, 460), (UNDETERMINED, USER, 60), (1, None, 60)],
)
def test_limit_orders_count_where_the_pair_takes_them(function_type, reward, most):
    pool = dlmm_pool(ORDERS, function_type=function_type, reward_mint=reward)
    assert most == sum(b.amount for _, bins in pool.down.arrays for b in bins)


def test_limit_orders_are_filled_after_the_market_makers_by_one_side_only():
    pool = dlmm_pool(ORDERS, function_type=LIMIT_ORDER, reserves=(10**9, 10**9))
    (_, bins), *_ = [array for array in pool.down.arrays if array[0] == -1]
    assert [(20, 100, 300)] == [b.layers for b in bins]
    assert [40] == [b.amount for _, up in pool.up.arrays for b in up]
    swap = pool.exact_in(X, 300, NOW)
    assert 0 < swap.steps[1].fill.mm_in < swap.steps[1].fill.net_in
    split = swap.fee_split(1_000)
    assert swap.fee == split.market_makers + split.limit_orders + split.protocol


def test_fee_on_limit_orders_is_shared_with_their_owners():
    pool = dlmm_pool({0: BinContent(price(0), open_order_amount=10**7)}, function_type=LIMIT_ORDER)
    assert FeeSplit(0, 500, 500) == pool.exact_in(X, 10**6, NOW).fee_split(1_000)
    plain = dlmm_pool({0: BinContent(price(0), amount_y=10**7)}, function_type=LIMIT_ORDER)
    assert FeeSplit(900, 0, 100) == plain.exact_in(X, 10**6, NOW).fee_split(1_000)


def test_exact_output_that_orders_round_apart_is_refused_as_the_program_does():
    content = BinContent(price(300, 25), amount_y=20, open_order_amount=25)
    parameters = changed(FLAT, bin_step=25, base_factor=0)
    pool = dlmm_pool(
        {300: content}, active_id=300, parameters=parameters, function_type=LIMIT_ORDER
    )
    assert ("UndeterminedError", ErrorClass.LIQUIDITY) == code_of(pool, X, 21, exact_in=False)
    assert 11 == pool.quote_exact_out(X, 22, NOW).amount_in_atoms


def test_reserve_that_is_short_ends_the_swap():
    pool = dlmm_pool(ORDERS, function_type=LIMIT_ORDER, reserves=(10**6, 99))
    assert ("InsufficientFunds", ErrorClass.LIQUIDITY) == code_of(pool, X, 300)
    assert 40 < pool.quote_exact_in(X, 90, NOW).amount_out_atoms < 99


@pytest.mark.parametrize(
    ("pool", "name", "error_class"),
    [
        (dlmm_pool(status=1), "PoolDisabled", ErrorClass.TERMINAL),
        (
            dlmm_pool(pair_type=CUSTOMIZABLE_PERMISSIONLESS, activation_point=1_001),
            "PoolDisabled",
            ErrorClass.NOT_YET,
        ),
        (
            dlmm_pool(
                pair_type=CUSTOMIZABLE_PERMISSIONLESS, activation_point=2_001, activation_type=1
            ),
            "PoolDisabled",
            ErrorClass.NOT_YET,
        ),
        (
            dlmm_pool({0: BinContent(price(0), amount_x=5)}),
            "BitmapExtensionAccountIsNotProvided",
            ErrorClass.LIQUIDITY,
        ),
        (
            dlmm_pool({0: BinContent(price(0), amount_x=5)}, has_extension=True),
            "CannotFindNonZeroLiquidityBinArrayId",
            ErrorClass.LIQUIDITY,
        ),
    ],
)
def test_pair_that_the_program_would_not_swap_on_is_refused(pool, name, error_class):
    assert (name, error_class) == code_of(pool, X, 10**6)


def test_pair_of_the_common_kind_has_no_activation():
    late = dlmm_pool(activation_point=10**12)
    assert late.quote_exact_in(X, 100, NOW).amount_out_atoms
    open_now = dlmm_pool(pair_type=CUSTOMIZABLE_PERMISSIONLESS, activation_point=1_000)
    assert open_now.quote_exact_in(X, 100, NOW).amount_out_atoms


def test_zero_and_what_buys_nothing_are_refused():
    pool = dlmm_pool()
    assert "InvalidInput" == code_of(pool, X, 0)[0]
    assert "InsufficientOutAmount" == code_of(pool, X, 0, exact_in=False)[0]
    assert ("InsufficientOutAmount", ErrorClass.LIQUIDITY) == code_of(pool, X, 1)


def test_quote_ends_with_the_arrays_given():
    pool = dlmm_pool()
    assert ("AccountNotEnoughKeys", ErrorClass.LIQUIDITY) == code_of(pool, X, 30 * ONE, arrays=1)
    accounts = accounts_of()
    del accounts[bin_array_address(DLMM_PAIR, -1)]
    partly = dlmm.decode(DLMM_PAIR, accounts[DLMM_PAIR]).load(accounts)
    assert "AccountNotEnoughKeys" == code_of(partly, X, 30 * ONE)[0]
    assert pool.quote_exact_in(Y, 10, NOW) == partly.quote_exact_in(Y, 10, NOW)


def test_swap_that_no_transaction_can_compute_is_refused():
    bins = {n: BinContent(price(n, 1), amount_y=1_000) for n in range(-400, 1)}
    pool = dlmm_pool(bins, parameters=changed(FLAT, bin_step=1))
    assert ("compute_budget", ErrorClass.LIQUIDITY) == code_of(pool, X, 400_000)
    assert pool.quote_exact_in(X, 150_000, NOW).compute_units < 1_400_000


def test_transfer_fees_are_taken_off_before_and_after():
    fee = TransferFee(0, 10**9, 100)
    quote = dlmm_pool(fees=(fee, fee)).quote_exact_in(X, 10_000, NOW)
    # 10,000 - 1 % = 9,900; - 0.1 % = 9,890; - 1 % = 9,791.
    assert 9_791 == quote.amount_out_atoms
    back = dlmm_pool(fees=(fee, fee)).quote_exact_out(X, 9_791, NOW)
    assert (10_000, 9_791) == (back.amount_in_atoms, back.amount_out_atoms)


def test_impact_is_against_the_active_bin():
    pool = dlmm_pool()
    assert 0 == pool.quote_exact_in(X, ONE // 2, NOW).price_impact_bps
    # Half at par, half 0.1 % lower.
    assert 5 == pool.quote_exact_in(X, 2 * ONE, NOW).price_impact_bps


def test_needed_accounts_are_the_nearest_arrays_on_both_sides():
    far = {70 * n: BinContent(price(70 * n), amount_y=1, amount_x=1) for n in range(-6, 7)}
    pool = dlmm_pool(far).pool
    needed = pool.accounts_needed
    assert isinstance(pool, dlmm.DlmmPool)
    arrays = [bin_array_address(DLMM_PAIR, n) for n in (0, -1, -2, -3, 1, 2, 3)]
    assert (*pool.vaults, *arrays) == needed


def test_extension_is_needed_where_the_bitmap_ends_early():
    pool = dlmm_pool(has_extension=True).pool
    assert bitmap_extension_address(DLMM_PAIR) in pool.accounts_needed


def test_arrays_that_only_the_extension_knows_are_named_with_it():
    edge = 512 * 70
    bins = {
        edge - 1: BinContent(price(edge - 1, 1), amount_y=9, amount_x=9),
        edge + 700: BinContent(price(edge + 700, 1), amount_x=9),
    }
    parameters = changed(FLAT, bin_step=1)
    accounts = accounts_of(bins, active_id=edge - 1, parameters=parameters, has_extension=True)
    pool = dlmm.decode(DLMM_PAIR, accounts[DLMM_PAIR])
    beyond = bin_array_address(DLMM_PAIR, 522)
    assert beyond not in pool.accounts_needed
    assert () == pool.more_needed({})
    assert beyond in pool.more_needed(accounts)
    assert 17 == pool.load(accounts).quote_exact_out(Y, 17, NOW).amount_out_atoms


def test_instruction_names_reserves_and_mints_in_pair_order():
    swap = dlmm_pool().swap_exact_in(USER, Y, USER_Y, USER_X, 7, 3)
    assert bytes.fromhex("414b3f4ceb5b5b88") + bytes([7, *[0] * 7, 3, *[0] * 11]) == swap.data
    pool = dlmm_pool().pool
    assert [DLMM_PAIR, PROGRAM_ID, *pool.vaults, USER_Y, USER_X, X, Y] == [
        meta.pubkey for meta in swap.accounts[:8]
    ]
    # One array reached; there is no other above to spare.
    assert [bin_array_address(DLMM_PAIR, 0)] == [meta.pubkey for meta in swap.accounts[16:]]


def test_instruction_takes_a_spare_array_in_path_order():
    swap = dlmm_pool().swap_exact_out(USER, X, USER_X, USER_Y, 5, 9)
    assert bytes.fromhex("2bd7f784893cf351") + bytes([9, *[0] * 7, 5, *[0] * 11]) == swap.data
    arrays = [bin_array_address(DLMM_PAIR, index) for index in (0, -1)]
    assert arrays == [meta.pubkey for meta in swap.accounts[16:]]
    older = dlmm_pool().swap_exact_out(USER, X, USER_X, USER_Y, 5, 9, v1=True)
    assert bytes.fromhex("fa49652126cf4bb8") + bytes([9, *[0] * 7, 5, *[0] * 7]) == older.data
    assert 17 == len(older.accounts)


@pytest.mark.parametrize(
    ("offset", "value", "name"),
    [
        (0, 1, "not_a_pool"),
        (882, 2, "unknown_version"),
        (75, 4, "unknown_pair_type"),
        (35, 3, "unknown_function_type"),
        (36, 2, "unknown_collect_fee_mode"),
        (880, 2, "unknown_token_program_flag"),
    ],
)
def test_pair_that_is_not_known_is_refused_by_name(offset, value, name):
    data = bytearray(accounts_of()[DLMM_PAIR].data)
    data[offset] = value
    with pytest.raises(VenueError, match=name):
        dlmm.decode(DLMM_PAIR, Account(PROGRAM_ID, 1, bytes(data)))


def test_account_of_another_owner_or_size_is_no_pair():
    data = accounts_of()[DLMM_PAIR].data
    for owner, content in ((USER, data), (PROGRAM_ID, data[:-1])):
        with pytest.raises(VenueError, match="not_a_pool"):
            dlmm.decode(DLMM_PAIR, Account(owner, 1, content))
    assert dlmm.decode(DLMM_PAIR, Account(PROGRAM_ID, 1, data)) == decode_pool(
        DLMM_PAIR, Account(PROGRAM_ID, 1, data)
    )


@pytest.mark.parametrize(
    ("index", "offset", "value", "name"),
    [
        (0, 0, 1, "not_a_bin_array"),
        (0, 8, 1, "not_a_bin_array"),
        (0, 16, 4, "unknown_bin_array_version"),
        (0, 24, 77, "not_a_bin_array"),
        (None, 0, 1, "not_a_bitmap_extension"),
        (None, 8, 77, "not_a_bitmap_extension"),
    ],
)
def test_array_or_extension_that_is_not_the_pairs_is_refused(index, offset, value, name):
    accounts = accounts_of(has_extension=True)
    address = (
        bitmap_extension_address(DLMM_PAIR)
        if index is None
        else bin_array_address(DLMM_PAIR, index)
    )
    data = bytearray(accounts[address].data)
    data[offset] = value
    accounts[address] = Account(PROGRAM_ID, 1, bytes(data))
    with pytest.raises(VenueError, match=name):
        dlmm.decode(DLMM_PAIR, accounts[DLMM_PAIR]).load(accounts)


@pytest.mark.parametrize(("bin_id", "mint"), [(-20_000, X), (20_000, Y)])
def test_output_whose_price_with_its_fee_is_beyond_a_u64_is_refused(bin_id, mint):
    """The compiled program says 6019 to all of them, with either side of the fee."""
    cost, of_x = price(bin_id), mint == Y
    most = 2**64 * 9_995 // 10_000
    output = (most << 64) // cost if of_x else most * cost >> 64
    held = (2 * output, 0) if of_x else (0, 2 * output)
    pool = dlmm_pool({bin_id: BinContent(cost, *held)}, active_id=bin_id)
    assert ("TypeCastFailed", ErrorClass.LIQUIDITY) == code_of(pool, mint, output, exact_in=False)


def test_bin_without_its_price_is_refused():
    pool = dlmm_pool({0: BinContent(0, amount_y=5)})
    with pytest.raises(VenueError, match="bin_without_price"):
        pool.quote_exact_in(pool.mints[0], 1_000, NOW)


@pytest.mark.parametrize(
    ("log_name", "code", "error_class"),
    [
        (None, 6003, ErrorClass.STALE),
        (None, 6104, ErrorClass.STALE),
        ("AccountNotEnoughKeys", 3005, ErrorClass.STALE),
        (None, 3005, ErrorClass.STALE),
        (None, 6085, ErrorClass.STALE),
        ("PoolDisabled", 6042, ErrorClass.NOT_YET),
        (None, 6036, ErrorClass.LIQUIDITY),
        (None, 6037, ErrorClass.LIQUIDITY),
        (None, 6002, ErrorClass.TERMINAL),
        (None, None, ErrorClass.TERMINAL),
    ],
)
def test_refusal_on_chain_has_a_class(log_name, code, error_class):
    assert error_class is classify(PROGRAM_ID, log_name, code)


def test_mint_of_another_pair_is_refused():
    with pytest.raises(VenueError, match="wrong_mint"):
        dlmm_pool().quote_exact_in(Pubkey.default(), 1, NOW)
