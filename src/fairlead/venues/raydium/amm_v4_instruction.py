"""Bytes and accounts of AMM v4's swap instructions.

SwapBaseIn and SwapBaseOut have places for the order book that only pools of status 1 still need.
The pool's own address in them is taken by every build. The V2 forms, since 2025-09, leave the
places out. Source: raydium-amm `program/src/{instruction,processor}.rs` (27f461d).
"""

from struct import Struct as Layout

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.raydium.amm_v4_accounts import PROGRAM_IDS, Market, authority_address
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TOKEN_PROGRAM

SWAP_BASE_IN, SWAP_BASE_OUT = 9, 11
SWAP_BASE_IN_V2, SWAP_BASE_OUT_V2 = 16, 17
_ARGUMENTS = Layout("<BQQ")

AUTHORITIES = {program: authority_address(program) for program in PROGRAM_IDS}
"""The owner of all vaults, and its bump, by program."""


class OrderBook(Record, frozen=True, gc=False):
    """A pool's accounts on its market."""

    open_orders: Pubkey
    # None for the form of 17 accounts.
    target_orders: Pubkey | None
    market_program: Pubkey
    address: Pubkey
    market: Market


def swap_instruction(
    tag: int,
    amounts: tuple[int, int],
    program_id: Pubkey,
    pool: Pubkey,
    vaults: tuple[Pubkey, Pubkey],
    book: OrderBook | None,
    wallet: tuple[Pubkey, Pubkey, Pubkey],
) -> Instruction:
    """The instruction of this tag; `wallet` is the user's input and output account and the user."""
    has_market = tag in (SWAP_BASE_IN, SWAP_BASE_OUT)
    metas = [
        AccountMeta(TOKEN_PROGRAM, False, False),
        AccountMeta(pool, False, True),
        AccountMeta(AUTHORITIES[program_id][0], False, False),
    ]
    if has_market:
        metas += [AccountMeta(place, False, True) for place in _order_places(pool, book)]
    metas += [AccountMeta(vault, False, True) for vault in vaults]
    if has_market:
        # The market's program and vault signer are only read.
        places = enumerate(_market_places(pool, book))
        metas += [AccountMeta(place, False, 0 < i < 7) for i, place in places]
    user_input, user_output, user = wallet
    metas += [
        AccountMeta(user_input, False, True),
        AccountMeta(user_output, False, True),
        AccountMeta(user, True, False),
    ]
    return Instruction(program_id, _ARGUMENTS.pack(tag, *amounts), metas)


def _order_places(pool: Pubkey, book: OrderBook | None) -> tuple[Pubkey, ...]:
    if book is None:
        return (pool,)
    if book.target_orders is None:
        return (book.open_orders,)
    return book.open_orders, book.target_orders


def _market_places(pool: Pubkey, book: OrderBook | None) -> tuple[Pubkey, ...]:
    if book is None:
        return (pool,) * 8
    market = book.market
    return (
        book.market_program,
        book.address,
        market.bids,
        market.asks,
        market.event_queue,
        market.coin_vault,
        market.pc_vault,
        market.vault_signer,
    )
