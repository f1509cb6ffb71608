"""Meteora DLMM on the paper ledger: its four swaps, with the program's checks and codes.

Pairs, bin arrays, oracles and reserves are ordinary account bytes, changed by the venue's own
maths. Not modelled: mints with a transfer hook, `swap_with_price_impact`, pairs of types that
nobody makes, and the events, which the program emits as inner instructions.
"""

from collections.abc import Sequence
from struct import Struct as Layout

import msgspec

from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program
from fairlead.ledger.programs.meteora_dlmm_accounts import (
    PROGRAM_ID as PROGRAM_ID,
)
from fairlead.ledger.programs.meteora_dlmm_accounts import (
    GivenArrays,
    SwapAccounts,
    named,
)
from fairlead.ledger.programs.swap_refusals import anchor_refused
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.ledger.programs.token_transfer import (
    TOKEN_2022_PROGRAM,
    seeds_signer,
    transfer_checked,
    transfer_fee_of,
)
from fairlead.venues.anchor import anchor_error
from fairlead.venues.meteora import dlmm_instruction
from fairlead.venues.meteora.bins import array_of
from fairlead.venues.meteora.dlmm_accounts import PairNumbers, decode_numbers, first_swapper
from fairlead.venues.meteora.dlmm_after import PairAccounts, Transition, after_swap
from fairlead.venues.meteora.dlmm_compute import ONE_BIN_UNITS
from fairlead.venues.meteora.dlmm_errors import (
    DUPLICATED_REMAINING_ACCOUNT_TYPES,
    ERRORS,
    EXCEEDED_AMOUNT_SLIPPAGE_TOLERANCE,
    INSUFFICIENT_REMAINING_ACCOUNTS,
    INVALID_REMAINING_ACCOUNT_SLICE,
    NO_TRANSFER_HOOK_PROGRAM,
    NOT_ENOUGH_KEYS,
    NOT_EXACT_AMOUNT_OUT,
    refusal,
)
from fairlead.venues.meteora.dlmm_oracle import is_whole
from fairlead.venues.meteora.dlmm_swap import (
    Swap,
    check_open,
    gross_output,
    swap_in,
    swap_out_within,
)
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import ChainTime, VenueError

# Its name in the logs, whether it is one of the older ones, whether the input is exact.
_KINDS = {
    dlmm_instruction.SWAP2: ("Swap2", False, True),
    dlmm_instruction.SWAP_EXACT_OUT2: ("SwapExactOut2", False, False),
    dlmm_instruction.SWAP: ("Swap", True, True),
    dlmm_instruction.SWAP_EXACT_OUT: ("SwapExactOut", True, False),
}
_ARGUMENTS = Layout("<8xQQ")
_HOOK_X, _HOOK_Y, _REWARD_HOOK, _MULTI_REWARD_HOOK = range(4)
"""What a slice of the remaining accounts is for."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """The instruction's arguments."""

    is_exact_in: bool
    # Atoms: input and minimum output, or output and maximum input.
    amount: int
    limit: int
    # Kind and count of the accounts before the bin arrays, in order.
    slices: tuple[tuple[int, int], ...]


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run swap, swap2, swap_exact_out or swap_exact_out2."""
    try:
        kind = _KINDS.get(data[:8])
        if kind is None:
            raise anchor_error(101)
        name, is_v1, is_exact_in = kind
        context.log(f"Program log: Instruction: {name}")
        order = _order(data, is_v1, is_exact_in)
        _swap(context, named(accounts, is_v1=is_v1), order)
    except VenueError as error:
        raise anchor_refused(context, error, ERRORS) from error


def _order(data: bytes, is_v1: bool, is_exact_in: bool) -> Order:
    if len(data) < _ARGUMENTS.size + (0 if is_v1 else 4):
        raise anchor_error(102)
    first, second = _ARGUMENTS.unpack_from(data)
    if not is_exact_in:
        first, second = second, first
    slices = () if is_v1 else _slices(data[_ARGUMENTS.size :])
    return Order(is_exact_in, first, second, slices)


def _slices(data: bytes) -> tuple[tuple[int, int], ...]:
    """A vector of (kind, count); the kind for several rewards carries the reward's number."""
    count, at = int.from_bytes(data[:4], "little"), 4
    found: list[tuple[int, int]] = []
    while len(found) < count:
        kind = data[at] if at < len(data) else None
        at += 2 if kind == _MULTI_REWARD_HOOK else 1
        if kind is None or kind > _MULTI_REWARD_HOOK or at >= len(data):
            raise anchor_error(102)
        found.append((kind, data[at]))
        at += 1
    return tuple(found)


def _swap(context: InvokeContext, accounts: SwapAccounts, order: Order) -> None:
    pair = accounts.pair
    numbers = decode_numbers(pair.data)
    swap_for_y = accounts.user_in.data[:32] == accounts.mints[0].key
    fees = (
        transfer_fee_of(accounts.mints[0], context.epoch),
        transfer_fee_of(accounts.mints[1], context.epoch),
    )
    if not order.is_exact_in:
        # Refused before anything is looked at further.
        gross_output(fees[1 if swap_for_y else 0], order.amount)
    _check_open(context, accounts, numbers)
    hooked = _hooked(order.slices, len(accounts.remaining))
    if not is_whole(accounts.oracle.data):
        raise InstructionError("ProgramFailedToComplete", log="SBF program panicked")
    arrays = GivenArrays(accounts, accounts.remaining[sum(hooked) :])
    swap = _moved(numbers, arrays, fees, swap_for_y, order, context.unix_timestamp)
    after = after_swap(
        _before(accounts, arrays, swap),
        numbers,
        swap,
        swap_for_y,
        context.unix_timestamp,
        has_host=accounts.host is not None,
    )
    if not accounts.has_program:
        raise InstructionError("MissingAccount")
    _transfer(context, accounts, swap, after, fees, hooked, swap_for_y)
    _check_limit(swap, order)
    _store(accounts, arrays, after.accounts)


def _check_open(context: InvokeContext, accounts: SwapAccounts, numbers: PairNumbers) -> None:
    first, head_start = first_swapper(accounts.pair.data)
    check_open(
        numbers,
        ChainTime(context.slot, context.unix_timestamp, context.epoch),
        head_start if accounts.user.key == first else 0,
    )


def _hooked(slices: tuple[tuple[int, int], ...], remaining: int) -> tuple[int, int]:
    """How many accounts are for the hooks of X and of Y."""
    counts = [0, 0]
    for kind, count in slices:
        if kind in (_REWARD_HOOK, _MULTI_REWARD_HOOK):
            raise refusal(INVALID_REMAINING_ACCOUNT_SLICE)
        if not count:
            continue
        if sum(counts) + count > remaining:
            raise refusal(INSUFFICIENT_REMAINING_ACCOUNTS)
        if counts[kind]:
            raise refusal(DUPLICATED_REMAINING_ACCOUNT_TYPES)
        counts[kind] = count
    return counts[_HOOK_X], counts[_HOOK_Y]


def _moved(
    numbers: PairNumbers,
    arrays: GivenArrays,
    fees: tuple[TransferFee | None, TransferFee | None],
    swap_for_y: bool,
    order: Order,
    now: int,
) -> Swap:
    """What the order comes to, be it within its limit or not."""
    path = arrays.path(numbers, swap_for_y=swap_for_y)
    try:
        if order.is_exact_in:
            return swap_in(numbers, path, fees, swap_for_y, order.amount, now)
        return swap_out_within(numbers, path, fees, swap_for_y, order.amount, order.limit, now)
    except VenueError as error:
        if error.code == NOT_ENOUGH_KEYS:
            arrays.raise_pending()
        raise


def _check_limit(swap: Swap, order: Order) -> None:
    """After the transfers: what fails in them is said first."""
    if order.is_exact_in:
        if swap.amount_out < order.limit:
            raise refusal(EXCEEDED_AMOUNT_SLIPPAGE_TOLERANCE)
    elif swap.amount_out != order.amount:
        raise refusal(NOT_EXACT_AMOUNT_OUT)


def _before(accounts: SwapAccounts, arrays: GivenArrays, swap: Swap) -> PairAccounts:
    indices = {array_of(step.bin_id) for step in swap.steps}
    return PairAccounts(
        accounts.pair.data,
        accounts.oracle.data,
        {index: arrays.by_index[index].data for index in indices},
        None if accounts.extension is None else accounts.extension.data,
    )


def _transfer(
    context: InvokeContext,
    accounts: SwapAccounts,
    swap: Swap,
    after: Transition,
    fees: tuple[TransferFee | None, TransferFee | None],
    hooked: tuple[int, int],
    swap_for_y: bool,
) -> None:
    """From the user, to the host, to the user."""
    pair_signs = seeds_signer(accounts.pair.key)
    side_in, side_out = (0, 1) if swap_for_y else (1, 0)
    side_of_fee = side_in if swap.fee_on_input else side_out

    def move(
        side: int, source: AccountView, target: AccountView, authority: AccountView, atoms: int
    ) -> None:
        if hooked[side]:
            raise refusal(NO_TRANSFER_HOOK_PROGRAM)
        program, mint = accounts.token_programs[side], accounts.mints[side]
        transfer_checked(context, program, source, mint, target, authority, atoms, fees[side])

    reserves = accounts.reserves
    move(side_in, accounts.user_in, reserves[side_in], accounts.user, swap.amount_in)
    if accounts.host is not None:
        reserve = reserves[side_of_fee]
        move(side_of_fee, reserve, accounts.host, pair_signs, after.host_atoms)
    move(side_out, reserves[side_out], accounts.user_out, pair_signs, after.out_of_reserve_atoms)


def _store(accounts: SwapAccounts, arrays: GivenArrays, after: PairAccounts) -> None:
    accounts.pair.data = after.pair
    accounts.oracle.data = after.oracle
    for index, data in after.arrays.items():
        arrays.by_index[index].data = data
    if accounts.extension is not None and after.extension is not None:
        accounts.extension.data = after.extension


PROGRAM = Program(
    process,
    frozenset((PROGRAM_ID, TOKEN_PROGRAM, TOKEN_2022_PROGRAM)),
    ONE_BIN_UNITS,
    writes_only_writable=True,
)
