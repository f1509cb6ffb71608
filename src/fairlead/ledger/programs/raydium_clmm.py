"""Raydium CLMM on the paper ledger: `swap` and `swap_v2`, with their checks, codes and logs.

Pools, tick arrays, price histories and vaults are ordinary account bytes, changed by the venue's
own maths. What is run is the build of April 2026: a pool that has one of the newer rules, which
that build does not know, is refused.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from struct import Struct as Layout

import msgspec

from fairlead.amounts import U64_MAX
from fairlead.ledger.program import AccountView, InvokeContext, Program
from fairlead.ledger.programs import token_calls
from fairlead.ledger.programs.raydium_clmm_accounts import PROGRAM_ID as PROGRAM_ID
from fairlead.ledger.programs.raydium_clmm_accounts import (
    SwapAccounts,
    found_arrays,
    given,
    named,
)
from fairlead.ledger.programs.swap_refusals import anchor_refused
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of
from fairlead.ledger.programs.token_transfer import (
    TOKEN_2022_PROGRAM,
    seeds_signer,
    transfer_checked,
    transfer_fee_of,
)
from fairlead.venues.anchor import anchor_error
from fairlead.venues.raydium import clmm_accounts, clmm_instruction
from fairlead.venues.raydium.clmm_accounts import PoolNumbers
from fairlead.venues.raydium.clmm_after import after_swap, observed
from fairlead.venues.raydium.clmm_errors import (
    ERRORS,
    REQUIRE_EQ_VIOLATED,
    REQUIRE_GT_VIOLATED,
    panic,
    refusal,
)
from fairlead.venues.raydium.clmm_loaded import COMPUTE_UNITS
from fairlead.venues.raydium.clmm_path import Path, Walk
from fairlead.venues.raydium.clmm_rewards import rewards_at
from fairlead.venues.raydium.clmm_swap import (
    NO_LIMIT,
    check_amounts,
    check_opened,
    check_order,
    inverse_fee,
)
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import VenueError

SWAP_EVENT = bytes.fromhex("40c6cde8260871e2")
_ARGUMENTS = Layout("<QQQQB")
# pool, sender, token accounts 0 and 1, amounts and transfer fees, zero_for_one, price, liquidity,
# tick.
_EVENT = Layout("<8s32s32s32s32sQQQQ?QQQQi")


class Order(msgspec.Struct, frozen=True, gc=False):
    """The instruction's arguments."""

    amount: int
    other_amount_threshold: int
    sqrt_price_limit_x64: int
    is_base_input: bool


class Moved(msgspec.Struct, frozen=True, gc=False):
    """The amounts of a swap, in atoms transferred, a transfer fee included."""

    walk: Walk
    paid: int
    # Of `paid`, and of what leaves the vault.
    withheld_in: int
    withheld_out: int


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run swap or swap_v2."""
    try:
        kind = data[:8]
        if kind == clmm_instruction.SWAP_V2:
            context.log("Program log: Instruction: SwapV2")
        elif kind == clmm_instruction.SWAP:
            context.log("Program log: Instruction: Swap")
        else:
            raise anchor_error(101)
        if len(data) < 8 + _ARGUMENTS.size:
            raise anchor_error(102)
        amount, threshold, limit, limit_high, is_base_input = _ARGUMENTS.unpack_from(data, 8)
        if is_base_input > 1:
            raise anchor_error(102)
        order = Order(amount, threshold, limit | limit_high << 64, is_base_input == 1)
        _swap(context, named(accounts, kind == clmm_instruction.SWAP_V2), order)
    except VenueError as error:
        raise anchor_refused(context, error, ERRORS) from error


def _swap(context: InvokeContext, accounts: SwapAccounts, order: Order) -> None:
    pool, vault_in, vault_out = accounts.pool, accounts.vault_in, accounts.vault_out
    numbers = clmm_accounts.decode_numbers(pool.data)
    zero_for_one = vault_in.data[:32] == pool.data[73:105]
    fee_in, fee_out = (
        transfer_fee_of(mint, context.epoch) if mint is not None else None
        for mint in (accounts.mint_in, accounts.mint_out)
    )
    if order.is_base_input:
        amount = order.amount - (fee_in.fee(order.amount) if fee_in is not None else 0)
    else:
        amount = order.amount + inverse_fee(fee_out, order.amount)
        if amount > U64_MAX:
            raise panic("the output is more than 2^64-1")
    price_before = numbers.sqrt_price_x64
    before = _balances(accounts)
    walk = _walk(context, accounts, numbers, order, amount, zero_for_one)
    moved = _moved(walk, order, amount, fee_in, fee_out)
    _transfer(
        context,
        accounts.user_in,
        accounts.mint_in,
        vault_in,
        accounts.payer,
        moved.paid,
        fee_in,
    )
    _transfer(
        context,
        vault_out,
        accounts.mint_out,
        accounts.user_out,
        seeds_signer(pool.key),
        walk.amount_out,
        fee_out,
    )
    context.log(event_line(accounts, moved, zero_for_one))
    _check_result(accounts, order, moved, amount, price_before, before)


def _walk(
    context: InvokeContext,
    accounts: SwapAccounts,
    numbers: PoolNumbers,
    order: Order,
    amount: int,
    zero_for_one: bool,
) -> Walk:
    """Swaps inside the pool and writes what that leaves in its accounts; no token moves yet."""
    pool, observation, now = accounts.pool, accounts.observation, context.unix_timestamp
    if numbers.dynamic_fee is not None or numbers.fee_on:
        raise panic("this build knows neither a volatility fee nor a fee in a chosen token")
    check_opened(numbers, now)
    vaults = (accounts.vault_in.key, accounts.vault_out.key)
    expected = (pool.data[137:169], pool.data[169:201])
    if vaults != (expected if zero_for_one else expected[::-1]):
        raise refusal("InvalidInputPoolVault")
    rest = given(accounts)
    limit = check_order(numbers, zero_for_one, amount, order.sqrt_price_limit_x64)
    rewards = rewards_at(pool.data, numbers.liquidity, now)
    if observation.data[19:51] != pool.key:
        raise anchor_error(2502)
    found = found_arrays(rest, numbers, pool.key, zero_for_one)
    rates = clmm_accounts.rates_in(accounts.config.data)
    path = Path(numbers, rates, found.arrays, found.order, zero_for_one)
    try:
        walk = path.walk(amount, limit, order.is_base_input, len(found.arrays))
    except VenueError as error:
        if found.meets_foreign and error.name == "NotEnoughTickArrayAccount":
            raise anchor_error(2502) from error
        raise
    after = after_swap(
        pool.data,
        {start: view.data for start, view in found.views.items()},
        path,
        walk,
        rewards,
        vault_out_atoms=amount_of(accounts.vault_out.data),
        epoch=context.epoch,
    )
    check_amounts(walk)
    pool.data = after.pool_data
    if walk.tick != numbers.tick_current:
        observation.data = observed(observation.data, now, numbers.tick_current)
    for start, data in after.tick_arrays.items():
        found.views[start].data = data
    return walk


def _moved(
    walk: Walk,
    order: Order,
    amount: int,
    fee_in: TransferFee | None,
    fee_out: TransferFee | None,
) -> Moved:
    if order.is_base_input and walk.amount_in == amount:
        withheld = order.amount - amount
    else:
        withheld = inverse_fee(fee_in, walk.amount_in)
    paid = walk.amount_in + withheld
    if paid > U64_MAX:
        raise panic("the input is more than 2^64-1")
    return Moved(walk, paid, withheld, fee_out.fee(walk.amount_out) if fee_out is not None else 0)


def _check_result(
    accounts: SwapAccounts,
    order: Order,
    moved: Moved,
    amount: int,
    price_before: int,
    before: tuple[int, int],
) -> None:
    """What the program demands at the end, when all is transferred."""
    if moved.walk.sqrt_price_x64 == price_before:
        raise anchor_error(REQUIRE_GT_VIOLATED)
    if order.sqrt_price_limit_x64 == NO_LIMIT:
        asked, done = amount, moved.walk.amount_out
        if order.is_base_input:
            asked, done = order.amount, moved.paid
        if asked != done:
            raise anchor_error(REQUIRE_EQ_VIOLATED)
    after = _balances(accounts)
    if order.is_base_input:
        if abs(after[1] - before[1]) < order.other_amount_threshold:
            raise refusal("TooLittleOutputReceived")
    elif abs(after[0] - before[0]) > order.other_amount_threshold:
        raise refusal("TooMuchInputPaid")


def _balances(accounts: SwapAccounts) -> tuple[int, int]:
    """Of the accounts by which the instruction knows what went in and came out."""
    if accounts.mint_in is not None:
        return amount_of(accounts.user_in.data), amount_of(accounts.user_out.data)
    return amount_of(accounts.vault_in.data), amount_of(accounts.vault_out.data)


def _transfer(
    context: InvokeContext,
    source: AccountView,
    mint: AccountView | None,
    destination: AccountView,
    authority: AccountView,
    amount: int,
    fee: TransferFee | None,
) -> None:
    """By the token program of the source's owner; without a mint by SPL Token's plain Transfer."""
    if mint is None:
        token_calls.transfer(context, source, destination, authority, amount)
        return
    program = source.owner if source.owner == TOKEN_2022_PROGRAM else TOKEN_PROGRAM
    transfer_checked(context, program, source, mint, destination, authority, amount, fee)


def event_line(accounts: SwapAccounts, moved: Moved, zero_for_one: bool) -> str:
    """The event of a swap as it is logged, when both transfers are made."""
    walk = moved.walk
    sides = [
        (accounts.user_in.key, walk.amount_in, moved.withheld_in),
        (accounts.user_out.key, walk.amount_out - moved.withheld_out, moved.withheld_out),
    ]
    (account_0, amount_0, fee_0), (account_1, amount_1, fee_1) = (
        sides if zero_for_one else sides[::-1]
    )
    event = _EVENT.pack(
        SWAP_EVENT,
        accounts.pool.key,
        accounts.payer.key,
        account_0,
        account_1,
        amount_0,
        fee_0,
        amount_1,
        fee_1,
        zero_for_one,
        walk.sqrt_price_x64 & U64_MAX,
        walk.sqrt_price_x64 >> 64,
        walk.liquidity & U64_MAX,
        walk.liquidity >> 64,
        walk.tick,
    )
    return f"Program data: {b2a_base64(event, newline=False).decode()}"


PROGRAM = Program(
    process,
    frozenset((PROGRAM_ID, TOKEN_PROGRAM, TOKEN_2022_PROGRAM)),
    COMPUTE_UNITS,
    writes_only_writable=True,
)
