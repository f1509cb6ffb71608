"""DAMM v2's accounts as bytes: addresses, the pool's layout, and encoders for pools of our own.

Offsets count from byte 0, the 8-byte discriminator included; u128 values are two u64, low word
first.
"""

from functools import lru_cache
from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.meteora.damm_v2_curve import Curve
from fairlead.venues.meteora.damm_v2_fees import TIME_SCHEDULER_EXPONENTIAL, BaseFee, DynamicFee
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM

PROGRAM_ID = Pubkey.from_string("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG")
POOL_AUTHORITY = Pubkey.from_string("HLnpSz9h2S4hiLQ43rnSD9XkcUThA7B8hQMKmDaiTLcC")
EVENT_AUTHORITY = Pubkey.from_string("3rmHSu74h1ZcmAisVcWerTCiRDQbUrBKmcwptYGjHfet")

POOL_DISCRIMINATOR = bytes.fromhex("f19a6d0411b16dbc")
POOL_SIZE = 1112
MINT_OFFSETS = (168, 200)
"""Of A and B."""

# Base fee, shares, dynamic fee, init_sqrt_price: offsets 8 … 168.
_FEES = Layout("<QB5xHIIQ8xBxB3xHB7xIIHHHHQ10Q")
_FEES_OFFSET = 8
# liquidity, protocol fees, price range and price, activation, status, modes: offsets 360 … 487.
_CURVE = Layout("<QQ16xQQ16x6QQ7B")
_CURVE_OFFSET = 360
_DYNAMIC = Layout("<Q2Q2Q2Q2Q")
_DYNAMIC_OFFSET = 80
# Of fees in A: protocol fees, price, fee per liquidity, metrics of the liquidity's and the
# protocol's fees, reserves. Of fees in B: the next protocol fees, fee per liquidity and metrics.
_COUNTERS = (Layout("<0sQ56s2Q16s32s48s2Q16sQ72s2Q"), Layout("<8sQ48s2Q48s32s32s2Q8sQ64s2Q"))
_COUNTERS_OFFSET = 392
_TOKEN_AMOUNTS_OFFSET = 680
_TWO_WORDS = Layout("<QQ")
_LAYOUT_VERSION_OFFSET = 696
_WORD = 2**64 - 1

STATES_KEPT = 128
"""Decoded states remembered by their bytes, 3 KB each: a pool is quoted, simulated and swapped on
in the same state."""

SQRT_PRICE_MIN = 4_295_048_016
SQRT_PRICE_MAX = 79_226_673_521_066_979_257_578_248_091
"""The full range, as the program's constants say."""

ACTIVATION_BY_SLOT, ACTIVATION_BY_TIME = 0, 1
STATUS_ENABLED, STATUS_DISABLED = 0, 1
COLLECT_BOTH, COLLECT_ONLY_B, COLLECT_COMPOUNDING = 0, 1, 2


class PoolNumbers(Record, frozen=True, gc=False):
    """What a swap reads of a pool, mints and vaults aside."""

    base_fee: BaseFee
    dynamic_fee: DynamicFee
    # Percent of the fee, and percent of that.
    protocol_fee_percent: int
    referral_fee_percent: int
    # Of the fee less the protocol's part.
    compounding_fee_bps: int
    init_sqrt_price: int
    curve: Curve
    # A slot or seconds, as `activation_type` says.
    activation_point: int
    activation_type: int
    status: int
    collect_fee_mode: int
    fee_version: int
    # Pools of layout 0 do not keep the reserves of `curve` yet.
    layout_version: int


class OwedFees(Record, frozen=True, gc=False):
    """How one swap's fee is split. Atoms of the token the fee is taken in."""

    protocol: int
    referral: int
    # To those who provide liquidity.
    claiming: int
    # Back into a compounding pool.
    compounding: int


@lru_cache(maxsize=STATES_KEPT)
def decode_numbers(data: bytes) -> PoolNumbers:
    """The numbers in the bytes of a pool."""
    f = _FEES.unpack_from(data, _FEES_OFFSET)
    c = _CURVE.unpack_from(data, _CURVE_OFFSET)
    token_a_atoms, token_b_atoms = _TWO_WORDS.unpack_from(data, _TOKEN_AMOUNTS_OFFSET)
    mode = f[1]
    # The time scheduler's period_frequency is the one u64 where the others have two u32.
    frequency, expiration = (
        (f[3] | f[4] << 32, 0) if mode <= TIME_SCHEDULER_EXPONENTIAL else (f[3], f[4])
    )
    dynamic = DynamicFee(
        f[9],
        f[10],
        f[11],
        f[12],
        f[13],
        f[14],
        f[15],
        f[16],
        f[17] | f[18] << 64,
        f[19] | f[20] << 64,
        f[21] | f[22] << 64,
        f[23] | f[24] << 64,
    )
    curve = Curve(
        c[15] == COLLECT_COMPOUNDING,
        c[0] | c[1] << 64,
        c[8] | c[9] << 64,
        c[4] | c[5] << 64,
        c[6] | c[7] << 64,
        token_a_atoms,
        token_b_atoms,
    )
    return PoolNumbers(
        BaseFee(f[0], mode, f[2], frequency, expiration, f[5]),
        dynamic,
        f[6],
        f[7],
        f[8],
        f[25] | f[26] << 64,
        curve,
        c[10],
        c[11],
        c[12],
        c[15],
        c[17],
        data[_LAYOUT_VERSION_OFFSET],
    )


def after_swap_bytes(
    data: bytes,
    numbers: PoolNumbers,
    dynamic_fee: DynamicFee,
    sqrt_price: int,
    fees: OwedFees,
    fee_is_b: bool,
    reserves: tuple[int, int],
) -> bytes:
    """The pool's bytes with this price, these fees owed and these reserves."""
    head = data[:_COUNTERS_OFFSET]
    if dynamic_fee.initialized:
        volatility = _DYNAMIC.pack(
            dynamic_fee.last_update_timestamp,
            *_words(dynamic_fee.bin_step_u128),
            *_words(dynamic_fee.sqrt_price_reference),
            *_words(dynamic_fee.volatility_accumulator),
            *_words(dynamic_fee.volatility_reference),
        )
        head = head[:_DYNAMIC_OFFSET] + volatility + head[_DYNAMIC_OFFSET + _DYNAMIC.size :]
    layout, liquidity = _COUNTERS[fee_is_b], numbers.curve.liquidity
    # Letters are bytes between the numbers.
    a, owed, b, _, _, c, per_liquidity, d, lp_low, lp_high, e, metric, f, atoms_a, atoms_b = (
        layout.unpack_from(data, _COUNTERS_OFFSET)
    )
    # Counters wrap as the program's do.
    lp_metric = (lp_low | lp_high << 64) + fees.claiming + fees.compounding
    if liquidity:
        gained = int.from_bytes(per_liquidity, "little") + (fees.claiming << 128) // liquidity
        per_liquidity = (gained % (1 << 256)).to_bytes(32, "little")
    if numbers.layout_version:
        atoms_a, atoms_b = reserves
    counters = layout.pack(
        a, owed + fees.protocol & _WORD, b, sqrt_price & _WORD, sqrt_price >> 64, c, per_liquidity,
        d, lp_metric & _WORD, lp_metric >> 64 & _WORD, e, metric + fees.protocol & _WORD, f,
        atoms_a, atoms_b,
    )  # fmt: skip
    return head + counters + data[_COUNTERS_OFFSET + layout.size :]


def _words(value: int) -> tuple[int, int]:
    return value & _WORD, value >> 64


def pool_address(config: Pubkey, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
    """A pool made from a config; the mints' order does not matter."""
    larger, smaller = sorted((bytes(mint_a), bytes(mint_b)), reverse=True)
    return _pda(b"pool", bytes(config), larger, smaller)


def customizable_pool_address(mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
    """The one pool of these mints made without a config."""
    larger, smaller = sorted((bytes(mint_a), bytes(mint_b)), reverse=True)
    return _pda(b"cpool", larger, smaller)


def config_address(index: int) -> Pubkey:
    """The config of this index."""
    return _pda(b"config", index.to_bytes(8, "little"))


def vault_address(pool: Pubkey, mint: Pubkey) -> Pubkey:
    """The pool's token account of this mint."""
    return _pda(b"token_vault", bytes(mint), bytes(pool))


def _pda(*seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(seeds, PROGRAM_ID)[0]


def encode_pool(
    *,
    address: Pubkey,
    mint_a: Pubkey,
    mint_b: Pubkey,
    base_fee: BaseFee,
    liquidity: int,
    sqrt_price: int,
    program_a: Pubkey = TOKEN_PROGRAM,
    program_b: Pubkey = TOKEN_PROGRAM,
    dynamic_fee: DynamicFee | None = None,
    sqrt_min_price: int = SQRT_PRICE_MIN,
    sqrt_max_price: int = SQRT_PRICE_MAX,
    init_sqrt_price: int | None = None,
    activation_point: int = 0,
    activation_type: int = ACTIVATION_BY_TIME,
    status: int = STATUS_ENABLED,
    collect_fee_mode: int = COLLECT_BOTH,
    fee_version: int = 1,
    protocol_fee_percent: int = 20,
    referral_fee_percent: int = 20,
    compounding_fee_bps: int = 0,
    token_a_atoms: int = 0,
    token_b_atoms: int = 0,
    creator: Pubkey | None = None,
) -> bytes:
    """Bytes of a Pool whose vaults are at their PDAs. `liquidity` has 64 fraction bits."""
    fee, dynamic = base_fee, dynamic_fee or DynamicFee()
    if fee.mode <= TIME_SCHEDULER_EXPONENTIAL:
        low, high = (
            fee.frequency_or_step_or_duration & 0xFFFFFFFF,
            fee.frequency_or_step_or_duration >> 32,
        )
    else:
        low, high = fee.frequency_or_step_or_duration, fee.expiration_or_max_fee_bps
    data = bytearray(POOL_SIZE)
    data[:8] = POOL_DISCRIMINATOR
    _FEES.pack_into(
        data,
        _FEES_OFFSET,
        *(fee.cliff_fee_numerator, fee.mode, fee.periods_or_increment_bps, low, high),
        *(fee.reduction_or_reference, protocol_fee_percent, referral_fee_percent),
        *(compounding_fee_bps, dynamic.initialized, dynamic.max_volatility_accumulator),
        *(dynamic.variable_fee_control, dynamic.bin_step, dynamic.filter_period),
        *(dynamic.decay_period, dynamic.reduction_factor, dynamic.last_update_timestamp),
        *_words(dynamic.bin_step_u128),
        *_words(dynamic.sqrt_price_reference),
        *_words(dynamic.volatility_accumulator),
        *_words(dynamic.volatility_reference),
        *_words(sqrt_price if init_sqrt_price is None else init_sqrt_price),
    )
    vaults = (vault_address(address, mint_a), vault_address(address, mint_b))
    data[168:296] = b"".join(bytes(key) for key in (mint_a, mint_b, *vaults))
    _CURVE.pack_into(
        data,
        _CURVE_OFFSET,
        *_words(liquidity),
        *(0, 0),
        *_words(sqrt_min_price),
        *_words(sqrt_max_price),
        *_words(sqrt_price),
        *(activation_point, activation_type, status),
        *(program_a == TOKEN_2022_PROGRAM, program_b == TOKEN_2022_PROGRAM),
        *(collect_fee_mode, 0, fee_version),
    )
    data[648:680] = bytes(creator or Pubkey.default())
    _TWO_WORDS.pack_into(data, _TOKEN_AMOUNTS_OFFSET, token_a_atoms, token_b_atoms)
    data[_LAYOUT_VERSION_OFFSET] = 1
    return bytes(data)
