"""What fits one transaction: bytes, account locks, compute units.

The size is that of the very instructions the venues make, with all that may stand around them (the
latch, the compute budget, new token accounts, a temporary wSOL account, a tip). Which accounts a
transaction names twice decides as much as how many each swap names, so nothing is estimated per
venue.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import div_ceil
from fairlead.routing.model import Binding, RouteLeg
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.template import MAX_KEYS
from fairlead.solana.transaction import (
    MAX_COMPUTE_UNITS,
    MAX_TRANSACTION_BYTES,
    SwapPlan,
    Tip,
    TokenMint,
    Wrap,
    create_ata_instruction,
    steps,
    user_account,
)

UNITS_AROUND_SWAPS = 60_000
"""Compute units of latch, account creation, wrap and unwrap together, with the classic token
program."""

UNITS_MARGIN = (12, 10)
"""The limit asked for over the estimate: 20 % more. The simulation of the same message checks
it."""

# Signature count and signature, version, header, blockhash; then four counts of one byte at least.
_FIXED_BYTES = 1 + 64 + 1 + 3 + 32
_TABLE_BYTES = 32 + 1 + 1
"""A lookup table's address and the counts of what is taken from it."""

# Stand for what an attempt will name: only their being different counts.
_WALLET = Pubkey.from_bytes(bytes([1]) * 32)
_SECRET = bytes(32)
_TIP = Tip(Pubkey.from_bytes(bytes([2]) * 32), 1)
_LATCH_SEED = latch_seed(_SECRET, 0)
_LATCH = Latch(latch_address(_WALLET, _LATCH_SEED), _LATCH_SEED, 1)
_WRAP_SEED = wrap_seed(_SECRET, 0)
_WRAP = Wrap(wrap_address(_WALLET, _WRAP_SEED), _WRAP_SEED, 1)
_BLOCKHASH = str(Pubkey.default())

LookupTables = Sequence[frozenset[Pubkey]]


class Footprint(msgspec.Struct, frozen=True, gc=False):
    """What a transaction takes of each limit."""

    size: int
    account_locks: int
    # Not bounded by what may be asked for.
    compute_units: int

    @property
    def binding(self) -> Binding | None:
        """The first limit that it exceeds."""
        if self.size > MAX_TRANSACTION_BYTES:
            return Binding.BYTES
        if self.account_locks > MAX_KEYS:
            return Binding.ACCOUNT_LOCKS
        return Binding.COMPUTE_UNITS if self.compute_units > MAX_COMPUTE_UNITS else None


class Room:
    """The limits of one transaction, of which each leg takes a part."""

    def __init__(
        self,
        lookup_tables: LookupTables = (),
        *,
        has_tip: bool = False,
        before: Sequence[RouteLeg] = (),
    ) -> None:
        """`before`: legs that are in it already."""
        self._tables = lookup_tables
        self._has_tip = has_tip
        self._before = tuple(before)
        self._prints: dict[tuple[Pubkey, int], _Print] = {}

    def footprint(self, legs: Sequence[RouteLeg]) -> Footprint:
        """What the transaction of these legs takes, at most: every account that may have to be made
        is made in it."""
        legs = (*self._before, *legs)
        tokens = {mint: program for leg in legs for mint, program in _programs(leg)}
        around = _around(tuple(tokens.items()), legs[0].input_mint, self._has_tip)
        prints = [around, *[self._print(leg) for leg in legs]]
        size, locks = _size_of(prints, self._tables)
        units = sum([leg.quote.compute_units for leg in legs])
        return Footprint(size, locks, units_wanted(units))

    def exceeded(self, legs: Sequence[RouteLeg]) -> Binding | None:
        """The limit that these legs, with those before them, exceed."""
        return self.footprint(legs).binding

    def _print(self, leg: RouteLeg) -> "_Print":
        # A venue may name more accounts for a larger amount.
        key = leg.pool.address, leg.quote.amount_in_atoms
        known = self._prints.get(key)
        if known is None:
            known = self._prints[key] = _print_of([_swap(leg)])
        return known


def units_wanted(swap_units: int) -> int:
    """Compute units to ask for around swaps that are expected to burn so many; rounded up, not
    bounded by what a transaction may ask for."""
    up, down = UNITS_MARGIN
    return div_ceil((swap_units + UNITS_AROUND_SWAPS) * up, down)


@lru_cache(maxsize=1_024)
def compute_unit_limit(swap_units: int) -> int:
    """The limit that such a transaction asks for. Few numbers come, and again and again."""
    return min(units_wanted(swap_units), MAX_COMPUTE_UNITS)


def _programs(leg: RouteLeg) -> Iterable[tuple[Pubkey, Pubkey]]:
    return zip(leg.pool.mints, leg.pool.token_programs, strict=True)


def _swap(leg: RouteLeg) -> Instruction:
    tokens = dict(_programs(leg))
    source, target = (
        user_account(_WALLET, TokenMint(mint, tokens[mint]), _WRAP)
        for mint in (leg.input_mint, leg.output_mint)
    )
    quote = leg.quote
    return leg.pool.swap_exact_in(
        _WALLET, leg.input_mint, source, target, quote.amount_in_atoms, quote.amount_out_atoms
    )


@lru_cache(maxsize=1_024)
def _around(tokens: tuple[tuple[Pubkey, Pubkey], ...], token_in: Pubkey, has_tip: bool) -> "_Print":
    """All instructions but the swaps."""
    wraps = any(mint == WSOL_MINT for mint, _ in tokens)
    plan = SwapPlan(
        wallet=_WALLET,
        blockhash=_BLOCKHASH,
        compute_unit_limit=MAX_COMPUTE_UNITS,
        compute_unit_price_micro_lamports=1,
        latch=_LATCH,
        wrap=_WRAP if wraps else None,
        tip=_TIP if has_tip else None,
    )
    made = [
        create_ata_instruction(_WALLET, TokenMint(mint, program))
        for mint, program in tokens
        if mint not in (token_in, WSOL_MINT)
    ]
    return _print_of([*[step.instruction for step in steps(plan)], *made])


class _Print(msgspec.Struct, frozen=True, gc=False):
    """What some instructions add to a transaction; accounts count once for all of them."""

    accounts: frozenset[Pubkey]
    programs: frozenset[Pubkey]
    # Bytes without the accounts' addresses.
    size: int
    instructions: int


def _print_of(instructions: Sequence[Instruction]) -> _Print:
    accounts: set[Pubkey] = set()
    size = 0
    for instruction in instructions:
        metas, data = instruction.accounts, len(instruction.data)
        accounts.update([meta.pubkey for meta in metas])
        size += 1 + _count_bytes(len(metas)) + len(metas) + _count_bytes(data) + data
    programs = frozenset([instruction.program_id for instruction in instructions])
    return _Print(frozenset(accounts), programs, size, len(instructions))


def _size_of(prints: Sequence[_Print], tables: LookupTables) -> tuple[int, int]:
    """Bytes of the signed transaction, and the accounts that it locks."""
    programs = frozenset[Pubkey]().union(*[each.programs for each in prints])
    named = frozenset((_WALLET,)).union(*[each.accounts for each in prints])
    size = _FIXED_BYTES + sum([each.size for each in prints])
    size += _count_bytes(sum([each.instructions for each in prints]))
    locks = len(named | programs)
    # Signers and programs that are called stand in the message itself.
    movable = named - programs - {_WALLET}
    moved = used = 0
    for table in tables:
        held = movable & table
        if 32 * len(held) > _TABLE_BYTES + len(held):
            movable -= held
            moved += len(held)
            used += 1
    static = locks - moved
    size += _count_bytes(static) + 32 * static + _count_bytes(used) + _TABLE_BYTES * used + moved
    return size, locks


def _count_bytes(number: int) -> int:
    """Bytes of a count as the wire writes it."""
    return 1 if number < 0x80 else 2
