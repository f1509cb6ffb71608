"""DAMM v1's and its vaults' accounts as bytes: addresses, layouts, encoders for pools of our own.

Borsh, nothing aligned; offsets count from byte 0, the 8-byte discriminator included. Sources:
damm-v1-sdk `programs/dynamic-{amm,vault}/src/state.rs` and `common/src/*/pda.rs` (02c66a3).
"""

from functools import lru_cache
from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.record import Record
from fairlead.venues.venue import ErrorClass, VenueError

PROGRAM_ID = Pubkey.from_string("Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB")
VAULT_PROGRAM_ID = Pubkey.from_string("24Uqj9JCLxUeoC3hGfh5W3s9FM9uCHDS2SG3LYwBpyTi")
VAULT_BASE = Pubkey.from_string("HWzXGcGHy4tcpYfaRDCyLNzXqBTv3E6BttpCH2vJxArv")
"""In the seeds of most vaults; those that lend nothing out may have none."""

POOL_DISCRIMINATOR = bytes.fromhex("f19a6d0411b16dbc")
VAULT_DISCRIMINATOR = bytes.fromhex("d308e82b02987577")

CURVE_CONSTANT_PRODUCT, CURVE_STABLE = 0, 1
DEPEG_NONE, DEPEG_MARINADE, DEPEG_LIDO, DEPEG_SPL_STAKE = 0, 1, 2, 3
ACTIVATION_BY_SLOT, ACTIVATION_BY_TIME = 0, 1

MARINADE_STATE = Pubkey.from_string("8szGkuLTAux9XMgZ2vtY39jVSowEcpBfFfD8hXSEqdGC")
LIDO_STATE = Pubkey.from_string("49Yi1TKkNyYjPAFdR9LBvoHcUjuPX4Df5T5yv39w2XTn")

OLD_LP_MINTS = {
    Pubkey.from_string("FERjPVNEa7Udq8CEv68h6tPL46Tq7ieE49HrE2wea3XT"): Pubkey.from_string(
        "FZN7QZ8ZUUAxMPfxYEYkH3cXUASzH8EqA6B4tyCL8f1j"
    ),
    Pubkey.from_string("8p1VKP45hhqq5iZG5fNGoi7ucme8nFLeChoDWNy7rWFm"): Pubkey.from_string(
        "21bR3D4QR4GzopVco44PVMBXwHFpSYrbrdeNwdKk7umb"
    ),
}
"""Shares mints of vaults from before they had a derived address, as known: of SOL, and of mSOL."""

POOL_SIZE = 944
"""Of pools made now; older ones are longer. The curve ends the struct and its size varies."""
MINT_OFFSETS = (40, 72)
"""Of A and B."""
CURVE_OFFSET = 874
_STABLE = Layout("<BQQQBQQBQ")
STABLE_END = CURVE_OFFSET + _STABLE.size
_PRICE_OFFSET, DEPEG_TYPE_OFFSET = CURVE_OFFSET + 26, CURVE_OFFSET + 42
_FEES = Layout("<4Q")
_FEES_OFFSET = 330
_ACTIVATION_POINT_OFFSET, ACTIVATION_TYPE_OFFSET = 403, 475
ENABLED_OFFSET = 233
_KEYS = tuple(slice(at, at + 32) for at in range(40, 232, 32))

VAULT_SIZE = 1_232
"""Of vaults made now; older ones are longer."""
_VAULT_HEAD = Layout("<8sBBBQ32s32s32s32s")
_STRATEGIES = slice(147, 1_107)
_NO_STRATEGIES = bytes(960)
_PROFIT = Layout("<3Q")
_PROFIT_OFFSET = 1_203
_TOTAL_OFFSET = 11
VAULT_PROFIT_END = _PROFIT_OFFSET + _PROFIT.size
_U64 = Layout("<Q")

STATES_KEPT = 128
"""Decoded states and derived addresses remembered, below 1 KB each."""


class PoolNumbers(Record, frozen=True, gc=False):
    """What a swap reads of a Pool. Fees are fractions, the protocol's of the trade's."""

    is_enabled: bool
    trade_fee_numerator: int
    trade_fee_denominator: int
    protocol_fee_numerator: int
    protocol_fee_denominator: int
    # A slot or a time, by the type.
    activation_point: int
    activation_type: int
    # The rest is of the stable curve, which a pool of the constant product lacks.
    is_stable: bool
    amp: int
    token_a_multiplier: int
    token_b_multiplier: int
    base_virtual_price: int
    base_cache_updated: int
    depeg_type: int


class VaultState(Record, frozen=True, gc=False):
    """What a swap reads of a vault. Atoms, times in seconds."""

    is_enabled: bool
    # In the token vault and lent out.
    total_amount: int
    token_vault: Pubkey
    token_mint: Pubkey
    lp_mint: Pubkey
    last_updated_locked_profit: int
    last_report: int
    # Per second, parts of 10^12.
    locked_profit_degradation: int
    has_strategies: bool


@lru_cache(maxsize=STATES_KEPT)
def decode_numbers(data: bytes) -> PoolNumbers:
    """The numbers in the bytes of a pool; `VenueError` names what we do not know."""
    curve = data[CURVE_OFFSET]
    if curve > CURVE_STABLE:
        raise VenueError(ErrorClass.TERMINAL, "unknown_curve", None, str(curve))
    stable = (0,) * 9
    if curve == CURVE_STABLE:
        stable = _STABLE.unpack_from(data, CURVE_OFFSET)
    _, amp, multiplier_a, multiplier_b, _, price, updated, depeg_type, _ = stable
    activation_type = data[ACTIVATION_TYPE_OFFSET]
    for name, kind, last in (
        ("unknown_depeg_type", depeg_type, DEPEG_SPL_STAKE),
        ("unknown_activation_type", activation_type, ACTIVATION_BY_TIME),
    ):
        if kind > last:
            raise VenueError(ErrorClass.TERMINAL, name, None, str(kind))
    trade, of_trade, protocol, of_protocol = _FEES.unpack_from(data, _FEES_OFFSET)
    return PoolNumbers(
        data[ENABLED_OFFSET] != 0,
        trade,
        of_trade,
        protocol,
        of_protocol,
        _U64.unpack_from(data, _ACTIVATION_POINT_OFFSET)[0],
        activation_type,
        curve == CURVE_STABLE,
        amp,
        multiplier_a,
        multiplier_b,
        price,
        updated,
        depeg_type,
    )


@lru_cache(maxsize=STATES_KEPT)
def decode_vault(data: bytes) -> VaultState:
    """The numbers in the bytes of a vault."""
    _, enabled, _, _, total, token_vault, _, mint, lp_mint = _VAULT_HEAD.unpack_from(data)
    locked_profit, last_report, degradation = _PROFIT.unpack_from(data, _PROFIT_OFFSET)
    key = Pubkey.from_bytes
    return VaultState(
        enabled != 0,
        total,
        key(token_vault),
        key(mint),
        key(lp_mint),
        locked_profit,
        last_report,
        degradation,
        data[_STRATEGIES] != _NO_STRATEGIES,
    )


def vault_with_total(data: bytes, total_amount: int) -> bytes:
    """The vault's bytes after a deposit or a withdrawal; a swap changes nothing else of it."""
    return data[:_TOTAL_OFFSET] + _U64.pack(total_amount) + data[_TOTAL_OFFSET + 8 :]


def pool_with_price(data: bytes, price: int, now: int) -> bytes:
    """A depeg pool's bytes once a swap has looked the price up; it changes no others."""
    return data[:_PRICE_OFFSET] + _U64.pack(price) + _U64.pack(now) + data[_PRICE_OFFSET + 16 :]


def vault_address(mint: Pubkey, base: Pubkey = VAULT_BASE) -> Pubkey:
    """The vault of a mint."""
    return _pda(VAULT_PROGRAM_ID, b"vault", bytes(mint), bytes(base))


@lru_cache(maxsize=STATES_KEPT)
def token_vault_address(vault: Pubkey) -> Pubkey:
    """The token account of a vault."""
    return _pda(VAULT_PROGRAM_ID, b"token_vault", bytes(vault))


@lru_cache(maxsize=STATES_KEPT)
def lp_mint_address(vault: Pubkey) -> Pubkey:
    """The mint of a vault's shares."""
    return OLD_LP_MINTS.get(vault) or _pda(VAULT_PROGRAM_ID, b"lp_mint", bytes(vault))


def vault_lp_address(vault: Pubkey, pool: Pubkey) -> Pubkey:
    """The pool's account of a vault's shares."""
    return _pda(PROGRAM_ID, bytes(vault), bytes(pool))


def protocol_fee_address(mint: Pubkey, pool: Pubkey) -> Pubkey:
    """Where the protocol's part of the fee goes."""
    return _pda(PROGRAM_ID, b"fee", bytes(mint), bytes(pool))


def stake_address(data: bytes, depeg_type: int) -> Pubkey | None:
    """The account that has a depeg pool's price; None for other pools."""
    if depeg_type == DEPEG_NONE:
        return None
    if depeg_type == DEPEG_SPL_STAKE:
        return Pubkey.from_bytes(data[363:395])
    return MARINADE_STATE if depeg_type == DEPEG_MARINADE else LIDO_STATE


def _pda(program_id: Pubkey, *seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(seeds, program_id)[0]


def encode_pool(
    *,
    address: Pubkey,
    mints: tuple[Pubkey, Pubkey],
    vaults: tuple[Pubkey, Pubkey],
    trade_fee: tuple[int, int] = (250, 100_000),
    protocol_fee: tuple[int, int] = (20_000, 100_000),
    is_enabled: bool = True,
    activation_point: int = 0,
    activation_type: int = ACTIVATION_BY_SLOT,
    stable: tuple[int, int, int, int] | None = None,
    depeg: tuple[int, int, int] = (0, 0, DEPEG_NONE),
    stake: Pubkey | None = None,
    size: int = POOL_SIZE,
) -> bytes:
    """Bytes of a Pool whose shares and fee accounts are at their PDAs.

    `stable` is amp, both multipliers and precision; `depeg` price, its time and the type.
    """
    data = bytearray(size)
    lp_bump = Pubkey.find_program_address([bytes(vaults[0]), bytes(address)], PROGRAM_ID)[1]
    shares = tuple(vault_lp_address(vault, address) for vault in vaults)
    lp_mint = _pda(PROGRAM_ID, b"lp_mint", bytes(address))
    head = POOL_DISCRIMINATOR + b"".join(map(bytes, (lp_mint, *mints, *vaults, *shares)))
    head += bytes([lp_bump, is_enabled])
    head += b"".join(bytes(protocol_fee_address(mint, address)) for mint in mints)
    data[: len(head)] = head
    _FEES.pack_into(data, _FEES_OFFSET, *trade_fee, *protocol_fee)
    data[363:395] = bytes(stake or Pubkey.default())
    _U64.pack_into(data, _ACTIVATION_POINT_OFFSET, activation_point)
    data[ACTIVATION_TYPE_OFFSET] = activation_type
    data[362] = 1
    if stable is not None:
        _STABLE.pack_into(data, CURVE_OFFSET, CURVE_STABLE, *stable, *depeg, 0)
    return bytes(data)


def encode_vault(
    *,
    mint: Pubkey,
    total_amount: int,
    base: Pubkey = VAULT_BASE,
    is_enabled: bool = True,
    locked_profit: tuple[int, int, int] = (0, 0, 0),
    strategy: Pubkey | None = None,
    size: int = VAULT_SIZE,
) -> bytes:
    """Bytes of a Vault whose further accounts are at their PDAs.

    `locked_profit` is the profit of the last report, its time, and the degradation.
    """
    data = bytearray(size)
    seeds = [b"vault", bytes(mint), bytes(base)]
    vault, bump = Pubkey.find_program_address(seeds, VAULT_PROGRAM_ID)
    token_vault, token_bump = Pubkey.find_program_address(
        [b"token_vault", bytes(vault)], VAULT_PROGRAM_ID
    )
    keys = (token_vault, Pubkey.default(), mint, lp_mint_address(vault))
    _VAULT_HEAD.pack_into(
        data,
        0,
        VAULT_DISCRIMINATOR,
        is_enabled,
        bump,
        token_bump,
        total_amount,
        *map(bytes, keys),
    )
    data[147:179] = bytes(strategy or Pubkey.default())
    data[1_107:1_139] = bytes(base)
    _PROFIT.pack_into(data, _PROFIT_OFFSET, *locked_profit)
    return bytes(data)
