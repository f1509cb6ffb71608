"""Meteora DAMM v1: vault shares, curves, prices that age, the promised minimum, what must hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.venues.meteora import damm_v1, damm_v1_accounts
from fairlead.venues.meteora.damm_v1_accounts import (
    DEPEG_LIDO,
    DEPEG_MARINADE,
    DEPEG_NONE,
    DEPEG_SPL_STAKE,
)
from fairlead.venues.meteora.damm_v1_errors import classify, classify_vault
from fairlead.venues.meteora.damm_v1_swap import VaultSide, raised_minimum
from fairlead.venues.venue import Account, ChainTime, ErrorClass, VenueError
from tests.unit.venues.pools import NOW, USER, USER_0, USER_1
from tests.vectors.damm_v1_pools import Shape, Side, make_pool

WALLET = (USER_0, USER_1)
IDLE = Side(10**9, 10**9, 10**9, 10**9)
DEGRADATION = 10**9
"""A thousandth of a vault's profit each second."""

sides = st.integers(0, 1)
amounts = st.integers(1, 2**50)


@st.composite
def vaults(draw) -> Side:
    supply = draw(st.integers(10**3, 10**15))
    total = draw(st.sampled_from((supply, supply * 3 // 2, supply * 7 + 3, supply * 9 // 10)))
    return Side(total, supply, max(1, supply // draw(st.integers(1, 40))), total)


curves = st.sampled_from((None, (100, 1, 1, 6), (1, 1, 1_000, 9), (10_000, 1, 1, 9)))
fees = st.sampled_from(
    (((250, 10**5), (20_000, 10**5)), ((0, 1), (0, 1)), ((4_000, 10**5), (1, 3)))
)


def loaded(shape: Shape) -> damm_v1.LoadedDammV1Pool:
    pool = make_pool("unit", shape)
    return damm_v1.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)


def simple(a: Side = IDLE, b: Side = IDLE, **how) -> damm_v1.LoadedDammV1Pool:
    return loaded(Shape(sides=(a, b), **how))


def at(unix_timestamp: int) -> ChainTime:
    return ChainTime(slot=1_000, unix_timestamp=unix_timestamp, epoch=7)


def test_fee_is_rounded_down_and_protocol_takes_its_part_out_of_it():
    quote = simple().exact_in(simple().mints[0], 10_039, NOW)
    # 25 of fee, of which the protocol takes 5; the rest goes on the curve of 10^9 each.
    assert (20, 5, 10_014) == (quote.trade_fee, quote.protocol_fee, quote.curve_in)
    assert 10_013 == quote.amount_out


def test_fee_is_an_atom_at_least():
    swap = simple().exact_in(simple().mints[0], 10, NOW)
    assert (0, 1, 9) == (swap.trade_fee, swap.protocol_fee, swap.curve_in)


def test_nothing_in_passes_and_brings_nothing():
    quote = simple().quote_exact_in(simple().mints[0], 0, NOW)
    assert (0, 0, 0) == (quote.amount_in_atoms, quote.amount_out_atoms, quote.price_impact_bps)


def test_locked_profit_counts_with_time():
    lending = Side(10**9, 10**9, 10**9, 10**9, (10**8, 2_000, DEGRADATION))
    pool = simple(IDLE, lending)
    outs = [pool.exact_in(pool.mints[0], 10**6, at(2_000 + s)).total_out for s in (0, 1, 500, 1001)]
    assert [9 * 10**8, 9 * 10**8 + 10**5, 95 * 10**7, 10**9] == outs


def test_report_of_a_later_time_is_refused():
    pool = simple(Side(10**9, 10**9, 10**9, 10**9, (1, 2_001, DEGRADATION)))
    with pytest.raises(VenueError, match="MathOverflow"):
        pool.quote_exact_in(pool.mints[0], 10**6, NOW)


@pytest.mark.parametrize("kind", [DEPEG_MARINADE, DEPEG_LIDO, DEPEG_SPL_STAKE])
def test_price_of_a_staked_token_is_looked_up_when_it_is_old(kind):
    shape = Shape(
        sides=(IDLE, IDLE),
        stable=(100, 1, 1, 9),
        depeg=(1_000_000, 1_400, kind),
        stake_price=1_250_000,
    )
    pool = loaded(shape)
    mint = pool.mints[0]
    fresh, old = (pool.quote_exact_in(mint, 10**6, at(time)) for time in (2_000, 2_001))
    assert fresh.amount_out_atoms > 996_000 > 810_000 > old.amount_out_atoms > 790_000
    assert 16 == len(pool.swap_exact_in(USER, mint, *WALLET, 1, 1).accounts)


def test_stable_pool_scales_decimals():
    pool = simple(Side(10**6, 10**6, 10**6, 10**6), IDLE, stable=(100, 1_000, 1, 9))
    assert 996 < pool.quote_exact_in(pool.mints[0], 1_000, NOW).amount_out_atoms // 1_000 < 998


@pytest.mark.parametrize(
    ("how", "name", "error_class"),
    [
        ({"is_enabled": False}, "PoolDisabled", ErrorClass.TERMINAL),
        ({"activation": (1_001, 0)}, "PoolDisabled", ErrorClass.NOT_YET),
        ({"activation": (2_001, 1)}, "PoolDisabled", ErrorClass.NOT_YET),
        ({"a": Side(9, 9, 9, 9, is_enabled=False)}, "VaultIsDisabled", ErrorClass.TERMINAL),
        ({"a": Side(0, 0, 0, 0)}, "MathOverflow", ErrorClass.LIQUIDITY),
        ({"b": Side(10**9, 10**9, 10**9, 5)}, "InsufficientFunds", ErrorClass.LIQUIDITY),
        ({"trade_fee": (2, 1)}, "MathOverflow", ErrorClass.TERMINAL),
        ({"protocol_fee": (2, 1)}, "FeeCalculationFailure", ErrorClass.TERMINAL),
    ],
)
def test_swap_that_the_programs_would_not_do_is_refused(how, name, error_class):
    pool = simple(**how)
    with pytest.raises(VenueError) as caught:
        pool.quote_exact_in(pool.mints[0], 10_000, NOW)
    assert (name, error_class) == (caught.value.name, caught.value.error_class)


def test_pool_opens_at_its_point():
    for point in ((1_000, 0), (2_000, 1)):
        pool = simple(activation=point)
        assert pool.quote_exact_in(pool.mints[0], 10_000, NOW).amount_out_atoms > 0


@pytest.mark.parametrize(
    ("offset", "value", "name"),
    [
        (0, 0, "not_a_pool"),
        (874, 2, "unknown_curve"),
        (475, 2, "unknown_activation_type"),
    ],
)
def test_unknown_account_is_refused_by_name(offset, value, name):
    pool = make_pool("unit", Shape(sides=(IDLE, IDLE)))
    data = bytearray(pool.accounts[pool.address].data)
    data[offset] = value
    with pytest.raises(VenueError, match=name):
        damm_v1.decode(pool.address, Account(damm_v1_accounts.PROGRAM_ID, 1, bytes(data)))


def test_unknown_price_is_refused_by_name():
    shape = Shape(sides=(IDLE, IDLE), stable=(1, 1, 1, 6), depeg=(1, 1, 4), stake_price=1)
    with pytest.raises(VenueError, match="unknown_depeg_type"):
        loaded(shape)


def test_mint_of_old_shares_is_found_in_the_vault():
    """A vault may name a mint of shares that is not at the derived address."""
    pool = make_pool("unit", Shape(sides=(IDLE, IDLE)))
    decoded = damm_v1.decode(pool.address, pool.accounts[pool.address])
    vault = decoded.vault_states[0]
    account, mint = pool.accounts[vault], Pubkey.from_bytes(bytes([9]) * 32)
    data = account.data[:115] + bytes(mint) + account.data[147:]
    accounts = {**pool.accounts, vault: Account(account.owner, 1, data)}
    with pytest.raises(VenueError, match=f"missing_account: {mint}"):
        decoded.load(accounts)
    assert () == decoded.more_needed({})
    assert (mint,) == decoded.more_needed(accounts)


def test_minimum_stays_where_a_vault_rounds_nothing_off():
    pool = simple()
    sent = pool.swap_exact_in(USER, pool.mints[0], *WALLET, 5, 4)
    assert (4).to_bytes(8, "little") == bytes(sent.data)[16:]


@pytest.mark.parametrize(
    "lending",
    [
        Side(10**9 + 1, 10**9, 10**9, 10**9),
        Side(10**9, 10**9, 10**9, 10**9, (5, 0, 1)),
    ],
)
def test_minimum_is_one_more_where_shares_may_round(lending):
    pool = simple(IDLE, lending)
    for minimum, raised in ((0, 0), (4, 5), (2**64 - 1, 2**64 - 1)):
        sent = pool.swap_exact_in(USER, pool.mints[0], *WALLET, 5, minimum)
        assert raised.to_bytes(8, "little") == bytes(sent.data)[16:]


@given(vaults(), vaults(), curves, fees, sides, amounts)
def test_raised_minimum_keeps_the_promise(a, b, stable, fee, side, amount):
    pool = pool_of(a, b, stable, fee)
    mint = pool.mints[side]
    try:
        swap = pool.exact_in(mint, amount, NOW)
        compared = pool.compared_out(mint, amount, NOW)
    except VenueError:
        return
    # The program pays what it compares, or one atom less.
    assert 0 <= compared - swap.amount_out <= 1
    target: VaultSide = pool.sides[1 - side]
    for promise in range(max(1, swap.amount_out - 1), swap.amount_out + 3):
        passes = compared >= raised_minimum(promise, target)
        assert not passes or swap.amount_out >= promise


@given(vaults(), vaults(), curves, fees, sides, amounts, amounts)
def test_more_in_never_gives_less_out(a, b, stable, fee, side, one, other):
    """To the roundings of the vaults: none where a share is worth an atom, else a share's worth."""
    pool = pool_of(a, b, stable, fee)
    low, high = sorted((one, other))
    less, more = paid(pool, side, low), paid(pool, side, high)
    if less is None or more is None:
        return
    allowed = 0
    if a.total != a.supply or b.total != b.supply:
        # The least change of what the input vault counts moves the output by this.
        allowed = slack(pool, side)
    assert less - allowed <= more


@given(vaults(), vaults(), curves, fees, sides, amounts)
def test_exact_out_of_exact_in_costs_no_more(a, b, stable, fee, side, amount):
    pool = pool_of(a, b, stable, fee)
    out = paid(pool, side, amount)
    if not out:
        return
    quote = pool.quote_exact_out(pool.mints[side], out, NOW)
    assert quote.amount_in_atoms <= amount
    assert quote.amount_out_atoms >= out


@given(vaults(), vaults(), fees, sides, amounts)
def test_value_is_never_created(a, b, fee, side, amount):
    """What the pool's shares are worth multiplies to no less after a swap."""
    pool = pool_of(a, b, None, fee)
    try:
        swap = pool.exact_in(pool.mints[side], amount, NOW)
    except VenueError:
        return
    assert swap.amount_out <= swap.curve_out
    assert swap.total_in * swap.total_out <= (swap.total_in + swap.curve_in) * (
        swap.total_out - swap.curve_out
    )


@given(vaults(), curves, sides, amounts)
def test_there_and_back_brings_no_more(vault, stable, side, amount):
    free = ((0, 1), (0, 1))
    idle = Side(vault.supply, vault.supply, vault.shares, vault.supply)
    pool = pool_of(idle, idle, stable, free)
    try:
        there = pool.exact_in(pool.mints[side], amount, NOW)
        after = [idle, idle]
        after[side] = grown(idle, amount, there.lp_in)
        after[1 - side] = grown(idle, -there.amount_out, -there.lp_out)
        back = pool_of(after[0], after[1], stable, free)
        assert back.exact_in(pool.mints[1 - side], there.amount_out, NOW).amount_out <= amount
    except VenueError:
        return


def grown(side: Side, atoms: int, shares: int) -> Side:
    total = side.total + atoms
    return Side(total, side.supply + shares, side.shares + shares, total)


def pool_of(a: Side, b: Side, stable, fee) -> damm_v1.LoadedDammV1Pool:
    return simple(a, b, stable=stable, trade_fee=fee[0], protocol_fee=fee[1])


def paid(pool: damm_v1.LoadedDammV1Pool, side: int, amount: int) -> int | None:
    """What comes out; None where the programs refuse."""
    try:
        return pool.quote_exact_in(pool.mints[side], amount, NOW).amount_out_atoms
    except VenueError:
        return None


def slack(pool: damm_v1.LoadedDammV1Pool, side: int) -> int:
    source, target = pool.sides[side], pool.sides[1 - side]
    total_in = max(1, source.lp_amount * source.state.total_amount // source.lp_supply)
    total_out = target.lp_amount * target.state.total_amount // target.lp_supply
    scale = 1_000 if pool.pool.numbers.token_b_multiplier == 1_000 else 1
    return 2 * scale + target.state.total_amount // target.lp_supply + 2 * total_out // total_in


@pytest.mark.parametrize(
    ("judge", "name", "code", "error_class"),
    [
        (classify, "ExceededSlippage", 6004, ErrorClass.STALE),
        (classify, None, 6004, ErrorClass.STALE),
        (classify, None, 6015, ErrorClass.NOT_YET),
        (classify, None, 6000, ErrorClass.LIQUIDITY),
        (classify, None, 6009, ErrorClass.TERMINAL),
        (classify, None, None, ErrorClass.TERMINAL),
        (classify_vault, None, 6004, ErrorClass.LIQUIDITY),
        (classify_vault, None, 6001, ErrorClass.STALE),
        (classify_vault, None, 6000, ErrorClass.TERMINAL),
    ],
)
def test_refusal_has_its_class_by_program(judge, name, code, error_class):
    assert error_class is judge(name, code)


def test_pool_without_a_price_needs_eight_accounts():
    pool = simple().pool
    assert 8 == len(set(pool.accounts_needed))
    assert DEPEG_NONE == pool.numbers.depeg_type
