"""Raydium CPMM's pools in the paper market."""

from collections.abc import Sequence
from math import isqrt

from solders.pubkey import Pubkey

from fairlead.ledger.market_pool import (
    SIDE_DOLLARS,
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    more_in_vault,
    product_gains,
    put,
    put_tokens,
)
from fairlead.ledger.programs import raydium_cpmm
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of, mint
from fairlead.ledger.tokens import Token, atoms_worth
from fairlead.venues.raydium import cpmm_accounts as cpmm
from fairlead.venues.venue import Venue

CONFIG_INDEX = 0
TRADE_FEE_RATE, PROTOCOL_FEE_RATE, FUND_FEE_RATE = 2_500, 120_000, 40_000
"""A quarter percent, as all venues here take where they can: parts of 1,000,000."""

_VAULT_IN = 6
"""Among the accounts of a swap."""


def _pool(base: Token, quote: Token) -> MarketPool:
    is_base_first = base.mint < quote.mint
    first, second = (base, quote) if is_base_first else (quote, base)
    mint_0, mint_1 = Pubkey.from_bytes(first.mint), Pubkey.from_bytes(second.mint)
    address = cpmm.pool_address(cpmm.config_address(CONFIG_INDEX), mint_0, mint_1)
    return MarketPool(
        bytes(address),
        Venue.RAYDIUM_CPMM,
        base,
        quote,
        bytes(cpmm.vault_address(address, mint_0)),
        bytes(cpmm.vault_address(address, mint_1)),
        is_base_first,
    )


def _put(accounts: Accounts, pool: MarketPool) -> None:
    config = cpmm.encode_config(
        index=CONFIG_INDEX,
        trade_fee_rate=TRADE_FEE_RATE,
        protocol_fee_rate=PROTOCOL_FEE_RATE,
        fund_fee_rate=FUND_FEE_RATE,
    )
    put(accounts, bytes(cpmm.config_address(CONFIG_INDEX)), config, raydium_cpmm.PROGRAM_ID)
    first, second = pool.tokens
    amounts = atoms_worth(first, SIDE_DOLLARS), atoms_worth(second, SIDE_DOLLARS)
    address = Pubkey.from_bytes(pool.address)
    lp_supply = isqrt(amounts[0] * amounts[1])
    data = cpmm.encode_pool(
        address=address,
        amm_config=cpmm.config_address(CONFIG_INDEX),
        mint_0=Pubkey.from_bytes(first.mint),
        mint_1=Pubkey.from_bytes(second.mint),
        decimals_0=first.decimals,
        decimals_1=second.decimals,
        lp_supply=lp_supply,
    )
    put(accounts, pool.address, data, raydium_cpmm.PROGRAM_ID)
    observation = bytes(cpmm.observation_address(address))
    put(accounts, observation, cpmm.encode_observation(address), raydium_cpmm.PROGRAM_ID)
    authority = bytes(cpmm.authority_address())
    lp_mint = bytes(cpmm.lp_mint_address(address))
    put(accounts, lp_mint, mint(lp_supply, 9, authority), TOKEN_PROGRAM)
    put_tokens(accounts, pool.vault_0, first, authority, amounts[0])
    put_tokens(accounts, pool.vault_1, second, authority, amounts[1])


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    """The same product at this price; the pool's own bytes stay."""
    state, vault_0, vault_1 = read(pool.address), read(pool.vault_0), read(pool.vault_1)
    if state is None or vault_0 is None or vault_1 is None:
        return None
    numbers = cpmm.decode_numbers(state.data)
    owed_0 = (
        numbers.protocol_fees_token_0 + numbers.fund_fees_token_0 + numbers.creator_fees_token_0
    )
    owed_1 = (
        numbers.protocol_fees_token_1 + numbers.fund_fees_token_1 + numbers.creator_fees_token_1
    )
    reserves = amount_of(vault_0.data) - owed_0, amount_of(vault_1.data) - owed_1
    gains = product_gains(reserves, numerator, denominator)
    return None if gains is None else PoolMove({}, *gains)


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    return more_in_vault(read, keys[_VAULT_IN], shift_bps) if len(keys) > _VAULT_IN else {}


KIND = PoolKind(raydium_cpmm.PROGRAM_ID, raydium_cpmm.PROGRAM, _pool, _put, _moved, _against)
