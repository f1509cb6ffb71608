"""Meteora DAMM v2 on the paper ledger: `swap` and `swap2`, with the program's checks and codes.

Pools and vaults are ordinary account bytes, changed by the venue's own maths. Not modelled: rewards
of liquidity, the early swaps of a whitelisted vault, and the event, which the program emits as an
inner instruction.
"""

from collections.abc import Sequence

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program, custom
from fairlead.ledger.programs.swap_refusals import anchor_refused
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.ledger.programs.token_transfer import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAMS,
    seeds_signer,
    transfer_checked,
    transfer_fee_of,
)
from fairlead.venues.anchor import anchor_error
from fairlead.venues.meteora import damm_v2, damm_v2_accounts
from fairlead.venues.meteora.damm_v2_accounts import PoolNumbers
from fairlead.venues.meteora.damm_v2_errors import (
    ERRORS,
    EXCEEDED_SLIPPAGE,
    FAIL_TO_VALIDATE_SINGLE_SWAP,
    INVALID_INPUT,
    refusal,
)
from fairlead.venues.meteora.damm_v2_swap import (
    EXACT_IN,
    EXACT_OUT,
    PARTIAL,
    Swap,
    after_swap,
    check_open,
    point_of,
    swap_in,
    swap_out,
)
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import ChainTime, VenueError

PROGRAM_ID = bytes(damm_v2_accounts.PROGRAM_ID)
POOL_AUTHORITY = bytes(damm_v2_accounts.POOL_AUTHORITY)
EVENT_AUTHORITY = bytes(damm_v2_accounts.EVENT_AUTHORITY)
INSTRUCTIONS_SYSVAR = bytes(damm_v2.INSTRUCTIONS_SYSVAR)
ACCOUNTS = 14
_AUTHORITY_SIGNS = seeds_signer(POOL_AUTHORITY)
_NO_FEES: tuple[TransferFee | None, TransferFee | None] = (None, None)


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run swap or swap2."""
    try:
        kind = data[:8]
        if kind == damm_v2.SWAP2:
            context.log("Program log: Instruction: Swap2")
            layout = damm_v2.SWAP2_ARGUMENTS
        elif kind == damm_v2.SWAP:
            context.log("Program log: Instruction: Swap")
            layout = damm_v2.SWAP_ARGUMENTS
        else:
            raise anchor_error(101)
        if len(accounts) < ACCOUNTS:
            raise custom(3005)
        if len(data) < layout.size:
            raise custom(102)
        _, amount, limit, *mode = layout.unpack_from(data)
        _swap(context, accounts, amount, limit, mode[0] if mode else EXACT_IN)
    except VenueError as error:
        raise anchor_refused(context, error, ERRORS) from error


def _swap(
    context: InvokeContext,
    accounts: Sequence[AccountView],
    amount: int,
    limit: int,
    mode: int,
) -> None:
    if not _are_right(accounts):
        _check_accounts(accounts)
    pool, user_in = accounts[1], accounts[2]
    data = pool.data
    numbers = damm_v2_accounts.decode_numbers(data)
    time = ChainTime(context.slot, context.unix_timestamp, context.epoch)
    point = point_of(numbers, time)
    check_open(numbers, point)
    a_to_b = user_in.data[:32] == data[168:200]
    if numbers.base_fee.rate_limiter_applies(a_to_b, point, numbers.activation_point):
        # That no other swap of the pool is in the transaction is not checked here.
        _check_sysvar(accounts)
    fees = _NO_FEES
    if accounts[6].owner != TOKEN_PROGRAM or accounts[7].owner != TOKEN_PROGRAM:
        fees = (
            transfer_fee_of(accounts[6], context.epoch),
            transfer_fee_of(accounts[7], context.epoch),
        )
    swap = _moved(numbers, fees, a_to_b, amount, limit, mode, point)
    referral = accounts[11] if accounts[11].key != PROGRAM_ID else None
    after = after_swap(
        data, numbers, swap, a_to_b, context.unix_timestamp, has_referral=referral is not None
    )
    # (vault, mint, token program, transfer fee) of A and of B.
    side_a = (accounts[4], accounts[6], accounts[9].key, fees[0])
    side_b = (accounts[5], accounts[7], accounts[10].key, fees[1])
    vault, mint, program, fee = side_a if a_to_b else side_b
    transfer_checked(
        context, program, user_in, mint, vault, accounts[8], after.into_vault_atoms, fee
    )
    vault, mint, program, fee = side_b if a_to_b else side_a
    transfer_checked(
        context,
        program,
        vault,
        mint,
        accounts[3],
        _AUTHORITY_SIGNS,
        after.out_of_vault_atoms,
        fee,
    )
    if referral is not None:
        vault, mint, program, fee = side_b if swap.fee_is_b else side_a
        transfer_checked(
            context, program, vault, mint, referral, _AUTHORITY_SIGNS, after.referral_atoms, fee
        )
    pool.data = after.pool_data


def _moved(
    numbers: PoolNumbers,
    fees: tuple[TransferFee | None, TransferFee | None],
    a_to_b: bool,
    amount: int,
    limit: int,
    mode: int,
    point: int,
) -> Swap:
    if mode == EXACT_OUT:
        swap = swap_out(numbers, fees, a_to_b, amount, point)
        if swap.amount_in > limit:
            raise refusal(EXCEEDED_SLIPPAGE)
        return swap
    if mode not in (EXACT_IN, PARTIAL):
        raise refusal(INVALID_INPUT)
    swap = swap_in(numbers, fees, a_to_b, amount, point, partial=mode == PARTIAL)
    if swap.amount_out < limit:
        raise refusal(EXCEEDED_SLIPPAGE)
    return swap


def _check_sysvar(accounts: Sequence[AccountView]) -> None:
    if len(accounts) <= ACCOUNTS:
        raise refusal(FAIL_TO_VALIDATE_SINGLE_SWAP)
    if accounts[ACCOUNTS].key != INSTRUCTIONS_SYSVAR:
        raise InstructionError("UnsupportedSysvar")


def _are_right(accounts: Sequence[AccountView]) -> bool:
    """Whether this is plainly a swap of two SPL Tokens that `_check_accounts` has nothing against.

    It says no to Token-2022 and a referral as well, and where in doubt: then the checks are made
    one by one.
    """
    (
        authority, pool, user_in, user_out, vault_a, vault_b, mint_a, mint_b,
        user, program_a, program_b, referral, event_authority, *_,
    ) = accounts  # fmt: skip
    data, token = pool.data, TOKEN_PROGRAM
    return (
        user.is_signer
        and authority.key == POOL_AUTHORITY
        and event_authority.key == EVENT_AUTHORITY
        and pool.owner == referral.key == PROGRAM_ID
        and token == user_in.owner == user_out.owner == vault_a.owner == vault_b.owner
        and token == program_a.key == program_b.key
        and data[:8] == damm_v2_accounts.POOL_DISCRIMINATOR
        and len(data) == damm_v2_accounts.POOL_SIZE
        and pool.is_writable
        and user_in.is_writable
        and user_out.is_writable
        and vault_a.is_writable
        and vault_b.is_writable
        and mint_a.key + mint_b.key + vault_a.key + vault_b.key == data[168:296]
    )


def _check_accounts(accounts: Sequence[AccountView]) -> None:
    """In the order and with the codes that the program was seen to answer with."""
    if accounts[0].key != POOL_AUTHORITY:
        raise anchor_error(2012)
    pool = accounts[1]
    if pool.owner != PROGRAM_ID:
        raise anchor_error(3007)
    if not pool.is_writable:
        raise anchor_error(3006)
    data = pool.data
    if data[:8] != damm_v2_accounts.POOL_DISCRIMINATOR or len(data) < damm_v2_accounts.POOL_SIZE:
        raise anchor_error(3002)
    if accounts[4].key != data[232:264] or accounts[5].key != data[264:296]:
        raise anchor_error(2001)
    for account in accounts[2:6]:
        _check_token_account(account)
    for program, vault in ((accounts[9], accounts[4]), (accounts[10], accounts[5])):
        if program.key != vault.owner:
            raise anchor_error(2021)
    if accounts[6].key != data[168:200] or accounts[7].key != data[200:232]:
        raise anchor_error(2014)
    if not accounts[8].is_signer:
        raise anchor_error(3010)
    if accounts[12].key != EVENT_AUTHORITY:
        raise anchor_error(2006)
    if accounts[11].key != PROGRAM_ID:
        _check_token_account(accounts[11])


def _check_token_account(account: AccountView) -> None:
    if not account.is_writable:
        raise anchor_error(3006)
    if account.owner not in TOKEN_PROGRAMS:
        is_missing = account.owner == SYSTEM_PROGRAM and not account.lamports
        raise anchor_error(3012 if is_missing else 3007)


PROGRAM = Program(
    process,
    frozenset((PROGRAM_ID, TOKEN_PROGRAM, TOKEN_2022_PROGRAM)),
    damm_v2.COMPUTE_UNITS,
    writes_only_writable=True,
)
