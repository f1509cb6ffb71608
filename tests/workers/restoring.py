"""Backups of the store's file, and their restore beside a chain that has gone on."""

import sqlite3
from pathlib import Path

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.ledger.message import parse_transaction
from fairlead.solana.accounts import COMPUTE_BUDGET_PROGRAM, SYSTEM_PROGRAM
from fairlead.store.sqlite import SqliteStore
from tests.workers.world import World


class Copy:
    """A backup of a world's store. `take` it as often as you like: the last one counts."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._copy = file.with_suffix(".copy")

    def take(self) -> None:
        source, copy = sqlite3.connect(self.file), sqlite3.connect(self._copy)
        source.backup(copy)
        source.close()
        copy.close()

    async def restore(self, world: World) -> list[str]:
        """Kill every process and go back to the copy, which is kept; the orders that are lost."""
        for process in world.processes:
            if not process.crashed.is_set():
                await process.crash()
        await world.store.close()
        for path in self.file.parent.glob(f"{self.file.name}*"):
            path.unlink()
        self.file.write_bytes(self._copy.read_bytes())
        world.store = SqliteStore(self.file, world.clock, world._committed, inline=True)
        await world.store.open()
        # What was written since is gone, for streams too.
        world.events = list(await world.store.feed(0, 100_000))
        lost = [each for each in world.orders if await world.store.order(each) is None]
        world.orders = [each for each in world.orders if each not in lost]
        return lost


PLAIN = {bytes(SYSTEM_PROGRAM), bytes(COMPUTE_BUDGET_PROGRAM)}
"""All that a cancel is made of."""


def swaps_of(world: World, wallet: str) -> list[str]:
    """Signatures of the successful transactions that this wallet paid for, cancels left out."""
    payer = bytes(Pubkey.from_string(wallet))
    return [
        str(Signature.from_bytes(record.signature))
        for block in world.paper.bank.blocks_backwards("processed")
        for record in block.records
        if record.err is None
        and (message := parse_transaction(record.raw).message).keys[0] == payer
        and any(message.keys[each.program_index] not in PLAIN for each in message.instructions)
    ]
