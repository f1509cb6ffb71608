import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.meteora import damm_v2, damm_v2_accounts
from fairlead.venues.meteora.damm_v2_accounts import (
    COLLECT_BOTH,
    COLLECT_COMPOUNDING,
    COLLECT_ONLY_B,
    decode_numbers,
)
from fairlead.venues.meteora.damm_v2_fees import RATE_LIMITER, BaseFee, DynamicFee
from fairlead.venues.meteora.damm_v2_swap import EXACT_IN, PARTIAL
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import Account, ErrorClass, VenueError
from tests.unit.venues.pools import (
    DAMM_V2_POOL,
    MINTS,
    NOW,
    USER,
    USER_0,
    USER_1,
    damm_v2_pool,
)

A, B = MINTS
MODES = st.sampled_from([COLLECT_BOTH, COLLECT_ONLY_B, COLLECT_COMPOUNDING])
LIMITER = BaseFee(10_000_000, RATE_LIMITER, 100, 10_000, 5_000, 10**6)


@pytest.mark.parametrize(
    ("mode", "input_mint", "fee_mint"),
    [
        (COLLECT_BOTH, A, B),
        (COLLECT_BOTH, B, A),
        (COLLECT_ONLY_B, A, B),
        (COLLECT_ONLY_B, B, B),
        (COLLECT_COMPOUNDING, A, B),
        (COLLECT_COMPOUNDING, B, B),
    ],
)
def test_fee_is_taken_in_the_token_of_the_mode(mode, input_mint, fee_mint):
    quote = damm_v2_pool(collect_fee_mode=mode).quote_exact_in(input_mint, 10**6, NOW)
    assert (fee_mint, 2_500) == (quote.fee_mint, quote.fee_atoms)


def test_output_of_zero_is_a_success():
    assert 0 == damm_v2_pool().quote_exact_in(A, 1, NOW).amount_out_atoms


@pytest.mark.parametrize(
    ("pool", "name", "error_class"),
    [
        (damm_v2_pool(status=1), "PoolDisabled", ErrorClass.TERMINAL),
        (damm_v2_pool(activation_point=2_001), "PoolDisabled", ErrorClass.NOT_YET),
        (
            damm_v2_pool(activation_point=1_001, activation_type=0),
            "PoolDisabled",
            ErrorClass.NOT_YET,
        ),
        (damm_v2_pool(activation_type=2), "InvalidActivationType", ErrorClass.TERMINAL),
        (damm_v2_pool(fee_version=2), "InvalidPoolVersion", ErrorClass.TERMINAL),
        (damm_v2_pool(collect_fee_mode=3), "TypeCastFailed", ErrorClass.LIQUIDITY),
        (damm_v2_pool(BaseFee(1, 5)), "InvalidBaseFeeMode", ErrorClass.TERMINAL),
        (damm_v2_pool(liquidity=0), "no_liquidity", ErrorClass.LIQUIDITY),
        (
            damm_v2_pool(sqrt_min_price=(1 << 64) - 1),
            "PriceRangeViolation",
            ErrorClass.LIQUIDITY,
        ),
        (damm_v2_pool(token_a_atoms=2**64 - 1), "MathOverflow", ErrorClass.LIQUIDITY),
    ],
)
def test_pool_that_the_program_would_not_swap_on_is_refused(pool, name, error_class):
    with pytest.raises(VenueError) as caught:
        pool.quote_exact_in(A, 10**9, NOW)
    assert (name, error_class) == (caught.value.name, caught.value.error_class)


def test_zero_is_refused():
    for quote in (damm_v2_pool().quote_exact_in, damm_v2_pool().quote_exact_out):
        with pytest.raises(VenueError, match="AmountIsZero"):
            quote(A, 0, NOW)


def test_partial_fill_stops_at_the_end_of_the_range():
    pool = damm_v2_pool(sqrt_max_price=5 << 62, collect_fee_mode=COLLECT_ONLY_B)
    quote = pool.quote_partial_in(B, 10**13, NOW)
    # L * (P' - P) = 10^12 / 4, and the fee on top.
    assert (250_626_566_417, 200_000_000_000) == (quote.amount_in_atoms, quote.amount_out_atoms)
    after = decode_numbers(pool.after(PARTIAL, B, 10**13, NOW).pool_data)
    assert 5 << 62 == after.curve.sqrt_price


def test_partial_fill_at_the_end_of_the_range_is_refused():
    pool = damm_v2_pool(sqrt_max_price=1 << 64)
    with pytest.raises(VenueError, match="AmountIsZero"):
        pool.quote_partial_in(B, 10**6, NOW)


def test_partial_fill_may_leave_an_atom_of_a_transfer_fee():
    # Two inputs leave the same after the fee; the program charges the smaller.
    fee = TransferFee(0, 10**9, 3_333)
    pool = damm_v2_pool(fees=(fee, None))
    same = next(n for n in range(10, 99) if n - fee.fee(n) == n - 1 - fee.fee(n - 1))
    assert same - 1 == pool.quote_partial_in(A, same, NOW).amount_in_atoms
    assert same == pool.quote_exact_in(A, same, NOW).amount_in_atoms


def test_larger_input_pays_the_limiters_higher_fee_only_when_buying_a():
    pool = damm_v2_pool(LIMITER, collect_fee_mode=COLLECT_ONLY_B)
    small, large = (pool.quote_exact_in(B, n, NOW) for n in (10**6, 10**7))
    assert (10_000, 550_000) == (small.fee_atoms, large.fee_atoms)
    sold = pool.quote_exact_in(A, 10**7, NOW)
    assert sold.fee_atoms < 10**7 // 99


def test_limiter_names_the_instructions_sysvar():
    limited = damm_v2_pool(LIMITER).swap_exact_in(USER, B, USER_1, USER_0, 1, 1)
    plain = damm_v2_pool().swap_exact_in(USER, B, USER_1, USER_0, 1, 1)
    off = damm_v2_pool(BaseFee(1, RATE_LIMITER)).swap_exact_in(USER, B, USER_1, USER_0, 1, 1)
    assert (15, 14, 14) == tuple(len(swap.accounts) for swap in (limited, plain, off))
    assert damm_v2.INSTRUCTIONS_SYSVAR == limited.accounts[14].pubkey


def test_instruction_keeps_vaults_and_mints_in_pool_order():
    swap = damm_v2_pool().swap_exact_in(USER, B, USER_1, USER_0, 7, 3)
    data = bytes.fromhex("414b3f4ceb5b5b88") + bytes([7] + [0] * 7 + [3] + [0] * 7 + [0])
    assert data == swap.data
    vaults = [damm_v2_accounts.vault_address(DAMM_V2_POOL, mint) for mint in MINTS]
    assert [DAMM_V2_POOL, USER_1, USER_0, *vaults, A, B, USER] == [
        meta.pubkey for meta in swap.accounts[1:9]
    ]


def test_swap_modes_differ_in_the_last_byte():
    pool = damm_v2_pool()
    built = (pool.swap_exact_in, pool.swap_partial_in, pool.swap_exact_out)
    assert [0, 1, 2] == [swap(USER, A, USER_0, USER_1, 1, 1).data[-1] for swap in built]


def test_account_that_is_no_pool_is_refused():
    for owner, data in ((USER, bytes(1112)), (damm_v2_accounts.PROGRAM_ID, bytes(1111))):
        with pytest.raises(VenueError, match="not_a_pool"):
            damm_v2.decode(DAMM_V2_POOL, Account(owner, 1, data))


def test_encoded_pool_reads_back():
    dynamic = DynamicFee(1, 2, 3, 4, 5, 6, 7, 8, 9 << 64, 10 << 64, 11, 12 << 65)
    base = BaseFee(123, 3, 4, 5, 6, 7)
    numbers = damm_v2_pool(base, dynamic_fee=dynamic, compounding_fee_bps=99).pool.numbers
    assert (base, dynamic, 99) == (
        numbers.base_fee,
        numbers.dynamic_fee,
        numbers.compounding_fee_bps,
    )
    slow = BaseFee(1, 0, 2, 2**40 + 3, 0, 4)
    assert slow == damm_v2_pool(slow).pool.numbers.base_fee


pools = st.builds(
    damm_v2_pool,
    st.builds(BaseFee, st.integers(0, 400_000_000)),
    liquidity=st.integers(10**6, 10**13).map(lambda n: n << 64),
    sqrt_price=st.integers(1 << 58, 1 << 70),
    collect_fee_mode=MODES,
)


@given(pools, st.integers(1, 10**12), st.booleans())
def test_exact_out_of_exact_in_costs_no_more(pool, amount, a_to_b):
    mint = A if a_to_b else B
    try:
        out = pool.quote_exact_in(mint, amount, NOW).amount_out_atoms
        assert not out or pool.quote_exact_out(mint, out, NOW).amount_in_atoms <= amount
    except VenueError:
        return


@given(pools, st.integers(1, 10**12), st.booleans())
def test_more_in_never_gives_less_out(pool, amount, a_to_b):
    mint = A if a_to_b else B
    try:
        less, more = (pool.quote_exact_in(mint, n, NOW) for n in (amount, amount + 1))
    except VenueError:
        return
    assert less.amount_out_atoms <= more.amount_out_atoms


@given(pools, st.integers(1, 10**11), st.booleans())
def test_buying_and_selling_back_never_gains(pool, amount, a_to_b):
    first, second = (A, B) if a_to_b else (B, A)
    try:
        bought = pool.quote_exact_in(first, amount, NOW).amount_out_atoms
        data = pool.after(EXACT_IN, first, amount, NOW).pool_data
        account = Account(damm_v2_accounts.PROGRAM_ID, 1, data)
        after = damm_v2.decode(DAMM_V2_POOL, account).load({})
        back = after.quote_exact_in(second, bought, NOW).amount_out_atoms if bought else 0
    except VenueError:
        return
    assert back <= amount
