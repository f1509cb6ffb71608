"""Raydium CPMM: constant-product pools with trade and creator fees, of both token programs.

Decode a pool, load the accounts it names, then quote and build instructions as often as wanted.
"""

from collections.abc import Mapping
from struct import Struct as Layout
from typing import ClassVar

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.anchor import REQUIRE_GT_VIOLATED, anchor_error
from fairlead.venues.pair import (
    LoadedPair,
    token_2022_mints,
    transfer_fees,
    vault_atoms,
    withholding,
)
from fairlead.venues.raydium.cpmm_accounts import (
    CONFIG_DISCRIMINATOR,
    CONFIG_SIZE,
    DEVNET_PROGRAM_ID,
    POOL_DISCRIMINATOR,
    POOL_SIZE,
    PROGRAM_ID,
    ConfigRates,
    PoolNumbers,
    authority_address,
    decode_numbers,
    decode_rates,
)
from fairlead.venues.raydium.cpmm_swap import (
    Swap,
    Transition,
    after_swap,
    check_open,
    exact_in,
    exact_out,
)
from fairlead.venues.record import Record
from fairlead.venues.token2022 import (
    Mint,
)
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    SwapQuote,
    Venue,
    VenueError,
    account_of,
)

SWAP_BASE_INPUT = bytes.fromhex("8fbe5adac41e33de")
SWAP_BASE_OUTPUT = bytes.fromhex("37d96256a34ab4ad")
SWAP_ARGUMENTS = Layout("<8sQQ")

COMPUTE_UNITS = 46_500
"""One swap: 33,700 measured with the cheap token program, 2 × 6,200 more for the classic one."""
COMPUTE_UNITS_PER_TOKEN_2022_SIDE = 7_000

CREATOR_FEE = "creator_fee"

# Where the pool's bytes name its mints.
MINTS = (slice(168, 200), slice(200, 232))

AUTHORITIES = {program: authority_address(program) for program in (PROGRAM_ID, DEVNET_PROGRAM_ID)}


class CpmmPool(Record, frozen=True, gc=False):
    """A decoded PoolState. Pairs are in the order token 0, token 1."""

    venue: ClassVar[Venue] = Venue.RAYDIUM_CPMM
    address: Pubkey
    program_id: Pubkey
    amm_config: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    mints: tuple[Pubkey, Pubkey]
    token_programs: tuple[Pubkey, Pubkey]
    observation: Pubkey
    numbers: PoolNumbers
    # The account's bytes, from which the state after a swap is made.
    data: bytes

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Config, both vaults, and those mints that may withhold a transfer fee."""
        return (self.amm_config, *self.vaults, *withholding(self.mints, self.token_programs))

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """Nothing: the pool names all."""
        return ()

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where swaps are off or not open yet."""
        check_open(self.numbers, time.unix_timestamp)

    def load(self, accounts: Mapping[Pubkey, Account]) -> "LoadedCpmmPool":
        """The pool ready to quote; `VenueError` names an account that is missing or wrong."""
        config = account_of(accounts, self.amm_config)
        if (
            config.owner != self.program_id
            or len(config.data) < CONFIG_SIZE
            or config.data[:8] != CONFIG_DISCRIMINATOR
        ):
            raise VenueError(ErrorClass.TERMINAL, "not_a_config", detail=str(self.amm_config))
        data, (vault_0, vault_1), (mint_0, mint_1) = self.data, self.vaults, MINTS
        return LoadedCpmmPool(
            self,
            decode_rates(config.data),
            (
                vault_atoms(accounts, vault_0, data[mint_0]),
                vault_atoms(accounts, vault_1, data[mint_1]),
            ),
            token_2022_mints(accounts, self.mints, self.token_programs),
        )


def decode(address: Pubkey, account: Account) -> CpmmPool:
    """The pool in this account; `VenueError` not_a_pool where there is none."""
    data = account.data
    if account.owner not in AUTHORITIES or len(data) != POOL_SIZE or data[:8] != POOL_DISCRIMINATOR:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    key = Pubkey.from_bytes
    return CpmmPool(
        address,
        account.owner,
        key(data[8:40]),
        (key(data[72:104]), key(data[104:136])),
        (key(data[168:200]), key(data[200:232])),
        (key(data[232:264]), key(data[264:296])),
        key(data[296:328]),
        decode_numbers(data),
        data,
    )


class LoadedCpmmPool(LoadedPair, frozen=True, gc=False):
    """A pool with its config's rates and what its vaults hold."""

    pool: CpmmPool
    rates: ConfigRates
    vault_atoms: tuple[int, int]
    # None for a mint of SPL Token.
    token_2022_mints: tuple[Mint | None, Mint | None]

    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]:
        return self.pool.token_programs

    @property
    def unproven(self) -> str:
        """The mode that the compiled program at hand, of February 2025, does not know yet."""
        takes = self.pool.numbers.enable_creator_fee and self.rates.creator_fee_rate
        return CREATOR_FEE if takes else ""

    def quote_exact_in(
        self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """What the program would pay now for this input."""
        zero_for_one = self._direction(input_mint)
        return self._quote(zero_for_one, self._exact_in(zero_for_one, amount_in_atoms, time))

    def quote_exact_out(
        self,
        input_mint: Pubkey,
        amount_out_atoms: int,
        time: ChainTime,
        *,
        old_ceil_div: bool = False,
    ) -> SwapQuote:
        """What the program would take now for this output; see `swap_base_output`."""
        zero_for_one = self._direction(input_mint)
        swap = self._exact_out(zero_for_one, amount_out_atoms, time, old_ceil_div)
        return self._quote(zero_for_one, swap)

    def after_exact_in(
        self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime
    ) -> Transition:
        """What this swap would change."""
        zero_for_one = self._direction(input_mint)
        swap = self._exact_in(zero_for_one, amount_in_atoms, time)
        return after_swap(self.pool.data, zero_for_one, swap, time.epoch)

    def after_exact_out(
        self, input_mint: Pubkey, amount_out_atoms: int, time: ChainTime
    ) -> Transition:
        """What this swap would change."""
        zero_for_one = self._direction(input_mint)
        swap = self._exact_out(zero_for_one, amount_out_atoms, time, False)
        return after_swap(self.pool.data, zero_for_one, swap, time.epoch)

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
    ) -> Instruction:
        """swap_base_input."""
        data = SWAP_ARGUMENTS.pack(SWAP_BASE_INPUT, amount_in_atoms, minimum_out_atoms)
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
        """swap_base_output."""
        data = SWAP_ARGUMENTS.pack(SWAP_BASE_OUTPUT, maximum_in_atoms, amount_out_atoms)
        return self._instruction(data, user, input_mint, user_input, user_output)

    def _exact_in(self, zero_for_one: bool, amount_in: int, time: ChainTime) -> Swap:
        assert 0 <= amount_in <= U64_MAX
        numbers = self.pool.numbers
        check_open(numbers, time.unix_timestamp)
        fees = transfer_fees(self.token_2022_mints, time.epoch)
        return exact_in(numbers, self.rates, self.vault_atoms, fees, zero_for_one, amount_in)

    def _exact_out(
        self, zero_for_one: bool, amount_out: int, time: ChainTime, old_ceil_div: bool
    ) -> Swap:
        assert 0 <= amount_out <= U64_MAX
        if not amount_out:
            raise anchor_error(REQUIRE_GT_VIOLATED, "nothing is asked for")
        numbers = self.pool.numbers
        check_open(numbers, time.unix_timestamp)
        fees = transfer_fees(self.token_2022_mints, time.epoch)
        return exact_out(
            numbers,
            self.rates,
            self.vault_atoms,
            fees,
            zero_for_one,
            amount_out,
            old_ceil_div=old_ceil_div,
        )

    def _quote(self, zero_for_one: bool, swap: Swap) -> SwapQuote:
        curve = swap.curve
        mint_0, mint_1 = self.pool.mints
        fee, other_fee = curve.trade_fee, 0
        if swap.creator_fee_on_input:
            fee += curve.creator_fee
        else:
            other_fee = curve.creator_fee
        at_pool_price = curve.curve_in * swap.reserve_out
        lost = at_pool_price - curve.curve_out * swap.reserve_in
        units = COMPUTE_UNITS
        for mint in self.token_2022_mints:
            if mint is not None:
                units += COMPUTE_UNITS_PER_TOKEN_2022_SIDE
        return SwapQuote(
            swap.amount_in,
            swap.amount_out,
            fee,
            mint_0 if zero_for_one else mint_1,
            -(-lost * BPS // at_pool_price) if lost > 0 else 0,
            units,
            other_fee,
            self.unproven,
        )

    def _instruction(
        self,
        data: bytes,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
    ) -> Instruction:
        pool = self.pool
        a, b = (0, 1) if self._direction(input_mint) else (1, 0)
        metas = [
            AccountMeta(user, True, False),
            AccountMeta(AUTHORITIES[pool.program_id], False, False),
            AccountMeta(pool.amm_config, False, False),
            AccountMeta(pool.address, False, True),
            AccountMeta(user_input, False, True),
            AccountMeta(user_output, False, True),
            AccountMeta(pool.vaults[a], False, True),
            AccountMeta(pool.vaults[b], False, True),
            AccountMeta(pool.token_programs[a], False, False),
            AccountMeta(pool.token_programs[b], False, False),
            AccountMeta(pool.mints[a], False, False),
            AccountMeta(pool.mints[b], False, False),
            AccountMeta(pool.observation, False, True),
        ]
        return Instruction(pool.program_id, data, metas)
