"""Blocks, the blockhashes a transaction may name, and what each executed transaction left."""

import hashlib
from typing import Any, Literal

import msgspec

from fairlead.ledger.account import AccountState

Commitment = Literal["processed", "confirmed", "finalized"]

TransactionError = str | dict[str, Any]
"""As the cluster writes it in JSON: "AlreadyProcessed", {"InstructionError": [2, {…}]}."""


class LedgerParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What clusters differ in and change over time."""

    # Wall time of a slot.
    slot_ms: int = 400
    # Blocks for which a blockhash is valid, counted at the parent of the including block.
    blockhash_window: int = 150
    # Blocks between the open block and the confirmed one; 0 confirms on arrival.
    confirmed_depth: int = 0
    # Blocks between the open block and the root, at least 1.
    finality_depth: int = 32
    lamports_per_signature: int = 5_000
    # Accounts one transaction may lock.
    max_account_locks: int = 64
    max_transaction_bytes: int = 1_232
    slots_per_epoch: int = 432_000
    # Rooted slots in which a status is found without searching the history.
    status_cache_slots: int = 300
    # Rooted transactions and blocks that stay readable; older ones are pruned.
    history_transactions: int = 20_000
    history_blocks: int = 20_000
    # Off only where thousands of simulated orders share a core and signing is not what is tested.
    verifies_signatures: bool = True

    def __post_init__(self) -> None:
        assert 0 <= self.confirmed_depth <= self.finality_depth
        assert self.finality_depth >= 1
        assert self.blockhash_window >= 1
        assert self.slot_ms >= 1


class TransactionRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A transaction in a block, with what `getTransaction` tells about it."""

    signature: bytes
    raw: bytes
    slot: int
    err: TransactionError | None
    fee_lamports: int
    # Of every account of the message, in its order.
    pre_lamports: tuple[int, ...]
    post_lamports: tuple[int, ...]
    # (account index, token account data) of every token account.
    pre_tokens: tuple[tuple[int, bytes], ...]
    post_tokens: tuple[tuple[int, bytes], ...]
    logs: tuple[str, ...]
    compute_units: int


class Block(msgspec.Struct):
    """A block. Unrooted ones also know what they changed, so that a fork can take it back."""

    slot: int
    height: int
    parent_slot: int
    # Wall time at which the slot opened.
    time_ms: int
    previous_blockhash: bytes
    # Empty while the block is open.
    blockhash: bytes
    records: list[TransactionRecord]
    # State before the block of every account it changed, None for a new one. Empty once rooted.
    before: dict[bytes, AccountState | None]


def blockhash_of(block: Block, fork: int) -> bytes:
    """The blockhash of a full block. Differs between forks even where slot and content are equal.

    `fork` counts the forks of this ledger's life: a blockhash of a dropped block must stay unknown.
    """
    digest = hashlib.sha256(block.previous_blockhash)
    digest.update(b"%d %d %d %d" % (block.slot, block.height, block.time_ms, fork))
    for record in block.records:
        digest.update(record.signature)
    return digest.digest()


RETAINED_WINDOWS = 2
"""Windows for which hashes are remembered, so that a window that grows in flight finds them."""


class _Known(msgspec.Struct):
    height: int
    # Digests of executed messages that named this blockhash, with the slot that holds them.
    executed: dict[bytes, int]


class BlockhashWindow:
    """Which blockhashes may be named, and which messages have been executed under them."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}

    def add(self, blockhash: bytes, height: int) -> None:
        """A block is full: its hash may be named from now on."""
        self._known[blockhash] = _Known(height, {})

    def forget(self, blockhash: bytes) -> None:
        """A fork dropped the block, and with it everything that named its hash."""
        del self._known[blockhash]

    def refusal(
        self, blockhash: bytes, digest: bytes, parent_height: int, window: int
    ) -> TransactionError | None:
        """Why a block on this parent may not hold the message, None if it may.

        Age is counted at the parent: blocks of heights h + 1 … h + window + 1 may hold it
        (`BlockhashQueue::is_hash_valid_for_age`, agave runtime).
        """
        known = self._known.get(blockhash)
        if known is None or parent_height - known.height > window:
            return "BlockhashNotFound"
        if digest in known.executed:
            return "AlreadyProcessed"
        return None

    def mark(self, blockhash: bytes, digest: bytes, slot: int) -> None:
        """The message was executed in this slot, successfully or not."""
        self._known[blockhash].executed[digest] = slot

    def unmark(self, blockhash: bytes, digest: bytes) -> None:
        """A fork dropped the slot that held the message."""
        known = self._known.get(blockhash)
        if known is not None:
            known.executed.pop(digest, None)

    def height_of(self, blockhash: bytes) -> int | None:
        """Height of the block with this hash, if it is still remembered."""
        known = self._known.get(blockhash)
        return None if known is None else known.height

    def prune(self, root_height: int, window: int) -> None:
        """Forget hashes too old to be named by any block after the root."""
        oldest = root_height - RETAINED_WINDOWS * window
        # Insertion order is height order: forks take back the newest before others are added.
        while self._known:
            blockhash = next(iter(self._known))
            if self._known[blockhash].height >= oldest:
                return
            del self._known[blockhash]
