"""One AMM v4 swap from the accounts' numbers to the amounts that move, in the program's order.

Source: raydium-amm `program/src/processor.rs`, `process_swap_base_in` and `process_swap_base_out`
(27f461d; a0fa15c for the builds that still know the order book).
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.raydium.amm_v4_accounts import (
    STATUS_INITIALIZED,
    STATUS_ORDER_BOOK_ONLY,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
    PoolNumbers,
    with_swap,
)
from fairlead.venues.raydium.amm_v4_curve import (
    CHECKED_SUB_OVERFLOW,
    INSUFFICIENT_FUNDS,
    INVALID_INPUT,
    INVALID_OPEN_ORDERS,
    INVALID_STATUS,
    panic,
    refusal,
    swap_fee,
    swap_token_amount_base_in,
    swap_token_amount_base_out,
    with_swap_fee,
)
from fairlead.venues.record import Record
from fairlead.venues.venue import ChainTime, ErrorClass, VenueError


class Swap(Record, frozen=True, gc=False):
    """What a swap moves, in atoms; nothing is withheld on the way."""

    amount_in: int
    amount_out: int
    # In the input token; it stays with the pool.
    fee: int
    reserve_in: int
    reserve_out: int


class Transition(Record, frozen=True, gc=False):
    """What a swap changes on the pool's side, in atoms transferred."""

    pool_data: bytes
    into_vault_atoms: int
    out_of_vault_atoms: int


def check_status(
    numbers: PoolNumbers, time: ChainTime, order_book_atoms: tuple[int, int] | None
) -> None:
    """Refuses a pool that does not swap now.

    `order_book_atoms` is what the pool has on the order book, None where that is not known. Builds
    before 2026-07-23 count it for pools of status 1 and newer ones do not: both agree if it is 0.
    """
    status = numbers.status
    if status == STATUS_SWAP_ONLY:
        return
    if status == STATUS_WAITING_TRADE:
        if time.unix_timestamp < numbers.pool_open_time:
            opens = f"opens at {numbers.pool_open_time}"
            raise refusal(INVALID_STATUS, opens, ErrorClass.NOT_YET)
        return
    if status > STATUS_WAITING_TRADE:
        raise VenueError(ErrorClass.TERMINAL, "unknown_status", None, str(status))
    becomes_initialized = (
        status == STATUS_ORDER_BOOK_ONLY and time.unix_timestamp >= numbers.orderbook_to_init_time
    )
    if order_book_atoms is None and (status == STATUS_INITIALIZED or becomes_initialized):
        raise refusal(INVALID_OPEN_ORDERS, "the order book's accounts are not given")
    if status != STATUS_INITIALIZED:
        raise refusal(INVALID_STATUS, f"status {status}")
    if order_book_atoms != (0, 0):
        raise VenueError(ErrorClass.TERMINAL, "funds_on_the_order_book")


def unchecked_in(
    numbers: PoolNumbers,
    vaults: tuple[int, int],
    coin_to_pc: bool,
    amount_in: int,
    *,
    old_ceil_div: bool = False,
) -> Swap:
    """The swap that takes `amount_in` from the user. `vaults`: atoms of coin, pc.

    `check_amounts` and `check_counter` are to follow: the program looks at the user's limit before
    them.
    """
    reserve_in, reserve_out = reserves(numbers, vaults, coin_to_pc)
    fee = swap_fee(
        amount_in,
        numbers.swap_fee_numerator,
        numbers.swap_fee_denominator,
        old_ceil_div=old_ceil_div,
    )
    out = swap_token_amount_base_in(amount_in - fee, reserve_in, reserve_out)
    return Swap(amount_in, out, fee, reserve_in, reserve_out)


def unchecked_out(
    numbers: PoolNumbers,
    vaults: tuple[int, int],
    coin_to_pc: bool,
    amount_out: int,
    *,
    old_ceil_div: bool = False,
) -> Swap:
    """The swap that brings `amount_out` to the user, as `unchecked_in`."""
    reserve_in, reserve_out = reserves(numbers, vaults, coin_to_pc)
    net = swap_token_amount_base_out(amount_out, reserve_in, reserve_out, old_ceil_div=old_ceil_div)
    amount_in = with_swap_fee(
        net,
        numbers.swap_fee_numerator,
        numbers.swap_fee_denominator,
        old_ceil_div=old_ceil_div,
    )
    return Swap(amount_in, amount_out, amount_in - net, reserve_in, reserve_out)


def check_amounts(swap: Swap) -> None:
    """Refuses nothing for something, and all of a reserve."""
    if not swap.amount_out or not swap.amount_in:
        raise refusal(INVALID_INPUT, "nothing goes in or comes out")
    if swap.amount_out >= swap.reserve_out:
        raise refusal(INSUFFICIENT_FUNDS, "the reserve", ErrorClass.LIQUIDITY)


def after_swap(pool_data: bytes, coin_to_pc: bool, swap: Swap, epoch: int) -> Transition:
    """The pool's bytes and the two transfers after this swap."""
    data = with_swap(pool_data, coin_to_pc, swap.amount_in, swap.amount_out, swap.fee, epoch)
    return Transition(data, swap.amount_in, swap.amount_out)


def reserves(numbers: PoolNumbers, vaults: tuple[int, int], coin_to_pc: bool) -> tuple[int, int]:
    """What the vaults hold for the curve: (input, output)."""
    coin = vaults[0] - numbers.need_take_pnl_coin
    pc = vaults[1] - numbers.need_take_pnl_pc
    if coin < 0 or pc < 0:
        raise refusal(CHECKED_SUB_OVERFLOW, "more profit is owed than the vaults hold")
    return (coin, pc) if coin_to_pc else (pc, coin)


def check_counter(numbers: PoolNumbers, coin_to_pc: bool, swap: Swap) -> None:
    """Builds before 2026-07-23 add all fees up in a u64, once the tokens have moved."""
    if numbers.swap_acc_fees[0 if coin_to_pc else 1] + swap.fee > U64_MAX:
        raise panic("the pool's fee counter is full", ErrorClass.TERMINAL)
