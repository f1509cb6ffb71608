"""What can be read of the ledger at a commitment, as a cluster's RPC would answer."""

from collections.abc import Iterable, Sequence

import msgspec

from fairlead.ledger.account import AccountState
from fairlead.ledger.blocks import Block, Commitment, TransactionError, TransactionRecord
from fairlead.ledger.chain import Chain
from fairlead.ledger.execution import Clock
from fairlead.ledger.message import parse_transaction
from fairlead.ledger.programs.token_data import amount_of


class SignatureStatus(msgspec.Struct, frozen=True, gc=False):
    """Where a transaction is."""

    slot: int
    err: TransactionError | None
    level: Commitment
    # Blocks on top of its own; None once rooted.
    confirmations: int | None


class EpochInfo(msgspec.Struct, frozen=True, gc=False):
    """The chain's position."""

    slot: int
    block_height: int
    epoch: int
    slot_index: int
    slots_in_epoch: int
    transaction_count: int


class LatestBlockhash(msgspec.Struct, frozen=True, gc=False):
    """A blockhash to sign with."""

    blockhash: bytes
    # Slot and height of the answer's bank.
    slot: int
    block_height: int
    last_valid_block_height: int


class TokenBalance(msgspec.Struct, frozen=True, gc=False):
    """What a token account of a transaction held before or after it."""

    account_index: int
    mint: bytes
    owner: bytes
    atoms: int
    decimals: int


class ReadableChain(Chain):
    """The chain's answers. Nothing here changes it."""

    def account(self, key: bytes, commitment: Commitment = "processed") -> AccountState | None:
        """The account's state at a commitment."""
        return self._state_at(key, self._index(commitment))

    def accounts(
        self, keys: Iterable[bytes], commitment: Commitment = "processed"
    ) -> tuple[int, list[AccountState | None]]:
        """One slot and all states in it."""
        index = self._index(commitment)
        slot = self._block(index).slot
        if slot == self._open.slot:
            return slot, list(map(self._accounts.get, keys))
        return slot, [self._state_at(key, index) for key in keys]

    def program_accounts(
        self,
        program: bytes,
        *,
        data_size: int | None = None,
        memcmp: Sequence[tuple[int, bytes]] = (),
        commitment: Commitment = "processed",
        among: Iterable[bytes] | None = None,
    ) -> list[tuple[bytes, AccountState]]:
        """Accounts a program owns whose data has this size and these bytes at these offsets.

        All accounts are gone through, or those `among` which one must be.
        """
        index = self._index(commitment)
        keys: Iterable[bytes] = self._accounts if among is None else among
        if among is None and index < len(self._unrooted) - 1:
            keys = set(self._accounts).union(*(b.before for b in self._unrooted[index + 1 :]))
        found = []
        for key in keys:
            state = self._state_at(key, index)
            if (
                state is not None
                and state.owner == program
                and (data_size is None or len(state.data) == data_size)
                and all(state.data.startswith(piece, offset) for offset, piece in memcmp)
            ):
                found.append((key, state))
        found.sort(key=lambda item: item[0])
        return found

    def keys_by_owner(self) -> dict[bytes, list[bytes]]:
        """The accounts of each program in the open block, in one pass over all."""
        owned: dict[bytes, list[bytes]] = {}
        for key, state in self._accounts.items():
            keys = owned.get(state.owner)
            if keys is None:
                owned[state.owner] = [key]
            else:
                keys.append(key)
        return owned

    def epoch_info(self, commitment: Commitment = "finalized") -> EpochInfo:
        """Slot, height and epoch of one block, together."""
        index = self._index(commitment)
        block = self._block(index)
        in_epoch = self.params.slots_per_epoch
        epoch, slot_index = divmod(block.slot, in_epoch)
        count = self._count_at(index)
        return EpochInfo(block.slot, block.height, epoch, slot_index, in_epoch, count)

    def latest_blockhash(self, commitment: Commitment = "finalized") -> LatestBlockhash:
        """The newest hash of a full block at this commitment; its height + window is its LVBH."""
        block = self._block(self._index(commitment))
        full = block
        if not block.blockhash:
            full = self._unrooted[-2] if len(self._unrooted) > 1 else self._rooted[-1]
        last_valid = full.height + self.params.blockhash_window
        return LatestBlockhash(full.blockhash, block.slot, block.height, last_valid)

    def is_blockhash_valid(self, blockhash: bytes, commitment: Commitment = "processed") -> bool:
        """Whether a block on top of the commitment's could hold a transaction that names it."""
        height = self._window.height_of(blockhash)
        block = self._block(self._index(commitment))
        parent_height = block.height if block.blockhash else block.height - 1
        if height is None or height > parent_height:
            return False
        return parent_height - height <= self.params.blockhash_window

    def last_valid_block_height(self, blockhash: bytes) -> int | None:
        """LVBH of a remembered blockhash: the last block that may name it is one higher."""
        height = self._window.height_of(blockhash)
        return None if height is None else height + self.params.blockhash_window

    def signature_status(
        self, signature: bytes, *, search_history: bool = False
    ) -> SignatureStatus | None:
        """Status of a transaction: recent ones, or all that history still holds."""
        record = self._records.get(signature)
        if record is None:
            return None
        root = self._rooted[-1]
        if record.slot <= root.slot:
            if not search_history and record.slot + self.params.status_cache_slots < root.slot:
                return None
            return SignatureStatus(record.slot, record.err, "finalized", None)
        confirmed = self._block(self._index("confirmed"))
        level: Commitment = "confirmed" if record.slot <= confirmed.slot else "processed"
        depth = self._open.height - self._by_slot[record.slot].height
        return SignatureStatus(record.slot, record.err, level, depth)

    def transaction(
        self, signature: bytes, commitment: Commitment = "finalized"
    ) -> TransactionRecord | None:
        """The transaction if its block is at the commitment and history still holds it."""
        record = self._records.get(signature)
        if record is None or record.slot > self._block(self._index(commitment)).slot:
            return None
        return record

    def token_balances(self, tokens: Iterable[tuple[int, bytes]]) -> list[TokenBalance]:
        """A record's `pre_tokens` or `post_tokens` with what the accounts' mints say."""
        balances = []
        for index, data in tokens:
            mint = self._accounts.get(data[:32])
            decimals = 0 if mint is None else mint.data[44]
            balance = TokenBalance(index, data[:32], data[32:64], amount_of(data), decimals)
            balances.append(balance)
        return balances

    def signatures_for_address(
        self,
        address: bytes,
        *,
        limit: int = 1_000,
        before: bytes | None = None,
        until: bytes | None = None,
        commitment: Commitment = "finalized",
    ) -> list[TransactionRecord]:
        """Transactions that name an address, newest first, of those that history still holds."""
        found: list[TransactionRecord] = []
        is_started = before is None
        for block in self.blocks_backwards(commitment):
            for record in reversed(block.records):
                if record.signature == until or len(found) == limit:
                    return found
                if not is_started:
                    is_started = record.signature == before
                # A search in the bytes first: parsing costs fifty times as much.
                elif (
                    address in record.raw and address in parse_transaction(record.raw).message.keys
                ):
                    found.append(record)
        return found

    def blocks_backwards(self, commitment: Commitment = "finalized") -> Iterable[Block]:
        """Blocks from the commitment's backwards, as far as history goes."""
        for index in range(self._index(commitment), -1, -1):
            yield self._unrooted[index]
        yield from reversed(self._rooted)

    def block(self, slot: int, commitment: Commitment = "finalized") -> Block | None:
        """The block of a slot, None where it was skipped, pruned or is not at the commitment."""
        block = self._by_slot.get(slot)
        if block is None or slot > self._block(self._index(commitment)).slot:
            return None
        return block

    def first_available_slot(self) -> int:
        """The oldest slot from which on all transactions are still readable. Empty blocks may be
        forgotten at no loss: a chain on which nothing happened for a night has its whole history.
        """
        return self._first_kept_slot

    def block_time(self, slot: int) -> int | None:
        """Unix seconds of a block."""
        block = self._by_slot.get(slot)
        return None if block is None else block.time_ms // 1000

    @property
    def clock(self) -> Clock:
        """The open block's clock."""
        return self._clock
