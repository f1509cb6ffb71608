"""What a ledger needs to be whole again: a snapshot of the root, and what became final after it."""

import hashlib

import msgspec

from fairlead.ledger.account import AccountState
from fairlead.ledger.blocks import Block, LedgerParams


class Snapshot(msgspec.Struct, tag="snapshot", array_like=True):
    """Everything that is rooted."""

    seed: int
    params: LedgerParams
    fork: int
    transaction_count: int
    accounts: dict[bytes, AccountState]
    # As far as history goes, oldest first; the last is the root.
    blocks: list[Block]


class RootedSlot(msgspec.Struct, frozen=True, tag="slot", array_like=True):
    """A block that became the root."""

    block: Block
    # State after the block of every account it changed, None for one that is gone.
    changed: list[tuple[bytes, AccountState | None]]
    params: LedgerParams
    fork: int
    transaction_count: int


class RootChange(msgspec.Struct, frozen=True, tag="change", array_like=True):
    """A change made at the root itself."""

    changed: list[tuple[bytes, AccountState | None]]


def genesis(
    seed: int,
    accounts: dict[bytes, AccountState],
    params: LedgerParams,
    now_ms: int,
    *,
    slot: int = 0,
    height: int = 0,
) -> Snapshot:
    """A ledger at its first block. On real clusters the slot runs ahead of the height."""
    assert 0 <= height <= slot
    first_hash = hashlib.sha256(b"fairlead paper ledger %d" % seed).digest()
    block = Block(slot, height, max(0, slot - 1), now_ms, bytes(32), first_hash, [], {})
    return Snapshot(seed, params, 0, 0, accounts, [block])
