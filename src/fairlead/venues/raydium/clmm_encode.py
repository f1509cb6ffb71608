"""Encoders for CLMM pools of our own: positions in, the bytes of all the pool's accounts out.

Layouts as in `clmm_accounts`; what a swap neither reads nor changes stays zero.
"""

from collections.abc import Iterable, Mapping
from struct import Struct as Layout
from struct import pack_into

from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX, U128_MAX
from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.raydium.clmm_bitmap import DEFAULT_ARRAYS, array_start
from fairlead.venues.raydium.ticks import MAX_TICK, MIN_TICK, tick_at_sqrt_price
from fairlead.venues.record import Record, astuple
from fairlead.venues.token2022 import NOBODY

# index, liquidity_net and liquidity_gross (low, high), then zeros, the orders among them.
_TICK = Layout("<iQQQQ88xQQ28x")
_CONFIG = Layout("<8sBH32sIIHII32s24x")
_OBSERVATION_HEAD = Layout("<8sBQH32s")


class Position(Record, frozen=True, gc=False):
    """Liquidity between two ticks that are multiples of the pool's spacing."""

    lower: int
    upper: int
    liquidity: int


class Ticks(Record, frozen=True, gc=False):
    """What positions make of a pool: its liquidity, tick arrays and bitmaps."""

    liquidity: int
    # By their first ticks.
    arrays: Mapping[int, tuple[layout.Tick, ...]]
    pool_bitmap: int
    # As `clmm_accounts.extension_bits`.
    extension_bits: int


def ticks_of(positions: Iterable[Position], tick_current: int, tick_spacing: int) -> Ticks:
    """The initialised ticks of these positions and the liquidity at the current tick."""
    net: dict[int, int] = {}
    gross: dict[int, int] = {}
    liquidity = 0
    for p in positions:
        assert MIN_TICK <= p.lower < p.upper <= MAX_TICK
        assert p.liquidity > 0
        assert p.lower % tick_spacing == 0 == p.upper % tick_spacing
        for tick, change in ((p.lower, p.liquidity), (p.upper, -p.liquidity)):
            net[tick] = net.get(tick, 0) + change
            gross[tick] = gross.get(tick, 0) + p.liquidity
        if p.lower <= tick_current < p.upper:
            liquidity += p.liquidity
    arrays: dict[int, list[layout.Tick]] = {}
    for tick in sorted(net):
        start = array_start(tick, tick_spacing)
        found = layout.Tick(tick, net[tick], gross[tick], 0, 0)
        arrays.setdefault(start, []).append(found)
    pool_bitmap = extension = 0
    for start in arrays:
        number = start // (layout.TICKS_PER_ARRAY * tick_spacing)
        if -DEFAULT_ARRAYS <= number < DEFAULT_ARRAYS:
            pool_bitmap |= 1 << number + DEFAULT_ARRAYS
        else:
            extension |= 1 << number + DEFAULT_ARRAYS + layout.ROWS * layout.ROW_SIZE * 8
    by_start = {start: tuple(ticks) for start, ticks in arrays.items()}
    return Ticks(liquidity, by_start, pool_bitmap, extension)


def encode_pool(
    *,
    amm_config: Pubkey,
    mint_0: Pubkey,
    mint_1: Pubkey,
    decimals_0: int,
    decimals_1: int,
    tick_spacing: int,
    liquidity: int,
    sqrt_price_x64: int,
    pool_bitmap: int,
    tick_current: int | None = None,
    status: int = 0,
    fee_on: int = layout.FEE_ON_INPUT,
    open_time: int = 0,
    dynamic_fee: layout.DynamicFeeInfo | None = None,
    program_id: Pubkey = layout.PROGRAM_ID,
) -> bytes:
    """Bytes of the PoolState at `pool_address(amm_config, …)`, whose vaults are at their PDAs."""
    assert bytes(mint_0) < bytes(mint_1)
    assert 0 <= liquidity <= U128_MAX
    seeds = [b"pool", bytes(amm_config), bytes(mint_0), bytes(mint_1)]
    address, bump = Pubkey.find_program_address(seeds, program_id)
    keys = (
        amm_config,
        Pubkey.default(),
        mint_0,
        mint_1,
        layout.vault_address(address, mint_0, program_id),
        layout.vault_address(address, mint_1, program_id),
        layout.observation_address(address, program_id),
    )
    data = bytearray(layout.POOL_SIZE)
    data[:233] = layout.POOL_DISCRIMINATOR + bytes([bump]) + b"".join(map(bytes, keys))
    if tick_current is None:
        tick_current = tick_at_sqrt_price(sqrt_price_x64)
    layout.POOL_HEAD.pack_into(
        data,
        layout.POOL_HEAD_OFFSET,
        decimals_0,
        decimals_1,
        tick_spacing,
        liquidity & U64_MAX,
        liquidity >> 64,
        sqrt_price_x64 & U64_MAX,
        sqrt_price_x64 >> 64,
        tick_current,
    )
    data[layout.STATUS_OFFSET], data[layout.FEE_ON_OFFSET] = status, fee_on
    at = layout.BITMAP_OFFSET
    data[at : at + layout.BITMAP_SIZE] = pool_bitmap.to_bytes(layout.BITMAP_SIZE, "little")
    pack_into("<Q", data, layout.OPEN_TIME_OFFSET, open_time)
    if dynamic_fee is not None:
        values = astuple(dynamic_fee)
        layout.DYNAMIC_FEE.pack_into(data, layout.DYNAMIC_FEE_OFFSET, *values)
    return bytes(data)


def encode_config(
    *,
    index: int,
    trade_fee_rate: int,
    tick_spacing: int,
    protocol_fee_rate: int = 0,
    fund_fee_rate: int = 0,
    program_id: Pubkey = layout.PROGRAM_ID,
) -> bytes:
    """Bytes of the AmmConfig at `config_address(index)`."""
    seeds = [b"amm_config", index.to_bytes(2, "big")]
    bump = Pubkey.find_program_address(seeds, program_id)[1]
    return _CONFIG.pack(
        layout.CONFIG_DISCRIMINATOR,
        bump,
        index,
        NOBODY,
        protocol_fee_rate,
        trade_fee_rate,
        tick_spacing,
        fund_fee_rate,
        0,
        NOBODY,
    )


def encode_tick_array(
    pool: Pubkey, start: int, ticks: Iterable[layout.Tick], tick_spacing: int
) -> bytes:
    """Bytes of the TickArrayState at `tick_array_address(pool, start)`."""
    data = bytearray(layout.TICK_ARRAY_SIZE)
    data[:40] = layout.TICK_ARRAY_DISCRIMINATOR + bytes(pool)
    pack_into("<i", data, 40, start)
    count = 0
    for tick in ticks:
        place, rest = divmod(tick.index - start, tick_spacing)
        assert rest == 0 <= place < layout.TICKS_PER_ARRAY
        net = tick.liquidity_net & U128_MAX
        _TICK.pack_into(
            data,
            layout.TICK_OFFSET + layout.TICK_SIZE * place,
            tick.index,
            net & U64_MAX,
            net >> 64,
            tick.liquidity_gross & U64_MAX,
            tick.liquidity_gross >> 64,
            tick.orders_atoms,
            tick.part_filled_orders_atoms,
        )
        count += 1
    data[layout.TICK_OFFSET + layout.TICK_SIZE * layout.TICKS_PER_ARRAY] = count
    return bytes(data)


def encode_extension(pool: Pubkey, bits: int) -> bytes:
    """Bytes of the bitmap extension with these bits, see `clmm_accounts.extension_bits`."""
    side = layout.ROWS * layout.ROW_SIZE
    table = bits.to_bytes(2 * side + layout.BITMAP_SIZE, "little")
    rows = [table[at : at + layout.ROW_SIZE] for at in range(0, side, layout.ROW_SIZE)]
    positive = table[side + layout.BITMAP_SIZE :]
    return layout.EXTENSION_DISCRIMINATOR + bytes(pool) + positive + b"".join(reversed(rows))


def encode_observation(pool: Pubkey) -> bytes:
    """Bytes of a fresh ObservationState."""
    head = _OBSERVATION_HEAD.pack(layout.OBSERVATION_DISCRIMINATOR, 0, 0, 0, bytes(pool))
    return head.ljust(layout.OBSERVATION_SIZE, b"\0")
