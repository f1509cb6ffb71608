"""Raydium AMM v4's pools in the paper market: of status 6, which look at no order book."""

import hashlib
from collections.abc import Sequence
from math import isqrt

from solders.pubkey import Pubkey

from fairlead.ledger.market_pool import (
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    mint_going_in,
    more_in_vault,
    product_moved,
    put,
    put_vaults,
    sides_worth,
)
from fairlead.ledger.programs import raydium_amm_v4
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, mint
from fairlead.ledger.tokens import Token
from fairlead.venues.raydium import amm_v4_accounts as amm_v4
from fairlead.venues.venue import Venue

SWAP_FEE = (25, 10_000)

_POOL, _USER_IN = 1, -3
"""Among the accounts of a swap."""


def _market(base: Token, quote: Token) -> Pubkey:
    """A pool of this kind has its address by an OpenBook market; these have none on the chain."""
    label = f"fairlead paper market {base.symbol}/{quote.symbol}"
    return Pubkey.from_bytes(hashlib.sha256(label.encode()).digest())


def _pool(base: Token, quote: Token) -> MarketPool:
    market = _market(base, quote)
    address, coin_vault, pc_vault = (
        bytes(amm_v4.associated_address(market, suffix))
        for suffix in ("amm", "coin_vault", "pc_vault")
    )
    return MarketPool(address, Venue.RAYDIUM_AMM_V4, base, quote, coin_vault, pc_vault, True)


def _put(accounts: Accounts, pool: MarketPool) -> None:
    coin, pc = pool.tokens
    amounts = sides_worth(pool)
    market = _market(pool.base, pool.quote)
    lp_amount = isqrt(amounts[0] * amounts[1])
    data = amm_v4.encode_pool(
        market=market,
        coin_mint=Pubkey.from_bytes(coin.mint),
        pc_mint=Pubkey.from_bytes(pc.mint),
        coin_decimals=coin.decimals,
        pc_decimals=pc.decimals,
        swap_fee=SWAP_FEE,
        lp_amount=lp_amount,
        has_order_book=False,
    )
    put(accounts, pool.address, data, raydium_amm_v4.PROGRAM_ID)
    authority = bytes(amm_v4.authority_address()[0])
    lp_mint = bytes(amm_v4.associated_address(market, "lp_mint"))
    put(accounts, lp_mint, mint(lp_amount, coin.decimals, authority), TOKEN_PROGRAM)
    put_vaults(accounts, pool, authority, amounts)


def _owed(data: bytes) -> tuple[int, int]:
    numbers = amm_v4.decode_numbers(data)
    return numbers.need_take_pnl_coin, numbers.need_take_pnl_pc


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    return product_moved(read, pool, _owed, numerator, denominator)


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    if len(keys) < raydium_amm_v4.ACCOUNTS_V2:
        return {}
    state, source = read(keys[_POOL]), read(keys[_USER_IN])
    if state is None or state.owner != raydium_amm_v4.PROGRAM_ID:
        return {}
    is_coin = mint_going_in(source) == state.data[400:432]
    vault = state.data[336:368] if is_coin else state.data[368:400]
    return more_in_vault(read, vault, shift_bps)


KIND = PoolKind(raydium_amm_v4.PROGRAM_ID, raydium_amm_v4.PROGRAM, _pool, _put, _moved, _against)
