"""What every venue offers: a pool decoded from bytes quotes and names its swap; it never fetches.

A venue module (`raydium/cpmm.py`, `meteora/damm_v2.py`) has a `decode(address, account)` that
checks owner, discriminator and size, and returns its pool. The pool names the further accounts it
needs (`accounts_needed`, and where one leads to another `more_needed`), takes their bytes (`load`),
and the loaded pool quotes and builds instructions. All values are atoms; the clock is an argument.
A quote equals what the program pays, to the atom.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Protocol

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.venues.record import Record


class Account(Record, frozen=True, gc=False):
    """An on-chain account as bytes."""

    owner: Pubkey
    lamports: int
    data: bytes


class ChainTime(Record, frozen=True, gc=False):
    """The chain's clock at which a quote holds."""

    slot: int
    # Seconds.
    unix_timestamp: int
    epoch: int


class Venue(StrEnum):
    """A program we can swap on. The value is the venue's name in the API."""

    RAYDIUM_CPMM = "raydium_cpmm"
    METEORA_DAMM_V2 = "meteora_damm_v2"
    RAYDIUM_CLMM = "raydium_clmm"
    METEORA_DLMM = "meteora_dlmm"
    RAYDIUM_AMM_V4 = "raydium_amm_v4"
    METEORA_DAMM_V1 = "meteora_damm_v1"

    def __init__(self, name: str) -> None:
        # The family name that clients know: raydium or meteora.
        self.dex = name.partition("_")[0]


class ErrorClass(Enum):
    """What a venue's refusal means for the order."""

    STALE = "stale"  # state moved: quote again within the user's limit
    NOT_YET = "not_yet"  # not open yet: try at a later time
    LIQUIDITY = "liquidity"  # this pool cannot fill the size: another pool, or less
    TERMINAL = "terminal"  # will never work


class VenueError(Exception):
    """The program would refuse this swap, or the account is not what it should be.

    `name` is the program's own error name where it has one (ExceededSlippage), else ours in
    snake_case; `code` the program's custom error number, None where it is ours.
    """

    def __init__(
        self, error_class: ErrorClass, name: str, code: int | None = None, detail: str = ""
    ) -> None:
        super().__init__(
            f"{name}{f' ({code})' if code is not None else ''}{f': {detail}' if detail else ''}"
        )
        self.error_class = error_class
        self.name = name
        self.code = code


class SwapQuote(Record, frozen=True, gc=False):
    """What one swap on one pool takes and pays."""

    # What leaves the user's input token account, transfer fee included.
    amount_in_atoms: int
    # What reaches the user's output token account, transfer fee taken off.
    amount_out_atoms: int
    # The pool's fees, in the token of `fee_mint`.
    fee_atoms: int
    fee_mint: Pubkey
    # Against the pool's price before the swap without fees, rounded up, 0 … 10,000.
    price_impact_bps: int
    # What the swap instruction is expected to burn.
    compute_units: int
    # A second fee, in the other token (a CPMM creator fee taken from the output).
    other_fee_atoms: int = 0
    # What of it follows sources that no compiled program at hand knows: the modes' names, "" where
    # it was held against a program (docs/venues-proof.md).
    unproven: str = ""


def refuse_unproven(mode: str, address: Pubkey) -> VenueError:
    """The refusal of a pool in a mode that no program at hand knows."""
    return VenueError(ErrorClass.TERMINAL, f"unproven_{mode}", detail=str(address))


def account_of(accounts: Mapping[Pubkey, Account], address: Pubkey) -> Account:
    """The account at this address; `VenueError` missing_account where there is none."""
    account = accounts.get(address)
    if account is None:
        raise VenueError(ErrorClass.TERMINAL, "missing_account", detail=str(address))
    return account


class LoadedPool(Protocol):
    """A pool with all that is needed to quote it."""

    @property
    def pool(self) -> "Pool": ...
    @property
    def venue(self) -> Venue: ...
    @property
    def address(self) -> Pubkey: ...
    @property
    def mints(self) -> tuple[Pubkey, Pubkey]: ...
    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]: ...
    def quote_exact_in(
        self, input_mint: Pubkey, amount_in_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """What the program would pay now for this input; `VenueError` where it would refuse."""
        ...

    def quote_exact_out(
        self, input_mint: Pubkey, amount_out_atoms: int, time: ChainTime
    ) -> SwapQuote:
        """What the program would take now for this output; `VenueError` where it would refuse."""
        ...

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
    ) -> Instruction:
        """The swap instruction; the minimum speaks of what reaches the user."""
        ...

    def swap_exact_out(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_out_atoms: int,
        maximum_in_atoms: int,
    ) -> Instruction:
        """The swap instruction that brings exactly this and takes at most the maximum."""
        ...


class Pool(Protocol):
    """A decoded pool account that still lacks the accounts it refers to."""

    @property
    def venue(self) -> Venue: ...
    @property
    def address(self) -> Pubkey: ...
    @property
    def program_id(self) -> Pubkey: ...
    @property
    def mints(self) -> tuple[Pubkey, Pubkey]: ...
    @property
    def vaults(self) -> tuple[Pubkey, Pubkey]:
        """The pool's token accounts, in the order of `mints`."""
        ...

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Further accounts to read in the same snapshot as the pool itself."""
        ...

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """What those accounts lead on to, beyond `accounts_needed`; often nothing.

        Asked again with every read, until nothing is named that was not read. What is missing
        leads nowhere: `load` says what that means.
        """
        ...

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where the pool swaps for nobody: off (terminal), or not open yet."""
        ...

    def load(self, accounts: Mapping[Pubkey, Account]) -> LoadedPool:
        """The pool ready to quote; `VenueError` names an account that is missing or wrong.

        `venues.pools.load` refuses modes that are not proven, or allows them.
        """
        ...
