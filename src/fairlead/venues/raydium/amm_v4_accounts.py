"""Raydium AMM v4's accounts as bytes: addresses, layouts, and encoders for pools of our own.

The program is not an Anchor one: its accounts have no discriminator, owner and size tell them.
Sources: raydium-amm `program/src/state.rs` (27f461d); the market and open orders are those of
OpenBook v1 (serum-dex `state.rs`), which only pools of status 1 still read.
"""

from functools import lru_cache
from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.record import Record

PROGRAM_ID = Pubkey.from_string("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8")
DEVNET_PROGRAM_ID = Pubkey.from_string("DRaya7Kj3aMWQSy19kSjvmuwq9docCHofyP9kanQGaav")
"""Since 2025-07."""
PROGRAM_IDS = (PROGRAM_ID, DEVNET_PROGRAM_ID)
OPENBOOK_PROGRAM_ID = Pubkey.from_string("srmqPvymJeFKQ4zGQed1GFppgkRHL9kaELCbyksJtPX")

POOL_SIZE = 752
MINT_OFFSETS = (400, 432)
"""Of coin and pc."""

TARGET_ORDERS_SIZE = 2_208
MARKET_SIZE = 388
OPEN_ORDERS_SIZE = 3_228

STATUS_UNINITIALIZED = 0
STATUS_INITIALIZED = 1
"""Swaps; builds before 2026-07-23 count the pool's orders on the book as reserves."""
STATUS_ORDER_BOOK_ONLY = 5
STATUS_SWAP_ONLY = 6
STATUS_WAITING_TRADE = 7

STATES_KEPT = 128
"""Decoded states remembered by their bytes, 1 KB each: a pool is quoted, simulated and swapped on
in the same state."""

_HEAD = Layout("<4Q2Q")
# swap_fee_numerator … need_take_pnl_pc, two totals, pool_open_time.
_NUMBERS = Layout("<6Q")
_NUMBERS_OFFSET = 176
_OPEN_TIME_OFFSET = 224
_ORDERBOOK_TO_INIT_TIME_OFFSET = 248
# Per direction: in, out (u128) and the fee, coin to pc first.
_COIN_TO_PC_OFFSET, _PC_TO_COIN_OFFSET = 256, 296
# The fee counters of coin and pc.
_ACC_FEE_OFFSETS = (328, 288)
_FEES = Layout("<8Q")
_FEES_OFFSET = 128
_KEYS_OFFSET = 336
_RECENT_EPOCH_OFFSET = 736
_U64 = Layout("<Q")
_U128_BYTES = 16


class PoolNumbers(Record, frozen=True, gc=False):
    """The numbers of an AmmInfo that a swap reads. Atoms, and times in seconds."""

    status: int
    nonce: int
    swap_fee_numerator: int
    swap_fee_denominator: int
    # Profit owed to the pool's owner; it lies in the vaults and is not for the curve.
    need_take_pnl_coin: int
    need_take_pnl_pc: int
    pool_open_time: int
    orderbook_to_init_time: int
    # All fees taken so far: (in coin, in pc).
    swap_acc_fees: tuple[int, int]


class Market(Record, frozen=True, gc=False):
    """The accounts of an OpenBook market."""

    bids: Pubkey
    asks: Pubkey
    event_queue: Pubkey
    coin_vault: Pubkey
    pc_vault: Pubkey
    vault_signer: Pubkey


@lru_cache(maxsize=STATES_KEPT)
def decode_numbers(data: bytes) -> PoolNumbers:
    """The numbers in the bytes of a pool."""
    status, nonce = Layout("<QQ").unpack_from(data)
    numerator, denominator, pnl_coin, pnl_pc, _, _ = _NUMBERS.unpack_from(data, _NUMBERS_OFFSET)
    coin_fee, pc_fee = (_u64(data, offset) for offset in _ACC_FEE_OFFSETS)
    return PoolNumbers(
        status,
        nonce,
        numerator,
        denominator,
        pnl_coin,
        pnl_pc,
        _u64(data, _OPEN_TIME_OFFSET),
        _u64(data, _ORDERBOOK_TO_INIT_TIME_OFFSET),
        (coin_fee, pc_fee),
    )


def with_swap(
    data: bytes, coin_to_pc: bool, amount_in: int, amount_out: int, fee: int, epoch: int
) -> bytes:
    """The pool's bytes after a swap, in builds before 2026-07-23.

    The counters that these builds keep are read by no quote; newer builds leave them alone.
    """
    changed = bytearray(data)
    offset = _COIN_TO_PC_OFFSET if coin_to_pc else _PC_TO_COIN_OFFSET
    for at, atoms in ((offset, amount_in), (offset + _U128_BYTES, amount_out)):
        total = int.from_bytes(data[at : at + _U128_BYTES], "little") + atoms
        changed[at : at + _U128_BYTES] = total.to_bytes(_U128_BYTES, "little")
    fee_at = _ACC_FEE_OFFSETS[0 if coin_to_pc else 1]
    _U64.pack_into(changed, fee_at, _u64(data, fee_at) + fee)
    if _u64(data, 0) == STATUS_WAITING_TRADE:
        _U64.pack_into(changed, 0, STATUS_SWAP_ONLY)
    _U64.pack_into(changed, _RECENT_EPOCH_OFFSET, epoch)
    return bytes(changed)


def decode_market(address: Pubkey, owner: Pubkey, data: bytes) -> Market | None:
    """The market in these bytes; None where there is none."""
    if len(data) != MARKET_SIZE or data[:5] != b"serum" or data[13:45] != bytes(address):
        return None
    vault_signer = Pubkey.create_program_address([bytes(address), data[45:53]], owner)
    coin_vault, pc_vault, event_queue, bids, asks = (
        Pubkey.from_bytes(data[at : at + 32]) for at in (117, 165, 253, 285, 317)
    )
    return Market(bids, asks, event_queue, coin_vault, pc_vault, vault_signer)


def open_orders_atoms(data: bytes) -> tuple[int, int]:
    """What an open orders account holds on the book, free or bound: (coin, pc)."""
    return _u64(data, 85), _u64(data, 101)


def authority_address(program_id: Pubkey = PROGRAM_ID) -> tuple[Pubkey, int]:
    """The owner of all vaults, and its bump, which pools store as their nonce."""
    return Pubkey.find_program_address([b"amm authority"], program_id)


def associated_address(
    market: Pubkey, suffix: str = "amm", program_id: Pubkey = PROGRAM_ID
) -> Pubkey:
    """Where a pool of this market, or one of its accounts, usually is.

    Suffixes: amm, coin_vault, pc_vault, lp_mint, open_order, target.
    """
    seeds = [bytes(program_id), bytes(market), f"{suffix}_associated_seed".encode()]
    return Pubkey.find_program_address(seeds, program_id)[0]


def encode_pool(
    *,
    market: Pubkey,
    coin_mint: Pubkey,
    pc_mint: Pubkey,
    coin_decimals: int,
    pc_decimals: int,
    swap_fee: tuple[int, int] = (25, 10_000),
    status: int = STATUS_SWAP_ONLY,
    need_take_pnl: tuple[int, int] = (0, 0),
    open_time: int = 0,
    orderbook_to_init_time: int = 0,
    lp_amount: int = 0,
    has_order_book: bool = True,
    program_id: Pubkey = PROGRAM_ID,
) -> bytes:
    """Bytes of an AmmInfo whose further accounts are at their PDAs.

    `swap_fee` is numerator and denominator, `need_take_pnl` coin and pc. Without `has_order_book`
    it is as the builds since 2026-07-23 make it.
    """
    data = bytearray(POOL_SIZE)
    nonce = authority_address(program_id)[1]
    _HEAD.pack_into(data, 0, status, nonce, 7, 3, coin_decimals, pc_decimals)
    _FEES.pack_into(data, _FEES_OFFSET, 5, 10_000, *swap_fee, 12, 100, *swap_fee)
    for offset, number in (
        (192, need_take_pnl[0]),
        (200, need_take_pnl[1]),
        (_OPEN_TIME_OFFSET, open_time),
        (_ORDERBOOK_TO_INIT_TIME_OFFSET, orderbook_to_init_time),
        (720, lp_amount),
    ):
        _U64.pack_into(data, offset, number)
    nobody = Pubkey.default()
    keys = (
        associated_address(market, "coin_vault", program_id),
        associated_address(market, "pc_vault", program_id),
        coin_mint,
        pc_mint,
        associated_address(market, "lp_mint", program_id),
        associated_address(market, "open_order", program_id) if has_order_book else nobody,
        market,
        OPENBOOK_PROGRAM_ID if has_order_book else nobody,
        associated_address(market, "target", program_id),
    )
    joined = b"".join(bytes(key) for key in keys)
    data[_KEYS_OFFSET : _KEYS_OFFSET + len(joined)] = joined
    return bytes(data)


def _u64(data: bytes, offset: int) -> int:
    number: int = _U64.unpack_from(data, offset)[0]
    return number
