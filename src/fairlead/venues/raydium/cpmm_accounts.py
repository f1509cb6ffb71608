"""Raydium CPMM's accounts as bytes: addresses, layouts, and encoders for pools of our own.

Offsets count from byte 0, the 8-byte discriminator included. Source: raydium-cp-swap `states/*.rs`
(609780f).
"""

from functools import lru_cache
from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.record import Record
from fairlead.venues.token2022 import NOBODY, TOKEN_PROGRAM

PROGRAM_ID = Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
DEVNET_PROGRAM_ID = Pubkey.from_string("DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb")

POOL_DISCRIMINATOR = bytes.fromhex("f7ede3f5d7c3de46")
POOL_SIZE = 637
CONFIG_DISCRIMINATOR = bytes.fromhex("daf42168cbcb2b6f")
CONFIG_SIZE = 236
OBSERVATION_DISCRIMINATOR = bytes.fromhex("7aaec5358109a584")
OBSERVATION_SIZE = 4075

MINT_OFFSETS = (168, 200)
"""Of mint 0 and mint 1, the smaller address first."""

STATUS_SWAP_OFF = 4
"""Bit of `status` that turns swaps off."""

CREATOR_FEE_ON_BOTH, CREATOR_FEE_ON_TOKEN_0, CREATOR_FEE_ON_TOKEN_1 = 0, 1, 2

# auth_bump … creator_fees_token_1.
_POOL_NUMBERS = Layout("<5B7Q2B6x2Q")
_POOL_NUMBERS_OFFSET = 328
_CONFIG_HEAD = Layout("<8sBBHQQQQ32s32sQ120x")
_CONFIG_RATES = Layout("<QQQ")
_OBSERVATION_HEAD = Layout("<8sBH32s")
# Four fees, open_time, recent_epoch, modes, two creator fees.
_FEES = Layout("<4Q8sQ8s2Q")
_FEES_OFFSET = 341
_U64 = Layout("<Q")

STATES_KEPT = 128
"""Decoded states remembered by their bytes, 1 KB each: a pool is quoted, simulated and swapped on
in the same state."""


class PoolNumbers(Record, frozen=True, gc=False):
    """The numbers of a PoolState, in its own order. Fees in atoms, times in seconds."""

    auth_bump: int
    status: int
    lp_mint_decimals: int
    mint_0_decimals: int
    mint_1_decimals: int
    lp_supply: int
    protocol_fees_token_0: int
    protocol_fees_token_1: int
    fund_fees_token_0: int
    fund_fees_token_1: int
    open_time: int
    recent_epoch: int
    creator_fee_on: int
    enable_creator_fee: int
    creator_fees_token_0: int
    creator_fees_token_1: int


class ConfigRates(Record, frozen=True, gc=False):
    """The rates of an AmmConfig, parts of 1,000,000; protocol and fund cut the trade fee."""

    trade_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int
    creator_fee_rate: int


@lru_cache(maxsize=STATES_KEPT)
def decode_numbers(data: bytes) -> PoolNumbers:
    """The numbers in the bytes of a pool."""
    return PoolNumbers(*_POOL_NUMBERS.unpack_from(data, _POOL_NUMBERS_OFFSET))


@lru_cache(maxsize=STATES_KEPT)
def decode_rates(data: bytes) -> ConfigRates:
    """The rates in the bytes of a config."""
    trade, protocol, fund = _CONFIG_RATES.unpack_from(data, 12)
    return ConfigRates(trade, protocol, fund, _U64.unpack_from(data, 108)[0])


def with_fees(
    data: bytes, zero_for_one: bool, protocol: int, fund: int, creator: tuple[int, int], epoch: int
) -> bytes:
    """The pool's bytes after a swap: `creator` is by token, the others in the input token."""
    found = _FEES.unpack_from(data, _FEES_OFFSET)
    protocol_0, protocol_1, fund_0, fund_1, opening, _, modes, creator_0, creator_1 = found
    if zero_for_one:
        protocol_0 += protocol
        fund_0 += fund
    else:
        protocol_1 += protocol
        fund_1 += fund
    changed = _FEES.pack(
        protocol_0, protocol_1, fund_0, fund_1, opening, epoch, modes,
        creator_0 + creator[0], creator_1 + creator[1],
    )  # fmt: skip
    return data[:_FEES_OFFSET] + changed + data[_FEES_OFFSET + _FEES.size :]


def pool_address(
    config: Pubkey, mint_0: Pubkey, mint_1: Pubkey, program_id: Pubkey = PROGRAM_ID
) -> Pubkey:
    """Where a pool usually is; it may also be any other account that signed at its creation."""
    assert bytes(mint_0) < bytes(mint_1)
    return _pda(program_id, b"pool", bytes(config), bytes(mint_0), bytes(mint_1))


def config_address(index: int, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The AmmConfig of this index (big-endian in the seed, unlike everything else)."""
    return _pda(program_id, b"amm_config", index.to_bytes(2, "big"))


def authority_address(program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The owner of all vaults."""
    return _pda(program_id, b"vault_and_lp_mint_auth_seed")


def vault_address(pool: Pubkey, mint: Pubkey, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The pool's token account of this mint."""
    return _pda(program_id, b"pool_vault", bytes(pool), bytes(mint))


def lp_mint_address(pool: Pubkey, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The mint of the pool's shares."""
    return _pda(program_id, b"pool_lp_mint", bytes(pool))


def observation_address(pool: Pubkey, program_id: Pubkey = PROGRAM_ID) -> Pubkey:
    """The pool's price history, written by each swap."""
    return _pda(program_id, b"observation", bytes(pool))


def _pda(program_id: Pubkey, *seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(seeds, program_id)[0]


def authority_bump(program_id: Pubkey = PROGRAM_ID) -> int:
    """The bump that pools store for their authority."""
    return Pubkey.find_program_address([b"vault_and_lp_mint_auth_seed"], program_id)[1]


def encode_pool(
    *,
    address: Pubkey,
    amm_config: Pubkey,
    mint_0: Pubkey,
    mint_1: Pubkey,
    decimals_0: int,
    decimals_1: int,
    program_0: Pubkey = TOKEN_PROGRAM,
    program_1: Pubkey = TOKEN_PROGRAM,
    creator: Pubkey | None = None,
    status: int = 0,
    open_time: int = 0,
    lp_supply: int = 0,
    protocol_fees: tuple[int, int] = (0, 0),
    fund_fees: tuple[int, int] = (0, 0),
    creator_fees: tuple[int, int] = (0, 0),
    creator_fee_on: int = CREATOR_FEE_ON_BOTH,
    enable_creator_fee: bool = False,
    recent_epoch: int = 0,
    program_id: Pubkey = PROGRAM_ID,
) -> bytes:
    """Bytes of a PoolState whose vaults, shares mint and observation are at their PDAs."""
    assert bytes(mint_0) < bytes(mint_1)
    keys = (
        amm_config,
        creator or Pubkey.default(),
        vault_address(address, mint_0, program_id),
        vault_address(address, mint_1, program_id),
        lp_mint_address(address, program_id),
        mint_0,
        mint_1,
        program_0,
        program_1,
        observation_address(address, program_id),
    )
    numbers = _POOL_NUMBERS.pack(
        authority_bump(program_id),
        status,
        9,
        decimals_0,
        decimals_1,
        lp_supply,
        *protocol_fees,
        *fund_fees,
        open_time,
        recent_epoch,
        creator_fee_on,
        enable_creator_fee,
        *creator_fees,
    )
    data = POOL_DISCRIMINATOR + b"".join(bytes(key) for key in keys) + numbers
    return data.ljust(POOL_SIZE, b"\0")


def encode_config(
    *,
    index: int,
    trade_fee_rate: int,
    protocol_fee_rate: int = 0,
    fund_fee_rate: int = 0,
    creator_fee_rate: int = 0,
    create_pool_fee: int = 0,
    program_id: Pubkey = PROGRAM_ID,
) -> bytes:
    """Bytes of the AmmConfig at `config_address(index)`."""
    bump = Pubkey.find_program_address([b"amm_config", index.to_bytes(2, "big")], program_id)[1]
    return _CONFIG_HEAD.pack(
        CONFIG_DISCRIMINATOR,
        bump,
        0,
        index,
        trade_fee_rate,
        protocol_fee_rate,
        fund_fee_rate,
        create_pool_fee,
        NOBODY,
        NOBODY,
        creator_fee_rate,
    )


def encode_observation(pool: Pubkey) -> bytes:
    """Bytes of a fresh ObservationState."""
    head = _OBSERVATION_HEAD.pack(OBSERVATION_DISCRIMINATOR, 0, 0, bytes(pool))
    return head.ljust(OBSERVATION_SIZE, b"\0")
