import pytest
from solders.pubkey import Pubkey

from fairlead.venues import classify, decode_pool
from fairlead.venues.raydium import clmm, clmm_accounts, clmm_encode, clmm_instruction
from fairlead.venues.raydium.clmm_accounts import DynamicFeeInfo
from fairlead.venues.raydium.clmm_encode import Position
from fairlead.venues.raydium.ticks import MAX_TICK, MIN_TICK, sqrt_price_at_tick
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, TransferFee
from fairlead.venues.venue import Account, ChainTime, ErrorClass, Venue, VenueError
from tests.vectors.clmm_pools import ClmmPoolOfOurs, Shape, pool_with

NOW = ChainTime(slot=1_000, unix_timestamp=2_000, epoch=7)
USER, USER_0, USER_1 = (Pubkey.from_bytes(bytes([n]) * 32) for n in (3, 4, 5))
FEE = TransferFee(0, 1_000, 100)
DOWN, UP = 0, 1


def pool_of(
    *positions, spacing=10, tick=0, rates=(3_000, 120_000, 40_000), fees=(None, None), **n
) -> ClmmPoolOfOurs:
    """A pool at the very price of a tick; one wide position unless told."""
    shape = Shape("", spacing, rates, tick, "", fees)
    wide = Position(-60_000, 60_000, 10**12)
    return pool_with(0, shape, list(positions) or [wide], sqrt_price_at_tick(tick), **n)


def loaded(pool: ClmmPoolOfOurs) -> clmm.LoadedClmmPool:
    return clmm.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)


def array(pool: ClmmPoolOfOurs, start: int) -> Pubkey:
    return clmm_accounts.tick_array_address(pool.address, start)


def changed(pool: ClmmPoolOfOurs, address: Pubkey, offset: int, value: bytes) -> ClmmPoolOfOurs:
    a = pool.accounts[address]
    data = a.data[:offset] + value + a.data[offset + len(value) :]
    pool.accounts[address] = Account(a.owner, a.lamports, data)
    return pool


def refused(call, *args, **kwargs) -> tuple[str, ErrorClass]:
    with pytest.raises(VenueError) as caught:
        call(*args, **kwargs)
    return caught.value.name, caught.value.error_class


def test_pool_is_decoded_by_its_owner():
    pool = pool_of(tick=77, open_time=5)
    found = decode_pool(pool.address, pool.accounts[pool.address])
    assert isinstance(found, clmm.ClmmPool)
    assert (Venue.RAYDIUM_CLMM, pool.mints) == (found.venue, found.mints)
    numbers = found.numbers
    assert (10, 77, 10**12, 5) == (
        numbers.tick_spacing,
        numbers.tick_current,
        numbers.liquidity,
        numbers.open_time,
    )
    assert "raydium" == found.venue.dex


@pytest.mark.parametrize("change", ["owner", "size", "discriminator", "spacing"])
def test_account_that_is_no_pool_is_refused(change):
    pool = pool_of()
    account = pool.accounts[pool.address]
    data = account.data
    wrong = {
        "owner": Account(USER, 1, data),
        "size": Account(account.owner, 1, data + b"\0"),
        "discriminator": Account(account.owner, 1, b"\0" + data[1:]),
        "spacing": Account(account.owner, 1, data[:235] + b"\0\0" + data[237:]),
    }[change]
    assert ("not_a_pool", ErrorClass.TERMINAL) == refused(clmm.decode, pool.address, wrong)


def test_accounts_needed_are_config_mints_and_the_arrays_of_the_bitmap():
    pool = pool_of(Position(-1_200, 600, 5), Position(0, 1_800, 5))
    found = clmm.decode(pool.address, pool.accounts[pool.address])
    starts = (0, -1_200, 600, 1_800)
    extension = clmm_accounts.extension_address(pool.address)
    assert {
        clmm_accounts.config_address(0),
        *pool.mints,
        *(array(pool, start) for start in starts),
        extension,
    } == set(found.accounts_needed)


def test_extension_is_not_needed_where_the_pools_bitmap_has_enough():
    positions = [Position(600 * n, 600 * n + 600, 5) for n in range(-8, 8)]
    pool = pool_of(*positions)
    found = clmm.decode(pool.address, pool.accounts[pool.address])
    assert clmm_accounts.extension_address(pool.address) not in found.accounts_needed
    assert 3 + 2 * clmm.ARRAYS_PER_SWAP - 1 == len(found.accounts_needed)


def test_arrays_beyond_the_pools_bitmap_are_named_by_the_extension():
    far = 512 * 60
    pool = pool_of(Position(-far - 60, far, 5), spacing=1)
    found = clmm.decode(pool.address, pool.accounts[pool.address])
    extension = clmm_accounts.extension_address(pool.address)
    before = [clmm_accounts.config_address(0), *pool.mints, extension]
    assert before == list(found.accounts_needed)
    arrays = [array(pool, -far - 60), array(pool, far)]
    assert () == found.more_needed({})
    assert arrays == list(found.more_needed({extension: pool.accounts[extension]}))


@pytest.mark.parametrize(
    ("offset", "value", "name"),
    [
        (clmm_accounts.FEE_ON_OFFSET, b"\x01", "unproven_fee_on"),
        (clmm_accounts.DYNAMIC_FEE_OFFSET, b"\x01", "unproven_dynamic_fee"),
    ],
)
def test_pool_with_what_no_program_has_proven_is_refused_by_name(offset, value, name):
    pool = changed(pool_of(), pool_of().address, offset, value)
    assert (name, ErrorClass.TERMINAL) == refused(loaded, pool)


def test_limit_orders_end_the_way_by_name():
    pool = pool_of(Position(-1_200, 1_200, 10**9), Position(-100, 100, 10**9))
    # orders_amount of tick 100.
    at = clmm_accounts.TICK_OFFSET + clmm_accounts.TICK_SIZE * 10 + 124
    changed(pool, array(pool, 0), at, b"\x05")
    found = loaded(pool)
    assert 0 < found.quote_exact_in(pool.mints[UP], 10**6, NOW).amount_out_atoms
    name = ("unproven_limit_orders", ErrorClass.TERMINAL)
    assert name == refused(found.quote_exact_in, pool.mints[UP], 10**8, NOW)
    assert 0 < found.quote_exact_in(pool.mints[DOWN], 10**7, NOW).amount_out_atoms


@pytest.mark.parametrize("missing", ["config", "mint"])
def test_missing_account_is_named(missing):
    pool = pool_of()
    address = clmm_accounts.config_address(0) if missing == "config" else pool.mints[0]
    del pool.accounts[address]
    with pytest.raises(VenueError, match=str(address)):
        loaded(pool)


def test_array_of_another_pool_is_refused():
    pool = changed(pool_of(), array(pool_of(), 60_000), 8, b"\x01")
    assert ("not_a_tick_array", ErrorClass.TERMINAL) == refused(loaded, pool)


def test_extension_of_another_pool_is_refused():
    extension = clmm_accounts.extension_address(pool_of().address)
    pool = changed(pool_of(), extension, 8, b"\x01")
    assert ("not_a_bitmap_extension", ErrorClass.TERMINAL) == refused(loaded, pool)


def test_missing_array_ends_the_way_where_it_would_be_needed():
    pool = pool_of(Position(-600, 600, 10**9), Position(-6_000, 6_000, 10**9))
    del pool.accounts[array(pool, 6_000)]
    found = loaded(pool)
    too_few = ("NotEnoughTickArrayAccount", ErrorClass.LIQUIDITY)
    assert too_few == refused(found.quote_exact_in, pool.mints[UP], 10**12, NOW)
    reach = found.reach(pool.mints[UP])
    assert ("NotEnoughTickArrayAccount", sqrt_price_at_tick(600)) == (
        reach.end.name,
        reach.sqrt_price_x64,
    )
    assert (
        reach.max_in_atoms
        == found.quote_exact_in(pool.mints[UP], reach.max_in_atoms, NOW).amount_in_atoms
    )


def test_quote_walks_no_more_arrays_than_the_instruction_names():
    pool = pool_of(Position(-600, 600, 10**9), Position(-6_000, 6_000, 10**9))
    mint = pool.mints[UP]
    found = loaded(pool)
    one = found.reach(mint, max_arrays=1)
    assert found.reach(mint).max_in_atoms > one.max_in_atoms
    over = one.max_in_atoms + 1
    too_few = ("NotEnoughTickArrayAccount", ErrorClass.LIQUIDITY)
    assert too_few == refused(found.quote_exact_in, mint, over, NOW, max_arrays=1)
    assert over == found.quote_exact_in(mint, over, NOW, max_arrays=2).amount_in_atoms


def test_liquidity_that_ends_is_told_from_liquidity_that_never_was():
    pool = pool_of(Position(-600, 600, 10**9))
    found = loaded(pool)
    assert "LiquidityInsufficient" == found.reach(pool.mints[UP]).end.name
    name = ("LiquidityInsufficient", ErrorClass.LIQUIDITY)
    assert name == refused(found.quote_exact_out, pool.mints[UP], 10**12, NOW)
    above = loaded(pool_of(Position(-600, -60, 10**9), tick=900))
    name = ("InsufficientLiquidityForDirection", ErrorClass.LIQUIDITY)
    assert name == refused(above.quote_exact_in, pool.mints[UP], 1, NOW)
    assert 0 < above.quote_exact_in(pool.mints[DOWN], 1_000_000, NOW).amount_out_atoms


def test_price_limit_fills_partly_and_leaves_the_rest_with_the_user():
    pool = pool_of()
    limit = sqrt_price_at_tick(50)
    whole = loaded(pool).quote_exact_in(pool.mints[UP], 10**11, NOW)
    part = loaded(pool).quote_exact_in(pool.mints[UP], 10**11, NOW, sqrt_price_limit_x64=limit)
    assert 10**11 == whole.amount_in_atoms > part.amount_in_atoms
    swap = loaded(pool).walk_exact_in(False, 10**11, NOW, limit, 4)
    assert (True, limit, 50) == (
        swap.walk.stopped_at_limit,
        swap.walk.sqrt_price_x64,
        swap.walk.tick,
    )


def test_price_limit_on_the_wrong_side_is_refused():
    pool = pool_of()
    stale = ("SqrtPriceLimitOverflow", ErrorClass.STALE)
    for side, tick in ((UP, -1), (UP, 0), (DOWN, 1), (DOWN, 0), (UP, MAX_TICK), (DOWN, MIN_TICK)):
        limit = sqrt_price_at_tick(tick)
        ask = loaded(pool).quote_exact_in
        assert stale == refused(ask, pool.mints[side], 10, NOW, sqrt_price_limit_x64=limit)


def test_pool_opens_strictly_after_its_time():
    pool = pool_of(open_time=NOW.unix_timestamp)
    not_yet = ("RequireGtViolated", ErrorClass.NOT_YET)
    assert not_yet == refused(loaded(pool).quote_exact_in, pool.mints[0], 10**6, NOW)
    later = ChainTime(NOW.slot, NOW.unix_timestamp + 1, NOW.epoch)
    assert 0 < loaded(pool).quote_exact_in(pool.mints[0], 10**6, later).amount_out_atoms


def test_swaps_that_are_off_are_terminal_and_other_bits_do_not_matter():
    pool = pool_of(status=16)
    off = ("NotApproved", ErrorClass.TERMINAL)
    assert off == refused(loaded(pool).quote_exact_in, pool.mints[0], 10**6, NOW)
    assert 0 < loaded(pool_of(status=15)).quote_exact_in(pool.mints[0], 10**6, NOW).fee_atoms


@pytest.mark.parametrize(
    ("amount", "name"), [(0, "ZeroAmountSpecified"), (1, "TooSmallInputOrOutputAmount")]
)
def test_dust_is_refused(amount, name):
    pool = pool_of()
    assert name == refused(loaded(pool).quote_exact_in, pool.mints[0], amount, NOW)[0]


def test_fees_are_told_by_kind_and_in_the_input_token():
    pool = pool_of()
    quote = loaded(pool).quote_exact_in(pool.mints[1], 10**6, NOW)
    assert (pool.mints[1], 3_000, 0) == (quote.fee_mint, quote.fee_atoms, quote.other_fee_atoms)
    walk = loaded(pool).walk_exact_in(False, 10**6, NOW, 0, 4).walk
    assert (3_000, 360, 120) == (walk.fee, walk.protocol_fee, walk.fund_fee)


def test_price_impact_counts_without_the_fee():
    pool = pool_of()
    small = loaded(pool).quote_exact_in(pool.mints[0], 10**6, NOW)
    large = loaded(pool).quote_exact_in(pool.mints[0], 10**11, NOW)
    assert small.price_impact_bps <= 1
    # About a tenth of the virtual reserve.
    assert 800 < large.price_impact_bps < 1_000


def test_transfer_fees_are_outside_of_the_swap():
    plain, taxed = pool_of(), pool_of(fees=(FEE, FEE))
    without = loaded(plain).quote_exact_in(plain.mints[0], 10**6 - 1_000, NOW)
    quote = loaded(taxed).quote_exact_in(taxed.mints[0], 10**6, NOW)
    assert 10**6 == quote.amount_in_atoms
    assert without.amount_out_atoms - 1_000 == quote.amount_out_atoms
    out = loaded(taxed).quote_exact_out(taxed.mints[0], quote.amount_out_atoms, NOW)
    assert quote.amount_out_atoms == out.amount_out_atoms
    assert out.amount_in_atoms <= 10**6


def test_swap_v2_names_its_accounts_in_the_programs_order():
    pool = pool_of(Position(-600, 600, 5), Position(600, 1_200, 5), fees=(None, FEE))
    found = loaded(pool)
    sent = found.swap_exact_in(USER, pool.mints[1], USER_1, USER_0, 7, 3, sqrt_price_limit_x64=1)
    vaults = [clmm_accounts.vault_address(pool.address, mint) for mint in pool.mints]
    expected = [
        (USER, True, False),
        (clmm_accounts.config_address(0), False, False),
        (pool.address, False, True),
        (USER_1, False, True),
        (USER_0, False, True),
        (vaults[1], False, True),
        (vaults[0], False, True),
        (clmm_accounts.observation_address(pool.address), False, True),
        (TOKEN_PROGRAM, False, False),
        (TOKEN_2022_PROGRAM, False, False),
        (clmm_instruction.MEMO_PROGRAM, False, False),
        (pool.mints[1], False, False),
        (pool.mints[0], False, False),
        (clmm_accounts.extension_address(pool.address), False, True),
        (array(pool, 600), False, True),
        (array(pool, 1_200), False, True),
    ]
    assert expected == [(m.pubkey, m.is_signer, m.is_writable) for m in sent.accounts]
    data = clmm_instruction.SWAP_V2 + (7).to_bytes(8, "little") + (3).to_bytes(8, "little")
    assert data + (1).to_bytes(16, "little") + b"\x01" == bytes(sent.data)


def test_older_swap_has_its_first_array_among_its_fixed_accounts():
    pool = pool_of(Position(-600, 600, 5), Position(600, 1_200, 5))
    sent = loaded(pool).swap_exact_out(USER, pool.mints[1], USER_1, USER_0, 7, 3, v1=True)
    last = [m.pubkey for m in sent.accounts[9:]]
    extension = clmm_accounts.extension_address(pool.address)
    assert [array(pool, 600), extension, array(pool, 1_200)] == last
    assert (clmm_instruction.SWAP, 0) == (bytes(sent.data[:8]), sent.data[-1])


def test_older_swap_is_refused_for_token_2022():
    pool = pool_of(fees=(FEE, None))
    build, name = loaded(pool).swap_exact_in, ("needs_swap_v2", ErrorClass.TERMINAL)
    assert name == refused(build, USER, pool.mints[0], USER_0, USER_1, 7, 3, v1=True)


def test_more_ticks_than_a_transaction_can_compute_are_refused():
    pool = pool_of(*(Position(10 * n, 10 * n + 10, 10**9) for n in range(120)))
    found = loaded(pool)
    found.reach(pool.mints[UP])
    sums = found.steps[UP].amounts_in
    assert 1_000_000 < found.quote_exact_in(pool.mints[UP], sums[50], NOW).compute_units
    name = ("compute_budget", ErrorClass.LIQUIDITY)
    assert name == refused(found.quote_exact_in, pool.mints[UP], sums[100], NOW)


def test_extension_that_does_not_exist_is_not_named():
    pool = pool_of(Position(-600, 600, 10**9))
    extension = clmm_accounts.extension_address(pool.address)
    del pool.accounts[extension]
    found = loaded(pool)
    sent = found.swap_exact_in(USER, pool.mints[0], USER_0, USER_1, 7, 3)
    assert extension not in [m.pubkey for m in sent.accounts]
    name = ("MissingTickArrayBitmapExtensionAccount", ErrorClass.LIQUIDITY)
    assert name == refused(found.quote_exact_in, pool.mints[0], 10**12, NOW)


def test_mint_of_another_pool_is_refused():
    assert "wrong_mint" == refused(loaded(pool_of()).quote_exact_in, USER, 1, NOW)[0]


def test_extension_bits_survive_encoding():
    bits = 1 << 0 | 1 << 511 | 1 << 512 | 1 << 7167 | 1 << 8192 | 1 << 15_359
    data = clmm_encode.encode_extension(USER, bits)
    assert clmm_accounts.EXTENSION_SIZE == len(data)
    assert bits == clmm_accounts.extension_bits(data)
    # The first row of the negative table is next to the pool's own bitmap.
    assert 1 << 7 == data[936 + 63]


def test_dynamic_fee_is_decoded():
    info = DynamicFeeInfo(30, 600, 5_000, 40_000, 350_000, -3, 7, 9, 1_790_000_000)
    pool = pool_of(dynamic_fee=info)
    assert info == clmm.decode(pool.address, pool.accounts[pool.address]).numbers.dynamic_fee


@pytest.mark.parametrize(
    ("log_name", "code", "error_class"),
    [
        ("TooLittleOutputReceived", 6022, ErrorClass.STALE),
        ("TooLittleOutputReceived", 6018, ErrorClass.STALE),
        ("TooMuchInputPaid", 6019, ErrorClass.STALE),
        ("InvalidFirstTickArrayAccount", 6028, ErrorClass.STALE),
        ("NotEnoughTickArrayAccount", 6023, ErrorClass.STALE),
        ("SqrtPriceLimitOverflow", 6013, ErrorClass.STALE),
        ("MissingTickArrayBitmapExtensionAccount", 6040, ErrorClass.STALE),
        ("LiquidityInsufficient", 6016, ErrorClass.LIQUIDITY),
        ("InsufficientLiquidityForDirection", 6036, ErrorClass.LIQUIDITY),
        ("TooSmallInputOrOutputAmount", 6022, ErrorClass.LIQUIDITY),
        ("MaxTokenOverflow", 6042, ErrorClass.LIQUIDITY),
        ("NotApproved", 6001, ErrorClass.TERMINAL),
        ("RequireGtViolated", 2505, ErrorClass.NOT_YET),
        ("ConstraintSeeds", 2006, ErrorClass.TERMINAL),
        # A bare number of both numberings: the next quote tells.
        (None, 6022, ErrorClass.STALE),
        (None, 6019, ErrorClass.STALE),
        (None, 6041, ErrorClass.LIQUIDITY),
        (None, 6028, ErrorClass.STALE),
        (None, 2505, ErrorClass.NOT_YET),
        (None, 6999, ErrorClass.TERMINAL),
        (None, None, ErrorClass.LIQUIDITY),
    ],
)
def test_refusal_has_its_class_by_name_first(log_name, code, error_class):
    for program in clmm_accounts.PROGRAM_IDS:
        assert error_class is classify(program, log_name, code)
