"""Pools of the paper market, as venues read them and as a move of the market leaves them."""

from solders.pubkey import Pubkey

from fairlead.ledger.market import genesis_accounts
from fairlead.ledger.market_pool import Accounts, MarketPool, PoolKind, PoolMove, with_data
from fairlead.ledger.programs.token_data import amount_of, with_amount
from fairlead.ledger.tokens import SOL, TOKENS, USDC, Token
from fairlead.venues.pools import decode_pool
from fairlead.venues.venue import Account, ChainTime, LoadedPool

USDT = next(token for token in TOKENS if token.symbol == "USDT")
PAIRS = [(USDT, USDC), (USDT, SOL), (SOL, USDC)]
NOW = ChainTime(1_000, 1_800_000_000, 0)


def pool_of(kind: PoolKind, base: Token, quote: Token) -> tuple[MarketPool, Accounts]:
    """A pool as at genesis, and all accounts."""
    pool = kind.pool(base, quote)
    accounts = genesis_accounts()
    kind.put(accounts, pool)
    return pool, accounts


def loaded(pool: MarketPool, accounts: Accounts) -> LoadedPool:
    known = {
        Pubkey.from_bytes(key): Account(Pubkey.from_bytes(state.owner), state.lamports, state.data)
        for key, state in accounts.items()
    }
    address = Pubkey.from_bytes(pool.address)
    return decode_pool(address, known[address]).load(known)


def after(pool: MarketPool, accounts: Accounts, move: PoolMove | None) -> Accounts:
    """The accounts after a move that is one, the vaults too."""
    assert move is not None
    found = {**accounts, **move.changed}
    for vault, gain in ((pool.vault_0, move.gain_0), (pool.vault_1, move.gain_1)):
        data = found[vault].data
        found[vault] = with_data(found[vault], with_amount(data, amount_of(data) + gain))
    return found
