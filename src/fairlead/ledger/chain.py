"""Blocks over accounts: time, what each block changed, forks, and what is final.

Each unrooted block keeps the states before it of the accounts it changed, so that a read at the
root is exact and a fork is a walk backwards.

    rooted … root | unrooted … confirmed … | open        finality_depth blocks from root to open
"""

from collections import deque
from collections.abc import Callable, Mapping

from fairlead.ledger.account import AccountState
from fairlead.ledger.blocks import (
    Block,
    BlockhashWindow,
    Commitment,
    LedgerParams,
    TransactionRecord,
    blockhash_of,
)
from fairlead.ledger.execution import Clock
from fairlead.ledger.message import Message, parse_transaction
from fairlead.ledger.records import RootChange, RootedSlot, Snapshot


class Chain:
    """The blocks and the accounts. `Bank` puts transactions into them."""

    def __init__(self, snapshot: Snapshot, keeps_journal: bool) -> None:
        self.params = snapshot.params
        self._seed = snapshot.seed
        self._fork = snapshot.fork
        self._accounts = dict(snapshot.accounts)
        self._transaction_count = snapshot.transaction_count
        self._window = BlockhashWindow()
        self._records: dict[bytes, TransactionRecord] = {}
        # Rooted and unrooted, as far as history goes.
        self._by_slot: dict[int, Block] = {}
        self._rooted: deque[Block] = deque()
        self._rooted_transactions = 0
        for block in snapshot.blocks:
            self._add_rooted(block)
        # From here on no transaction is forgotten. What a snapshot has not is taken for forgotten,
        # unless nothing ever happened.
        self._first_kept_slot = self._rooted[0].slot if snapshot.transaction_count else 0
        self._unrooted: list[Block] = []
        self._keeps_journal = keeps_journal
        # By slot of a full unrooted block, for the journal: the states after it of the accounts it
        # changed.
        self._ends: dict[int, dict[bytes, AccountState | None]] = {}
        self._journal: list[RootedSlot | RootChange] = []
        root = self._rooted[-1]
        self._open_next(root, root.slot + 1, root.time_ms)

    # -- time --------------------------------------------------------------------------------------

    def produce_slot(self, now_ms: int, skipped: int = 0) -> int:
        """End the open block and open the next, `skipped` slots later than the next one; its slot.

        Skipped slots have no block: the slot moves, the height does not.
        """
        full = self._unrooted[-1]
        full.blockhash = blockhash_of(full, self._fork)
        self._window.add(full.blockhash, full.height)
        if self._keeps_journal:
            self._ends[full.slot] = {key: self._accounts.get(key) for key in full.before}
        self._open_next(full, full.slot + 1 + skipped, now_ms)
        while self._open.height - self._rooted[-1].height > self.params.finality_depth:
            self._root_oldest()
        return self._open.slot

    def set_params(self, params: LedgerParams) -> None:
        """Change what the cluster's parameters are, from the open block on."""
        self.params = params

    def resume(self, now_ms: int, *, ticks_on: bool = False) -> int:
        """Go on at a later wall time; the slots passed are skipped unless it ticks on. The slot."""
        passed = max(0, now_ms - self._open.time_ms) // self.params.slot_ms
        return self.produce_slot(now_ms, 0 if ticks_on else max(0, passed - 1))

    def _open_next(self, parent: Block, slot: int, now_ms: int) -> None:
        block = Block(
            slot, parent.height + 1, parent.slot, max(now_ms, parent.time_ms), parent.blockhash,
            b"", [], {},
        )  # fmt: skip
        self._unrooted.append(block)
        self._by_slot[slot] = block
        self._open = block
        unix_timestamp = block.time_ms // 1000
        self._clock = Clock(slot, unix_timestamp, slot // self.params.slots_per_epoch)

    def _root_oldest(self) -> None:
        block = self._unrooted.pop(0)
        block.before = {}
        self._add_rooted(block)
        if self._keeps_journal:
            states = list(self._ends.pop(block.slot).items())
            self._journal.append(
                RootedSlot(block, states, self.params, self._fork, self._count_at(-1))
            )
        self._window.prune(block.height, self.params.blockhash_window)
        self._prune_history()

    def _add_rooted(self, block: Block) -> None:
        """Take over a block as the newest rooted one; one that was unrooted is known already."""
        self._rooted.append(block)
        self._by_slot[block.slot] = block
        self._rooted_transactions += len(block.records)
        if self._window.height_of(block.blockhash) is None:
            self._window.add(block.blockhash, block.height)
            for record in block.records:
                self._records[record.signature] = record
                self._mark(parse_transaction(record.raw).message, record.slot)

    def _mark(self, message: Message, slot: int) -> None:
        if self._window.height_of(message.blockhash) is not None:
            self._window.mark(message.blockhash, message.digest, slot)

    def _prune_history(self) -> None:
        params = self.params
        while (
            self._rooted_transactions > params.history_transactions
            or len(self._rooted) > params.history_blocks
        ) and len(self._rooted) > 2 * params.blockhash_window:
            block = self._rooted.popleft()
            del self._by_slot[block.slot]
            self._rooted_transactions -= len(block.records)
            for record in block.records:
                self._records.pop(record.signature, None)
            if block.records:
                self._first_kept_slot = block.slot + 1

    # -- state changes that no transaction makes ---------------------------------------------------

    def apply(self, changes: Mapping[bytes, AccountState]) -> None:
        """Set accounts in the open block: the market moving, not a transaction."""
        before = self._open.before
        for key, state in changes.items():
            if key not in before:
                before[key] = self._accounts.get(key)
            self._accounts[key] = state

    def change_at_root(
        self, changes: Mapping[bytes, Callable[[AccountState | None], AccountState]]
    ) -> None:
        """Change accounts at the root and in every block after it, so that it is final at once."""
        for key, change in changes.items():
            for block in self._unrooted:
                if key in block.before:
                    block.before[key] = change(block.before[key])
            for end in self._ends.values():
                if key in end:
                    end[key] = change(end[key])
            self._accounts[key] = change(self._accounts.get(key))
        if self._keeps_journal:
            states = [(key, self._state_at(key, -1)) for key in changes]
            self._journal.append(RootChange(states))

    # -- forks -------------------------------------------------------------------------------------

    def drop_unrooted(self, last: int | None = None) -> list[bytes]:
        """A fork: the last blocks, the open one counted, or all after the root never were.

        Returns the signatures they held. The next block is open afterwards, on a later slot.
        """
        keep = 0 if last is None else max(0, len(self._unrooted) - last)
        tip_slot, now_ms = self._open.slot, self._open.time_ms
        dropped: list[bytes] = []
        while len(self._unrooted) > keep:
            dropped.extend(self._drop_newest())
        self._fork += 1
        parent = self._unrooted[-1] if self._unrooted else self._rooted[-1]
        self._open_next(parent, tip_slot + 1, now_ms)
        return dropped

    def _drop_newest(self) -> list[bytes]:
        block = self._unrooted.pop()
        del self._by_slot[block.slot]
        self._ends.pop(block.slot, None)
        for key, state in block.before.items():
            if state is None:
                self._accounts.pop(key, None)
            else:
                self._accounts[key] = state
        for record in block.records:
            del self._records[record.signature]
            message = parse_transaction(record.raw).message
            self._window.unmark(message.blockhash, message.digest)
        if block.blockhash:
            self._window.forget(block.blockhash)
        self._transaction_count -= len(block.records)
        return [record.signature for record in block.records]

    # -- durability --------------------------------------------------------------------------------

    def take_journal(self) -> list[RootedSlot | RootChange]:
        """What became final since the last call, in order, to be written and synced."""
        taken, self._journal = self._journal, []
        return taken

    def snapshot(self) -> Snapshot:
        """Everything that is rooted."""
        changed: set[bytes] = set().union(*(block.before for block in self._unrooted))
        accounts = {key: state for key, state in self._accounts.items() if key not in changed}
        for key in changed:
            state = self._state_at(key, -1)
            if state is not None:
                accounts[key] = state
        count = self._count_at(-1)
        return Snapshot(self._seed, self.params, self._fork, count, accounts, list(self._rooted))

    # -- inside ------------------------------------------------------------------------------------

    def _index(self, commitment: Commitment) -> int:
        """Index of the commitment's block in the unrooted ones, -1 for the root."""
        if commitment == "processed":
            return len(self._unrooted) - 1
        if commitment == "confirmed":
            return max(-1, len(self._unrooted) - 1 - self.params.confirmed_depth)
        return -1

    def _block(self, index: int) -> Block:
        return self._unrooted[index] if index >= 0 else self._rooted[-1]

    def _count_at(self, index: int) -> int:
        """Transactions up to this block."""
        return self._transaction_count - sum(
            len(block.records) for block in self._unrooted[index + 1 :]
        )

    def _state_at(self, key: bytes, index: int) -> AccountState | None:
        """The state after a block: what the first later block to change it found, else today's."""
        for later in range(index + 1, len(self._unrooted)):
            before = self._unrooted[later].before
            if key in before:
                return before[key]
        return self._accounts.get(key)
