"""A message's bytes with its variable parts left open, compiled once per shape and then filled.

Filling costs 1 µs; compiling through `MessageV0.try_compile` and the instruction objects it takes
ten times that. The order of keys is ours (solders sorts them): payer, the accounts whose address
varies, the other writable ones, the read-only ones.
"""

from collections.abc import Sequence

import msgspec
from solders.instruction import Instruction
from solders.pubkey import Pubkey

_VERSION_0 = b"\x80"
_NO_LOOKUP_TABLES = b"\x00"
MAX_KEYS = 64
"""Accounts that a transaction may lock."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """An instruction, with the (start, stop) places of its data that vary between messages of one
    shape."""

    instruction: Instruction
    open: tuple[tuple[int, int], ...] = ()


class Template(msgspec.Struct, frozen=True, gc=False):
    """A message in the form that `bytes %` takes."""

    pattern: bytes
    # Bytes of every message filled from it.
    size: int

    def fill(self, values: Sequence[bytes]) -> bytes:
        """The message with these values, in message order: varying addresses, blockhash, open data
        places."""
        message = self.pattern % tuple(values)
        assert len(message) == self.size
        return message


def compile_template(payer: Pubkey, varying: Sequence[Pubkey], steps: Sequence[Step]) -> Template:
    """The template of these instructions. `varying` are writable accounts whose addresses are left
    open."""
    keys, readonly_count = _ordered_keys(payer, varying, steps)
    assert len(keys) <= MAX_KEYS
    index = {key: at for at, key in enumerate(keys)}
    rest = b"".join(bytes(key) for key in keys[1 + len(varying) :])
    # None stands for an open place.
    pieces: list[bytes | None] = [
        _VERSION_0 + bytes([1, 0, readonly_count]) + _compact_u16(len(keys)) + bytes(payer),
        *[None for _ in varying],
        rest,
        None,
        _compact_u16(len(steps)),
    ]
    size = 32 * len(varying) + 32
    for step in steps:
        instruction = step.instruction
        data = instruction.data
        accounts = bytes([index[meta.pubkey] for meta in instruction.accounts])
        head = bytes([index[instruction.program_id]]) + _compact_u16(len(accounts)) + accounts
        pieces.append(head + _compact_u16(len(data)))
        at = 0
        for start, stop in step.open:
            pieces += data[at:start], None
            size += stop - start
            at = stop
        pieces.append(data[at:])
    pieces.append(_NO_LOOKUP_TABLES)
    size += sum(len(piece) for piece in pieces if piece is not None)
    pattern = b"".join(b"%b" if p is None else p.replace(b"%", b"%%") for p in pieces)
    return Template(pattern, size)


def _ordered_keys(
    payer: Pubkey, varying: Sequence[Pubkey], steps: Sequence[Step]
) -> tuple[list[Pubkey], int]:
    """All keys in message order, and how many at the end are read-only."""
    writable: dict[Pubkey, bool] = {payer: True, **dict.fromkeys(varying, True)}
    for step in steps:
        for meta in step.instruction.accounts:
            assert meta.pubkey == payer or not meta.is_signer, "one key signs"
            writable[meta.pubkey] = writable.get(meta.pubkey, False) or meta.is_writable
        writable.setdefault(step.instruction.program_id, False)
    keys = [key for key, is_writable in writable.items() if is_writable]
    readonly = [key for key, is_writable in writable.items() if not is_writable]
    return keys + readonly, len(readonly)


def _compact_u16(number: int) -> bytes:
    """A length as the wire writes it: seven bits a byte, lowest first."""
    assert 0 <= number < 1 << 14
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])
