"""Meteora DAMM v1: pools that keep their tokens in lending vaults, with two curves.

Decode a pool, load the accounts it names, then quote and build instructions as often as wanted. The
vaults are shared with other pools, so a quote also goes stale by what those do, and by time.
"""

from collections.abc import Mapping
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.meteora.damm_v1_accounts import (
    POOL_DISCRIMINATOR,
    PROGRAM_ID,
    STABLE_END,
    PoolNumbers,
    decode_numbers,
    lp_mint_address,
    stake_address,
    token_vault_address,
)
from fairlead.venues.meteora.damm_v1_curve import StableCurve, spot_price
from fairlead.venues.meteora.damm_v1_depeg import needs_new_price, virtual_price
from fairlead.venues.meteora.damm_v1_instruction import swap_instruction
from fairlead.venues.meteora.damm_v1_search import guess, least_input
from fairlead.venues.meteora.damm_v1_swap import (
    Swap,
    VaultSide,
    check_open,
    compared_out,
    raised_minimum,
    swap,
)
from fairlead.venues.meteora.damm_v1_vaults import vault_side, vault_state
from fairlead.venues.pair import LoadedPair
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TOKEN_PROGRAM
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    SwapQuote,
    Venue,
    VenueError,
    account_of,
)

COMPUTE_UNITS = 130_000
"""One swap of the constant product: 106,700 measured with the cheap token program, 5 × 4,500 more
for the classic one."""
COMPUTE_UNITS_STABLE = 108_000
COMPUTE_UNITS_DEPEG = 11_000
COMPUTE_UNITS_PER_ROUND = 7_500
"""Of Newton's method; 5,200 to 7,250 measured."""

# Where the pool's bytes name the mints, vaults, shares and fee accounts, A and B each.
_MINTS, _VAULTS, _SHARES, _FEES = (
    (slice(at, at + 32), slice(at + 32, at + 64)) for at in (40, 104, 168, 234)
)


class DammV1Pool(Record, frozen=True, gc=False):
    """A decoded Pool. Pairs are in the order A, B."""

    venue: ClassVar[Venue] = Venue.METEORA_DAMM_V1
    address: Pubkey
    mints: tuple[Pubkey, Pubkey]
    # The vault states, and the pool's accounts of their shares.
    vault_states: tuple[Pubkey, Pubkey]
    shares: tuple[Pubkey, Pubkey]
    # The account that has a depeg pool's price.
    stake: Pubkey | None
    numbers: PoolNumbers
    # The account's bytes, from which the state after a swap is made.
    data: bytes

    @property
    def program_id(self) -> Pubkey:
        return PROGRAM_ID

    @property
    def vaults(self) -> tuple[Pubkey, Pubkey]:
        """The token accounts of the two vaults; other pools' tokens are in them too."""
        a, b = self.vault_states
        return token_vault_address(a), token_vault_address(b)

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Vaults, the pool's shares, their mints, the tokens, and the stake pool of a depeg pool.

        Mints and tokens are at derived addresses; where a vault's bytes name others, as old vaults
        do, `more_needed` has them.
        """
        a, b = self.vault_states
        mints = (lp_mint_address(a), lp_mint_address(b))
        stake = () if self.stake is None else (self.stake,)
        return (*self.vault_states, *self.shares, *mints, *self.vaults, *stake)

    def _needed_with(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """As `accounts_needed`, by what these vaults' own bytes say."""
        vaults = zip(self.vault_states, self.mints, strict=True)
        states = [vault_state(accounts, vault, mint) for vault, mint in vaults]
        mints = tuple(state.lp_mint for state in states)
        tokens = tuple(state.token_vault for state in states)
        stake = () if self.stake is None else (self.stake,)
        return (*self.vault_states, *self.shares, *mints, *tokens, *stake)

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """Mints and tokens that the vaults' own bytes put elsewhere, once those are read."""
        if not all(vault in accounts for vault in self.vault_states):
            return ()
        known = set(self.accounts_needed)
        return tuple(key for key in self._needed_with(accounts) if key not in known)

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where the pool is off or not active yet."""
        check_open(self.numbers, time)

    def load(self, accounts: Mapping[Pubkey, Account]) -> "LoadedDammV1Pool":
        """The pool ready to quote; `VenueError` names an account that is missing or wrong."""
        stake = None if self.stake is None else account_of(accounts, self.stake)
        price = None
        if stake is not None:
            try:
                price = virtual_price(self.numbers.depeg_type, stake.data)
            except ValueError:
                raise VenueError(
                    ErrorClass.TERMINAL, "wrong_stake_account", detail=str(self.stake)
                ) from None
        (vault_a, vault_b), (mint_a, mint_b) = self.vault_states, self.mints
        sides = (
            vault_side(accounts, vault_a, mint_a, self.shares[0]),
            vault_side(accounts, vault_b, mint_b, self.shares[1]),
        )
        return LoadedDammV1Pool(self, sides, price)


def decode(address: Pubkey, account: Account) -> DammV1Pool:
    """The pool in this account; `VenueError` not_a_pool where there is none.

    Pools have several sizes. `VenueError` names a curve or a kind of price that we do not know.
    """
    data = account.data
    if account.owner != PROGRAM_ID or len(data) < STABLE_END or data[:8] != POOL_DISCRIMINATOR:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    numbers = decode_numbers(data)
    return DammV1Pool(
        address,
        _pair(data, _MINTS),
        _pair(data, _VAULTS),
        _pair(data, _SHARES),
        stake_address(data, numbers.depeg_type),
        numbers,
        data,
    )


class LoadedDammV1Pool(LoadedPair, frozen=True, gc=False):
    """A pool with its two vaults."""

    pool: DammV1Pool
    sides: tuple[VaultSide, VaultSide]
    # What the stake pool says now; None for other pools.
    stake_price: int | None

    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]:
        return (TOKEN_PROGRAM, TOKEN_PROGRAM)

    def quote_exact_in(
        self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """What the program would pay now for this input; paying 0 is a success to it."""
        a_to_b = self._direction(input_mint)
        stable = self._stable(time)
        return self._quote(input_mint, stable, self._swap(a_to_b, amount_in_atoms, time, stable))

    def quote_exact_out(
        self, input_mint: Pubkey, amount_out_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """The least input that pays this output now, or an atom or so more than it."""
        assert 0 <= amount_out_atoms <= U64_MAX
        a_to_b = self._direction(input_mint)
        stable = self._stable(time)
        numbers = self.pool.numbers
        if amount_out_atoms:
            found = least_input(
                lambda amount: self._swap(a_to_b, amount, time, stable),
                amount_out_atoms,
                guess(numbers, stable, self.sides, a_to_b, amount_out_atoms, time.unix_timestamp),
            )
        else:
            found = self._swap(a_to_b, 0, time, stable)
        return self._quote(input_mint, stable, found)

    def exact_in(self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime) -> Swap:
        """All that this swap would move."""
        a_to_b = self._direction(input_mint)
        return self._swap(a_to_b, amount_in_atoms, time, self._stable(time))

    def compared_out(self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime) -> int:
        """What the program would hold against the minimum of this swap."""
        target = self.sides[1 if self._direction(input_mint) else 0]
        moved = self.exact_in(input_mint, amount_in_atoms, time)
        return compared_out(target, moved, time.unix_timestamp)

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
        *,
        raise_minimum: bool = True,
    ) -> Instruction:
        """swap, its minimum raised so that what reaches the user keeps to it, unless told not."""
        a_to_b = self._direction(input_mint)
        if raise_minimum:
            minimum_out_atoms = raised_minimum(minimum_out_atoms, self.sides[1 if a_to_b else 0])
        pool, (a, b) = self.pool, self.sides
        return swap_instruction(
            (amount_in_atoms, minimum_out_atoms),
            pool.address,
            pool.vault_states,
            (a.state, b.state),
            pool.shares,
            Pubkey.from_bytes(pool.data[_FEES[0 if a_to_b else 1]]),
            pool.stake,
            (user_input, user_output, user),
        )

    def swap_exact_out(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_out_atoms: int,
        maximum_in_atoms: int,
    ) -> Instruction:
        """swap of the whole maximum: the program has no exact output, it brings this or more."""
        return self.swap_exact_in(
            user, input_mint, user_input, user_output, maximum_in_atoms, amount_out_atoms
        )

    def _stable(self, time: ChainTime) -> StableCurve | None:
        numbers = self.pool.numbers
        check_open(numbers, time)
        if not numbers.is_stable:
            return None
        price: int | None = None
        if self.stake_price is not None:
            is_old = needs_new_price(numbers, time.unix_timestamp)
            price = self.stake_price if is_old else numbers.base_virtual_price
        return StableCurve(
            numbers.amp, numbers.token_a_multiplier, numbers.token_b_multiplier, price
        )

    def _swap(
        self, a_to_b: bool, amount_in: int, time: ChainTime, stable: StableCurve | None
    ) -> Swap:
        assert 0 <= amount_in <= U64_MAX
        now = time.unix_timestamp
        return swap(self.pool.numbers, stable, self.sides, a_to_b, amount_in, now)

    def _quote(self, input_mint: Pubkey, stable: StableCurve | None, swap: Swap) -> SwapQuote:
        total_in, total_out = swap.total_in, swap.total_out
        if stable is None:
            per, of = total_out, total_in
        else:
            per, of = spot_price(stable, total_in, total_out, input_mint == self.pool.mints[0])
        units = COMPUTE_UNITS
        if stable is not None:
            units = COMPUTE_UNITS_STABLE + swap.rounds * COMPUTE_UNITS_PER_ROUND
            units += COMPUTE_UNITS_DEPEG if self.stake_price is not None else 0
        at_pool_price = swap.curve_in * per
        lost = at_pool_price - swap.amount_out * of
        return SwapQuote(
            swap.amount_in,
            swap.amount_out,
            swap.trade_fee + swap.protocol_fee,
            input_mint,
            -(-lost * BPS // at_pool_price) if lost > 0 and at_pool_price else 0,
            units,
        )


def _pair(data: bytes, places: tuple[slice, slice]) -> tuple[Pubkey, Pubkey]:
    return Pubkey.from_bytes(data[places[0]]), Pubkey.from_bytes(data[places[1]])
