"""The price of a staked token, from its stake pool's account: for DAMM v1's depeg pools.

Source: damm-v1-sdk `dynamic-amm-quote/src/depeg/*.rs` (02c66a3). Marinade's was executed, the
offsets of Lido's and the SPL stake pool's accounts are those of that code.
"""

from struct import Struct as Layout

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora.damm_v1_accounts import (
    DEPEG_LIDO,
    DEPEG_MARINADE,
    DEPEG_NONE,
    PoolNumbers,
)
from fairlead.venues.meteora.damm_v1_curve import DEPEG_PRECISION
from fairlead.venues.meteora.damm_v1_errors import MATH_OVERFLOW, refusal

CACHE_EXPIRES_SECONDS = 600
"""The program's BASE_CACHE_EXPIRES: it looks the price up when the stored one is older."""

MARINADE_PRICE_DENOMINATOR = 1 << 32
_U64 = Layout("<Q")
_MARINADE_PRICE_OFFSET = 512
_LIDO_SUPPLY_OFFSET, _LIDO_BALANCE_OFFSET = 73, 81
_SPL_LAMPORTS_OFFSET, _SPL_SUPPLY_OFFSET = 258, 266


def needs_new_price(numbers: PoolNumbers, now: int) -> bool:
    """Whether a swap at this time looks the price up."""
    if numbers.depeg_type == DEPEG_NONE:
        return False
    expires = numbers.base_cache_updated + CACHE_EXPIRES_SECONDS
    if expires > U64_MAX:
        raise refusal(MATH_OVERFLOW, "the price's time")
    return now > expires


def virtual_price(depeg_type: int, stake: bytes) -> int:
    """Of the staked token, parts of 1,000,000; rounded down."""
    if depeg_type == DEPEG_MARINADE:
        price, supply = _u64(stake, _MARINADE_PRICE_OFFSET), MARINADE_PRICE_DENOMINATOR
    elif depeg_type == DEPEG_LIDO:
        price, supply = _u64(stake, _LIDO_BALANCE_OFFSET), _u64(stake, _LIDO_SUPPLY_OFFSET)
    else:
        price, supply = _u64(stake, _SPL_LAMPORTS_OFFSET), _u64(stake, _SPL_SUPPLY_OFFSET)
    if not supply or price * DEPEG_PRECISION // supply > U64_MAX:
        raise refusal(MATH_OVERFLOW, "the stake pool's price")
    return price * DEPEG_PRECISION // supply


def _u64(data: bytes, offset: int) -> int:
    number: int = _U64.unpack_from(data, offset)[0]
    return number
