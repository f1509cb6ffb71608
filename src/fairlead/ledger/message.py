"""Signed transactions from their wire bytes: legacy and version 0, without address lookup tables.

Wire form: compact-u16 count of signatures, the signatures, then the message they sign: (0x80 for
version 0) three header bytes, keys, the blockhash, instructions and, in version 0, lookup tables.
Held against solders in tests/unit/ledger/test_message.py. Own code since the way through solders
objects costs 40 µs more.

Most messages are alike but for keys, blockhash and instruction data. What they share is their
shape, read once and then recognised: its layout takes the next message apart in one call.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from operator import itemgetter
from struct import Struct as Layout
from typing import Any

import msgspec

SIGNATURE_BYTES = 64
KEY_BYTES = 32
VERSION_0 = 0x80
MAX_TRANSACTION_BYTES = 1232
"""Bytes of a transaction that fit the cluster's packets (IPv6 minimum MTU less headers)."""

MAX_SHAPES = 1_024
"""Shapes remembered, about 3 KB each; when full they are read anew."""

MAX_SHAPES_ALIKE = 8
"""Shapes of one size and header that are tried on a message before it is read the long way."""

MAX_KEYS = 256
"""More than an index of one byte reaches."""


class MalformedTransaction(ValueError):
    """Bytes that are not a transaction a cluster would read. The message is for people."""


class CompiledInstruction(msgspec.Struct, frozen=True, gc=False):
    """An instruction with keys as indexes."""

    program_index: int
    # Index of an account key in each byte.
    account_indexes: bytes
    data: bytes


class Shape(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What messages have in common that differ in keys, blockhash and instruction data only."""

    required_signatures: int
    readonly_signed: int
    readonly_unsigned: int
    key_count: int
    # None in the legacy form.
    version: int | None
    # Tables it looks addresses up in; the paper ledger refuses any.
    lookup_tables: int
    # Of each instruction.
    program_indexes: tuple[int, ...]
    account_indexes: tuple[bytes, ...]
    # From a message's keys to its programs' keys, or to the one key of its only program.
    program_keys: Callable[[tuple[bytes, ...]], Any]


class Message(msgspec.Struct, frozen=True, gc=False):
    """What is signed."""

    shape: Shape
    keys: tuple[bytes, ...]
    blockhash: bytes
    # Of each instruction.
    datas: tuple[bytes, ...]
    # Its own bytes, as signed, and their SHA-256.
    raw: bytes
    digest: bytes
    has_duplicate_keys: bool

    @property
    def required_signatures(self) -> int:
        return self.shape.required_signatures

    @property
    def version(self) -> int | None:
        """None for the legacy form."""
        return self.shape.version

    @property
    def lookup_tables(self) -> int:
        return self.shape.lookup_tables

    @property
    def instructions(self) -> tuple[CompiledInstruction, ...]:
        shape = self.shape
        found = zip(shape.program_indexes, shape.account_indexes, self.datas, strict=True)
        return tuple([CompiledInstruction(*each) for each in found])

    def is_writable(self, index: int) -> bool:
        """Whether the header asks for write access; reserved keys are demoted by the runtime."""
        shape = self.shape
        if index < shape.required_signatures:
            return index < shape.required_signatures - shape.readonly_signed
        return index < len(self.keys) - shape.readonly_unsigned


class SignedTransaction(msgspec.Struct, frozen=True, gc=False):
    """Signatures and what they sign."""

    signatures: tuple[bytes, ...]
    message: Message


class _Known(msgspec.Struct, frozen=True, gc=False):
    """A shape as it lies in the bytes: the keys and datas lie between `fixed` pieces."""

    shape: Shape
    layout: Layout
    # What is not a key, a blockhash or data, piece by piece.
    prefix: bytes
    fixed: tuple[bytes, ...]


_known: dict[tuple[int, bytes], list[_Known]] = {}

NOTHING_KNOWN: Mapping[bytes, Message] = {}


def parse_transaction(
    raw: bytes, known: Mapping[bytes, Message] = NOTHING_KNOWN
) -> SignedTransaction:
    """The transaction in these bytes, all of them, or `MalformedTransaction`.

    A message that is `known` by its bytes is not read again.
    """
    if raw and raw[0] == 1 and len(raw) > 1 + SIGNATURE_BYTES:
        count, end = 1, 1 + SIGNATURE_BYTES
        signatures: tuple[bytes, ...] = (raw[1:end],)
    else:
        count, at = _compact_u16(raw, 0)
        end = at + count * SIGNATURE_BYTES
        if end > len(raw):
            raise MalformedTransaction("ends inside its signatures")
        signatures = tuple([raw[i : i + SIGNATURE_BYTES] for i in range(at, end, SIGNATURE_BYTES)])
    message_raw = raw[end:]
    message = known.get(message_raw) or parse_message(message_raw)
    required = message.shape.required_signatures
    if count != required:
        raise MalformedTransaction(f"{count} signatures, {required} required")
    return SignedTransaction(signatures, message)


def parse_message(raw: bytes) -> Message:
    """The message in these bytes, all of them, or `MalformedTransaction`."""
    for known in _known.get((len(raw), raw[:5]), ()):
        found = known.layout.unpack(raw)
        keys_end = known.shape.key_count + 1
        if found[keys_end + 1 :: 2] == known.fixed and found[0] == known.prefix:
            keys = found[1:keys_end]
            return _message(known.shape, keys, found[keys_end], found[keys_end + 2 :: 2], raw)
    try:
        return _parse_message(raw)
    except IndexError:
        raise MalformedTransaction("message ends too early") from None


def keys_in(raw: bytes) -> tuple[bytes, ...]:
    """The account keys of bytes that are known to be a transaction: a fifth of reading it."""
    signatures, at = _compact_u16(raw, 0)
    at += signatures * SIGNATURE_BYTES
    # After the version, if there is one, and the header.
    count, at = _compact_u16(raw, at + 4 if raw[at] & VERSION_0 else at + 3)
    return _keys_layout(count).unpack_from(raw, at)


@functools.lru_cache(maxsize=MAX_KEYS)
def _keys_layout(count: int) -> Layout:
    return Layout(f"{KEY_BYTES}s" * count)


def _message(
    shape: Shape, keys: tuple[bytes, ...], blockhash: bytes, datas: tuple[bytes, ...], raw: bytes
) -> Message:
    digest = hashlib.sha256(raw).digest()
    return Message(shape, keys, blockhash, datas, raw, digest, len(set(keys)) != len(keys))


def _parse_message(raw: bytes) -> Message:
    version: int | None = None
    at = 0
    if raw[0] & VERSION_0:
        version = raw[0] & 0x7F
        if version != 0:
            raise MalformedTransaction(f"version {version} is not supported")
        at = 1
    required, readonly_signed, readonly_unsigned = raw[at], raw[at + 1], raw[at + 2]
    key_count, keys_start = _compact_u16(raw, at + 3)
    keys_end = keys_start + key_count * KEY_BYTES
    keys = tuple([raw[i : i + KEY_BYTES] for i in range(keys_start, keys_end, KEY_BYTES)])
    at = keys_end + KEY_BYTES
    blockhash = raw[keys_end:at]
    instruction_count, at = _compact_u16(raw, at)
    programs: list[int] = []
    indexes: list[bytes] = []
    # Where each instruction's data begins and ends.
    places: list[tuple[int, int]] = []
    for _ in range(instruction_count):
        program_index = raw[at]
        account_count, at = _compact_u16(raw, at + 1)
        data_start = at + account_count
        data_size, data_at = _compact_u16(raw, data_start)
        programs.append(program_index)
        indexes.append(raw[at:data_start])
        at = data_at + data_size
        places.append((data_at, at))
        if not 0 < program_index < key_count:
            raise MalformedTransaction("a program index is outside the account keys")
    lookup_tables = 0
    if version is not None:
        lookup_tables, at = _compact_u16(raw, at)
    if lookup_tables == 0 and max(b"".join(indexes), default=0) >= key_count:
        raise MalformedTransaction("an account index is outside the account keys")
    if lookup_tables == 0 and at != len(raw):
        raise MalformedTransaction(f"{len(raw)} bytes, {at} expected")
    if not 0 < required or readonly_signed >= required or required + readonly_unsigned > key_count:
        raise MalformedTransaction("header does not fit the account keys")
    shape = Shape(
        required,
        readonly_signed,
        readonly_unsigned,
        key_count,
        version,
        lookup_tables,
        tuple(programs),
        tuple(indexes),
        itemgetter(*dict.fromkeys(programs)) if programs else _no_keys,
    )
    if lookup_tables == 0:
        _remember(shape, raw, keys_start, keys_end, places)
    datas = tuple([raw[start:stop] for start, stop in places])
    return _message(shape, keys, blockhash, datas, raw)


def _no_keys(keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return ()


def _remember(
    shape: Shape, raw: bytes, keys_start: int, keys_end: int, places: list[tuple[int, int]]
) -> None:
    form = [f"<{keys_start}s" + f"{KEY_BYTES}s" * (shape.key_count + 1)]
    fixed: list[bytes] = []
    at = keys_end + KEY_BYTES
    for start, stop in places:
        fixed.append(raw[at:start])
        form.append(f"{start - at}s{stop - start}s")
        at = stop
    fixed.append(raw[at:])
    form.append(f"{len(raw) - at}s")
    if len(_known) >= MAX_SHAPES:
        _known.clear()
    alike = _known.setdefault((len(raw), raw[:5]), [])
    if len(alike) < MAX_SHAPES_ALIKE:
        alike.append(_Known(shape, Layout("".join(form)), raw[:keys_start], tuple(fixed)))


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
