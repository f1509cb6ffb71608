"""DLMM's pair as bytes: addresses, the LbPair's layout, and an encoder for pairs of our own.

Offsets count from byte 0, the 8-byte discriminator included. Source: MeteoraAg/dlmm-sdk @ fb02e51,
`idls/dlmm.json` (0.12.0) and `commons/src/pda.rs`.
"""

from functools import lru_cache
from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.meteora.dlmm_fees import StaticParameters, VariableParameters
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from fairlead.venues.venue import ErrorClass, VenueError

PROGRAM_ID = Pubkey.from_string("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")
EVENT_AUTHORITY = Pubkey.from_string("D1ZN9Wj1fRSUQfCjhvnu1hqDMT7hzjzBBpi12nVniYD6")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

PAIR_DISCRIMINATOR = bytes.fromhex("210b3162b565b10d")
PAIR_SIZE = 904
MINT_OFFSETS = (88, 120)
"""Of X and Y."""
KNOWN_PAIR_VERSIONS = (0, 1)
"""Before and since the release with limit orders; one that is not known is refused by its name."""

ORACLE_DISCRIMINATOR = bytes.fromhex("8bc283b38cb3e5f4")
ORACLE_HEADER_SIZE = 32
OBSERVATION_SIZE = 32

PERMISSIONLESS, PERMISSION, CUSTOMIZABLE_PERMISSIONLESS, PERMISSIONLESS_V2 = 0, 1, 2, 3
STATUS_ENABLED, STATUS_DISABLED = 0, 1
ACTIVATION_BY_SLOT, ACTIVATION_BY_TIME = 0, 1
UNDETERMINED, LIQUIDITY_MINING, LIMIT_ORDER = 0, 1, 2
"""function_type: an undetermined pair takes limit orders as long as it has no reward."""

COLLECT_INPUT, COLLECT_ONLY_Y = 0, 1

# parameters and v_parameters: offsets 8 … 64.
_PARAMETERS = Layout("<4H2I2iH3B3xIIi4xq")
_PARAMETERS_OFFSET = 8
# pair_type … activation_type: offsets 75 … 87.
_STATE = Layout("<BiHB3xB")
_STATE_OFFSET, ACTIVE_ID_OFFSET = 75, 76
_BUMP_OFFSET = 72
_BIN_STEP_SEED_OFFSET = 73
_KEYS_OFFSET = 88
_REWARD_MINT_OFFSETS = (264, 264 + 144)
_ORACLE_OFFSET = 552
BITMAP_OFFSET = 584
BITMAP_SIZE = 128
_ACTIVATION_POINT_OFFSET = 816
_FIRST_SWAPPER_OFFSET, _HEAD_START_OFFSET = 752, 824
_BASE_KEY_OFFSET = 784
_FLAGS_OFFSET = 880
_VERSION_OFFSET = 882
_U64 = Layout("<Q")
NOBODY = bytes(32)

STATES_KEPT = 128
"""Decoded pairs remembered by their bytes: one is quoted many times in the same state."""

ADDRESSES_KEPT = 4_096


class PairKeys(Record, frozen=True, gc=False):
    """The accounts a pair refers to. Pairs are in the order X, Y."""

    lb_pair: Pubkey
    mints: tuple[Pubkey, Pubkey]
    reserves: tuple[Pubkey, Pubkey]
    oracle: Pubkey
    token_programs: tuple[Pubkey, Pubkey]


class PairNumbers(Record, frozen=True, gc=False):
    """What a swap reads of a pair, its keys aside."""

    parameters: StaticParameters
    v_parameters: VariableParameters
    pair_type: int
    active_id: int
    bin_step: int
    status: int
    # A slot or seconds, as `activation_type` says.
    activation_type: int
    activation_point: int
    supports_limit_order: bool
    # 0 takes the fee from the input, 1 always from Y.
    collect_fee_mode: int
    # Bit n is set while the array of index n - 512 holds liquidity.
    bin_array_bitmap: int


@lru_cache(maxsize=STATES_KEPT)
def decode_numbers(data: bytes) -> PairNumbers:
    """The numbers in the bytes of a pair; `VenueError` names a version or mode nobody knows."""
    p = _PARAMETERS.unpack_from(data, _PARAMETERS_OFFSET)
    pair_type, active_id, bin_step, status, activation_type = _STATE.unpack_from(
        data, _STATE_OFFSET
    )
    function_type, collect_fee_mode = p[10], p[11]
    _refuse_unknown("version", data[_VERSION_OFFSET], max(KNOWN_PAIR_VERSIONS))
    _refuse_unknown("pair_type", pair_type, PERMISSIONLESS_V2)
    _refuse_unknown("function_type", function_type, LIMIT_ORDER)
    _refuse_unknown("collect_fee_mode", collect_fee_mode, COLLECT_ONLY_Y)
    _refuse_unknown("token_program_flag", max(data[_FLAGS_OFFSET : _FLAGS_OFFSET + 2]), 1)
    has_reward = any(data[at : at + 32] != NOBODY for at in _REWARD_MINT_OFFSETS)
    return PairNumbers(
        StaticParameters(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], bin_step),
        VariableParameters(p[12], p[13], p[14], p[15]),
        pair_type,
        active_id,
        bin_step,
        status,
        activation_type,
        _U64.unpack_from(data, _ACTIVATION_POINT_OFFSET)[0],
        function_type == LIMIT_ORDER or (function_type == UNDETERMINED and not has_reward),
        collect_fee_mode,
        int.from_bytes(data[BITMAP_OFFSET : BITMAP_OFFSET + BITMAP_SIZE], "little"),
    )


def _refuse_unknown(field: str, value: int, highest: int) -> None:
    if value > highest:
        raise VenueError(ErrorClass.TERMINAL, f"unknown_{field}", detail=str(value))


def first_swapper(data: bytes) -> tuple[bytes, int]:
    """Who may swap before a pair opens, and by how many slots or seconds earlier."""
    key = data[_FIRST_SWAPPER_OFFSET : _FIRST_SWAPPER_OFFSET + 32]
    return key, _U64.unpack_from(data, _HEAD_START_OFFSET)[0]


def decode_keys(address: Pubkey, data: bytes) -> PairKeys:
    """The keys in the bytes of a pair."""
    key = Pubkey.from_bytes
    at = [key(data[n : n + 32]) for n in range(_KEYS_OFFSET, _KEYS_OFFSET + 128, 32)]
    oracle = key(data[_ORACLE_OFFSET : _ORACLE_OFFSET + 32])
    x, y = data[_FLAGS_OFFSET : _FLAGS_OFFSET + 2]
    programs = (
        TOKEN_2022_PROGRAM if x else TOKEN_PROGRAM,
        TOKEN_2022_PROGRAM if y else TOKEN_PROGRAM,
    )
    return PairKeys(address, (at[0], at[1]), (at[2], at[3]), oracle, programs)


def pair_address(base: Pubkey, mint_x: Pubkey, mint_y: Pubkey) -> Pubkey:
    """A pair made from a preset parameter; the mints' order does not matter."""
    return _pair_address(base, mint_x, mint_y)[0]


def _pair_address(base: Pubkey, mint_x: Pubkey, mint_y: Pubkey) -> tuple[Pubkey, int]:
    smaller, larger = sorted((bytes(mint_x), bytes(mint_y)))
    return Pubkey.find_program_address([bytes(base), smaller, larger], PROGRAM_ID)


@lru_cache(maxsize=ADDRESSES_KEPT)
def bin_array_address(lb_pair: Pubkey, index: int) -> Pubkey:
    """The account of the pair's bin array with this index."""
    return _pda(b"bin_array", bytes(lb_pair), index.to_bytes(8, "little", signed=True))


@lru_cache(maxsize=ADDRESSES_KEPT)
def bitmap_extension_address(lb_pair: Pubkey) -> Pubkey:
    """Where the pair's bitmap extension is, if it has one."""
    return _pda(b"bitmap", bytes(lb_pair))


def preset_parameter_address(index: int) -> Pubkey:
    """The settings that anyone may make a pair with."""
    return _pda(b"preset_parameter2", index.to_bytes(2, "little"))


def oracle_address(lb_pair: Pubkey) -> Pubkey:
    """The pair's price observations."""
    return _pda(b"oracle", bytes(lb_pair))


def reserve_address(lb_pair: Pubkey, mint: Pubkey) -> Pubkey:
    """The pair's token account of this mint."""
    return _pda(bytes(lb_pair), bytes(mint))


def _pda(*seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(seeds, PROGRAM_ID)[0]


def with_active_id(data: bytes, active_id: int) -> bytes:
    """The bytes of a pair with another active bin and nothing else changed."""
    at = ACTIVE_ID_OFFSET
    return data[:at] + active_id.to_bytes(4, "little", signed=True) + data[at + 4 :]


def encode_pair(
    *,
    base: Pubkey,
    mint_x: Pubkey,
    mint_y: Pubkey,
    parameters: StaticParameters,
    active_id: int,
    v_parameters: VariableParameters | None = None,
    bitmap: int = 0,
    program_x: Pubkey = TOKEN_PROGRAM,
    program_y: Pubkey = TOKEN_PROGRAM,
    pair_type: int = PERMISSIONLESS_V2,
    status: int = STATUS_ENABLED,
    activation_type: int = ACTIVATION_BY_SLOT,
    activation_point: int = 0,
    function_type: int = LIQUIDITY_MINING,
    collect_fee_mode: int = COLLECT_INPUT,
    reward_mint: Pubkey | None = None,
    version: int = 1,
) -> bytes:
    """Bytes of the LbPair at `pair_address(base, …)`; its reserves and oracle are at their PDAs."""
    address, bump = _pair_address(base, mint_x, mint_y)
    p, v = parameters, v_parameters or VariableParameters(0, 0, active_id, 0)
    data = bytearray(PAIR_SIZE)
    data[:8] = PAIR_DISCRIMINATOR
    _PARAMETERS.pack_into(
        data,
        _PARAMETERS_OFFSET,
        *(p.base_factor, p.filter_period, p.decay_period, p.reduction_factor),
        *(p.variable_fee_control, p.max_volatility_accumulator, p.min_bin_id, p.max_bin_id),
        *(p.protocol_share, p.base_fee_power_factor, function_type, collect_fee_mode),
        *(v.volatility_accumulator, v.volatility_reference, v.index_reference),
        v.last_update_timestamp,
    )
    _STATE.pack_into(data, _STATE_OFFSET, pair_type, active_id, p.bin_step, status, activation_type)
    data[_BUMP_OFFSET] = bump
    data[_BIN_STEP_SEED_OFFSET : _BIN_STEP_SEED_OFFSET + 2] = p.bin_step.to_bytes(2, "little")
    data[_BASE_KEY_OFFSET : _BASE_KEY_OFFSET + 32] = bytes(base)
    keys = (mint_x, mint_y, reserve_address(address, mint_x), reserve_address(address, mint_y))
    data[_KEYS_OFFSET : _KEYS_OFFSET + 128] = b"".join(bytes(key) for key in keys)
    if reward_mint is not None:
        data[_REWARD_MINT_OFFSETS[0] : _REWARD_MINT_OFFSETS[0] + 32] = bytes(reward_mint)
    data[_ORACLE_OFFSET : _ORACLE_OFFSET + 32] = bytes(oracle_address(address))
    data[BITMAP_OFFSET : BITMAP_OFFSET + BITMAP_SIZE] = bitmap.to_bytes(BITMAP_SIZE, "little")
    _U64.pack_into(data, _ACTIVATION_POINT_OFFSET, activation_point)
    data[_FLAGS_OFFSET] = program_x == TOKEN_2022_PROGRAM
    data[_FLAGS_OFFSET + 1] = program_y == TOKEN_2022_PROGRAM
    data[_VERSION_OFFSET] = version
    return bytes(data)


def encode_oracle(length: int = 100) -> bytes:
    """Bytes of an Oracle with room for this many observations, none made yet."""
    header = Layout("<8sQQQ").pack(ORACLE_DISCRIMINATOR, 0, 0, length)
    return header + bytes(OBSERVATION_SIZE * length)
