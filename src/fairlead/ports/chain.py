"""A Solana cluster, or a ledger that behaves as one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from solders.pubkey import Pubkey

from fairlead.solana.landed import LandedTransaction
from fairlead.venues.pools import Search
from fairlead.venues.venue import Account, ChainTime


class Blockhash(msgspec.Struct, frozen=True, gc=False):
    """A recent blockhash with the slot and height of the bank it was read at."""

    blockhash: str
    slot: int
    block_height: int
    last_valid_block_height: int


class EpochInfo(msgspec.Struct, frozen=True, gc=False):
    """Slot and height of one bank, from one answer of one endpoint."""

    slot: int
    block_height: int
    epoch: int


class SignatureStatus(msgspec.Struct, frozen=True, gc=False):
    slot: int
    # JSON of the error, None for success.
    error: str | None
    # processed, confirmed or finalized.
    commitment: str


class AccountsAtSlot(msgspec.Struct, frozen=True, gc=False):
    """Accounts read together from one bank. Missing ones are absent from the mapping."""

    slot: int
    accounts: Mapping[Pubkey, Account]


class Simulation(msgspec.Struct, frozen=True, gc=False):
    slot: int
    # JSON of the error, None for success.
    error: str | None
    logs: tuple[str, ...]
    compute_units: int


class AddressSignature(msgspec.Struct, frozen=True, gc=False):
    """A transaction that named an address."""

    signature: str
    slot: int
    # JSON of the error, None for success.
    error: str | None


class SendOutcome(msgspec.Struct, frozen=True, gc=False):
    """What an endpoint said to a send. Anything but `accepted` means unknown, never failed (rule
    8)."""

    accepted: bool
    # The endpoint has seen this signature before (AlreadyProcessed).
    already_processed: bool = False
    detail: str = ""


class Chain(Protocol):
    """A Solana cluster, or a ledger that behaves as one. Commitments are processed, confirmed,
    finalized.

    Reads raise `Unavailable("chain", …)` when the endpoint does not answer; sends never raise.
    """

    # Safe to show: of an endpoint its host, never a key.
    name: str

    @property
    def witnesses(self) -> "Sequence[Chain]":
        """The single endpoints behind it, each able to answer alone: what ends an order is asked of
        each. A single endpoint is its own only witness."""
        ...

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash: ...
    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo: ...
    async def time(self) -> ChainTime:
        """Slot, block time and epoch of the newest bank, for quotes."""
        ...

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        """One slot-consistent read (at most 100 addresses)."""
        ...

    async def search(self, search: Search, commitment: str = "confirmed") -> tuple[Pubkey, ...]:
        """Addresses of the accounts found, in no order.

        `Unavailable` also where the endpoint refuses: many do, of large programs or at all.
        """
        ...

    async def simulate(self, transaction: bytes) -> Simulation:
        """Run without signatures checked and without effect, at `confirmed`."""
        ...

    async def send(self, transaction: bytes) -> SendOutcome:
        """Hand over signed bytes once (skipPreflight, maxRetries 0)."""
        ...

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        """At most 256 at once, in the order asked."""
        ...

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None: ...
    async def signatures_for_address(
        self,
        address: Pubkey,
        *,
        limit: int = 1_000,
        before: str | None = None,
        until: str | None = None,
        commitment: str = "finalized",
    ) -> tuple[AddressSignature, ...]:
        """Transactions that name the address, newest first, strictly between `until` and `before`.

        At most 1,000; only as far back as the endpoint's history goes.
        """
        ...

    async def first_available_block(self) -> int: ...
    async def rent_minimum(self, space: int) -> int:
        """Lamports that make an account of this size rent-exempt."""
        ...

    async def prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        """Micro-lamports per compute unit lately paid by transactions that write-lock these
        accounts."""
        ...

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        """Return when the signature may have a new status, or after the time-out. A hint only."""
        ...

    async def ping(self) -> None: ...


class Faucet(Protocol):
    """Paper chains only: money from nothing."""

    async def fund(self, address: Pubkey) -> None:
        """Give a wallet the standard paper balances of SOL and every listed token, once."""
        ...
