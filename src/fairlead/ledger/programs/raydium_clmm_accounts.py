"""The accounts of a Raydium CLMM swap: their checks, and the tick arrays after them.

Checks come in the program's order with its codes. Tick arrays are found as the program finds them:
it takes what it is given from the front, leaves out what the price does not meet, and ends where
the accounts end. Source: raydium-clmm `instructions/{swap,swap_v2}.rs` and `util/account_load.rs`
(a5a46ff).
"""

from collections.abc import Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.program import AccountView, InstructionError
from fairlead.ledger.programs.anchor_accounts import (
    BOTH_TOKEN_PROGRAMS,
    check_discriminator,
    check_mint,
    check_program,
    check_read,
    check_state,
    check_token_account,
)
from fairlead.ledger.programs.memo import MEMO_PROGRAM
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.ledger.programs.token_transfer import TOKEN_2022_PROGRAM
from fairlead.venues.anchor import anchor_error
from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.raydium.clmm_accounts import PoolNumbers, TickArray
from fairlead.venues.raydium.clmm_bitmap import ArrayPath, array_path, ticks_ahead
from fairlead.venues.raydium.clmm_errors import panic, refusal
from fairlead.venues.venue import VenueError

PROGRAM_ID = bytes(layout.PROGRAM_ID)
ACCOUNTS_V1, ACCOUNTS_V2 = 10, 13


class SwapAccounts(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The accounts of either instruction by name."""

    payer: AccountView
    config: AccountView
    pool: AccountView
    user_in: AccountView
    user_out: AccountView
    vault_in: AccountView
    vault_out: AccountView
    observation: AccountView
    # None in the older swap, which transfers without them.
    mint_in: AccountView | None
    mint_out: AccountView | None
    # Tick arrays and the bitmap extension.
    rest: Sequence[AccountView]


def named(accounts: Sequence[AccountView], is_v2: bool) -> SwapAccounts:
    """The accounts, all of them looked at; raises what Anchor would refuse with."""
    _check_read(accounts, is_v2)
    _check_constraints(accounts, is_v2)
    payer, config, pool, user_in, user_out, vault_in, vault_out, history = accounts[:8]
    mint_in, mint_out = (accounts[11], accounts[12]) if is_v2 else (None, None)
    rest = accounts[ACCOUNTS_V2:] if is_v2 else accounts[ACCOUNTS_V1 - 1 :]
    return SwapAccounts(
        payer,
        config,
        pool,
        user_in,
        user_out,
        vault_in,
        vault_out,
        history,
        mint_in,
        mint_out,
        rest,
    )


def _check_read(accounts: Sequence[AccountView], is_v2: bool) -> None:
    """The first pass, account by account; where they end, that is what is wrong."""
    token_programs = BOTH_TOKEN_PROGRAMS if is_v2 else (TOKEN_PROGRAM,)
    for index in range(ACCOUNTS_V2 if is_v2 else ACCOUNTS_V1):
        if index == len(accounts):
            raise anchor_error(3005)
        account = accounts[index]
        match index:
            case 0:
                if not account.is_signer:
                    raise anchor_error(3010)
            case 1:
                check_read(account, PROGRAM_ID, layout.CONFIG_DISCRIMINATOR, layout.CONFIG_SIZE)
            case 2:
                check_state(account, PROGRAM_ID, layout.POOL_DISCRIMINATOR)
            case 3 | 4 | 5 | 6:
                check_token_account(account, token_programs)
            case 7:
                check_state(account, PROGRAM_ID, layout.OBSERVATION_DISCRIMINATOR)
            case 8:
                check_program(account, TOKEN_PROGRAM)
            case 9 if not is_v2:
                check_state(account, PROGRAM_ID, layout.TICK_ARRAY_DISCRIMINATOR)
            case 9:
                check_program(account, TOKEN_2022_PROGRAM)
            case 10:
                check_program(account, MEMO_PROGRAM)
            case _:
                check_mint(account, token_programs)


def _check_constraints(accounts: Sequence[AccountView], is_v2: bool) -> None:
    pool = accounts[2]
    if len(pool.data) < layout.POOL_SIZE:
        raise panic("the pool account is too short")
    if accounts[1].key != pool.data[9:41]:
        raise anchor_error(2012)
    for account in accounts[2:8]:
        if not account.is_writable:
            raise anchor_error(2000)
    if accounts[7].key != pool.data[201:233]:
        raise anchor_error(2012)
    if is_v2:
        if accounts[11].key != accounts[5].data[:32] or accounts[12].key != accounts[6].data[:32]:
            raise anchor_error(2012)
        return
    if not accounts[9].is_writable:
        raise anchor_error(2000)
    if len(accounts[9].data) < layout.TICK_ARRAY_SIZE:
        raise panic("a tick array is too short")
    if accounts[9].data[8:40] != pool.key:
        raise anchor_error(2003)


class Given(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What stands after the named accounts."""

    # All bits, None without the account.
    extension: int | None
    arrays: tuple[AccountView, ...]


def given(accounts: SwapAccounts) -> Given:
    """The bitmap extension and the tick arrays, in the order given."""
    is_v2 = accounts.mint_in is not None
    extension_key = bytes(layout.extension_address(Pubkey.from_bytes(accounts.pool.key)))
    extension = None
    arrays: list[AccountView] = []
    for number, account in enumerate(accounts.rest):
        if account.key == extension_key and (is_v2 or number):
            check_state(account, PROGRAM_ID, layout.EXTENSION_DISCRIMINATOR)
            if len(account.data) < layout.EXTENSION_SIZE:
                raise panic("the bitmap extension is too short")
            extension = layout.extension_bits(account.data)
            continue
        is_borrowed = account is accounts.pool or any(account is other for other in arrays)
        if is_v2:
            if is_borrowed:
                raise panic("an account is asked for its size while it is written")
            if len(account.data) != layout.TICK_ARRAY_SIZE:
                break
        _check_array(account, is_borrowed)
        arrays.append(account)
    if len(accounts.observation.data) < layout.OBSERVATION_SIZE:
        raise panic("the price history is too short")
    return Given(extension, tuple(arrays))


def _check_array(account: AccountView, is_borrowed: bool) -> None:
    if account.owner != PROGRAM_ID:
        raise anchor_error(3007)
    if not account.is_writable:
        raise anchor_error(3006)
    if is_borrowed:
        raise InstructionError("AccountBorrowFailed")
    check_discriminator(account.data, layout.TICK_ARRAY_DISCRIMINATOR)
    if len(account.data) < layout.TICK_ARRAY_SIZE:
        raise panic("a tick array is too short")


class Found(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The tick arrays of a swap's way that are among those given."""

    order: ArrayPath
    arrays: list[TickArray]
    # By their first ticks.
    views: dict[int, AccountView]
    # Whether the search for a further one meets another pool's array.
    meets_foreign: bool


def found_arrays(given: Given, numbers: PoolNumbers, pool_key: bytes, zero_for_one: bool) -> Found:
    """The arrays in the order of the path, up to the first that is not given."""
    order = array_path(
        numbers.tick_current,
        numbers.tick_spacing,
        numbers.tick_array_bitmap,
        given.extension,
        zero_for_one,
        len(given.arrays) + 1,
    )
    if not order.starts:
        found = next(ticks_ahead(numbers, (), order, zero_for_one))
        assert isinstance(found, VenueError)
        raise found
    if not given.arrays:
        raise panic("no tick array is given")
    place = _first(given.arrays, order.starts[0])
    first = layout.tick_array_in(given.arrays[place].data)
    if first.pool != pool_key:
        raise anchor_error(2502)
    if first.start_tick_index != order.starts[0]:
        raise refusal("InvalidFirstTickArrayAccount")
    arrays, views = [first], {first.start_tick_index: given.arrays[place]}
    waiting = iter(given.arrays[place + 1 :])
    for start in order.starts[1:]:
        while arrays[-1].start_tick_index != start:
            view = next(waiting, None)
            if view is None:
                return Found(order, arrays, views, False)
            array = layout.tick_array_in(view.data)
            if array.pool != pool_key:
                return Found(order, arrays, views, True)
            if array.start_tick_index == start:
                arrays.append(array)
                views[start] = view
    return Found(order, arrays, views, False)


def _first(arrays: Sequence[AccountView], start: int) -> int:
    """Where the first array of the path is, or the last one where it is not given."""
    for place, view in enumerate(arrays):
        if layout.tick_array_in(view.data).start_tick_index == start:
            return place
    return len(arrays) - 1
