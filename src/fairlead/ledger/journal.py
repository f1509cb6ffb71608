"""The durable form of a ledger: bytes of a snapshot and of what became final after it.

A frame is 4 bytes of magic, the payload's length and CRC-32 (u32, little-endian), the CRC-32 of
those twelve bytes, then the payload: one record as msgpack. A file is a snapshot's frame followed
by any number of others, appended and synced in the order the bank gave them. A crash tears at most
the end of it: what is no whole frame there is dropped. A bad frame with a good one after it is
corruption, and refused.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping

import msgspec

from fairlead.ledger.account import AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.program import Program
from fairlead.ledger.records import RootChange, RootedSlot, Snapshot

MAGIC = b"\xf1fl1"
_HEAD = struct.Struct("<4sII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEAD.size + _CRC.size
MAX_PAYLOAD_BYTES = 2**31
"""More than any snapshot: a length above it is damage."""

Record = Snapshot | RootedSlot | RootChange

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class CorruptJournal(Exception):
    """The journal is damaged before its end: restore it from a copy, or start a new ledger."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


def encode(record: Record) -> bytes:
    """One frame."""
    payload = _encoder.encode(record)
    head = _HEAD.pack(MAGIC, len(payload), zlib.crc32(payload))
    return head + _CRC.pack(zlib.crc32(head)) + payload


def decode(data: bytes) -> tuple[list[Record], int]:
    """All whole records and the bytes they take; a torn end is left out, other damage refused."""
    records: list[Record] = []
    at = 0
    while at < len(data):
        end = _frame_end(data, at)
        if end is None:
            _refuse_damage(data, at)
            break
        try:
            records.append(_decoder.decode(data[at + HEADER_BYTES : end]))
        except msgspec.DecodeError as error:
            raise CorruptJournal(at, f"a record of another version: {error}") from error
        at = end
    return records, at


def _frame_end(data: bytes, at: int) -> int | None:
    """Where the frame at this offset ends, None if it is not whole."""
    if at + HEADER_BYTES > len(data):
        return None
    magic, length, crc = _HEAD.unpack_from(data, at)
    (head_crc,) = _CRC.unpack_from(data, at + _HEAD.size)
    if magic != MAGIC or head_crc != zlib.crc32(data[at : at + _HEAD.size]):
        return None
    end = at + HEADER_BYTES + int(length)
    if length > MAX_PAYLOAD_BYTES or end > len(data):
        return None
    if zlib.crc32(data[at + HEADER_BYTES : end]) != crc:
        return None
    return end


def _refuse_damage(data: bytes, at: int) -> None:
    later = data.find(MAGIC, at + 1)
    while later != -1:
        if _frame_end(data, later) is not None:
            raise CorruptJournal(at, f"a damaged record before a good one at byte {later}")
        later = data.find(MAGIC, later + 1)


def recover(
    programs: Mapping[bytes, Program], records: Iterable[Record], *, keeps_journal: bool = True
) -> Bank:
    """The ledger with everything that was rooted and nothing later: the fork that a crash is.

    Call `Bank.resume(now_ms)` before use: it says which slot it is by now. The bank's next blocks
    differ from the ones that were lost, so blockhashes of those stay unknown.
    """
    snapshot: Snapshot | None = None
    for record in records:
        if isinstance(record, Snapshot):
            snapshot = record
        elif snapshot is None:
            raise CorruptJournal(0, "no snapshot at the start")
        else:
            _apply(snapshot, record)
    if snapshot is None:
        raise CorruptJournal(0, "no snapshot")
    snapshot.fork += 1
    return Bank(programs, snapshot, keeps_journal=keeps_journal)


def _apply(snapshot: Snapshot, record: RootedSlot | RootChange) -> None:
    if isinstance(record, RootedSlot):
        root = snapshot.blocks[-1]
        if record.block.previous_blockhash != root.blockhash:
            raise CorruptJournal(0, f"slot {record.block.slot} does not follow slot {root.slot}")
        snapshot.blocks.append(record.block)
        snapshot.params = record.params
        snapshot.fork = record.fork
        snapshot.transaction_count = record.transaction_count
    _set(snapshot.accounts, record.changed)


def _set(
    accounts: dict[bytes, AccountState], changed: Iterable[tuple[bytes, AccountState | None]]
) -> None:
    for key, state in changed:
        if state is None:
            accounts.pop(key, None)
        else:
            accounts[key] = state
