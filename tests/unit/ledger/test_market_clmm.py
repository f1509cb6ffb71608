"""CLMM pools of the paper market: filled as the program would hold them, moved tick by tick."""

from math import isqrt

import pytest
from solders.pubkey import Pubkey

from fairlead.ledger.market_clmm import KIND, deposit, moved_to
from fairlead.ledger.market_flow import target_price
from fairlead.ledger.market_pool import Accounts, MarketPool
from fairlead.ledger.programs.token_data import amount_of
from fairlead.ledger.tokens import SOL, USDC, atoms_worth
from fairlead.venues.raydium import clmm, clmm_accounts
from fairlead.venues.raydium.clmm_encode import Position
from tests.unit.ledger import market_pools
from tests.unit.ledger.market_pools import NOW, PAIRS, USDT


def pool_of(base, quote) -> tuple[MarketPool, Accounts]:
    return market_pools.pool_of(KIND, base, quote)


def loaded(pool: MarketPool, accounts: Accounts) -> clmm.LoadedClmmPool:
    found = market_pools.loaded(pool, accounts)
    assert isinstance(found, clmm.LoadedClmmPool)
    return found


def applied(pool: MarketPool, accounts: Accounts, numerator: int, denominator: int) -> Accounts:
    return market_pools.after(
        pool, accounts, KIND.moved(accounts.get, pool, numerator, denominator)
    )


def price_of(accounts: Accounts, pool: MarketPool) -> int:
    return clmm_accounts.decode_numbers(accounts[pool.address].data).sqrt_price_x64


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_a_large_trade_crosses_ticks_and_gets_what_others_would_pay(base, quote):
    pool, accounts = pool_of(base, quote)
    found = loaded(pool, accounts)
    for side, token in enumerate(pool.tokens):
        other = pool.tokens[1 - side]
        mint = Pubkey.from_bytes(token.mint)
        small = found.quote_exact_in(mint, atoms_worth(token, 150_000), NOW)
        fair = atoms_worth(other, 150_000)
        assert 0.985 * fair < small.amount_out_atoms < fair
        assert small.price_impact_bps < 50
        large = found.walk_exact_in(side == 0, atoms_worth(token, 30_000_000), NOW, 0, 4)
        assert 2 <= large.walk.ticks_crossed


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_vaults_pay_out_all_liquidity_and_keep_next_to_nothing(base, quote):
    """What the positions paid in is what a swap to either end takes out, but for rounding."""
    pool, accounts = pool_of(base, quote)
    found = loaded(pool, accounts)
    for side, vault in enumerate((pool.vault_1, pool.vault_0)):
        reach = found.reach(found.mints[side], max_arrays=8)
        left = amount_of(accounts[vault].data) - reach.max_out_atoms
        assert 0 <= left < 20


def test_deposit_rounds_up():
    position = Position(-60, 60, 1_000)
    at_zero = 1 << 64
    assert (3, 3) == deposit(position, at_zero)
    assert (6, 1) == deposit(position, 18_392_000_000_000_000_000)


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_a_pool_is_moved_to_the_price_and_back_at_the_cost_of_rounding(base, quote):
    pool, accounts = pool_of(base, quote)
    start = price_of(accounts, pool)
    now = accounts
    for parts in (1_050_000, 960_000, 1_000_000):
        square = start * start * parts // 1_000_000
        now = applied(pool, now, square, 1 << 128)
        assert abs(price_of(now, pool) - isqrt(square)) <= 1
    for vault in (pool.vault_0, pool.vault_1):
        gained = amount_of(now[vault].data) - amount_of(accounts[vault].data)
        assert 0 <= gained < 10_000
    assert loaded(pool, now).numbers.liquidity == loaded(pool, accounts).numbers.liquidity


def test_a_small_difference_moves_nothing():
    pool, accounts = pool_of(USDT, SOL)
    square = price_of(accounts, pool) ** 2
    assert None is KIND.moved(accounts.get, pool, square * 1_000_400, (1 << 128) * 1_000_000)
    assert None is not KIND.moved(accounts.get, pool, square * 1_000_600, (1 << 128) * 1_000_000)


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_the_markets_prices_are_within_the_liquidity(base, quote):
    pool, accounts = pool_of(base, quote)
    for slot in range(0, 40_000, 1_009):
        numerator, denominator = target_price(11, pool, slot)
        if not pool.is_base_first:
            numerator, denominator = denominator, numerator
        wanted = isqrt((numerator << 128) // denominator)
        move = moved_to(accounts.get, pool.address, wanted)
        assert move is not None
        data = move.changed[pool.address].data
        assert clmm_accounts.decode_numbers(data).sqrt_price_x64 == wanted


def test_beyond_the_liquidity_the_move_ends_where_it_ends():
    pool, accounts = pool_of(USDT, USDC)
    far = price_of(accounts, pool) * 2
    move = moved_to(accounts.get, pool.address, far)
    assert move is not None
    ended = clmm_accounts.decode_numbers(move.changed[pool.address].data)
    assert 0 == ended.liquidity
    assert ended.sqrt_price_x64 < far
    after = {**accounts, **move.changed}
    assert None is moved_to(after.get, pool.address, far)
    back = moved_to(after.get, pool.address, price_of(accounts, pool))
    assert back is not None


def test_a_market_that_moved_against_a_swap_pays_less():
    pool, accounts = pool_of(USDT, SOL)
    for side in (0, 1):
        vault = (pool.vault_0, pool.vault_1)[side]
        keys = [b"", b"", pool.address, b"", b"", vault]
        after = {**accounts, **KIND.against(accounts.get, keys, 2_000)}
        amounts = [
            loaded(pool, state)
            .quote_exact_in(Pubkey.from_bytes(pool.tokens[side].mint), 10**9, NOW)
            .amount_out_atoms
            for state in (accounts, after)
        ]
        assert 0.75 < amounts[1] / amounts[0] < 0.85
    assert {} == KIND.against(accounts.get, [b""] * 9, 2_000)
