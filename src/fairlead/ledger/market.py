"""The paper market: which pools there are, and the accounts it starts with.

What a pool of a venue is made of is in a file of its own (`market_cpmm.py` and so on), which
offers a `PoolKind`; here is the table of them and of who trades what.
"""

from collections.abc import Mapping

from fairlead.ledger import (
    market_amm_v4,
    market_clmm,
    market_cpmm,
    market_damm_v1,
    market_damm_v2,
    market_dlmm,
)
from fairlead.ledger.market_pool import (
    TREASURY,
    Accounts,
    MarketPool,
    PoolKind,
    put,
    put_program,
    put_tokens,
    treasury_account,
)
from fairlead.ledger.program import Program
from fairlead.ledger.programs import BASE_PROGRAMS
from fairlead.ledger.programs.token_data import MINT_SIZE, TOKEN_PROGRAM, amount_of, mint
from fairlead.ledger.tokens import PAIRS, SOL, TOKENS, atoms_worth
from fairlead.venues.venue import Venue

KINDS: Mapping[Venue, PoolKind] = {
    Venue.RAYDIUM_CPMM: market_cpmm.KIND,
    Venue.METEORA_DAMM_V2: market_damm_v2.KIND,
    Venue.RAYDIUM_CLMM: market_clmm.KIND,
    Venue.RAYDIUM_AMM_V4: market_amm_v4.KIND,
    Venue.METEORA_DAMM_V1: market_damm_v1.KIND,
    Venue.METEORA_DLMM: market_dlmm.KIND,
}
"""How each venue's pools are made and moved."""

ON_EVERY_PAIR = (Venue.RAYDIUM_CPMM, Venue.METEORA_DAMM_V2)

FURTHER: Mapping[tuple[str, str], tuple[Venue, ...]] = {
    ("USDT", "USDC"): (Venue.RAYDIUM_CLMM, Venue.METEORA_DAMM_V1, Venue.METEORA_DLMM),
    ("JUP", "USDC"): (Venue.RAYDIUM_AMM_V4, Venue.METEORA_DAMM_V1),
    ("USDT", "SOL"): (Venue.RAYDIUM_AMM_V4, Venue.RAYDIUM_CLMM, Venue.METEORA_DLMM),
}
"""Base and quote, and the venues that have a pool of them besides those with one of every pair."""

PROGRAMS: dict[bytes, Program] = {
    **BASE_PROGRAMS,
    **{kind.program_id: kind.program for kind in KINDS.values()},
}
"""Every program of the paper chain."""

TREASURY_DOLLARS = 20_000_000_000
"""Worth of the treasury in each token."""

TREASURY_MAX_ATOMS = 2**62
"""A quarter of what a token account can hold, so that gains fit too."""


def all_pools() -> tuple[MarketPool, ...]:
    """Every pool, in the order of the pairs; first the two venues that have every pair."""
    return tuple(
        KINDS[venue].pool(base, quote)
        for base, quote in PAIRS
        for venue in (*ON_EVERY_PAIR, *FURTHER.get((base.symbol, quote.symbol), ()))
    )


def pools_of(pools: tuple[MarketPool, ...], mint_a: bytes, mint_b: bytes) -> tuple[MarketPool, ...]:
    """The pools of a pair, in whatever order its mints are given."""
    pair = {mint_a, mint_b}
    return tuple(pool for pool in pools if {pool.base.mint, pool.quote.mint} == pair)


def genesis_accounts(programs: Mapping[bytes, Program] = PROGRAMS) -> Accounts:
    """Everything on the chain before its first block: programs, mints, pools, the treasury."""
    accounts: Accounts = {}
    for key in programs:
        put_program(accounts, key)
    for pool in all_pools():
        KINDS[pool.venue].put(accounts, pool)
    for token in TOKENS:
        amount = min(atoms_worth(token, TREASURY_DOLLARS), TREASURY_MAX_ATOMS)
        put_tokens(accounts, treasury_account(token), token, TREASURY, amount)
    for token in TOKENS:
        supply = 0 if token is SOL else _supply(accounts, token.mint)
        put(accounts, token.mint, mint(supply, token.decimals), TOKEN_PROGRAM)
    assert all(len(accounts[token.mint].data) == MINT_SIZE for token in TOKENS)
    return accounts


def _supply(accounts: Accounts, mint_key: bytes) -> int:
    return sum(
        amount_of(state.data)
        for state in accounts.values()
        if state.owner == TOKEN_PROGRAM and state.data[:32] == mint_key
    )
