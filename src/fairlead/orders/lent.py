"""What ended orders have lent to their latches, and the transactions that take it back
(EXACTLY-ONCE 12). Values only."""

import msgspec

from fairlead.orders.model import AttemptState


class LentLatch(msgspec.Struct, frozen=True, gc=False):
    """A latch of an order that has ended: it holds its rent if an attempt won, whatever a stranger
    paid into it, or nothing."""

    # Base58, as are the wallet's.
    address: str
    order_id: str
    generation: int
    wallet: str
    # The wallet as the client named it.
    wallet_address: str
    # Of the order: its seed derives from it.
    secret: bytes
    # The height of the newest blockhash of all attempts of its order, or later: then a reclaim of
    # it alone has failed.
    due_after_height: int
    # Reclaims with it that failed: from the first on it goes alone.
    failures: int = 0


class Reclaim(msgspec.Struct, frozen=True, gc=False):
    """One signed transaction that takes latches back, stored before its first byte leaves."""

    # Base58; unique.
    signature: str
    wallet: str
    raw: bytes
    # Slot and block height at which the blockhash was read.
    blockhash_slot: int
    blockhash_height: int
    # Addresses.
    latches: tuple[str, ...]
    # What it moves to the wallet.
    lamports: int
    fee_lamports: int
    created_at_ms: int


class ReclaimSettled(msgspec.Struct, frozen=True, gc=False):
    """What the chain proved about a reclaim: succeeded, errored or dead."""

    signature: str
    state: AttemptState
    slot: int | None = None
    # JSON of `meta.err`.
    error: str | None = None
    # Its latches are not tried again before they are due at this height.
    due_after_height: int = 0


class Lent(msgspec.Struct, frozen=True, gc=False):
    """Sums over all ended orders, kept in the commits that change them."""

    # Latches that are not known to be empty.
    latches: int = 0
    # Of these, those that an attempt took: each holds the rent minimum of an empty account.
    taken: int = 0
    # Taken back so far, fees not deducted.
    reclaimed_lamports: int = 0
