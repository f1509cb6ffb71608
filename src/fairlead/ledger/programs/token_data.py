"""Bytes of SPL Token mints and accounts. Offsets: the layouts of spl-token `state.rs`."""

from struct import Struct as Layout

from solders.pubkey import Pubkey

TOKEN_PROGRAM = bytes(Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"))
NATIVE_MINT = bytes(Pubkey.from_string("So11111111111111111111111111111111111111112"))

ACCOUNT_SIZE = 165
MINT_SIZE = 82
INITIALIZED, FROZEN = 1, 2
U64 = Layout("<Q")
AMOUNT_OFFSET = 64
STATE_OFFSET = 108
NO_KEY = bytes(36)
"""An absent key: COption::None."""


def some_key(key: bytes) -> bytes:
    """A present key: COption::Some."""
    return b"\x01\x00\x00\x00" + key


def option_key(data: bytes, at: int) -> bytes | None:
    """The optional key at this offset."""
    return data[at + 4 : at + 36] if data[at] else None


def amount_of(data: bytes) -> int:
    """Atoms a token account holds."""
    return int.from_bytes(data[64:72], "little")


def is_native(data: bytes) -> bool:
    """Whether a token account holds wrapped SOL."""
    return data[109] != 0


def with_amount(data: bytes, atoms: int) -> bytes:
    """The token account with another amount."""
    return data[:64] + atoms.to_bytes(8, "little") + data[72:]


def with_bytes(data: bytes, at: int, piece: bytes) -> bytes:
    """The account with these bytes at this offset."""
    return data[:at] + piece + data[at + len(piece) :]


def token_account(
    mint: bytes, owner: bytes, atoms: int, native_reserve: int | None = None
) -> bytes:
    """A token account; wrapped SOL's knows the lamports that keep it rent-exempt."""
    native = bytes(12)
    if native_reserve is not None:
        native = b"\x01\x00\x00\x00" + native_reserve.to_bytes(8, "little")
    return b"".join(
        (mint, owner, atoms.to_bytes(8, "little"), NO_KEY, b"\x01", native, bytes(8), NO_KEY)
    )


def mint(supply_atoms: int, decimals: int, authority: bytes | None = None) -> bytes:
    """A mint without freeze authority."""
    owner = NO_KEY if authority is None else some_key(authority)
    return owner + supply_atoms.to_bytes(8, "little") + bytes((decimals, 1)) + NO_KEY
