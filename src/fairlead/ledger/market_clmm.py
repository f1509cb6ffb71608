"""Raydium CLMM's pools in the paper market: a wide position, and narrower ones about the price.

A quarter of a percent and ticks 60 apart; between stable coins a hundredth and every tick. The
market moves a pool as a swap of the treasury's would, tick by tick, but without a fee, so that the
treasury pays for moves alone.
"""

from collections.abc import Sequence
from math import isqrt

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.ledger.account import AccountState
from fairlead.ledger.market_pool import (
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    is_close,
    pool_at,
    put,
    put_vaults,
    sides_worth,
    sorted_mints,
    with_data,
)
from fairlead.ledger.programs import raydium_clmm
from fairlead.ledger.programs.raydium_clmm_accounts import PROGRAM_ID
from fairlead.ledger.tokens import Token
from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.raydium import clmm_encode
from fairlead.venues.raydium.clmm_accounts import ConfigRates, PoolNumbers, TickArray
from fairlead.venues.raydium.clmm_after import after_swap, recent_epoch
from fairlead.venues.raydium.clmm_bitmap import ArrayPath, array_path
from fairlead.venues.raydium.clmm_curve import amounts_between
from fairlead.venues.raydium.clmm_encode import Position
from fairlead.venues.raydium.clmm_path import Path, Walk
from fairlead.venues.raydium.clmm_rewards import rewards_at
from fairlead.venues.raydium.ticks import (
    MAX_SQRT_PRICE_X64,
    MIN_SQRT_PRICE_X64,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from fairlead.venues.venue import Venue, VenueError


class Tier(msgspec.Struct, frozen=True):
    """A fee tier and how its pools are filled."""

    # Of the config account.
    index: int
    # Parts of 1,000,000.
    trade_fee_rate: int
    tick_spacing: int
    # Per position: how many ticks it reaches to either side, and the worth of a side in percent of
    # `SIDE_DOLLARS`.
    positions: tuple[tuple[int, int], ...]


PROTOCOL_FEE_RATE, FUND_FEE_RATE = 120_000, 40_000
"""Of the trade fee, parts of 1,000,000."""

QUARTER_PERCENT = Tier(1, 2_500, 60, ((12_000, 60), (1_200, 20), (600, 10), (240, 10)))
STABLE = Tier(4, 100, 1, ((6_000, 60), (600, 25), (40, 15)))
"""The market moves a token by some 700 ticks, and a pool by 240 from its pair's price."""

MAX_ARRAYS_MOVED = 64
"""More than a pool of the market has."""

_NO_FEES = ConfigRates(0, 0, 0)
_POOL, _VAULT_IN = 2, 5
"""Among the accounts of a swap."""


def _tier(base: Token, quote: Token) -> Tier:
    return STABLE if base.is_stable and quote.is_stable else QUARTER_PERCENT


def clmm_pool(base: Token, quote: Token) -> MarketPool:
    """The pool of a pair."""
    config = layout.config_address(_tier(base, quote).index)
    address = layout.pool_address(config, *sorted_mints(base, quote))
    kind = (Venue.RAYDIUM_CLMM, base, quote, layout.vault_address)
    return pool_at(address, *kind, is_base_first=base.mint < quote.mint)


def put_clmm(accounts: Accounts, pool: MarketPool) -> None:
    """Adds the pool and all that belongs to it; the vaults hold just what its positions paid in."""
    tier = _tier(pool.base, pool.quote)
    config = layout.config_address(tier.index)
    rates = clmm_encode.encode_config(
        index=tier.index,
        trade_fee_rate=tier.trade_fee_rate,
        tick_spacing=tier.tick_spacing,
        protocol_fee_rate=PROTOCOL_FEE_RATE,
        fund_fee_rate=FUND_FEE_RATE,
    )
    put(accounts, bytes(config), rates, PROGRAM_ID)
    first, second = pool.tokens
    sides = sides_worth(pool)
    price = isqrt((sides[1] << 128) // sides[0])
    positions = positions_of(tier, price, sides[1])
    ticks = clmm_encode.ticks_of(positions, tick_at_sqrt_price(price), tier.tick_spacing)
    data = clmm_encode.encode_pool(
        amm_config=config,
        mint_0=Pubkey.from_bytes(first.mint),
        mint_1=Pubkey.from_bytes(second.mint),
        decimals_0=first.decimals,
        decimals_1=second.decimals,
        tick_spacing=tier.tick_spacing,
        liquidity=ticks.liquidity,
        sqrt_price_x64=price,
        pool_bitmap=ticks.pool_bitmap,
    )
    put(accounts, pool.address, data, PROGRAM_ID)
    address = Pubkey.from_bytes(pool.address)
    for start, found in ticks.arrays.items():
        array = clmm_encode.encode_tick_array(address, start, found, tier.tick_spacing)
        put(accounts, bytes(layout.tick_array_address(address, start)), array, PROGRAM_ID)
    extension = clmm_encode.encode_extension(address, ticks.extension_bits)
    put(accounts, bytes(layout.extension_address(address)), extension, PROGRAM_ID)
    history = clmm_encode.encode_observation(address)
    put(accounts, bytes(layout.observation_address(address)), history, PROGRAM_ID)
    paid_0, paid_1 = zip(*(deposit(position, price) for position in positions), strict=True)
    put_vaults(accounts, pool, pool.address, (sum(paid_0), sum(paid_1)))


def positions_of(tier: Tier, sqrt_price_x64: int, side_atoms: int) -> list[Position]:
    """The tier's positions about this price, by what they hold of token 1."""
    tick = tick_at_sqrt_price(sqrt_price_x64)
    found = []
    for reach, percent in tier.positions:
        lower, upper = (_on_grid(tick + way, tier.tick_spacing) for way in (-reach, reach))
        below = sqrt_price_x64 - sqrt_price_at_tick(lower)
        found.append(Position(lower, upper, (side_atoms * percent // 100 << 64) // below))
    return found


def deposit(position: Position, sqrt_price_x64: int) -> tuple[int, int]:
    """Atoms of token 0 and 1 that such a position pays in, rounded up; the price is inside it."""
    lower, upper = sqrt_price_at_tick(position.lower), sqrt_price_at_tick(position.upper)
    assert lower <= sqrt_price_x64 < upper
    # What a swap from the upper end to the price, or from the lower, would have brought.
    atoms_0, _ = amounts_between(upper, sqrt_price_x64, position.liquidity, True)
    atoms_1, _ = amounts_between(lower, sqrt_price_x64, position.liquidity, False)
    return atoms_0, atoms_1


def _on_grid(tick: int, tick_spacing: int) -> int:
    return tick // tick_spacing * tick_spacing


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    """The pool at this price of token 0 in token 1, or as far towards it as its liquidity goes."""
    state = read(pool.address)
    if state is None:
        return None
    old = layout.decode_numbers(state.data).sqrt_price_x64
    new = isqrt((numerator << 128) // denominator)
    if is_close(old, new):
        return None
    return moved_to(read, pool.address, new)


def moved_to(read: Read, pool_key: bytes, sqrt_price_x64: int) -> PoolMove | None:
    """The pool after a swap without fee that ends at this price; None where it cannot be made.

    Where the liquidity ends before it, it ends there. The price history is left alone: it is of
    the program's own swaps.
    """
    state = read(pool_key)
    if state is None or state.owner != PROGRAM_ID:
        return None
    numbers = layout.decode_numbers(state.data)
    target = max(MIN_SQRT_PRICE_X64 + 1, min(MAX_SQRT_PRICE_X64 - 1, sqrt_price_x64))
    if target == numbers.sqrt_price_x64:
        return None
    zero_for_one = target < numbers.sqrt_price_x64
    order = _order(read, pool_key, numbers, zero_for_one)
    views = _arrays(read, pool_key, order)
    arrays = [layout.tick_array_in(view.data) for view in views.values()]
    path = Path(numbers, _NO_FEES, arrays, order, zero_for_one)
    walk = _walk(path, target, arrays)
    if walk is None:
        return None
    after = after_swap(
        state.data,
        {start: view.data for start, view in views.items()},
        path,
        walk,
        # The market's pools have none: at the beginning of time no reward is open.
        rewards_at(state.data, numbers.liquidity, 0),
        vault_out_atoms=U64_MAX,
        epoch=recent_epoch(state.data),
    )
    changed = {pool_key: with_data(state, after.pool_data)}
    for start, data in after.tick_arrays.items():
        address = bytes(layout.tick_array_address(Pubkey.from_bytes(pool_key), start))
        changed[address] = with_data(views[start], data)
    gains = (walk.amount_in, -walk.amount_out)
    return PoolMove(changed, *(gains if zero_for_one else gains[::-1]))


def _order(read: Read, pool_key: bytes, numbers: PoolNumbers, zero_for_one: bool) -> ArrayPath:
    extension = read(bytes(layout.extension_address(Pubkey.from_bytes(pool_key))))
    return array_path(
        numbers.tick_current,
        numbers.tick_spacing,
        numbers.tick_array_bitmap,
        None if extension is None else layout.extension_bits(extension.data),
        zero_for_one,
        MAX_ARRAYS_MOVED,
    )


def _arrays(read: Read, pool_key: bytes, order: ArrayPath) -> dict[int, AccountState]:
    found = {}
    for start in order.starts:
        state = read(bytes(layout.tick_array_address(Pubkey.from_bytes(pool_key), start)))
        if state is None:
            break
        found[start] = state
    return found


def _walk(path: Path, target: int, arrays: Sequence[TickArray]) -> Walk | None:
    """To the target, or as far as there is liquidity."""
    try:
        return path.walk(U64_MAX, target, True, len(arrays))
    except VenueError:
        end = path.reach(len(arrays)).sqrt_price_x64
        if end == path.prices[0]:
            return None
        return path.walk(U64_MAX, end, True, len(arrays))


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    if len(keys) <= _VAULT_IN:
        return {}
    state = read(keys[_POOL])
    if state is None or state.owner != PROGRAM_ID:
        return {}
    zero_for_one = keys[_VAULT_IN] == state.data[137:169]
    factor = 10_000 - shift_bps // 2 if zero_for_one else 10_000 + shift_bps // 2
    price = layout.decode_numbers(state.data).sqrt_price_x64 * factor // 10_000
    move = moved_to(read, keys[_POOL], price)
    return {} if move is None else dict(move.changed)


KIND = PoolKind(PROGRAM_ID, raydium_clmm.PROGRAM, clmm_pool, put_clmm, _moved, _against)
