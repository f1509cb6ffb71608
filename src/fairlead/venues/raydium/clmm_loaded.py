"""A CLMM pool with its tick arrays: quotes, how far it goes, and the swap instruction."""

from functools import partial

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.pair import LoadedPair, transfer_fees
from fairlead.venues.raydium.clmm_accounts import (
    ConfigRates,
    PoolNumbers,
    TickArray,
    extension_address,
    tick_array_address,
)
from fairlead.venues.raydium.clmm_bitmap import ARRAYS_PER_SWAP, ArrayPath, ticks_ahead
from fairlead.venues.raydium.clmm_instruction import (
    Arguments,
    SwapAccounts,
    Wallet,
    swap_v1,
    swap_v2,
)
from fairlead.venues.raydium.clmm_layers import LayeredWalk, Order
from fairlead.venues.raydium.clmm_path import UNPROVEN_LIMIT_ORDERS, Path, Reach, Walk
from fairlead.venues.raydium.clmm_swap import (
    NO_LIMIT,
    Swap,
    TransferFees,
    Walker,
    exact_in,
    exact_out,
)
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, Mint
from fairlead.venues.venue import ChainTime, ErrorClass, SwapQuote, VenueError

COMPUTE_UNITS = 80_000
"""A swap inside one step: at most 68,000 measured with the cheap token program, 2 × 6,200 more for
the classic one. The program searches for an address, so pools differ by up to 10,000."""
COMPUTE_UNITS_PER_TICK = 20_000
COMPUTE_UNITS_PER_ARRAY = 4_000
COMPUTE_UNITS_PER_TOKEN_2022_SIDE = 7_000
MAX_COMPUTE_UNITS = 1_400_000
"""Of a whole transaction."""


class LoadedClmmPool(LoadedPair, frozen=True, gc=False):
    """A pool with its config's rates and its tick arrays, in the order down, up."""

    numbers: PoolNumbers
    amm_config: Pubkey
    observation: Pubkey
    rates: ConfigRates
    array_paths: tuple[ArrayPath, ArrayPath]
    arrays: tuple[list[TickArray], list[TickArray]]
    steps: tuple[Path, Path]
    # Whether the bitmap extension exists, so that an instruction may name it.
    has_extension: bool
    token_programs: tuple[Pubkey, Pubkey]
    # None for a mint of SPL Token.
    token_2022_mints: tuple[Mint | None, Mint | None]
    # Whether `clmm_layers` may walk it, and whether it walks every swap.
    unproven: bool = False
    layered: bool = False

    def quote_exact_in(
        self,
        input_mint: Pubkey,
        amount_in_atoms: int,
        time: ChainTime,
        *,
        sqrt_price_limit_x64: int = NO_LIMIT,
        max_arrays: int = ARRAYS_PER_SWAP,
    ) -> SwapQuote:
        """What the program would pay now for this input, or for the part of it up to the limit."""
        zero_for_one = self._direction(input_mint)
        swap = self.walk_exact_in(
            zero_for_one, amount_in_atoms, time, sqrt_price_limit_x64, max_arrays
        )
        return self._quote(zero_for_one, swap)

    def quote_exact_out(
        self,
        input_mint: Pubkey,
        amount_out_atoms: int,
        time: ChainTime,
        *,
        sqrt_price_limit_x64: int = NO_LIMIT,
        max_arrays: int = ARRAYS_PER_SWAP,
    ) -> SwapQuote:
        """What the program would take now for this output, or for the part up to the limit."""
        zero_for_one = self._direction(input_mint)
        swap = self.walk_exact_out(
            zero_for_one, amount_out_atoms, time, sqrt_price_limit_x64, max_arrays
        )
        return self._quote(zero_for_one, swap)

    def walk_exact_in(
        self, zero_for_one: bool, amount_in: int, time: ChainTime, limit: int, max_arrays: int
    ) -> Swap:
        """The same with fees by kind, the state it leaves, and whether it stopped at the limit."""
        assert 0 <= amount_in <= U64_MAX
        walker = self._walker(zero_for_one, True, max_arrays, time)
        fees, now = self._transfer_fees(zero_for_one, time.epoch), time.unix_timestamp
        return exact_in(self.numbers, walker, fees, zero_for_one, amount_in, limit, now)

    def walk_exact_out(
        self, zero_for_one: bool, amount_out: int, time: ChainTime, limit: int, max_arrays: int
    ) -> Swap:
        """The same with fees by kind, the state it leaves, and whether it stopped at the limit."""
        assert 0 <= amount_out <= U64_MAX
        walker = self._walker(zero_for_one, False, max_arrays, time)
        fees, now = self._transfer_fees(zero_for_one, time.epoch), time.unix_timestamp
        return exact_out(self.numbers, walker, fees, zero_for_one, amount_out, limit, now)

    def reach(self, input_mint: Pubkey, *, max_arrays: int = ARRAYS_PER_SWAP) -> Reach:
        """How much goes through in this direction, and what ends it: liquidity or the arrays."""
        return self.steps[0 if self._direction(input_mint) else 1].reach(max_arrays)

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
        *,
        sqrt_price_limit_x64: int = NO_LIMIT,
        max_arrays: int = ARRAYS_PER_SWAP,
        v1: bool = False,
    ) -> Instruction:
        """swap_v2, or the older swap, which knows SPL Token only."""
        arguments = (amount_in_atoms, minimum_out_atoms, sqrt_price_limit_x64, True)
        wallet = (user, user_input, user_output)
        return self._instruction(arguments, wallet, input_mint, max_arrays, v1)

    def swap_exact_out(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_out_atoms: int,
        maximum_in_atoms: int,
        *,
        sqrt_price_limit_x64: int = NO_LIMIT,
        max_arrays: int = ARRAYS_PER_SWAP,
        v1: bool = False,
    ) -> Instruction:
        """swap_v2, or the older swap, which knows SPL Token only."""
        arguments = (amount_out_atoms, maximum_in_atoms, sqrt_price_limit_x64, False)
        wallet = (user, user_input, user_output)
        return self._instruction(arguments, wallet, input_mint, max_arrays, v1)

    def _instruction(
        self, arguments: Arguments, wallet: Wallet, input_mint: Pubkey, max_arrays: int, v1: bool
    ) -> Instruction:
        zero_for_one, pool = self._direction(input_mint), self.pool
        if v1 and TOKEN_2022_PROGRAM in self.token_programs:
            raise VenueError(ErrorClass.TERMINAL, "needs_swap_v2", detail="a mint of Token-2022")
        starts = self.array_paths[0 if zero_for_one else 1].starts[:max_arrays]
        accounts = SwapAccounts(
            pool.program_id,
            pool.address,
            self.amm_config,
            pool.vaults if zero_for_one else pool.vaults[::-1],
            pool.mints if zero_for_one else pool.mints[::-1],
            self.observation,
            extension_address(pool.address, pool.program_id) if self.has_extension else None,
            tuple(tick_array_address(pool.address, start, pool.program_id) for start in starts),
        )
        return swap_v1(accounts, wallet, arguments) if v1 else swap_v2(accounts, wallet, arguments)

    def _walker(
        self, zero_for_one: bool, is_base_input: bool, max_arrays: int, time: ChainTime
    ) -> Walker:
        side, numbers = (0 if zero_for_one else 1), self.numbers
        steps = self.steps[side]
        proven = partial(steps.walk, is_base_input=is_base_input, max_arrays=max_arrays)
        if not self.unproven:
            return proven

        def layered(amount: int, limit: int) -> Walk:
            now = time.unix_timestamp
            order = Order(amount, limit, is_base_input, zero_for_one, max_arrays, now)
            arrays, path = self.arrays[side], self.array_paths[side]
            ticks = ticks_ahead(numbers, arrays, path, zero_for_one)
            return LayeredWalk(numbers, self.rates, order).run(ticks)

        def past_orders(amount: int, limit: int) -> Walk:
            try:
                return proven(amount, limit)
            except VenueError as error:
                if error.name != UNPROVEN_LIMIT_ORDERS:
                    raise
            return layered(amount, limit)

        return layered if self.layered else past_orders

    def _transfer_fees(self, zero_for_one: bool, epoch: int) -> TransferFees:
        fee_0, fee_1 = transfer_fees(self.token_2022_mints, epoch)
        return (fee_0, fee_1) if zero_for_one else (fee_1, fee_0)

    def _quote(self, zero_for_one: bool, swap: Swap) -> SwapQuote:
        walk, price = swap.walk, self.numbers.sqrt_price_x64
        spot_in, spot_out = 1 << 128, price * price
        if not zero_for_one:
            spot_in, spot_out = spot_out, spot_in
        fee_in, fee_out = (walk.fee, 0) if walk.fee_on_input else (0, walk.fee)
        at_pool_price = (walk.amount_in - fee_in) * spot_out
        lost = at_pool_price - (walk.amount_out + fee_out) * spot_in
        units = COMPUTE_UNITS
        units += COMPUTE_UNITS_PER_TICK * walk.ticks_crossed
        units += COMPUTE_UNITS_PER_ARRAY * walk.arrays_used
        for mint in self.token_2022_mints:
            if mint is not None:
                units += COMPUTE_UNITS_PER_TOKEN_2022_SIDE
        if units > MAX_COMPUTE_UNITS:
            detail = f"{walk.ticks_crossed} ticks in one transaction"
            raise VenueError(ErrorClass.LIQUIDITY, "compute_budget", detail=detail)
        return SwapQuote(
            swap.amount_in,
            swap.amount_out,
            walk.fee,
            self.pool.mints[0 if zero_for_one == walk.fee_on_input else 1],
            -(-lost * BPS // at_pool_price) if lost > 0 else 0,
            units,
            unproven=walk.unproven,
        )
