"""What the paper chain itself says it executed, read from its journal: independent of any API."""

from pathlib import Path

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from fairlead.ledger import journal
from fairlead.ledger.blocks import Block
from fairlead.ledger.market import KINDS
from fairlead.ledger.records import RootedSlot, Snapshot

VENUE_PROGRAMS = frozenset([Pubkey(kind.program_id) for kind in KINDS.values()])


def landed_swaps(folder: Path) -> list[tuple[str, object]]:
    """Signature and error (None for success) of every transaction with a swap that is final."""
    files = sorted(folder.rglob("paper-*.journal"), key=lambda file: file.stat().st_mtime)
    assert files, f"no paper chain below {folder}"
    found: dict[str, object] = {}
    for file in files:
        for block in _blocks(file):
            for record in block.records:
                if _has_swap(record.raw):
                    found[str(Signature.from_bytes(record.signature))] = record.err
    return list(found.items())


def _blocks(file: Path) -> list[Block]:
    blocks: list[Block] = []
    for record in journal.decode(file.read_bytes())[0]:
        if isinstance(record, Snapshot):
            blocks += record.blocks
        elif isinstance(record, RootedSlot):
            blocks.append(record.block)
    return blocks


def _has_swap(raw: bytes) -> bool:
    message = VersionedTransaction.from_bytes(raw).message
    keys = message.account_keys
    return any(keys[i.program_id_index] in VENUE_PROGRAMS for i in message.instructions)
