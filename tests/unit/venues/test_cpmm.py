import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.raydium import cpmm, cpmm_accounts
from fairlead.venues.raydium.cpmm_curve import swap_base_input, swap_base_output
from fairlead.venues.token2022 import TransferFee, encode_token_account
from fairlead.venues.venue import Account, ChainTime, ErrorClass, VenueError
from tests.unit.venues.pools import (
    CONFIG,
    CPMM_POOL,
    MINTS,
    NOW,
    USER,
    USER_0,
    USER_1,
    cpmm_accounts_of,
    cpmm_pool,
)

ZERO, ONE = MINTS
reserves = st.integers(1, 2**62)
amounts = st.integers(1, 2**62)
rates = st.integers(1, 200_000)
sides = st.booleans()


def rates_of(data) -> tuple[int, int]:
    numbers = cpmm_accounts.decode_numbers(data)
    return numbers.creator_fees_token_0, numbers.creator_fees_token_1


def test_joint_fee_is_rounded_up_once():
    # Rounding both fees up one by one would take 3002.
    swap = swap_base_input(1_000_001, 10**12, 10**12, 2_500, 500, 0, 0, True)
    assert 3_001 == swap.trade_fee + swap.creator_fee


def test_quote_takes_fee_from_input_and_rounds_output_down():
    quote = cpmm_pool((1_000_000, 1_000_000)).quote_exact_in(ZERO, 10_000, NOW)
    # 25 of fee, then floor(9975 * 10^6 / (10^6 + 9975)).
    assert (10_000, 9_876, 25, ZERO) == (
        quote.amount_in_atoms,
        quote.amount_out_atoms,
        quote.fee_atoms,
        quote.fee_mint,
    )


def test_price_impact_leaves_the_fee_out():
    dear, cheap = (cpmm_pool((10**9, 10**9), trade=t) for t in (100_000, 100))
    impacts = [pool.quote_exact_in(ZERO, 10**8, NOW).price_impact_bps for pool in (dear, cheap)]
    assert [826, 910] == impacts


@pytest.mark.parametrize(
    ("mode", "input_mint", "creator_fees", "other_fee"),
    [
        (0, ZERO, (500, 0), 0),
        (0, ONE, (0, 500), 0),
        (1, ZERO, (500, 0), 0),
        (1, ONE, (499, 0), 499),
        (2, ONE, (0, 500), 0),
        (2, ZERO, (0, 499), 499),
    ],
)
def test_creator_fee_goes_to_its_token(mode, input_mint, creator_fees, other_fee):
    pool = cpmm_pool((10**12, 10**12), creator=500, enable_creator_fee=True, creator_fee_on=mode)
    assert creator_fees == rates_of(pool.after_exact_in(input_mint, 10**6, NOW).pool_data)
    assert other_fee == pool.quote_exact_in(input_mint, 10**6, NOW).other_fee_atoms


def test_creator_fee_counts_only_where_the_pool_enables_it():
    pool = cpmm_pool((10**12, 10**12), creator=500, creator_fee_on=1)
    assert (0, 0) == rates_of(pool.after_exact_in(ONE, 10**6, NOW).pool_data)


def test_fees_owed_are_not_part_of_the_reserves():
    owed = cpmm_pool(
        (10**6 + 3, 10**6 + 30),
        protocol_fees=(1, 10),
        fund_fees=(1, 10),
        creator_fees=(1, 10),
    )
    plain = cpmm_pool((10**6, 10**6))
    assert plain.quote_exact_in(ZERO, 999, NOW) == owed.quote_exact_in(ZERO, 999, NOW)


def test_transfer_fee_is_inside_the_input_and_off_the_output():
    fee = TransferFee(0, 10**9, 100)
    quote = cpmm_pool((10**9, 10**9), fees=(fee, fee)).quote_exact_in(ZERO, 10_000, NOW)
    plain = cpmm_pool((10**9, 10**9)).quote_exact_in(ZERO, 9_900, NOW)
    assert plain.amount_out_atoms - fee.fee(plain.amount_out_atoms) == quote.amount_out_atoms


@pytest.mark.parametrize(
    ("pool", "name", "error_class"),
    [
        (cpmm_pool(status=4), "NotApproved", ErrorClass.TERMINAL),
        (cpmm_pool(open_time=2_001), "NotApproved", ErrorClass.NOT_YET),
        (cpmm_pool((0, 5)), "insufficient_reserves", ErrorClass.LIQUIDITY),
        (cpmm_pool((5, 5), fund_fees=(6, 0)), "InsufficientVault", ErrorClass.TERMINAL),
        (cpmm_pool(trade=0), "ZeroTradingTokens", ErrorClass.TERMINAL),
        (cpmm_pool(creator_fee_on=3), "InvalidFeeModel", ErrorClass.TERMINAL),
    ],
)
def test_pool_that_the_program_would_not_swap_on_is_refused(pool, name, error_class):
    with pytest.raises(VenueError) as caught:
        pool.quote_exact_in(ZERO, 1_000, NOW)
    assert (name, error_class) == (caught.value.name, caught.value.error_class)


def test_pool_opens_at_its_second():
    time = ChainTime(slot=1, unix_timestamp=2_001, epoch=0)
    assert cpmm_pool(open_time=2_001).quote_exact_in(ZERO, 10**6, time).amount_out_atoms > 0


@pytest.mark.parametrize("amount", [0, 1])
def test_amount_that_brings_nothing_is_refused(amount):
    with pytest.raises(VenueError, match="RequireGtViolated"):
        cpmm_pool((10**9, 10**3)).quote_exact_in(ZERO, amount, NOW)


def test_whole_reserve_cannot_be_bought():
    pool = cpmm_pool((10**6, 10**6))
    with pytest.raises(VenueError) as caught:
        pool.quote_exact_out(ZERO, 10**6, NOW)
    assert (ErrorClass.LIQUIDITY, None) == (caught.value.error_class, caught.value.code)


def test_old_division_makes_dust_free_and_so_refused():
    pool = cpmm_pool((10**6, 10**9))
    assert 2 == pool.quote_exact_out(ZERO, 1, NOW).amount_in_atoms
    with pytest.raises(VenueError, match="RequireGtViolated"):
        pool.quote_exact_out(ZERO, 1, NOW, old_ceil_div=True)


def test_instruction_names_accounts_in_the_programs_order():
    pool = cpmm_pool()
    swap = pool.swap_exact_in(USER, ONE, USER_1, USER_0, 7, 3)
    assert bytes.fromhex("8fbe5adac41e33de") + bytes([7] + [0] * 7 + [3] + [0] * 7) == swap.data
    vault_0, vault_1 = (cpmm_accounts.vault_address(CPMM_POOL, mint) for mint in MINTS)
    assert [USER, CONFIG, CPMM_POOL, USER_1, USER_0, vault_1, vault_0, ONE, ZERO] == [
        swap.accounts[i].pubkey for i in (0, 2, 3, 4, 5, 6, 7, 10, 11)
    ]
    assert [3, 4, 5, 6, 7, 12] == [i for i, m in enumerate(swap.accounts) if m.is_writable]


def test_exact_out_instruction_puts_the_maximum_first():
    swap = cpmm_pool().swap_exact_out(
        USER, ZERO, USER_0, USER_1, amount_out_atoms=7, maximum_in_atoms=9
    )
    assert [9, 7] == [int.from_bytes(swap.data[i : i + 8], "little") for i in (8, 16)]


def test_mint_of_another_pool_is_refused():
    with pytest.raises(VenueError, match="wrong_mint"):
        cpmm_pool().quote_exact_in(USER, 1, NOW)


@pytest.mark.parametrize("change", ["owner", "size", "discriminator"])
def test_account_that_is_no_pool_is_refused(change):
    account = cpmm_accounts_of()[CPMM_POOL]
    wrong = {
        "owner": Account(USER, 1, account.data),
        "size": Account(account.owner, 1, account.data + b"\0"),
        "discriminator": Account(account.owner, 1, b"\0" + account.data[1:]),
    }[change]
    with pytest.raises(VenueError, match="not_a_pool"):
        cpmm.decode(CPMM_POOL, wrong)


def test_missing_account_is_named():
    accounts = cpmm_accounts_of()
    del accounts[CONFIG]
    with pytest.raises(VenueError, match=str(CONFIG)):
        cpmm.decode(CPMM_POOL, accounts[CPMM_POOL]).load(accounts)


@pytest.mark.parametrize(("mint", "state", "name"), [(USER, 1, "wrong"), (ZERO, 2, "frozen")])
def test_vault_that_cannot_be_used_is_refused(mint, state, name):
    accounts = cpmm_accounts_of()
    vault = cpmm_accounts.vault_address(CPMM_POOL, ZERO)
    data = encode_token_account(mint, USER, 1, state=state)
    accounts[vault] = Account(accounts[vault].owner, 1, data)
    with pytest.raises(VenueError, match=f"{name}_vault"):
        cpmm.decode(CPMM_POOL, accounts[CPMM_POOL]).load(accounts)


def test_mints_are_needed_only_where_they_may_take_a_fee():
    fee = TransferFee(0, 1, 1)
    account = cpmm_accounts_of(fees=(None, fee))[CPMM_POOL]
    needed = cpmm.decode(CPMM_POOL, account).accounts_needed
    assert (False, True) == (ZERO in needed, ONE in needed)


@given(amounts, reserves, reserves, rates, rates, sides)
def test_product_of_reserves_never_falls(amount, reserve_in, reserve_out, trade, creator, side):
    swap = swap_base_input(amount, reserve_in, reserve_out, trade, creator, 0, 0, side)
    after = (reserve_in + swap.curve_in) * (reserve_out - swap.curve_out)
    assert reserve_in * reserve_out <= after
    on_input = swap.creator_fee if side else 0
    on_output = 0 if side else swap.creator_fee
    assert amount == swap.curve_in + swap.trade_fee + on_input
    assert swap.curve_out == swap.output_atoms + on_output


@given(amounts, reserves, reserves, rates, rates, sides)
def test_more_in_never_gives_less_out(amount, reserve_in, reserve_out, trade, creator, side):
    less, more = (
        swap_base_input(n, reserve_in, reserve_out, trade, creator, 0, 0, side).output_atoms
        for n in (amount, amount + 1)
    )
    assert less <= more


@given(amounts, reserves, reserves, rates, rates, sides)
def test_exact_out_of_exact_in_costs_no_more(amount, reserve_in, reserve_out, trade, creator, side):
    out = swap_base_input(amount, reserve_in, reserve_out, trade, creator, 0, 0, side)
    if out.output_atoms:
        back = swap_base_output(
            out.output_atoms, reserve_in, reserve_out, trade, creator, 0, 0, side
        )
        assert back.input_atoms <= amount


@given(st.integers(1, 10**12), st.booleans())
def test_buying_and_selling_back_never_gains(amount, zero_first):
    first, second = MINTS if zero_first else MINTS[::-1]
    accounts = cpmm_accounts_of((10**12, 10**13))
    pool = cpmm.decode(CPMM_POOL, accounts[CPMM_POOL]).load(accounts)
    try:
        bought = pool.quote_exact_in(first, amount, NOW).amount_out_atoms
        change = pool.after_exact_in(first, amount, NOW)
        accounts[CPMM_POOL] = Account(accounts[CPMM_POOL].owner, 1, change.pool_data)
        for mint, delta in ((first, change.into_vault_atoms), (second, -change.out_of_vault_atoms)):
            address = cpmm_accounts.vault_address(CPMM_POOL, mint)
            vault = accounts[address]
            atoms = int.from_bytes(vault.data[64:72], "little") + delta
            accounts[address] = Account(vault.owner, 1, encode_token_account(mint, USER, atoms))
        after = cpmm.decode(CPMM_POOL, accounts[CPMM_POOL]).load(accounts)
        back = after.quote_exact_in(second, bought, NOW).amount_out_atoms
    except VenueError:
        return
    assert back <= amount
