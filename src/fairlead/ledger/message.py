"""Signed transactions from their wire bytes: legacy and version 0, without address lookup tables.

Wire form: compact-u16 count of signatures, the signatures, then the message they sign: (0x80 for
version 0) three header bytes, keys, the blockhash, instructions and, in version 0, lookup tables.
Held against solders in tests/unit/ledger/test_message.py. Own code since the way through solders
objects costs 40 µs more.
"""

import msgspec

SIGNATURE_BYTES = 64
KEY_BYTES = 32
VERSION_0 = 0x80
MAX_TRANSACTION_BYTES = 1232
"""Bytes of a transaction that fit the cluster's packets (IPv6 minimum MTU less headers)."""


class MalformedTransaction(ValueError):
    """Bytes that are not a transaction a cluster would read. The message is for people."""


class CompiledInstruction(msgspec.Struct, frozen=True, gc=False):
    """An instruction with keys as indexes."""

    program_index: int
    # Index of an account key in each byte.
    account_indexes: bytes
    data: bytes


class Message(msgspec.Struct, frozen=True, gc=False):
    """What is signed."""

    required_signatures: int
    readonly_signed: int
    readonly_unsigned: int
    keys: tuple[bytes, ...]
    blockhash: bytes
    instructions: tuple[CompiledInstruction, ...]
    # None in the legacy form.
    version: int | None
    # Tables it looks addresses up in; the paper ledger refuses any.
    lookup_tables: int
    # Its own bytes, as signed.
    raw: bytes

    def is_writable(self, index: int) -> bool:
        """Whether the header asks for write access; reserved keys are demoted by the runtime."""
        if index < self.required_signatures:
            return index < self.required_signatures - self.readonly_signed
        return index < len(self.keys) - self.readonly_unsigned


class SignedTransaction(msgspec.Struct, frozen=True, gc=False):
    """Signatures and what they sign."""

    signatures: tuple[bytes, ...]
    message: Message


def parse_transaction(raw: bytes) -> SignedTransaction:
    """The transaction in these bytes, all of them, or `MalformedTransaction`."""
    count, at = _compact_u16(raw, 0)
    end = at + count * SIGNATURE_BYTES
    if end > len(raw):
        raise MalformedTransaction("ends inside its signatures")
    signatures = tuple([raw[i : i + SIGNATURE_BYTES] for i in range(at, end, SIGNATURE_BYTES)])
    message = parse_message(raw[end:])
    if count != message.required_signatures:
        raise MalformedTransaction(f"{count} signatures, {message.required_signatures} required")
    return SignedTransaction(signatures, message)


def parse_message(raw: bytes) -> Message:
    """The message in these bytes, all of them, or `MalformedTransaction`."""
    try:
        return _parse_message(raw)
    except IndexError:
        raise MalformedTransaction("message ends too early") from None


def _parse_message(raw: bytes) -> Message:
    version: int | None = None
    at = 0
    if raw[0] & VERSION_0:
        version = raw[0] & 0x7F
        if version != 0:
            raise MalformedTransaction(f"version {version} is not supported")
        at = 1
    required, readonly_signed, readonly_unsigned = raw[at], raw[at + 1], raw[at + 2]
    key_count, at = _compact_u16(raw, at + 3)
    keys_end = at + key_count * KEY_BYTES
    keys = tuple([raw[i : i + KEY_BYTES] for i in range(at, keys_end, KEY_BYTES)])
    at = keys_end + KEY_BYTES
    blockhash = raw[keys_end:at]
    instruction_count, at = _compact_u16(raw, at)
    instructions = []
    highest_index = 0
    for _ in range(instruction_count):
        program_index = raw[at]
        account_count = raw[at + 1]
        at += 2
        if account_count & 0x80:
            account_count, at = _compact_u16(raw, at - 1)
        data_start = at + account_count
        data_size = raw[data_start]
        indexes = raw[at:data_start]
        at = data_start + 1
        if data_size & 0x80:
            data_size, at = _compact_u16(raw, data_start)
        data_end = at + data_size
        instructions.append(CompiledInstruction(program_index, indexes, raw[at:data_end]))
        at = data_end
        if not 0 < program_index < key_count:
            raise MalformedTransaction("a program index is outside the account keys")
        if indexes:
            highest_index = max(highest_index, *indexes)
    lookup_tables = 0
    if version is not None:
        lookup_tables, at = _compact_u16(raw, at)
    if lookup_tables == 0 and highest_index >= key_count:
        raise MalformedTransaction("an account index is outside the account keys")
    if lookup_tables == 0 and at != len(raw):
        raise MalformedTransaction(f"{len(raw)} bytes, {at} expected")
    if not 0 < required or readonly_signed >= required or required + readonly_unsigned > key_count:
        raise MalformedTransaction("header does not fit the account keys")
    return Message(
        required,
        readonly_signed,
        readonly_unsigned,
        keys,
        blockhash,
        tuple(instructions),
        version,
        lookup_tables,
        raw,
    )


def _compact_u16(raw: bytes, at: int) -> tuple[int, int]:
    """The number at this offset and the offset after it. One to three bytes, shortest form only."""
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    second = raw[at + 1]
    if second < 0x80:
        if second == 0:
            raise MalformedTransaction("a length is not in its shortest form")
        return first & 0x7F | second << 7, at + 2
    third = raw[at + 2]
    if not 0 < third < 4:
        raise MalformedTransaction("a length is out of range")
    return first & 0x7F | (second & 0x7F) << 7 | third << 14, at + 3
