"""Raydium CLMM's accounts as bytes: addresses, layouts, and what a swap reads of them.

Offsets count from byte 0, the 8-byte discriminator included; all layouts are packed. Source:
raydium-clmm `states/{pool,config,tick_array,tickarray_bitmap_extension}.rs`, a5a46ff (2025-12) and
03b44b7 (2026-07), which gave fields to what was padding or statistics before.
"""

from functools import lru_cache
from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.record import Record
from fairlead.venues.venue import Account, ErrorClass, VenueError

PROGRAM_ID = Pubkey.from_string("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK")
DEVNET_PROGRAM_ID = Pubkey.from_string("DRayAUgENGQBKVaX8owNhgzkEDyoHTGVEGHVJT1E9pfH")
PROGRAM_IDS = frozenset((PROGRAM_ID, DEVNET_PROGRAM_ID))

POOL_DISCRIMINATOR = bytes.fromhex("f7ede3f5d7c3de46")
POOL_SIZE = 1544
CONFIG_DISCRIMINATOR = bytes.fromhex("daf42168cbcb2b6f")
CONFIG_SIZE = 117
TICK_ARRAY_DISCRIMINATOR = bytes.fromhex("c09b55cd31f9812a")
TICK_ARRAY_SIZE = 10_240
EXTENSION_DISCRIMINATOR = bytes.fromhex("3c9624db61808b99")
EXTENSION_SIZE = 1832
OBSERVATION_DISCRIMINATOR = bytes.fromhex("7aaec5358109a584")
OBSERVATION_SIZE = 4483

MINT_OFFSETS = (73, 105)
"""Of mint 0 and mint 1, the smaller address first."""

TICKS_PER_ARRAY = 60
TICK_OFFSET, TICK_SIZE = 44, 168

STATUS_SWAP_OFF = 16
"""Bit of `status` that turns swaps off."""

FEE_ON_INPUT, FEE_ON_TOKEN_0, FEE_ON_TOKEN_1 = 0, 1, 2
FEE_RATE_DENOMINATOR = 1_000_000

# decimals, tick_spacing, liquidity, sqrt_price_x64, tick_current.
POOL_HEAD = Layout("<BBHQQQQi")
POOL_HEAD_OFFSET = 233
STATUS_OFFSET, FEE_ON_OFFSET = 389, 390
BITMAP_OFFSET, BITMAP_SIZE = 904, 128
ROWS, ROW_SIZE = 14, 64
"""Of the bitmap extension, on either side."""
OPEN_TIME_OFFSET = 1080
DYNAMIC_FEE_OFFSET, DYNAMIC_FEE_SIZE = 1096, 80
# filter_period … last_update_timestamp.
DYNAMIC_FEE = Layout("<HHHIIiIIQ")
# protocol_fee_rate, trade_fee_rate, tick_spacing, fund_fee_rate.
_CONFIG_RATES = Layout("<IIHI")
_CONFIG_RATES_OFFSET = 43
# Of all ticks: liquidity_gross (low, high), orders_amount, part_filled_orders_remaining.
_USES = Layout("<" + "20xQQ88xQQ28x" * TICKS_PER_ARRAY)
# Of one: index, liquidity_net (low, high).
_INDEX_AND_NET = Layout("<iQq")
_U64 = Layout("<Q")
_I32 = Layout("<i")

POOLS_KEPT, ARRAYS_KEPT, ADDRESSES_KEPT = 256, 1024, 8192
"""Decoded states remembered by their bytes (1.5 KB, 10 KB), and addresses of tick arrays: each
costs a search for a bump."""


class DynamicFeeInfo(Record, frozen=True, gc=False):
    """A pool's volatility fee (2026-05 and later). Times in seconds."""

    filter_period: int
    decay_period: int
    # Parts of 10,000.
    reduction_factor: int
    # Parts of 100,000.
    dynamic_fee_control: int
    max_volatility_accumulator: int
    tick_spacing_index_reference: int
    volatility_reference: int
    volatility_accumulator: int
    last_update_timestamp: int


class PoolNumbers(Record, frozen=True, gc=False):
    """The numbers of a PoolState that a swap reads."""

    mint_0_decimals: int
    mint_1_decimals: int
    tick_spacing: int
    liquidity: int
    sqrt_price_x64: int
    tick_current: int
    status: int
    # Which token the fee is taken in (2026-05 and later): `FEE_ON_*`.
    fee_on: int
    # Seconds; the program swaps only strictly after it.
    open_time: int
    # The default bitmap as one number: bit i stands for the array at (i - 512) * 60 * spacing.
    tick_array_bitmap: int
    # None where the pool has none.
    dynamic_fee: DynamicFeeInfo | None


class ConfigRates(Record, frozen=True, gc=False):
    """The rates of an AmmConfig, parts of 1,000,000; protocol and fund cut the trade fee."""

    trade_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int


class Tick(Record, frozen=True, gc=False):
    """An initialised tick."""

    index: int
    # Added to the pool's liquidity when the price crosses it upwards.
    liquidity_net: int
    liquidity_gross: int
    # Limit orders waiting here, in atoms of what they sell (2026-05 and later).
    orders_atoms: int
    part_filled_orders_atoms: int


class TickArray(Record, frozen=True, gc=False):
    """A tick array; its ticks are decoded when a walk comes to them."""

    pool: bytes
    start_tick_index: int
    # The account's bytes.
    data: bytes

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """The initialised ones, ascending."""
        return ticks_in(self.data)


@lru_cache(maxsize=POOLS_KEPT)
def decode_numbers(data: bytes) -> PoolNumbers:
    """The numbers in the bytes of a pool."""
    head = POOL_HEAD.unpack_from(data, POOL_HEAD_OFFSET)
    decimals_0, decimals_1, spacing, liquidity, liquidity_high, price, price_high, tick = head
    dynamic = None
    if any(data[DYNAMIC_FEE_OFFSET : DYNAMIC_FEE_OFFSET + DYNAMIC_FEE_SIZE]):
        dynamic = DynamicFeeInfo(*DYNAMIC_FEE.unpack_from(data, DYNAMIC_FEE_OFFSET))
    return PoolNumbers(
        decimals_0,
        decimals_1,
        spacing,
        liquidity | liquidity_high << 64,
        price | price_high << 64,
        tick,
        data[STATUS_OFFSET],
        data[FEE_ON_OFFSET],
        _U64.unpack_from(data, OPEN_TIME_OFFSET)[0],
        int.from_bytes(data[BITMAP_OFFSET : BITMAP_OFFSET + BITMAP_SIZE], "little"),
        dynamic,
    )


def decode_rates(address: Pubkey, account: Account, program_id: Pubkey) -> ConfigRates:
    """The rates in this config; `VenueError` not_a_config where there is none."""
    _check("not_a_config", address, account, program_id, CONFIG_SIZE, CONFIG_DISCRIMINATOR)
    rates = rates_in(account.data)
    if (
        rates.trade_fee_rate >= FEE_RATE_DENOMINATOR
        or rates.protocol_fee_rate + rates.fund_fee_rate > FEE_RATE_DENOMINATOR
    ):
        raise VenueError(ErrorClass.TERMINAL, "impossible_fee_rate", detail=str(address))
    return rates


def rates_in(data: bytes) -> ConfigRates:
    """The rates in the bytes of a config."""
    protocol, trade, _, fund = _CONFIG_RATES.unpack_from(data, _CONFIG_RATES_OFFSET)
    return ConfigRates(trade, protocol, fund)


def decode_tick_array(
    address: Pubkey, account: Account, program_id: Pubkey, pool: Pubkey, start: int
) -> TickArray:
    """The array that starts at this tick; `VenueError` not_a_tick_array where it is another."""
    name = "not_a_tick_array"
    _check(name, address, account, program_id, TICK_ARRAY_SIZE, TICK_ARRAY_DISCRIMINATOR)
    array = tick_array_in(account.data)
    if array.pool != bytes(pool) or array.start_tick_index != start:
        raise VenueError(ErrorClass.TERMINAL, name, detail=f"{address} is of another pool")
    return array


def tick_array_in(data: bytes) -> TickArray:
    """The tick array in these bytes."""
    return TickArray(data[8:40], _I32.unpack_from(data, 40)[0], data)


@lru_cache(maxsize=ARRAYS_KEPT)
def ticks_in(data: bytes) -> tuple[Tick, ...]:
    """The initialised ticks in the bytes of an array, ascending."""
    # Most are empty: what tells that is read of all of them at once, the rest of few.
    fields = iter(_USES.unpack_from(data, TICK_OFFSET))
    ticks: list[Tick] = []
    at = TICK_OFFSET
    for gross, gross_high, orders, part_filled in zip(fields, fields, fields, fields, strict=True):
        if gross or gross_high or orders or part_filled:
            index, net, net_high = _INDEX_AND_NET.unpack_from(data, at)
            net += net_high << 64
            ticks.append(Tick(index, net, gross | gross_high << 64, orders, part_filled))
        at += TICK_SIZE
    return tuple(ticks)


def decode_extension(address: Pubkey, account: Account, program_id: Pubkey, pool: Pubkey) -> int:
    """All bits of the extension as one number, see `clmm_bitmap`; `VenueError` if it is none."""
    name = "not_a_bitmap_extension"
    _check(name, address, account, program_id, EXTENSION_SIZE, EXTENSION_DISCRIMINATOR)
    if account.data[8:40] != bytes(pool):
        raise VenueError(ErrorClass.TERMINAL, name, detail=f"{address} is of another pool")
    return extension_bits(account.data)


@lru_cache(maxsize=POOLS_KEPT)
def extension_bits(data: bytes) -> int:
    """Rows of 512 bits in the order of their ticks, with room for the pool's own 1024.

    The table of positive rows goes up from the pool's bitmap, that of negative rows down; within a
    row the bits always go up.
    """
    rows = [data[at : at + ROW_SIZE] for at in range(936, 936 + ROWS * ROW_SIZE, ROW_SIZE)]
    negative = b"".join(reversed(rows))
    return int.from_bytes(negative + bytes(BITMAP_SIZE) + data[40:936], "little")


def _check(
    name: str,
    address: Pubkey,
    account: Account,
    program_id: Pubkey,
    size: int,
    discriminator: bytes,
) -> None:
    data = account.data
    if account.owner != program_id or len(data) != size or data[:8] != discriminator:
        raise VenueError(ErrorClass.TERMINAL, name, detail=str(address))


def config_address(index: int, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The AmmConfig of this index (big-endian in the seed)."""
    return _pda(program_id, b"amm_config", index.to_bytes(2, "big"))


def pool_address(
    config: Pubkey, mint_0: Pubkey, mint_1: Pubkey, program_id: Pubkey = PROGRAM_ID
) -> Pubkey:
    """Where the pool of these mints and this config is."""
    assert bytes(mint_0) < bytes(mint_1)
    return _pda(program_id, b"pool", bytes(config), bytes(mint_0), bytes(mint_1))


def vault_address(pool: Pubkey, mint: Pubkey, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The pool's token account of this mint; the pool itself is its owner."""
    return _pda(program_id, b"pool_vault", bytes(pool), bytes(mint))


def observation_address(pool: Pubkey, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The pool's price history, written by swaps."""
    return _pda(program_id, b"observation", bytes(pool))


@lru_cache(maxsize=ADDRESSES_KEPT)
def extension_address(pool: Pubkey, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The bitmap of the tick arrays that the pool's own bitmap does not cover."""
    return _pda(program_id, b"pool_tick_array_bitmap_extension", bytes(pool))


@lru_cache(maxsize=ADDRESSES_KEPT)
def tick_array_address(pool: Pubkey, start: int, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The array that starts at this tick (big-endian in the seed)."""
    return _pda(program_id, b"tick_array", bytes(pool), start.to_bytes(4, "big", signed=True))


def _pda(program_id: Pubkey, *seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(list(seeds), program_id)[0]
