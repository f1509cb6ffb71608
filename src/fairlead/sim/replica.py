"""The ledger as it was some blocks ago, whole: what a replica that lags has to tell.

Every block is remembered together with the states before it, a little beyond its becoming final, so
that an account can be read as of any of them.
"""

from collections import deque

import msgspec

from fairlead.ledger.account import AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.blocks import Block

MAX_BLOCKS = 96
"""Blocks remembered: the longest lag and the deepest finality, with room."""


class Past(msgspec.Struct, frozen=True):
    """A block, and what was confirmed and final when it opened."""

    block: Block
    # The states before it; the ledger lets go of them once the block is final.
    before: dict[bytes, AccountState | None]
    confirmed_slot: int
    root_slot: int

    def slot_of(self, commitment: str) -> int:
        """Slot of the block at this commitment."""
        if commitment == "processed":
            return self.block.slot
        return self.confirmed_slot if commitment == "confirmed" else self.root_slot


class Pasts:
    """The blocks of one ledger, followed as they come and are dropped."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._pasts: deque[Past] = deque()
        self.follow()

    def follow(self) -> None:
        """To be told of each new slot and of each fork."""
        bank, pasts = self._bank, self._pasts
        root_slot = bank.epoch_info("finalized").slot
        confirmed_slot = bank.epoch_info("confirmed").slot
        new: list[Block] = []
        known = pasts[-1].block.slot if pasts else -1
        for block in bank.blocks_backwards("processed"):
            # Slots are never used again, not even by a fork: one that is gone has no block now.
            while pasts and known > block.slot:
                pasts.pop()
                known = pasts[-1].block.slot if pasts else -1
            if block.slot == known or block.slot < root_slot:
                break
            new.append(block)
        for block in reversed(new):
            pasts.append(Past(block, block.before, confirmed_slot, root_slot))
        while len(pasts) > MAX_BLOCKS:
            pasts.popleft()

    def at(self, lag_blocks: int) -> tuple[int, Past]:
        """The block that was open so many blocks ago, with its index."""
        index = max(0, len(self._pasts) - 1 - lag_blocks)
        return index, self._pasts[index]

    def of_slot(self, slot: int) -> tuple[int, Past]:
        """The block of a slot, or the oldest known one."""
        for index in range(len(self._pasts) - 1, -1, -1):
            if self._pasts[index].block.slot <= slot:
                return index, self._pasts[index]
        return 0, self._pasts[0]

    def state(self, key: bytes, index: int) -> AccountState | None:
        """An account after that block."""
        for later in range(index + 1, len(self._pasts)):
            before = self._pasts[later].before
            if key in before:
                return before[key]
        return self._bank.account(key)

    def parent(self, index: int) -> Block:
        """The block before that one."""
        return self._pasts[max(0, index - 1)].block
