"""Meteora DAMM v1 on the paper ledger: its swap through two vaults, with the programs' checks,
codes and events.

Pools, vaults and shares are ordinary account bytes, changed by the venue's own maths in the
program's order: the protocol's fee, the deposit, the curve, the withdrawal, the user's minimum. Not
modelled: a whitelisted vault's early swaps, what a vault's strategies do, and that a stable curve
may burn more compute units than a transaction has.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from struct import Struct as Layout
from struct import error as TooShort

from fairlead.amounts import div_ceil
from fairlead.ledger.program import AccountView, InvokeContext, Program
from fairlead.ledger.programs import meteora_vault, token_calls
from fairlead.ledger.programs.meteora_damm_v1_accounts import (
    ACCOUNTS,
    PROGRAM_ID,
    SwapAccounts,
    checked_accounts,
)
from fairlead.ledger.programs.meteora_vault import put_in, signer, take_out
from fairlead.ledger.programs.swap_refusals import anchor_refused
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.venues.anchor import anchor_error
from fairlead.venues.meteora import damm_v1
from fairlead.venues.meteora.damm_v1_accounts import (
    ACTIVATION_BY_TIME,
    ACTIVATION_TYPE_OFFSET,
    DEPEG_NONE,
    ENABLED_OFFSET,
    PoolNumbers,
    decode_numbers,
    pool_with_price,
    stake_address,
)
from fairlead.venues.meteora.damm_v1_curve import StableCurve
from fairlead.venues.meteora.damm_v1_depeg import needs_new_price, virtual_price
from fairlead.venues.meteora.damm_v1_errors import (
    ERRORS,
    EXCEEDED_SLIPPAGE,
    INVALID_ACTIVATION_TYPE,
    INVALID_PROTOCOL_FEE_ACCOUNT,
    INVALID_REMAINING_ACCOUNTS,
    INVALID_REMAINING_ACCOUNTS_LEN,
    POOL_DISABLED,
    refusal,
)
from fairlead.venues.meteora.damm_v1_instruction import SWAP
from fairlead.venues.meteora.damm_v1_swap import (
    Swap,
    check_open,
    compared_out,
    input_of,
    net_of,
    output_of,
    shares_for,
    split_fee,
    worth_of,
)
from fairlead.venues.venue import ChainTime, ErrorClass, VenueError

__all__ = ["ACCOUNTS", "PROGRAM", "PROGRAM_ID", "process"]

HOST_FEE_PERCENT = 20
"""Of the protocol's fee, where a further account is named."""

SWAP_EVENT = bytes.fromhex("516ce3becdd00ac4")
_ARGUMENTS = Layout("<QQ")
_EVENT = Layout("<8s5Q")


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Run swap."""
    try:
        if data[:8] != SWAP:
            raise anchor_error(101 if len(data) >= 8 else 100)
        context.log("Program log: Instruction: Swap")
        if len(data) < 8 + _ARGUMENTS.size:
            raise anchor_error(102)
        amount_in, minimum_out = _ARGUMENTS.unpack_from(data, 8)
        _swap(context, checked_accounts(accounts), amount_in, minimum_out)
    except VenueError as error:
        raise anchor_refused(context, error, ERRORS) from error


def _swap(context: InvokeContext, accounts: SwapAccounts, amount_in: int, minimum_out: int) -> None:
    pool, now = accounts.pool, context.unix_timestamp
    numbers = _open_pool(context, pool.data)
    if not amount_in:
        return
    a_to_b = accounts.source.data[:32] == accounts.mints[0]
    fees = pool.data[234:266], pool.data[266:298]
    if accounts.fee.key != fees[0 if a_to_b else 1]:
        raise refusal(INVALID_PROTOCOL_FEE_ACCOUNT)
    into, out_of = (accounts.a, accounts.b) if a_to_b else (accounts.b, accounts.a)
    source, target = into.side(), out_of.side()
    worth = worth_of(source, target, now)
    trade_fee, protocol_fee = split_fee(numbers, amount_in)
    host_fee = _pay_fee(context, accounts, numbers, protocol_fee)
    net = net_of(amount_in, protocol_fee)
    lp_in = put_in(context, into, accounts.source, accounts.user, net, now)
    curve_in = input_of(source, worth, net, lp_in, trade_fee)
    stable = _curve(accounts, numbers, now)
    curve_out, rounds = output_of(stable, worth, curve_in, a_to_b)
    lp_out, amount_out = shares_for(target, worth.unlocked_out, curve_out)
    if lp_out:
        owner = _pool_signer(context, accounts)
        take_out(context, out_of, accounts.target, owner, lp_out, now)
    totals = (worth.total_in, worth.total_out)
    swap = Swap(
        amount_in, amount_out, curve_out, trade_fee, protocol_fee, curve_in, *totals,
        lp_in, lp_out, rounds,
    )  # fmt: skip
    paid = compared_out(target, swap, now)
    if paid < minimum_out:
        raise refusal(EXCEEDED_SLIPPAGE)
    if lp_out:
        context.log(event_line(swap, paid, host_fee, stable is not None))


def _open_pool(context: InvokeContext, data: bytes) -> PoolNumbers:
    if not data[ENABLED_OFFSET]:
        raise refusal(POOL_DISABLED)
    if data[ACTIVATION_TYPE_OFFSET] > ACTIVATION_BY_TIME:
        raise refusal(INVALID_ACTIVATION_TYPE)
    numbers = decode_numbers(data)
    check_open(numbers, ChainTime(context.slot, context.unix_timestamp, context.epoch))
    return numbers


def _pool_signer(context: InvokeContext, accounts: SwapAccounts) -> AccountView:
    """The pool signs with the address of its account of A's shares."""
    seeds = (accounts.a.vault.key, accounts.pool.key, accounts.pool.data[232:233])
    return signer(context, seeds, PROGRAM_ID, accounts.a.shares.key)


def _curve(accounts: SwapAccounts, numbers: PoolNumbers, now: int) -> StableCurve | None:
    """The pool's curve at this time, None for the constant product.

    A staked token's price that is too old is looked up and kept.
    """
    if not numbers.is_stable:
        return None
    price = None
    stake = stake_address(accounts.pool.data, numbers.depeg_type)
    if stake is not None:
        price = numbers.base_virtual_price
        if needs_new_price(numbers, now):
            price = _looked_up(numbers.depeg_type, bytes(stake), accounts.rest)
            accounts.pool.data = pool_with_price(accounts.pool.data, price, now)
    multipliers = (numbers.token_a_multiplier, numbers.token_b_multiplier)
    return StableCurve(numbers.amp, *multipliers, price)


def _looked_up(depeg_type: int, stake: bytes, rest: Sequence[AccountView]) -> int:
    """A staked token's price in its stake pool."""
    if not rest:
        raise refusal(INVALID_REMAINING_ACCOUNTS_LEN)
    if rest[0].key != stake:
        raise refusal(INVALID_REMAINING_ACCOUNTS)
    try:
        return virtual_price(depeg_type, rest[0].data)
    except TooShort as error:
        raise VenueError(ErrorClass.TERMINAL, "panic", detail="a short stake account") from error


def _pay_fee(
    context: InvokeContext, accounts: SwapAccounts, numbers: PoolNumbers, protocol_fee: int
) -> int:
    """Pays the protocol and, where an account for it is named, a host; the host's part."""
    rest = accounts.rest[1:] if numbers.depeg_type != DEPEG_NONE else accounts.rest
    host_fee = protocol_fee * HOST_FEE_PERCENT // 100 if rest else 0
    to_protocol = protocol_fee - host_fee
    if host_fee:
        token_calls.transfer(context, accounts.source, rest[0], accounts.user, host_fee)
    if to_protocol:
        token_calls.transfer(context, accounts.source, accounts.fee, accounts.user, to_protocol)
    return host_fee


def event_line(swap: Swap, paid: int, host_fee: int, is_stable: bool) -> str:
    """The event of a swap as it is logged, when all is done.

    `paid` is what was held against the minimum. The constant product takes the least input that
    brings its output for what was put in.
    """
    moved, invariant = swap.curve_in, swap.total_in * swap.total_out
    if not is_stable and invariant % (swap.total_in + moved):
        moved = div_ceil(invariant, swap.total_out - swap.curve_out) - swap.total_in
    taken = moved + swap.trade_fee + swap.protocol_fee
    fees = (swap.trade_fee, swap.protocol_fee - host_fee, host_fee)
    event = _EVENT.pack(SWAP_EVENT, taken, paid, *fees)
    return f"Program data: {b2a_base64(event, newline=False).decode()}"


PROGRAM = Program(
    process,
    frozenset((PROGRAM_ID, meteora_vault.PROGRAM_ID, TOKEN_PROGRAM)),
    damm_v1.COMPUTE_UNITS,
    writes_only_writable=True,
)
