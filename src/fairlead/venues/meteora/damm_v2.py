"""Meteora DAMM v2: one range of liquidity or a compounding pool, scheduled and dynamic fees.

Decode a pool, load the accounts it names, then quote and build instructions as often as wanted. A
quote needs the pool account alone; the vaults' balances do not matter.
"""

from collections.abc import Mapping
from struct import Struct as Layout
from typing import ClassVar

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.meteora.damm_v2_accounts import (
    EVENT_AUTHORITY,
    POOL_AUTHORITY,
    POOL_DISCRIMINATOR,
    POOL_SIZE,
    PROGRAM_ID,
    PoolNumbers,
    decode_numbers,
)
from fairlead.venues.meteora.damm_v2_swap import (
    EXACT_IN,
    EXACT_OUT,
    PARTIAL,
    Swap,
    Transition,
    after_swap,
    check_open,
    point_of,
    swap_in,
    swap_out,
)
from fairlead.venues.pair import LoadedPair, token_2022_mints, transfer_fees, withholding
from fairlead.venues.record import Record
from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    Mint,
)
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    SwapQuote,
    Venue,
    VenueError,
)

SWAP = bytes.fromhex("f8c69e91e17587c8")
SWAP2 = bytes.fromhex("414b3f4ceb5b5b88")
SWAP_ARGUMENTS = Layout("<8sQQ")
SWAP2_ARGUMENTS = Layout("<8sQQB")

INSTRUCTIONS_SYSVAR = Pubkey.from_string("Sysvar1nstructions1111111111111111111111111")

# What every swap names alike.
_AUTHORITY = AccountMeta(POOL_AUTHORITY, False, False)
_EVENTS = AccountMeta(EVENT_AUTHORITY, False, False)
_PROGRAM = AccountMeta(PROGRAM_ID, False, False)
_INSTRUCTIONS = AccountMeta(INSTRUCTIONS_SYSVAR, False, False)

COMPUTE_UNITS = 39_500
"""One swap: 26,800 measured with the cheap token program, 2 × 6,200 more for the classic one."""
COMPUTE_UNITS_PER_TOKEN_2022_SIDE = 7_000


class DammV2Pool(Record, frozen=True, gc=False):
    """A decoded Pool. Pairs are in the order A, B."""

    venue: ClassVar[Venue] = Venue.METEORA_DAMM_V2
    address: Pubkey
    mints: tuple[Pubkey, Pubkey]
    vaults: tuple[Pubkey, Pubkey]
    token_programs: tuple[Pubkey, Pubkey]
    numbers: PoolNumbers
    # The account's bytes, from which the state after a swap is made.
    data: bytes

    @property
    def program_id(self) -> Pubkey:
        return PROGRAM_ID

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Those mints that may withhold a transfer fee; often none."""
        return withholding(self.mints, self.token_programs)

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """Nothing: the pool names all."""
        return ()

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where the pool is disabled or not active yet."""
        check_open(self.numbers, point_of(self.numbers, time))

    def load(self, accounts: Mapping[Pubkey, Account]) -> "LoadedDammV2Pool":
        """The pool ready to quote; `VenueError` names an account that is missing or wrong."""
        mints = token_2022_mints(accounts, self.mints, self.token_programs)
        return LoadedDammV2Pool(self, mints)


def decode(address: Pubkey, account: Account) -> DammV2Pool:
    """The pool in this account; `VenueError` not_a_pool where there is none."""
    data = account.data
    if account.owner != PROGRAM_ID or len(data) != POOL_SIZE or data[:8] != POOL_DISCRIMINATOR:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    key = Pubkey.from_bytes
    return DammV2Pool(
        address,
        (key(data[168:200]), key(data[200:232])),
        (key(data[232:264]), key(data[264:296])),
        (
            TOKEN_2022_PROGRAM if data[482] else TOKEN_PROGRAM,
            TOKEN_2022_PROGRAM if data[483] else TOKEN_PROGRAM,
        ),
        decode_numbers(data),
        data,
    )


class LoadedDammV2Pool(LoadedPair, frozen=True, gc=False):
    """A pool with what its mints withhold."""

    pool: DammV2Pool
    # None for a mint of SPL Token.
    token_2022_mints: tuple[Mint | None, Mint | None]

    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]:
        return self.pool.token_programs

    def quote_exact_in(
        self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """What the program would pay now for this input; paying 0 is a success to it."""
        a_to_b = self._direction(input_mint)
        return self._quote(a_to_b, self._swap(EXACT_IN, a_to_b, amount_in_atoms, time))

    def quote_partial_in(
        self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """As exact in, but where the price range ends the rest stays with the user."""
        a_to_b = self._direction(input_mint)
        return self._quote(a_to_b, self._swap(PARTIAL, a_to_b, amount_in_atoms, time))

    def quote_exact_out(
        self, input_mint: Pubkey, amount_out_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """What the program would take now for this output."""
        a_to_b = self._direction(input_mint)
        return self._quote(a_to_b, self._swap(EXACT_OUT, a_to_b, amount_out_atoms, time))

    def after(
        self, swap_mode: int, input_mint: Pubkey, amount_atoms: int, time: ChainTime
    ) -> Transition:
        """What a swap2 of this mode would change."""
        a_to_b = self._direction(input_mint)
        swap = self._swap(swap_mode, a_to_b, amount_atoms, time)
        numbers, now = self.pool.numbers, time.unix_timestamp
        return after_swap(self.pool.data, numbers, swap, a_to_b, now)

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
    ) -> Instruction:
        """swap2 in its exact-in mode."""
        data = SWAP2_ARGUMENTS.pack(SWAP2, amount_in_atoms, minimum_out_atoms, EXACT_IN)
        return self._instruction(data, user, input_mint, user_input, user_output)

    def swap_partial_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
    ) -> Instruction:
        """swap2 in its partial-fill mode."""
        data = SWAP2_ARGUMENTS.pack(SWAP2, amount_in_atoms, minimum_out_atoms, PARTIAL)
        return self._instruction(data, user, input_mint, user_input, user_output)

    def swap_exact_out(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_out_atoms: int,
        maximum_in_atoms: int,
    ) -> Instruction:
        """swap2 in its exact-out mode."""
        data = SWAP2_ARGUMENTS.pack(SWAP2, amount_out_atoms, maximum_in_atoms, EXACT_OUT)
        return self._instruction(data, user, input_mint, user_input, user_output)

    def swap_v1_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
    ) -> Instruction:
        """The older `swap`, the same as swap2 exact in."""
        data = SWAP_ARGUMENTS.pack(SWAP, amount_in_atoms, minimum_out_atoms)
        return self._instruction(data, user, input_mint, user_input, user_output)

    def _swap(self, swap_mode: int, a_to_b: bool, amount_atoms: int, time: ChainTime) -> Swap:
        assert 0 <= amount_atoms <= U64_MAX
        numbers = self.pool.numbers
        point = point_of(numbers, time)
        check_open(numbers, point)
        fees = transfer_fees(self.token_2022_mints, time.epoch)
        if swap_mode == EXACT_OUT:
            return swap_out(numbers, fees, a_to_b, amount_atoms, point)
        partial = swap_mode == PARTIAL
        return swap_in(numbers, fees, a_to_b, amount_atoms, point, partial=partial)

    def _quote(self, a_to_b: bool, swap: Swap) -> SwapQuote:
        step, curve = swap.step, self.pool.numbers.curve
        mint_a, mint_b = self.pool.mints
        if curve.is_compounding:
            spot_in, spot_out = curve.token_a_atoms, curve.token_b_atoms
        else:
            spot_in, spot_out = 1 << 128, curve.sqrt_price * curve.sqrt_price
        if not a_to_b:
            spot_in, spot_out = spot_out, spot_in
        at_pool_price = step.amount_in * spot_out
        lost = at_pool_price - step.amount_out * spot_in
        units = COMPUTE_UNITS
        for mint in self.token_2022_mints:
            if mint is not None:
                units += COMPUTE_UNITS_PER_TOKEN_2022_SIDE
        return SwapQuote(
            swap.amount_in,
            swap.amount_out,
            swap.fee,
            mint_b if swap.fee_is_b else mint_a,
            -(-lost * BPS // at_pool_price) if lost > 0 else 0,
            units,
        )

    def _instruction(
        self,
        data: bytes,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
    ) -> Instruction:
        self._direction(input_mint)
        pool = self.pool
        metas = [
            _AUTHORITY,
            AccountMeta(pool.address, False, True),
            AccountMeta(user_input, False, True),
            AccountMeta(user_output, False, True),
            AccountMeta(pool.vaults[0], False, True),
            AccountMeta(pool.vaults[1], False, True),
            AccountMeta(pool.mints[0], False, False),
            AccountMeta(pool.mints[1], False, False),
            AccountMeta(user, True, False),
            AccountMeta(pool.token_programs[0], False, False),
            AccountMeta(pool.token_programs[1], False, False),
            # No referral account.
            _PROGRAM,
            _EVENTS,
            _PROGRAM,
        ]
        if pool.numbers.base_fee.is_rate_limiter:
            # Read only while the limiter applies, harmless at other times.
            metas.append(_INSTRUCTIONS)
        return Instruction(PROGRAM_ID, data, metas)
