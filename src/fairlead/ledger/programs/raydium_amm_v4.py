"""Raydium AMM v4 on the paper ledger: its four swaps, with the program's checks, codes and logs.

The program is not an Anchor one: instructions begin with one byte, and the number of an error is
all its name. SwapBaseIn and SwapBaseOut are held against a compiled build of 2024; their V2 forms,
which it lacks, follow the source of 2026-07. A pool of status 1 swaps while it has nothing on its
order book; what is on a book is not modelled.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from struct import Struct as Layout

from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program, custom
from fairlead.ledger.programs import token_calls
from fairlead.ledger.programs.raydium_amm_v4_accounts import ACCOUNTS_V2 as ACCOUNTS_V2
from fairlead.ledger.programs.raydium_amm_v4_accounts import (
    INVALID_USER_TOKEN,
    NAMES,
    WRONG_ACCOUNTS_NUMBER,
    SwapAccounts,
    check_order_book,
    checked_accounts,
    checked_pool,
    checked_status,
    unpacked,
)
from fairlead.ledger.programs.raydium_amm_v4_accounts import PROGRAM_ID as PROGRAM_ID
from fairlead.ledger.programs.swap_refusals import panicked
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of
from fairlead.ledger.programs.token_transfer import seeds_signer
from fairlead.venues.raydium import amm_v4
from fairlead.venues.raydium.amm_v4_accounts import (
    STATUS_INITIALIZED,
    PoolNumbers,
)
from fairlead.venues.raydium.amm_v4_curve import (
    ERRORS,
    EXCEEDED_SLIPPAGE,
    INSUFFICIENT_FUNDS,
    refusal,
)
from fairlead.venues.raydium.amm_v4_swap import (
    Swap,
    after_swap,
    check_amounts,
    check_counter,
    reserves,
    unchecked_in,
    unchecked_out,
)
from fairlead.venues.venue import ErrorClass, VenueError

# What the program prints of an error where that is not the text of its message.
_TEXTS = {
    EXCEEDED_SLIPPAGE: "exceeds desired slippage limit",
    INSUFFICIENT_FUNDS: "insufficient funds",
    INVALID_USER_TOKEN: "User token input does not match amm",
    WRONG_ACCOUNTS_NUMBER: "WrongAccountsNumber",
}
_PRINTED = ("InvalidInstructionData", "NotEnoughAccountKeys", "AccountBorrowFailed")
_ARGUMENTS = Layout("<QQ")
_LOG = Layout("<B7Q")
_LOG_IN, _LOG_OUT = 3, 4
_PC_TO_COIN, _COIN_TO_PC = 1, 2


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run one of the four swaps."""
    try:
        tag = data[0] if data else -1
        if tag not in NAMES or len(data) < 1 + _ARGUMENTS.size:
            raise InstructionError("InvalidInstructionData")
        _swap(context, SwapAccounts(tag, accounts), *_ARGUMENTS.unpack_from(data, 1))
    except VenueError as error:
        if error.code is None:
            raise panicked(context, error) from error
        text = _TEXTS.get(error.code, ERRORS[error.code][1])
        context.log(f"Program log: Error: {text}")
        raise custom(error.code) from error
    except InstructionError as error:
        if error.kind in _PRINTED:
            context.log(f"Program log: Error: {error.kind}")
        raise


def _swap(context: InvokeContext, named: SwapAccounts, first: int, second: int) -> None:
    numbers = checked_pool(named)
    authority = checked_accounts(context, named, numbers)
    tokens = (named.coin_vault, named.pc_vault, named.source, named.target)
    coin, pc, source, target = (unpacked(view) for view in tokens)
    status = checked_status(context, named, numbers)
    if status == STATUS_INITIALIZED and not named.is_v2:
        check_order_book(context, named)
    vaults = (amount_of(coin), amount_of(pc))
    reserves(numbers, vaults, True)
    if (source[:32], target[:32]) == (coin[:32], pc[:32]):
        coin_to_pc = True
    elif (source[:32], target[:32]) == (pc[:32], coin[:32]):
        coin_to_pc = False
    else:
        raise refusal(INVALID_USER_TOKEN)
    held = amount_of(source)
    if named.is_exact_in:
        swap = _priced_in(context, numbers, vaults, coin_to_pc, held, first, second)
    else:
        swap = _priced_out(context, numbers, vaults, coin_to_pc, held, first, second)
    check_amounts(swap)
    if named.user is named.pool:
        # The program still writes the pool when it hands the user on.
        raise InstructionError("AccountBorrowFailed")
    vault_in, vault_out = named.coin_vault, named.pc_vault
    if not coin_to_pc:
        vault_in, vault_out = vault_out, vault_in
    token_calls.transfer(context, named.source, vault_in, named.user, swap.amount_in)
    signer = seeds_signer(authority)
    token_calls.transfer(context, vault_out, named.target, signer, swap.amount_out)
    check_counter(numbers, coin_to_pc, swap)
    named.pool.data = after_swap(named.pool.data, coin_to_pc, swap, context.epoch).pool_data


def _priced_in(
    context: InvokeContext,
    numbers: PoolNumbers,
    vaults: tuple[int, int],
    coin_to_pc: bool,
    held: int,
    amount_in: int,
    minimum_out: int,
) -> Swap:
    is_short = held < amount_in
    out, swap = 0, None
    if not is_short:
        swap = unchecked_in(numbers, vaults, coin_to_pc, amount_in)
        out = swap.amount_out
    amounts = (amount_in, minimum_out)
    context.log(ray_log(_LOG_IN, amounts, coin_to_pc, held, numbers, vaults, out))
    if swap is None:
        raise refusal(INSUFFICIENT_FUNDS, "the user's")
    if out < minimum_out:
        raise refusal(EXCEEDED_SLIPPAGE, error_class=ErrorClass.STALE)
    return swap


def _priced_out(
    context: InvokeContext,
    numbers: PoolNumbers,
    vaults: tuple[int, int],
    coin_to_pc: bool,
    held: int,
    maximum_in: int,
    amount_out: int,
) -> Swap:
    swap = unchecked_out(numbers, vaults, coin_to_pc, amount_out)
    amounts = (maximum_in, amount_out)
    context.log(ray_log(_LOG_OUT, amounts, coin_to_pc, held, numbers, vaults, swap.amount_in))
    if held < swap.amount_in:
        raise refusal(INSUFFICIENT_FUNDS, "the user's")
    if maximum_in < swap.amount_in:
        raise refusal(EXCEEDED_SLIPPAGE, error_class=ErrorClass.STALE)
    return swap


def ray_log(
    kind: int,
    amounts: tuple[int, int],
    coin_to_pc: bool,
    held: int,
    numbers: PoolNumbers,
    vaults: tuple[int, int],
    other_amount: int,
) -> str:
    """The line that tells of a swap's amounts, logged before the user's limit is looked at."""
    coin, pc = reserves(numbers, vaults, True)
    direction = _COIN_TO_PC if coin_to_pc else _PC_TO_COIN
    event = _LOG.pack(kind, *amounts, direction, held, coin, pc, other_amount)
    return f"Program log: ray_log: {b2a_base64(event, newline=False).decode()}"


PROGRAM = Program(process, frozenset((PROGRAM_ID, TOKEN_PROGRAM)), amm_v4.COMPUTE_UNITS)
