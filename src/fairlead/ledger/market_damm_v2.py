"""Meteora DAMM v2's pools in the paper market."""

from collections.abc import Sequence
from math import isqrt

from solders.pubkey import Pubkey

from fairlead.ledger.market_pool import (
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    is_close,
    mint_going_in,
    pool_at,
    put,
    put_vaults,
    sides_worth,
    with_data,
)
from fairlead.ledger.programs import meteora_damm_v2
from fairlead.ledger.programs.token_data import with_bytes
from fairlead.ledger.tokens import Token
from fairlead.venues.meteora import damm_v2_accounts as damm_v2
from fairlead.venues.meteora.damm_v2_fees import BaseFee
from fairlead.venues.venue import Venue

FEE_NUMERATOR = 2_500_000
"""A quarter percent, of 1e9."""

_SQRT_PRICE_OFFSET, _AMOUNTS_OFFSET, _LIQUIDITY_OFFSET = 456, 680, 360
_POOL, _USER_IN = 1, 2
"""Among the accounts of a swap."""


def _pool(base: Token, quote: Token) -> MarketPool:
    mint_a, mint_b = Pubkey.from_bytes(base.mint), Pubkey.from_bytes(quote.mint)
    address = damm_v2.customizable_pool_address(mint_a, mint_b)
    return pool_at(address, Venue.METEORA_DAMM_V2, base, quote, damm_v2.vault_address)


def _put(accounts: Accounts, pool: MarketPool) -> None:
    amount_a, amount_b = sides_worth(pool)
    # Over the full range a is liquidity / sqrt_price and b is liquidity * sqrt_price.
    sqrt_price = isqrt((amount_b << 128) // amount_a)
    liquidity = isqrt(amount_a * amount_b) << 64
    data = damm_v2.encode_pool(
        address=Pubkey.from_bytes(pool.address),
        mint_a=Pubkey.from_bytes(pool.base.mint),
        mint_b=Pubkey.from_bytes(pool.quote.mint),
        base_fee=BaseFee(FEE_NUMERATOR),
        liquidity=liquidity,
        sqrt_price=sqrt_price,
        token_a_atoms=amount_a,
        token_b_atoms=amount_b,
    )
    put(accounts, pool.address, data, meteora_damm_v2.PROGRAM_ID)
    put_vaults(accounts, pool, bytes(damm_v2.POOL_AUTHORITY), (amount_a, amount_b))


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    """The pool at this price of a in b, and its vaults' gains, rounded up for the pool."""
    state = read(pool.address)
    if state is None:
        return None
    data = state.data
    liquidity = int.from_bytes(data[_LIQUIDITY_OFFSET : _LIQUIDITY_OFFSET + 16], "little")
    old = int.from_bytes(data[_SQRT_PRICE_OFFSET : _SQRT_PRICE_OFFSET + 16], "little")
    new = isqrt((numerator << 128) // denominator)
    if is_close(old, new):
        return None
    gain_a = -(-liquidity * (old - new) // (old * new))
    gain_b = -(-liquidity * (new - old) // (1 << 128))
    amount_a = int.from_bytes(data[_AMOUNTS_OFFSET : _AMOUNTS_OFFSET + 8], "little")
    amount_b = int.from_bytes(data[_AMOUNTS_OFFSET + 8 : _AMOUNTS_OFFSET + 16], "little")
    amounts = max(0, amount_a + gain_a).to_bytes(8, "little")
    amounts += max(0, amount_b + gain_b).to_bytes(8, "little")
    data = with_bytes(data, _SQRT_PRICE_OFFSET, new.to_bytes(16, "little"))
    data = with_bytes(data, _AMOUNTS_OFFSET, amounts)
    return PoolMove({pool.address: with_data(state, data)}, gain_a, gain_b)


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    if len(keys) <= _USER_IN:
        return {}
    state, source = read(keys[_POOL]), read(keys[_USER_IN])
    if state is None or state.owner != meteora_damm_v2.PROGRAM_ID:
        return {}
    is_a_to_b = mint_going_in(source) == state.data[168:200]
    old = int.from_bytes(state.data[_SQRT_PRICE_OFFSET : _SQRT_PRICE_OFFSET + 16], "little")
    factor = 10_000 - shift_bps // 2 if is_a_to_b else 10_000 + shift_bps // 2
    new = (old * factor // 10_000).to_bytes(16, "little")
    data = with_bytes(state.data, _SQRT_PRICE_OFFSET, new)
    return {keys[_POOL]: with_data(state, data)}


KIND = PoolKind(meteora_damm_v2.PROGRAM_ID, meteora_damm_v2.PROGRAM, _pool, _put, _moved, _against)
