"""The paper market: which pools there are, and the accounts it starts with.

Both venues have a pool for every pair, built with the venues' own encoders. A treasury holds the
other side of every price move, so that tokens are neither made nor lost when the market moves
(`market_flow.py`).
"""

import hashlib
from math import isqrt

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState, rent_minimum
from fairlead.ledger.program import Program
from fairlead.ledger.programs import BASE_PROGRAMS, meteora_damm_v2, raydium_cpmm
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    MINT_SIZE,
    NATIVE_MINT,
    TOKEN_PROGRAM,
    amount_of,
    mint,
    token_account,
)
from fairlead.ledger.tokens import PAIRS, SOL, TOKENS, Token, atoms_worth
from fairlead.venues.meteora import damm_v2_accounts as damm_v2
from fairlead.venues.meteora.damm_v2_fees import BaseFee
from fairlead.venues.raydium import cpmm_accounts as cpmm
from fairlead.venues.venue import Venue

PROGRAMS: dict[bytes, Program] = {
    **BASE_PROGRAMS,
    raydium_cpmm.PROGRAM_ID: raydium_cpmm.PROGRAM,
    meteora_damm_v2.PROGRAM_ID: meteora_damm_v2.PROGRAM,
}
"""Every program of the paper chain."""

SIDE_DOLLARS = 60_000_000
"""Worth of each side of a pool at genesis: 1,000 SOL move its price by about half a percent."""

TREASURY_DOLLARS = 20_000_000_000
"""Worth of the treasury in each token."""

TREASURY_MAX_ATOMS = 2**62
"""A quarter of what a token account can hold, so that gains fit too."""

CPMM_CONFIG_INDEX = 0
CPMM_TRADE_FEE_RATE, CPMM_PROTOCOL_FEE_RATE, CPMM_FUND_FEE_RATE = 2_500, 120_000, 40_000
DAMM_V2_FEE_NUMERATOR = 2_500_000
"""A quarter percent on both venues: parts of 1,000,000 on Raydium, of 1e9 on Meteora."""

TREASURY = hashlib.sha256(b"fairlead paper treasury").digest()
"""Owner of the treasury's token accounts; nobody has its key."""

TOKEN_RENT = rent_minimum(ACCOUNT_SIZE)
LOADER = bytes(Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111"))


class MarketPool(msgspec.Struct, frozen=True):
    """A pool of the paper market."""

    address: bytes
    venue: Venue
    base: Token
    quote: Token
    # In the pool's own order of its mints.
    vault_0: bytes
    vault_1: bytes
    is_base_first: bool


def treasury_account(token: Token) -> bytes:
    """Where the treasury holds a token."""
    return associated_address(TREASURY, token.mint)


def all_pools() -> tuple[MarketPool, ...]:
    """Every pool, in the order of the pairs, Raydium's before Meteora's."""
    return tuple(
        pool for base, quote in PAIRS for pool in (_cpmm_pool(base, quote), _damm_pool(base, quote))
    )


def pools_of(pools: tuple[MarketPool, ...], mint_a: bytes, mint_b: bytes) -> tuple[MarketPool, ...]:
    """The pools of a pair, in whatever order its mints are given."""
    pair = {mint_a, mint_b}
    return tuple(pool for pool in pools if {pool.base.mint, pool.quote.mint} == pair)


def genesis_accounts(
    programs: dict[bytes, Program] = PROGRAMS,
) -> dict[bytes, AccountState]:
    """Everything on the chain before its first block: programs, mints, pools, the treasury."""
    accounts = {
        key: AccountState(rent_minimum(36), bytes(36), LOADER, executable=True) for key in programs
    }
    config = cpmm.encode_config(
        index=CPMM_CONFIG_INDEX,
        trade_fee_rate=CPMM_TRADE_FEE_RATE,
        protocol_fee_rate=CPMM_PROTOCOL_FEE_RATE,
        fund_fee_rate=CPMM_FUND_FEE_RATE,
    )
    _put(accounts, bytes(cpmm.config_address(CPMM_CONFIG_INDEX)), config, raydium_cpmm.PROGRAM_ID)
    for pool in all_pools():
        if pool.venue is Venue.RAYDIUM_CPMM:
            _put_cpmm(accounts, pool)
        else:
            _put_damm(accounts, pool)
    for token in TOKENS:
        amount = min(atoms_worth(token, TREASURY_DOLLARS), TREASURY_MAX_ATOMS)
        _put_tokens(accounts, treasury_account(token), token, TREASURY, amount)
    for token in TOKENS:
        supply = 0 if token is SOL else _supply(accounts, token.mint)
        _put(accounts, token.mint, mint(supply, token.decimals), TOKEN_PROGRAM)
    assert all(len(accounts[token.mint].data) == MINT_SIZE for token in TOKENS)
    return accounts


def _supply(accounts: dict[bytes, AccountState], mint_key: bytes) -> int:
    return sum(
        amount_of(state.data)
        for state in accounts.values()
        if state.owner == TOKEN_PROGRAM and state.data[:32] == mint_key
    )


def _cpmm_pool(base: Token, quote: Token) -> MarketPool:
    is_base_first = base.mint < quote.mint
    first, second = (base, quote) if is_base_first else (quote, base)
    mint_0, mint_1 = Pubkey.from_bytes(first.mint), Pubkey.from_bytes(second.mint)
    address = cpmm.pool_address(cpmm.config_address(CPMM_CONFIG_INDEX), mint_0, mint_1)
    return MarketPool(
        bytes(address),
        Venue.RAYDIUM_CPMM,
        base,
        quote,
        bytes(cpmm.vault_address(address, mint_0)),
        bytes(cpmm.vault_address(address, mint_1)),
        is_base_first,
    )


def _damm_pool(base: Token, quote: Token) -> MarketPool:
    mint_a, mint_b = Pubkey.from_bytes(base.mint), Pubkey.from_bytes(quote.mint)
    address = damm_v2.customizable_pool_address(mint_a, mint_b)
    return MarketPool(
        bytes(address),
        Venue.METEORA_DAMM_V2,
        base,
        quote,
        bytes(damm_v2.vault_address(address, mint_a)),
        bytes(damm_v2.vault_address(address, mint_b)),
        True,
    )


def _put_cpmm(accounts: dict[bytes, AccountState], pool: MarketPool) -> None:
    first, second = (pool.base, pool.quote) if pool.is_base_first else (pool.quote, pool.base)
    amounts = atoms_worth(first, SIDE_DOLLARS), atoms_worth(second, SIDE_DOLLARS)
    address = Pubkey.from_bytes(pool.address)
    lp_supply = isqrt(amounts[0] * amounts[1])
    data = cpmm.encode_pool(
        address=address,
        amm_config=cpmm.config_address(CPMM_CONFIG_INDEX),
        mint_0=Pubkey.from_bytes(first.mint),
        mint_1=Pubkey.from_bytes(second.mint),
        decimals_0=first.decimals,
        decimals_1=second.decimals,
        lp_supply=lp_supply,
    )
    _put(accounts, pool.address, data, raydium_cpmm.PROGRAM_ID)
    observation = bytes(cpmm.observation_address(address))
    _put(accounts, observation, cpmm.encode_observation(address), raydium_cpmm.PROGRAM_ID)
    authority = bytes(cpmm.authority_address())
    lp_mint = bytes(cpmm.lp_mint_address(address))
    _put(accounts, lp_mint, mint(lp_supply, 9, authority), TOKEN_PROGRAM)
    _put_tokens(accounts, pool.vault_0, first, authority, amounts[0])
    _put_tokens(accounts, pool.vault_1, second, authority, amounts[1])


def _put_damm(accounts: dict[bytes, AccountState], pool: MarketPool) -> None:
    amount_a = atoms_worth(pool.base, SIDE_DOLLARS)
    amount_b = atoms_worth(pool.quote, SIDE_DOLLARS)
    # Over the full range a is liquidity / sqrt_price and b is liquidity * sqrt_price.
    sqrt_price = isqrt((amount_b << 128) // amount_a)
    liquidity = isqrt(amount_a * amount_b) << 64
    data = damm_v2.encode_pool(
        address=Pubkey.from_bytes(pool.address),
        mint_a=Pubkey.from_bytes(pool.base.mint),
        mint_b=Pubkey.from_bytes(pool.quote.mint),
        base_fee=BaseFee(DAMM_V2_FEE_NUMERATOR),
        liquidity=liquidity,
        sqrt_price=sqrt_price,
        token_a_atoms=amount_a,
        token_b_atoms=amount_b,
    )
    _put(accounts, pool.address, data, meteora_damm_v2.PROGRAM_ID)
    authority = bytes(damm_v2.POOL_AUTHORITY)
    _put_tokens(accounts, pool.vault_0, pool.base, authority, amount_a)
    _put_tokens(accounts, pool.vault_1, pool.quote, authority, amount_b)


def _put(accounts: dict[bytes, AccountState], key: bytes, data: bytes, owner: bytes) -> None:
    assert owner != SYSTEM_PROGRAM
    accounts[key] = AccountState(rent_minimum(len(data)), data, owner)


def _put_tokens(
    accounts: dict[bytes, AccountState], key: bytes, token: Token, owner: bytes, atoms: int
) -> None:
    accounts[key] = tokens_of(token.mint, owner, atoms)


def tokens_of(mint_key: bytes, owner: bytes, atoms: int) -> AccountState:
    """A token account, with the lamports behind it where the token is wrapped SOL."""
    if mint_key == NATIVE_MINT:
        data = token_account(mint_key, owner, atoms, TOKEN_RENT)
        return AccountState(TOKEN_RENT + atoms, data, TOKEN_PROGRAM)
    return AccountState(TOKEN_RENT, token_account(mint_key, owner, atoms), TOKEN_PROGRAM)


def with_more_tokens(state: AccountState, atoms: int) -> AccountState:
    """The token account with this many more atoms, or fewer; wrapped SOL's lamports follow."""
    total = amount_of(state.data) + atoms
    assert 0 <= total < 2**64
    data = state.data[:64] + total.to_bytes(8, "little") + state.data[72:]
    lamports = state.lamports + (atoms if state.data[109] else 0)
    return AccountState(lamports, data, state.owner)
