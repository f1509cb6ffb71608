"""Raydium CPMM's pools in the paper market."""

from collections.abc import Sequence
from math import isqrt

from solders.pubkey import Pubkey

from fairlead.ledger.market_pool import (
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    more_in_vault,
    pool_at,
    product_moved,
    put,
    put_vaults,
    sides_worth,
    sorted_mints,
)
from fairlead.ledger.programs import raydium_cpmm
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, mint
from fairlead.ledger.tokens import Token
from fairlead.venues.raydium import cpmm_accounts as cpmm
from fairlead.venues.venue import Venue

CONFIG_INDEX = 0
TRADE_FEE_RATE, PROTOCOL_FEE_RATE, FUND_FEE_RATE = 2_500, 120_000, 40_000
"""A quarter percent, as all venues here take where they can: parts of 1,000,000."""

_VAULT_IN = 6
"""Among the accounts of a swap."""


def _pool(base: Token, quote: Token) -> MarketPool:
    address = cpmm.pool_address(cpmm.config_address(CONFIG_INDEX), *sorted_mints(base, quote))
    kind = (Venue.RAYDIUM_CPMM, base, quote, cpmm.vault_address)
    return pool_at(address, *kind, is_base_first=base.mint < quote.mint)


def _put(accounts: Accounts, pool: MarketPool) -> None:
    config = cpmm.encode_config(
        index=CONFIG_INDEX,
        trade_fee_rate=TRADE_FEE_RATE,
        protocol_fee_rate=PROTOCOL_FEE_RATE,
        fund_fee_rate=FUND_FEE_RATE,
    )
    put(accounts, bytes(cpmm.config_address(CONFIG_INDEX)), config, raydium_cpmm.PROGRAM_ID)
    first, second = pool.tokens
    amounts = sides_worth(pool)
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
    put_vaults(accounts, pool, authority, amounts)


def _owed(data: bytes) -> tuple[int, int]:
    found = cpmm.decode_numbers(data)
    return (
        found.protocol_fees_token_0 + found.fund_fees_token_0 + found.creator_fees_token_0,
        found.protocol_fees_token_1 + found.fund_fees_token_1 + found.creator_fees_token_1,
    )


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    return product_moved(read, pool, _owed, numerator, denominator)


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    return more_in_vault(read, keys[_VAULT_IN], shift_bps) if len(keys) > _VAULT_IN else {}


KIND = PoolKind(raydium_cpmm.PROGRAM_ID, raydium_cpmm.PROGRAM, _pool, _put, _moved, _against)
