"""Raydium AMM v4: states, forms of the instruction, refusals, and what must hold of all amounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.venues.raydium import amm_v4, amm_v4_accounts
from fairlead.venues.raydium.amm_v4_curve import checked_ceil_div, classify
from fairlead.venues.token2022 import STATE_FROZEN, TOKEN_2022_PROGRAM
from fairlead.venues.venue import Account, ChainTime, ErrorClass, VenueError
from tests.unit.venues.pools import NOW, USER, USER_0, USER_1
from tests.vectors.amm_v4_pools import make_pool

WALLET = (USER_0, USER_1)
reserves = st.integers(1, 2**62)
amounts = st.integers(1, 2**62)
fees = st.sampled_from(((25, 10_000), (0, 10_000), (33, 7_777), (1, 3), (999, 1_000)))
sides = st.integers(0, 1)


def loaded(**how) -> amm_v4.LoadedAmmV4Pool:
    pool = make_pool("unit", **{"open_time": 0, **how})
    return amm_v4.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)


def changed(offset: int, number: int, which: int = 0, **how):
    """The pool's accounts with a u64 (which: 0 pool, 1 coin vault, 2 pc vault) overwritten."""
    pool = make_pool("unit", **how)
    address = pool.changing[which]
    account = pool.accounts[address]
    data = account.data[:offset] + number.to_bytes(8, "little") + account.data[offset + 8 :]
    accounts = {**pool.accounts, address: Account(account.owner, 1, data)}
    return pool.address, accounts


def test_quote_takes_fee_from_input_and_rounds_output_down():
    pool = loaded(reserves=(1_000_000, 1_000_000))
    quote = pool.quote_exact_in(pool.mints[0], 10_000, NOW)
    # 25 of fee, then floor(9975 * 10^6 / (10^6 + 9975)); the curve takes 99 of 9975.
    assert (10_000, 9_876, 25, pool.mints[0], 100) == (
        quote.amount_in_atoms,
        quote.amount_out_atoms,
        quote.fee_atoms,
        quote.fee_mint,
        quote.price_impact_bps,
    )


def test_exact_out_rounds_input_up():
    pool = loaded(reserves=(1_000_000, 1_000_000))
    # ceil(10^6 * 9876 / 990124) = 9975, then ceil(9975 / 0.9975).
    assert 10_000 == pool.quote_exact_out(pool.mints[1], 9_876, NOW).amount_in_atoms


def test_profit_owed_is_not_part_of_the_reserves():
    owing, plain = loaded(owed=(7, 9)), loaded()
    mint = plain.mints[0]
    assert plain.quote_exact_in(mint, 10**6, NOW) == owing.quote_exact_in(mint, 10**6, NOW)
    assert plain.vault_atoms != owing.vault_atoms


@pytest.mark.parametrize(
    ("how", "name", "error_class"),
    [
        ({"status": 0}, "InvalidStatus", ErrorClass.TERMINAL),
        ({"status": 2}, "InvalidStatus", ErrorClass.TERMINAL),
        ({"status": 3}, "InvalidStatus", ErrorClass.TERMINAL),
        ({"status": 4}, "InvalidStatus", ErrorClass.TERMINAL),
        ({"status": 1}, "InvalidOpenOrders", ErrorClass.TERMINAL),
        ({"status": 8}, "unknown_status", ErrorClass.TERMINAL),
        ({"status": 7, "open_time": 2_001}, "InvalidStatus", ErrorClass.NOT_YET),
        ({"reserves": (0, 5)}, "InsufficientFunds", ErrorClass.LIQUIDITY),
        ({"swap_fee": (1, 0)}, "panic", ErrorClass.TERMINAL),
        ({"swap_fee": (2, 1)}, "panic", ErrorClass.TERMINAL),
    ],
)
def test_pool_that_the_program_would_not_swap_on_is_refused(how, name, error_class):
    pool = loaded(**how)
    with pytest.raises(VenueError) as caught:
        pool.quote_exact_in(pool.mints[0], 1_000, NOW)
    assert (name, error_class) == (caught.value.name, caught.value.error_class)


def test_waiting_pool_opens_at_its_second():
    pool = loaded(status=7, open_time=2_001)
    time = ChainTime(slot=1, unix_timestamp=2_001, epoch=0)
    assert pool.quote_exact_in(pool.mints[0], 10**6, time).amount_out_atoms > 0
    transition = pool.after_exact_in(pool.mints[0], 10**6, time)
    assert 6 == amm_v4_accounts.decode_numbers(transition.pool_data).status


def test_pool_with_an_order_book_is_quoted_while_nothing_is_on_it():
    pool = make_pool("unit", status=1, book="market")
    decoded = amm_v4.decode(pool.address, pool.accounts[pool.address])
    assert 4 == len(decoded.accounts_needed)
    needed = {key: pool.accounts[key] for key in decoded.accounts_needed}
    assert decoded.load(needed).quote_exact_in(pool.mints[0], 10**6, NOW).amount_out_atoms > 0
    orders = amm_v4_accounts.associated_address(
        Pubkey.from_bytes(decoded.data[528:560]), "open_order"
    )
    data = bytearray(needed[orders].data)
    data[85] = 1
    needed[orders] = Account(needed[orders].owner, 1, bytes(data))
    with pytest.raises(VenueError, match="funds_on_the_order_book"):
        decoded.load(needed).quote_exact_in(pool.mints[0], 10**6, NOW)


@pytest.mark.parametrize(("book", "count"), [("", 17), ("market", 17), ("market and target", 18)])
def test_market_is_named_where_it_is_given(book, count):
    pool = loaded(book=book)
    sent = pool.swap_exact_in(USER, pool.mints[0], *WALLET, 5, 4)
    assert count == len(sent.accounts)
    assert bytes([9, 5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]) == bytes(sent.data)
    repeated = [meta.pubkey for meta in sent.accounts].count(pool.address)
    assert (10 if not book else 1) == repeated
    assert [USER] == [meta.pubkey for meta in sent.accounts if meta.is_signer]


def test_second_form_leaves_the_market_out():
    pool = loaded()
    sent = pool.swap_exact_out(USER, pool.mints[1], *WALLET, 5, 9, v2=True)
    assert bytes([17, 9]) == bytes(sent.data)[:2]
    writable = [False, True, False, True, True, True, True, False]
    assert writable == [meta.is_writable for meta in sent.accounts]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: changed(0, 6, 1), "wrong_vault"),
        (lambda: changed(8, 255), "unknown_authority"),
        (lambda: changed(108, STATE_FROZEN, 2), "frozen_vault"),
    ],
)
def test_wrong_account_is_refused_by_name(make, name):
    address, accounts = make()
    with pytest.raises(VenueError, match=name):
        amm_v4.decode(address, accounts[address]).load(accounts)


def test_vault_of_another_token_program_is_refused():
    pool = make_pool("unit")
    vault = pool.changing[1]
    pool.accounts[vault] = Account(TOKEN_2022_PROGRAM, 1, pool.accounts[vault].data)
    with pytest.raises(VenueError, match="wrong_vault"):
        amm_v4.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)


@pytest.mark.parametrize("cut", [0, 751])
def test_account_of_another_size_is_no_pool(cut):
    account = Account(amm_v4_accounts.PROGRAM_ID, 1, bytes(cut))
    with pytest.raises(VenueError, match="not_a_pool"):
        amm_v4.decode(USER, account)


def test_mint_of_neither_side_is_refused():
    with pytest.raises(VenueError, match="wrong_mint"):
        loaded().quote_exact_in(Pubkey.default(), 5, NOW)


def test_older_division_takes_no_fee_from_dust():
    pool = loaded(reserves=(10**9, 10**9))
    new, old = (
        pool.quote_exact_in(pool.mints[0], 100, NOW, old_ceil_div=old) for old in (False, True)
    )
    assert [(1, 98), (0, 99)] == [(q.fee_atoms, q.amount_out_atoms) for q in (new, old)]


@given(st.integers(0, 2**128), st.integers(1, 2**128))
def test_older_division_differs_below_one_half_only(numerator, divisor):
    new = checked_ceil_div(numerator, divisor)
    old = checked_ceil_div(numerator, divisor, old=True)
    assert old == (0 if numerator * 2 < divisor else new)


@given(reserves, reserves, fees, sides, amounts, amounts)
def test_more_in_never_gives_less_out(coin, pc, fee, side, one, other):
    pool = loaded(reserves=(coin, pc), swap_fee=fee)
    less, more = sorted((paid(pool, side, one), paid(pool, side, other)))
    assert (less, more) == tuple(paid(pool, side, each) for each in sorted((one, other)))


@given(reserves, reserves, fees, sides, amounts)
def test_exact_out_of_exact_in_costs_no_more(coin, pc, fee, side, amount):
    pool = loaded(reserves=(coin, pc), swap_fee=fee)
    out = paid(pool, side, amount)
    if out:
        assert pool.quote_exact_out(pool.mints[side], out, NOW).amount_in_atoms <= amount


@given(reserves, reserves, fees, sides, amounts)
def test_value_is_never_created(coin, pc, fee, side, amount):
    pool = loaded(reserves=(coin, pc), swap_fee=fee)
    out = paid(pool, side, amount)
    held = (coin, pc)[side], (coin, pc)[1 - side]
    assert held[0] * held[1] <= (held[0] + amount) * (held[1] - out)
    bought = min(amount, held[1] - 1)
    if bought:
        try:
            cost = pool.quote_exact_out(pool.mints[side], bought, NOW).amount_in_atoms
        except VenueError:
            return
        assert held[0] * held[1] <= (held[0] + cost) * (held[1] - bought)
        assert bought <= paid(pool, side, cost)


def paid(pool: amm_v4.LoadedAmmV4Pool, side: int, amount: int) -> int:
    try:
        return pool.quote_exact_in(pool.mints[side], amount, NOW).amount_out_atoms
    except VenueError as refused:
        if refused.name != "InvalidInput":
            raise
        return 0


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        (30, ErrorClass.STALE),
        (22, ErrorClass.NOT_YET),
        (40, ErrorClass.LIQUIDITY),
        (None, ErrorClass.LIQUIDITY),
        (29, ErrorClass.TERMINAL),
        (24, ErrorClass.TERMINAL),
        (999, ErrorClass.TERMINAL),
    ],
)
def test_refusal_has_its_class(code, error_class):
    assert error_class is classify(None, code)
