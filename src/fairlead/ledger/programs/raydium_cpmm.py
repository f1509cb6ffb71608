"""Raydium CPMM on the paper ledger: its two swaps, with the program's checks, codes and logs.

Pools, configs and vaults are ordinary account bytes, changed by the venue's own maths. Anchor reads
all accounts first, in the instruction's order, and checks their constraints after that.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from struct import Struct as Layout

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, Program
from fairlead.ledger.programs.swap_refusals import anchor_refused
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of
from fairlead.ledger.programs.token_transfer import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAMS,
    seeds_signer,
    transfer_checked,
    transfer_fee_of,
)
from fairlead.venues.anchor import REQUIRE_GT_VIOLATED, anchor_error
from fairlead.venues.raydium import cpmm, cpmm_accounts
from fairlead.venues.raydium.cpmm_curve import (
    ERRORS,
    EXCEEDED_SLIPPAGE,
    INVALID_VAULT,
    refusal,
)
from fairlead.venues.raydium.cpmm_swap import Swap, after_swap, check_open, exact_in, exact_out
from fairlead.venues.token2022 import (
    ACCOUNT_TYPE_MINT,
    ACCOUNT_TYPE_OFFSET,
    MINT_SIZE,
    TOKEN_ACCOUNT_SIZE,
)
from fairlead.venues.venue import ErrorClass, VenueError

PROGRAM_ID = bytes(cpmm_accounts.PROGRAM_ID)
AUTHORITY = bytes(cpmm_accounts.authority_address())
ACCOUNTS = 13
_AUTHORITY_SIGNS = seeds_signer(AUTHORITY)
SWAP_EVENT = bytes.fromhex("40c6cde8260871e2")

_ARGUMENTS = Layout("<QQ")
_EVENT = Layout("<8s32s6Q?32s32sQQ?")


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run swap_base_input or swap_base_output."""
    try:
        kind = data[:8]
        if kind == cpmm.SWAP_BASE_INPUT:
            context.log("Program log: Instruction: SwapBaseInput")
        elif kind == cpmm.SWAP_BASE_OUTPUT:
            context.log("Program log: Instruction: SwapBaseOutput")
        else:
            raise anchor_error(101 if len(kind) == 8 else 100)
        if len(data) < 24:
            raise anchor_error(102)
        first, second = _ARGUMENTS.unpack_from(data, 8)
        if not _are_right(accounts):
            _check_accounts(accounts)
        _swap(context, accounts, kind == cpmm.SWAP_BASE_INPUT, first, second)
    except VenueError as error:
        raise anchor_refused(context, error, ERRORS) from error


def _swap(
    context: InvokeContext,
    accounts: Sequence[AccountView],
    is_exact_in: bool,
    first: int,
    second: int,
) -> None:
    config, pool, vault_in, vault_out = accounts[2], accounts[3], accounts[6], accounts[7]
    mint_in, mint_out = accounts[10], accounts[11]
    data = pool.data
    numbers = cpmm_accounts.decode_numbers(data)
    rates = cpmm_accounts.decode_rates(config.data)
    if not is_exact_in and not second:
        raise anchor_error(REQUIRE_GT_VIOLATED)
    check_open(numbers, context.unix_timestamp)
    zero_for_one = vault_in.key == data[72:104]
    if vault_out.key == vault_in.key:
        raise refusal(INVALID_VAULT)
    fee_in, fee_out = (transfer_fee_of(mint, context.epoch) for mint in (mint_in, mint_out))
    vaults = (amount_of(vault_in.data), amount_of(vault_out.data))
    fees = (fee_in, fee_out)
    if not zero_for_one:
        vaults, fees = vaults[::-1], fees[::-1]
    if is_exact_in:
        swap = exact_in(numbers, rates, vaults, fees, zero_for_one, first)
        is_within_limit = swap.amount_out >= second
    else:
        swap = exact_out(numbers, rates, vaults, fees, zero_for_one, second)
        is_within_limit = swap.amount_in <= first
    if not is_within_limit:
        raise refusal(EXCEEDED_SLIPPAGE, ErrorClass.STALE)
    withheld = fee_in.fee(swap.amount_in) if fee_in is not None else 0
    context.log(event_line(accounts[3].key, mint_in.key, mint_out.key, swap, withheld, is_exact_in))
    after = after_swap(data, zero_for_one, swap, context.epoch)
    user_in, user_out = accounts[4], accounts[5]
    transfer_checked(
        context,
        accounts[8].key,
        user_in,
        mint_in,
        vault_in,
        accounts[0],
        after.into_vault_atoms,
        fee_in,
    )
    transfer_checked(
        context,
        accounts[9].key,
        vault_out,
        mint_out,
        user_out,
        _AUTHORITY_SIGNS,
        after.out_of_vault_atoms,
        fee_out,
    )
    pool.data = after.pool_data


def _are_right(accounts: Sequence[AccountView]) -> bool:
    """Whether this is plainly a swap of two SPL Tokens that `_check_accounts` has nothing against.

    It says no to Token-2022 as well, and where in doubt: then the checks are made one by one.
    """
    if len(accounts) < ACCOUNTS:
        return False
    (
        user, authority, config, pool, user_in, user_out, vault_in, vault_out,
        program_in, program_out, mint_in, mint_out, observation, *_,
    ) = accounts  # fmt: skip
    data, token = pool.data, TOKEN_PROGRAM
    in_data, out_data = vault_in.data, vault_out.data
    return (
        user.is_signer
        and authority.key == AUTHORITY
        and pool.owner == PROGRAM_ID
        and config.owner == PROGRAM_ID
        and observation.owner == PROGRAM_ID
        and token == user_in.owner == user_out.owner == vault_in.owner == vault_out.owner
        and token == mint_in.owner == mint_out.owner == program_in.key == program_out.key
        and data[:8] == cpmm_accounts.POOL_DISCRIMINATOR
        and config.data[:8] == cpmm_accounts.CONFIG_DISCRIMINATOR
        and observation.data[:8] == cpmm_accounts.OBSERVATION_DISCRIMINATOR
        and len(data) == cpmm_accounts.POOL_SIZE
        and len(config.data) == cpmm_accounts.CONFIG_SIZE
        and len(observation.data) == cpmm_accounts.OBSERVATION_SIZE
        and len(user_in.data) == len(user_out.data) == TOKEN_ACCOUNT_SIZE
        and len(in_data) == len(out_data) == TOKEN_ACCOUNT_SIZE
        and len(mint_in.data) == len(mint_out.data) == MINT_SIZE
        and user_in.data[108] == user_out.data[108] == in_data[108] == out_data[108] == 1
        and pool.is_writable
        and user_in.is_writable
        and user_out.is_writable
        and vault_in.is_writable
        and vault_out.is_writable
        and observation.is_writable
        and config.key == data[8:40]
        and observation.key == data[296:328]
        and (vault_in.key == data[72:104] or vault_in.key == data[104:136])
        and (vault_out.key == data[104:136] or vault_out.key == data[72:104])
        and mint_in.key == in_data[:32]
        and mint_out.key == out_data[:32]
    )


def _check_accounts(accounts: Sequence[AccountView]) -> None:
    if len(accounts) < ACCOUNTS:
        raise anchor_error(3005)
    if not accounts[0].is_signer:
        raise anchor_error(3010)
    config, pool, observation = accounts[2], accounts[3], accounts[12]
    if config.owner == SYSTEM_PROGRAM and not config.lamports:
        raise anchor_error(3012)
    _check_owned(config, cpmm_accounts.CONFIG_DISCRIMINATOR, cpmm_accounts.CONFIG_SIZE)
    _check_owned(pool, cpmm_accounts.POOL_DISCRIMINATOR, cpmm_accounts.POOL_SIZE)
    for account in accounts[4:8]:
        _check_token_owned(account)
        if len(account.data) < TOKEN_ACCOUNT_SIZE:
            raise InstructionError("InvalidAccountData")
        if not account.data[108]:
            raise InstructionError("UninitializedAccount")
    for program in accounts[8:10]:
        if program.key not in TOKEN_PROGRAMS:
            raise anchor_error(3008)
    for mint in accounts[10:12]:
        _check_token_owned(mint)
        if not _is_mint(mint.data):
            raise InstructionError("InvalidAccountData")
    _check_owned(
        observation, cpmm_accounts.OBSERVATION_DISCRIMINATOR, cpmm_accounts.OBSERVATION_SIZE
    )
    _check_constraints(accounts)


def _check_constraints(accounts: Sequence[AccountView]) -> None:
    data = accounts[3].data
    vaults = (data[72:104], data[104:136])
    vault_in, vault_out = accounts[6], accounts[7]
    if accounts[1].key != AUTHORITY:
        raise anchor_error(2006)
    if accounts[2].key != data[8:40]:
        raise anchor_error(2012)
    if not (accounts[3].is_writable and accounts[4].is_writable and accounts[5].is_writable):
        raise anchor_error(2000)
    for vault in (vault_in, vault_out):
        if not vault.is_writable:
            raise anchor_error(2000)
        if vault.key not in vaults:
            raise anchor_error(2003)
    if accounts[10].key != vault_in.data[:32] or accounts[11].key != vault_out.data[:32]:
        raise anchor_error(2012)
    if not accounts[12].is_writable:
        raise anchor_error(2000)
    if accounts[12].key != data[296:328]:
        raise anchor_error(2012)


def _check_owned(account: AccountView, discriminator: bytes, size: int) -> None:
    if account.owner != PROGRAM_ID:
        raise anchor_error(3007)
    if account.data[:8] != discriminator or len(account.data) < size:
        raise anchor_error(3002)


def _is_mint(data: bytes) -> bool:
    if len(data) <= TOKEN_ACCOUNT_SIZE:
        return len(data) == MINT_SIZE
    return data[ACCOUNT_TYPE_OFFSET] == ACCOUNT_TYPE_MINT


def _check_token_owned(account: AccountView) -> None:
    if account.owner != TOKEN_PROGRAM and account.owner != TOKEN_2022_PROGRAM:
        is_missing = account.owner == SYSTEM_PROGRAM and not account.lamports
        raise anchor_error(3012 if is_missing else 3007)


def event_line(
    pool: bytes,
    mint_in: bytes,
    mint_out: bytes,
    swap: Swap,
    transfer_fee_in: int,
    is_exact_in: bool,
) -> str:
    """The event of a swap as it is logged, before anything is transferred."""
    curve = swap.curve
    event = _EVENT.pack(
        SWAP_EVENT,
        pool,
        swap.reserve_in,
        swap.reserve_out,
        curve.input_atoms,
        curve.output_atoms,
        transfer_fee_in,
        curve.output_atoms - swap.amount_out,
        is_exact_in,
        mint_in,
        mint_out,
        curve.trade_fee,
        curve.creator_fee,
        swap.creator_fee_on_input,
    )
    return f"Program data: {b2a_base64(event, newline=False).decode()}"


PROGRAM = Program(
    process,
    frozenset((PROGRAM_ID, TOKEN_PROGRAM, TOKEN_2022_PROGRAM)),
    cpmm.COMPUTE_UNITS,
    writes_only_writable=True,
)
