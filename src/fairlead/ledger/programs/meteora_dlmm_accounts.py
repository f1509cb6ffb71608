"""The accounts of a DLMM swap: their names, the program's checks, and the way over its bin arrays.

The order of the checks and their codes are those that the compiled program of 2026-05 answered
with when one account after the other was made wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

import msgspec

from fairlead.ledger.program import AccountView, InstructionError
from fairlead.ledger.programs.anchor_accounts import (
    BOTH_TOKEN_PROGRAMS,
    check_mint,
    check_program,
    check_state,
    check_token_account,
)
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.venues.anchor import anchor_error
from fairlead.venues.meteora import dlmm_accounts, dlmm_arrays
from fairlead.venues.meteora.dlmm_accounts import PairNumbers
from fairlead.venues.meteora.dlmm_arrays import ArrayBins, extension_from_bytes
from fairlead.venues.meteora.dlmm_errors import INVALID_BIN_ARRAY, INVALID_TOKEN_MINT, refusal
from fairlead.venues.meteora.dlmm_path import Path, indices_on_path
from fairlead.venues.token2022 import MINT_SIZE, TOKEN_ACCOUNT_SIZE
from fairlead.venues.venue import VenueError

PROGRAM_ID = bytes(dlmm_accounts.PROGRAM_ID)
EVENT_AUTHORITY = bytes(dlmm_accounts.EVENT_AUTHORITY)
MEMO_PROGRAM = bytes(dlmm_accounts.MEMO_PROGRAM)
_MEMO_PLACE = 13
# In a pair: mints and reserves, the oracle.
_MINTS_AND_RESERVES, _ORACLE = slice(88, 216), slice(552, 584)
# In a bin array: index and pair.
_INDEX, _ARRAY_PAIR = slice(8, 16), slice(24, 56)
_EXTENSION_PAIR = slice(8, 40)


class SwapAccounts(msgspec.Struct, frozen=True, gc=False):
    """The accounts by name, as far as a swap uses them. Pairs are in the order X, Y."""

    pair: AccountView
    # None where the instruction names the program instead.
    extension: AccountView | None
    reserves: tuple[AccountView, AccountView]
    user_in: AccountView
    user_out: AccountView
    mints: tuple[AccountView, AccountView]
    oracle: AccountView
    host: AccountView | None
    user: AccountView
    token_programs: tuple[bytes, bytes]
    # Whether the program is among the accounts: it calls itself to tell of the swap.
    has_program: bool
    # What transfer hooks ask for, then bin arrays.
    remaining: Sequence[AccountView]


def named(accounts: Sequence[AccountView], *, is_v1: bool) -> SwapAccounts:
    """The accounts of a swap, checked."""
    if not _are_right(accounts, is_v1=is_v1):
        _check(accounts, is_v1=is_v1)
    pair, extension, reserve_x, reserve_y, user_in, user_out, mint_x, mint_y = accounts[:8]
    oracle, host, user, program_x, program_y = accounts[8:13]
    has_program = extension.key == PROGRAM_ID or any(
        account.key == PROGRAM_ID for account in accounts
    )
    return SwapAccounts(
        pair,
        _given(extension),
        (reserve_x, reserve_y),
        user_in,
        user_out,
        (mint_x, mint_y),
        oracle,
        _given(host),
        user,
        (program_x.key, program_y.key),
        has_program,
        accounts[15 if is_v1 else 16 :],
    )


def _given(account: AccountView) -> AccountView | None:
    return None if account.key == PROGRAM_ID else account


def _are_right(accounts: Sequence[AccountView], *, is_v1: bool) -> bool:
    """Whether this is plainly a swap of two SPL Tokens that `_check` has nothing against.

    It says no to Token-2022, an extension and a host as well, and where in doubt: then the checks
    are made one by one.
    """
    if len(accounts) < (15 if is_v1 else 16):
        return False
    (
        pair, extension, reserve_x, reserve_y, user_in, user_out, mint_x, mint_y,
        oracle, host, user, program_x, program_y, memo, event_authority, *_,
    ) = accounts  # fmt: skip
    data, token, in_mint, out_mint = pair.data, TOKEN_PROGRAM, user_in.data[:32], user_out.data[:32]
    if is_v1:
        event_authority = memo
    return (
        user.is_signer
        and extension.key == host.key == pair.owner == oracle.owner == PROGRAM_ID
        and token == reserve_x.owner == reserve_y.owner == user_in.owner == user_out.owner
        and token == mint_x.owner == mint_y.owner == program_x.key == program_y.key
        and data[:8] == dlmm_accounts.PAIR_DISCRIMINATOR
        and len(data) == dlmm_accounts.PAIR_SIZE
        and oracle.data[:8] == dlmm_accounts.ORACLE_DISCRIMINATOR
        and (is_v1 or memo.key == MEMO_PROGRAM)
        and event_authority.key == EVENT_AUTHORITY
        and mint_x.key + mint_y.key + reserve_x.key + reserve_y.key == data[_MINTS_AND_RESERVES]
        and oracle.key == data[_ORACLE]
        and len(user_in.data) == len(user_out.data) == TOKEN_ACCOUNT_SIZE
        and len(reserve_x.data) == len(reserve_y.data) == TOKEN_ACCOUNT_SIZE
        and user_in.data[108] == user_out.data[108] == 1
        and reserve_x.data[108] == reserve_y.data[108] == 1
        and len(mint_x.data) == len(mint_y.data) == MINT_SIZE
        and mint_x.data[45] == mint_y.data[45] == 1
        and pair.is_writable
        and oracle.is_writable
        and reserve_x.is_writable
        and reserve_y.is_writable
        and user_in.is_writable
        and user_out.is_writable
        and {in_mint, out_mint} == {mint_x.key, mint_y.key}
    )


# -- the checks, one by one ------------------------------------------------------------------------


def _check(accounts: Sequence[AccountView], *, is_v1: bool) -> None:
    """As Anchor does: all accounts are read in order, then their constraints are looked at."""
    readers = _READERS_V1 if is_v1 else _READERS
    for account, read in zip_longest(accounts[: len(readers)], readers):
        if account is None:
            raise anchor_error(3005)
        read(account)
    _check_constraints(accounts, accounts[_MEMO_PLACE if is_v1 else _MEMO_PLACE + 1])


def _check_constraints(accounts: Sequence[AccountView], event_authority: AccountView) -> None:
    (
        pair, extension, reserve_x, reserve_y, user_in, user_out, mint_x, mint_y, oracle, host, *_,
    ) = accounts  # fmt: skip
    _check_writable(pair)
    keys = mint_x.key + mint_y.key + reserve_x.key + reserve_y.key
    if keys != pair.data[_MINTS_AND_RESERVES] or oracle.key != pair.data[_ORACLE]:
        raise anchor_error(2001)
    if extension.key != PROGRAM_ID:
        _check_writable(extension)
        if extension.data[_EXTENSION_PAIR] != pair.key:
            raise anchor_error(2001)
    _check_writable(reserve_x)
    _check_writable(reserve_y)
    mints = (user_in.data[:32], user_out.data[:32])
    if mints not in ((mint_x.key, mint_y.key), (mint_y.key, mint_x.key)):
        raise refusal(INVALID_TOKEN_MINT)
    _check_writable(user_in)
    _check_writable(user_out)
    _check_writable(oracle)
    if host.key != PROGRAM_ID:
        _check_writable(host)
    if event_authority.key != EVENT_AUTHORITY:
        raise anchor_error(2006)


def _check_writable(account: AccountView) -> None:
    if not account.is_writable:
        raise anchor_error(2000)


def _sized(discriminator: bytes, size: int) -> Callable[[AccountView], None]:
    """Reads a state of the program's; one that is too short makes it panic."""

    def read(account: AccountView) -> None:
        check_state(account, PROGRAM_ID, discriminator)
        if len(account.data) < size:
            raise InstructionError("ProgramFailedToComplete", log="SBF program panicked")

    return read


def _optional(read: Callable[[AccountView], None]) -> Callable[[AccountView], None]:
    def read_if_given(account: AccountView) -> None:
        if account.key != PROGRAM_ID:
            read(account)

    return read_if_given


def _token_account(account: AccountView) -> None:
    check_token_account(account, BOTH_TOKEN_PROGRAMS)


def _mint(account: AccountView) -> None:
    check_mint(account, BOTH_TOKEN_PROGRAMS)


def _signer(account: AccountView) -> None:
    if not account.is_signer:
        raise anchor_error(3010)


def _token_program(account: AccountView) -> None:
    if account.key not in BOTH_TOKEN_PROGRAMS:
        raise anchor_error(3008)


def _spl_token_program(account: AccountView) -> None:
    check_program(account, TOKEN_PROGRAM)


def _memo_program(account: AccountView) -> None:
    check_program(account, MEMO_PROGRAM)


def _anything(account: AccountView) -> None:
    """Nothing is asked of it yet."""


_BEFORE_PROGRAMS = (
    _sized(dlmm_accounts.PAIR_DISCRIMINATOR, dlmm_accounts.PAIR_SIZE),
    _optional(_sized(dlmm_arrays.EXTENSION_DISCRIMINATOR, dlmm_arrays.EXTENSION_SIZE)),
    *(_token_account,) * 4,
    *(_mint,) * 2,
    _sized(dlmm_accounts.ORACLE_DISCRIMINATOR, dlmm_accounts.ORACLE_HEADER_SIZE),
    _optional(_token_account),
    _signer,
)
_READERS = (*_BEFORE_PROGRAMS, *(_token_program,) * 2, _memo_program, *(_anything,) * 2)
_READERS_V1 = (*_BEFORE_PROGRAMS, *(_spl_token_program,) * 2, *(_anything,) * 2)


# -- bin arrays ------------------------------------------------------------------------------------


class GivenArrays:
    """The bin arrays that an instruction gives, in the order in which a swap asks for them.

    The program takes the next account whenever its walk needs another array, and goes on to the one
    after where that is an array of the pair but not the one. So a wrong account only counts if the
    walk comes to it: `path` ends before it, and `raise_pending` says what is wrong.
    """

    def __init__(self, accounts: SwapAccounts, remaining: Sequence[AccountView]) -> None:
        self._pair = accounts.pair.key
        self._borrowed = {accounts.pair.key, accounts.oracle.key}
        self._extension = accounts.extension
        self._remaining = remaining
        self._pending: Exception | None = None
        self.by_index: dict[int, AccountView] = {}

    def path(self, numbers: PairNumbers, *, swap_for_y: bool) -> Path:
        """The liquidity as far as the accounts lead."""
        extension = self._extension
        bitmap = None if extension is None else extension_from_bytes(extension.data)
        count = len(self._remaining) + 1
        indices, end_code = indices_on_path(numbers, bitmap, count, swap_for_y=swap_for_y)
        accounts = iter(self._remaining)
        found: list[tuple[int, ArrayBins]] = []
        for index in indices:
            try:
                view = self._next(accounts, index)
            except (InstructionError, VenueError) as error:
                self._pending = error
                return Path(tuple(found), None)
            self.by_index[index] = view
            orders = numbers.supports_limit_order
            found.append((index, ArrayBins(view.data, index, swap_for_y, orders)))
        return Path(tuple(found), end_code)

    def raise_pending(self) -> None:
        """Why the path ended where it did, if an account was the reason."""
        if self._pending is not None:
            raise self._pending

    def _next(self, accounts: Iterator[AccountView], index: int) -> AccountView:
        for view in accounts:
            self._check(view)
            if int.from_bytes(view.data[_INDEX], "little", signed=True) == index:
                return view
        raise anchor_error(3005)

    def _check(self, view: AccountView) -> None:
        if view.owner != PROGRAM_ID:
            raise anchor_error(3007)
        if view.key in self._borrowed:
            raise InstructionError("AccountBorrowFailed")
        check_state(view, PROGRAM_ID, dlmm_arrays.ARRAY_DISCRIMINATOR)
        _check_writable(view)
        if len(view.data) < dlmm_arrays.ARRAY_SIZE:
            raise InstructionError("ProgramFailedToComplete", log="SBF program panicked")
        if view.data[_ARRAY_PAIR] != self._pair:
            raise refusal(INVALID_BIN_ARRAY)
