"""A loaded DLMM pair: quotes in both directions, and the instruction that makes each swap."""

from collections.abc import Callable

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.meteora.dlmm_accounts import PairKeys, PairNumbers
from fairlead.venues.meteora.dlmm_compute import MAX_UNITS, units_burned, units_expected
from fairlead.venues.meteora.dlmm_instruction import (
    swap_data,
    swap_exact_out_data,
    swap_instruction,
)
from fairlead.venues.meteora.dlmm_path import Path, arrays_reached
from fairlead.venues.meteora.dlmm_swap import Swap, check_open, spot_price, swap_in, swap_out
from fairlead.venues.pair import LoadedPair, transfer_fees
from fairlead.venues.token2022 import Mint
from fairlead.venues.venue import ChainTime, ErrorClass, SwapQuote, VenueError

SPARE_ARRAYS = 1
"""Passed beyond those the amount reaches, for a price that moves until it lands."""

INSUFFICIENT_FUNDS = 1
"""The token program's number where a reserve is short."""


class LoadedDlmmPool(LoadedPair, frozen=True, gc=False):
    """A pool with its liquidity in both directions and what its mints withhold."""

    keys: PairKeys
    numbers: PairNumbers
    # None for a mint of SPL Token.
    token_2022_mints: tuple[Mint | None, Mint | None]
    # Atoms, whoever they belong to.
    reserves: tuple[int, int]
    has_extension: bool
    # Down for X to Y, up for Y to X.
    down: Path
    up: Path

    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]:
        return self.keys.token_programs

    def quote_exact_in(
        self,
        input_mint: Pubkey,
        amount_in_atoms: int,
        time: ChainTime,
        *,
        arrays: int | None = None,
    ) -> SwapQuote:
        """What the program would pay now for this input, given no more than so many bin arrays."""
        swap = self.exact_in(input_mint, amount_in_atoms, time, arrays=arrays)
        return self._quote(input_mint, swap, exact_in=True)

    def quote_exact_out(
        self,
        input_mint: Pubkey,
        amount_out_atoms: int,
        time: ChainTime,
        *,
        arrays: int | None = None,
    ) -> SwapQuote:
        """What the program would take now for this output, given no more than so many arrays."""
        swap = self.exact_out(input_mint, amount_out_atoms, time, arrays=arrays)
        return self._quote(input_mint, swap, exact_in=False)

    def exact_in(
        self,
        input_mint: Pubkey,
        amount_in_atoms: int,
        time: ChainTime,
        *,
        arrays: int | None = None,
    ) -> Swap:
        """The swap of this input, bin by bin."""
        return self._swap(swap_in, input_mint, amount_in_atoms, time, arrays)

    def exact_out(
        self,
        input_mint: Pubkey,
        amount_out_atoms: int,
        time: ChainTime,
        *,
        arrays: int | None = None,
    ) -> Swap:
        """The swap that brings this output, bin by bin."""
        return self._swap(swap_out, input_mint, amount_out_atoms, time, arrays)

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
        *,
        arrays: int | None = None,
        v1: bool = False,
    ) -> Instruction:
        """swap2, with the bin arrays the amount reaches and a spare one, or with so many.

        `v1` names the older `swap`, for pairs whose mints are both of SPL Token.
        """
        path = self._path(input_mint)
        if arrays is None:
            arrays = arrays_reached(path, amount_in_atoms, exact_in=True) + SPARE_ARRAYS
        data = swap_data(amount_in_atoms, minimum_out_atoms, v1=v1)
        return self._instruction(data, user, (user_input, user_output), path, arrays, v1=v1)

    def swap_exact_out(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_out_atoms: int,
        maximum_in_atoms: int,
        *,
        arrays: int | None = None,
        v1: bool = False,
    ) -> Instruction:
        """swap_exact_out2 or the older swap_exact_out, as `swap_exact_in`."""
        path = self._path(input_mint)
        if arrays is None:
            gross = amount_out_atoms + self._highest_transfer_fee(input_mint, amount_out_atoms)
            arrays = arrays_reached(path, gross, exact_in=False) + SPARE_ARRAYS
        data = swap_exact_out_data(amount_out_atoms, maximum_in_atoms, v1=v1)
        return self._instruction(data, user, (user_input, user_output), path, arrays, v1=v1)

    def _instruction(
        self,
        data: bytes,
        user: Pubkey,
        wallet: tuple[Pubkey, Pubkey],
        path: Path,
        arrays: int,
        *,
        v1: bool,
    ) -> Instruction:
        indices = [index for index, _ in path.arrays[:arrays]]
        keys, has_extension = self.keys, self.has_extension
        return swap_instruction(
            data, keys, user, wallet, indices, has_extension=has_extension, v1=v1
        )

    def _path(self, input_mint: Pubkey) -> Path:
        return self.down if self._direction(input_mint) else self.up

    def _highest_transfer_fee(self, input_mint: Pubkey, amount_out_atoms: int) -> int:
        """On the output, in any epoch."""
        mint = self.token_2022_mints[1 if self._direction(input_mint) else 0]
        if mint is None:
            return 0
        fees = (mint.older_fee, mint.newer_fee)
        return max(f.pre_fee_amount(amount_out_atoms) - amount_out_atoms if f else 0 for f in fees)

    def _swap(
        self,
        move: Callable[..., Swap],
        input_mint: Pubkey,
        amount_atoms: int,
        time: ChainTime,
        arrays: int | None,
    ) -> Swap:
        assert 0 <= amount_atoms <= U64_MAX
        swap_for_y, numbers = self._direction(input_mint), self.numbers
        check_open(numbers, time)
        fees = transfer_fees(self.token_2022_mints, time.epoch)
        path = self.down if swap_for_y else self.up
        if arrays is not None and arrays < len(path.arrays):
            path = Path(path.arrays[:arrays], None)
        swap = move(numbers, path, fees, swap_for_y, amount_atoms, time.unix_timestamp)
        if swap.out_of_reserve > self.reserves[1 if swap_for_y else 0]:
            # Bytes of older statistics count as limit orders to the program; the transfer fails.
            raise VenueError(ErrorClass.LIQUIDITY, "InsufficientFunds", INSUFFICIENT_FUNDS)
        return swap

    def _quote(self, input_mint: Pubkey, swap: Swap, *, exact_in: bool) -> SwapQuote:
        swap_for_y = self._direction(input_mint)
        mint_in, mint_out = self.mints if swap_for_y else (self.mints[1], self.mints[0])
        net_in = swap.into_reserve - (swap.fee if swap.fee_on_input else 0)
        gross_out = swap.out_of_reserve + (0 if swap.fee_on_input else swap.fee)
        price = spot_price(self.numbers)
        spot_in, spot_out = (1 << 64, price) if swap_for_y else (price, 1 << 64)
        at_pool_price = net_in * spot_out
        lost = at_pool_price - gross_out * spot_in
        sides = sum(mint is not None for mint in self.token_2022_mints)
        active_id = self.numbers.active_id
        units = units_burned(swap, active_id, sides, exact_in=exact_in)
        if units > MAX_UNITS:
            detail = f"{len(swap.steps)} bins"
            raise VenueError(ErrorClass.LIQUIDITY, "compute_budget", detail=detail)
        return SwapQuote(
            swap.amount_in,
            swap.amount_out,
            swap.fee,
            mint_in if swap.fee_on_input else mint_out,
            -(-lost * BPS // at_pool_price) if lost > 0 else 0,
            units_expected(units),
        )
