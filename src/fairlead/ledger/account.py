"""One account's state, immutable, and what it costs to keep it."""

import msgspec

RENT_LAMPORTS_PER_BYTE = 6_960
"""Lamports that exempt one byte from rent for good: 3,480 a byte and year, two years."""

RENT_OVERHEAD_BYTES = 128
"""Bytes an account is charged for on top of its data."""

SYSTEM_PROGRAM = bytes(32)


class AccountState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An account between two instructions. Zero lamports mean that it does not exist."""

    lamports: int
    data: bytes
    # Key of the program that may change it.
    owner: bytes
    executable: bool = False


EMPTY = AccountState(0, b"", SYSTEM_PROGRAM)
"""What an address without an account looks like to a program."""


def rent_minimum(space: int) -> int:
    """Lamports that make an account of this many data bytes rent-exempt."""
    return (RENT_OVERHEAD_BYTES + space) * RENT_LAMPORTS_PER_BYTE
