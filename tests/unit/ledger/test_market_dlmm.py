"""DLMM pools of the paper market: filled to the atom, moved bin by bin by the treasury."""

import pytest
from solders.pubkey import Pubkey

from fairlead.ledger.market_dlmm import KIND, bin_at, moved_to
from fairlead.ledger.market_flow import target_price
from fairlead.ledger.market_pool import Accounts, MarketPool
from fairlead.ledger.programs.token_data import amount_of
from fairlead.ledger.tokens import SOL, USDC, atoms_worth
from fairlead.venues.meteora import dlmm, dlmm_accounts
from fairlead.venues.meteora.bins import price_from_id
from tests.unit.ledger import market_pools
from tests.unit.ledger.market_pools import NOW, PAIRS, USDT


def pool_of(base, quote) -> tuple[MarketPool, Accounts]:
    return market_pools.pool_of(KIND, base, quote)


def loaded(pool: MarketPool, accounts: Accounts) -> dlmm.LoadedDlmmPool:
    found = market_pools.loaded(pool, accounts)
    assert isinstance(found, dlmm.LoadedDlmmPool)
    return found


def applied(pool: MarketPool, accounts: Accounts, bin_id: int) -> Accounts:
    return market_pools.after(pool, accounts, moved_to(accounts.get, pool.address, bin_id))


def active_id(pool: MarketPool, accounts: Accounts) -> int:
    return dlmm_accounts.decode_numbers(accounts[pool.address].data).active_id


def in_bins(pool: dlmm.LoadedDlmmPool) -> tuple[int, int]:
    """Atoms of X and Y in all bins."""
    x, y = (sum(b.amount for _, bins in path.arrays for b in bins) for path in (pool.up, pool.down))
    return x, y


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_reserves_hold_just_what_is_in_the_bins_before_and_after_moves(base, quote):
    pool, accounts = pool_of(base, quote)
    assert loaded(pool, accounts).reserves == in_bins(loaded(pool, accounts))
    start = active_id(pool, accounts)
    for distance in (60, -71, -3, 140, 0):
        accounts = applied(pool, accounts, start + distance)
        assert start + distance == active_id(pool, accounts)
        assert loaded(pool, accounts).reserves == in_bins(loaded(pool, accounts))


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_there_and_back_costs_the_treasury_no_more_than_an_atom_a_bin(base, quote):
    pool, accounts = pool_of(base, quote)
    start = active_id(pool, accounts)
    after = applied(pool, applied(pool, accounts, start + 50), start - 50)
    after = applied(pool, after, start)
    for vault, side in ((pool.vault_0, 0), (pool.vault_1, 1)):
        gained = amount_of(after[vault].data) - amount_of(accounts[vault].data)
        # The active bin had both tokens, and now has one of them.
        each = loaded(pool, accounts).reserves[side] // 170
        assert -each < gained < each


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_a_large_trade_crosses_bins_and_gets_what_others_would_pay(base, quote):
    pool, accounts = pool_of(base, quote)
    found = loaded(pool, accounts)
    for side, token in enumerate(pool.tokens):
        other, mint = pool.tokens[1 - side], Pubkey.from_bytes(token.mint)
        small = found.quote_exact_in(mint, atoms_worth(token, 150_000), NOW)
        fair = atoms_worth(other, 150_000)
        assert 0.99 * fair < small.amount_out_atoms < fair
        large = found.exact_in(mint, atoms_worth(token, 30_000_000), NOW)
        assert 50 < len(large.steps)
        assert 2 <= large.arrays


@pytest.mark.parametrize(("base", "quote"), PAIRS)
def test_the_markets_prices_are_within_the_liquidity(base, quote):
    pool, accounts = pool_of(base, quote)
    bin_step = dlmm_accounts.decode_numbers(accounts[pool.address].data).bin_step
    for slot in range(0, 40_000, 1_009):
        numerator, denominator = target_price(11, pool, slot)
        wanted = bin_at(bin_step, numerator, denominator)
        # Half a step beside the price at most, and what rounding adds.
        asked = (numerator << 64) // denominator
        off = abs(price_from_id(wanted, bin_step) - asked) * 20_000 / asked
        assert off < 1.001 * bin_step
        move = moved_to(accounts.get, pool.address, wanted)
        moved = {} if move is None else move.changed
        assert wanted == active_id(pool, {**accounts, **moved})


def test_beyond_the_liquidity_the_move_ends_in_its_last_bin():
    pool, accounts = pool_of(USDT, USDC)
    start = active_id(pool, accounts)
    for way in (1, -1):
        after = applied(pool, accounts, start + way * 100_000)
        assert start + way * 350 == active_id(pool, after)
        assert None is moved_to(after.get, pool.address, start + way * 100_000)
        assert None is not moved_to(after.get, pool.address, start)


def test_the_price_that_stands_moves_nothing():
    pool, accounts = pool_of(USDT, SOL)
    sides = atoms_worth(USDT, 10**6), atoms_worth(SOL, 10**6)
    assert None is KIND.moved(accounts.get, pool, sides[1], sides[0])
    assert None is not KIND.moved(accounts.get, pool, sides[1] * 1_002, sides[0] * 1_000)


def test_a_market_that_moved_against_a_swap_pays_less():
    pool, accounts = pool_of(USDT, SOL)
    for side, token in enumerate(pool.tokens):
        mint = Pubkey.from_bytes(token.mint)
        source = pool.vault_0 if side == 0 else b"not there yet"
        keys = [pool.address, b"", b"", b"", source]
        keys += [
            bytes(dlmm_accounts.bin_array_address(Pubkey.from_bytes(pool.address), index))
            for index, _ in (*loaded(pool, accounts).up.arrays, *loaded(pool, accounts).down.arrays)
        ]
        after = {**accounts, **KIND.against(accounts.get, keys, 2_000)}
        amounts = [
            loaded(pool, state).quote_exact_in(mint, 10**9, NOW).amount_out_atoms
            for state in (accounts, after)
        ]
        assert 0.79 < amounts[1] / amounts[0] < 0.84
    assert {} == KIND.against(accounts.get, [b""] * 9, 2_000)
