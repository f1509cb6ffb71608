"""What a paper chain itself says it executed, read from its journal: no word of the engine's."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from fairlead.ledger import journal
from fairlead.ledger.blocks import Block
from fairlead.ledger.market import KINDS
from fairlead.ledger.records import RootedSlot, Snapshot

_VENUES: Set[Pubkey] = frozenset([Pubkey(kind.program_id) for kind in KINDS.values()])


class Proof(msgspec.Struct, frozen=True, rename="camel"):
    """How often swaps succeeded, and how often one too many did."""

    successful_swaps: int
    double_executions: int
    # chain: counted in its own blocks. engine: by the state of each attempt, as the engine tells.
    counted_by: str


def count(signatures: Mapping[str, Sequence[str]], swapped: Set[str], counted_by: str) -> Proof:
    """`signatures` by order, against those that swapped. A swap of no order is one too many."""
    each = [sum(signature in swapped for signature in own) for own in signatures.values()]
    nobodys = len(swapped) - sum(each)
    return Proof(len(swapped), sum(max(0, n - 1) for n in each) + nobodys, counted_by)


def swaps_on(folder: Path) -> Set[str]:
    """Signatures of every final transaction with a swap that succeeded, on the chain below here."""
    swapped: set[str] = set()
    for file in sorted(folder.rglob("paper-*.journal")):
        for block in _blocks(file):
            for record in block.records:
                if record.err is None and _has_swap(record.raw):
                    swapped.add(str(Signature.from_bytes(record.signature)))
    return swapped


def _blocks(file: Path) -> Iterator[Block]:
    records, _ = journal.decode(file.read_bytes())
    for record in records:
        if isinstance(record, Snapshot):
            yield from record.blocks
        elif isinstance(record, RootedSlot):
            yield record.block


def _has_swap(raw: bytes) -> bool:
    message = VersionedTransaction.from_bytes(raw).message
    keys = message.account_keys
    return any(keys[i.program_id_index] in _VENUES for i in message.instructions)
