"""Keys, and the only place that has them. They leave as addresses and signatures, never in a
message.

`KeyWallet` holds the keys of files, for real clusters. `PaperWallet` makes keys up: an address
nobody holds a key for is mapped to a wallet of its own, always the same one.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Never

import msgspec
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from solders.pubkey import Pubkey

from fairlead.errors import ConfigError
from fairlead.solana import base58

KEY_VARIABLE = "FAIRLEAD_KEY_FILES"
MAX_KEY_FILE_BYTES = 4_096
MAX_KEYS = 1_000
"""Key files of one folder."""


class Keys:
    """Secret keys by address. Prints, pickles and compares as nothing but its addresses."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: dict[str, bytes] = {}

    def add_seed(self, seed: bytes) -> str:
        """Hold the key of this 32-byte seed; its address."""
        public, secret = crypto_sign_seed_keypair(seed)
        address = str(Pubkey.from_bytes(public))
        self._secrets[address] = secret
        return address

    def __contains__(self, address: str) -> bool:
        return address in self._secrets

    def addresses(self) -> tuple[str, ...]:
        """In the order they were added."""
        return tuple(self._secrets)

    def sign(self, address: str, message: bytes) -> bytes:
        """The signature. libsodium signs in 16 µs, solders' `Keypair` in 29."""
        return crypto_sign(message, self._secrets[address])[:64]

    def __repr__(self) -> str:
        return f"<{len(self._secrets)} keys>"

    def __reduce__(self) -> Never:
        raise TypeError("keys stay in their process")


class KeyWallet:
    """The keys of files: signs for the addresses they belong to and for no other."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Read them all; `ConfigError` names the first file that is not a key."""
        self._keys = Keys()
        for file in _key_files(files):
            self._keys.add_seed(_read_seed(file))
        if not self._keys.addresses():
            raise ConfigError(KEY_VARIABLE, "names no key; solana-keygen new makes one")

    @property
    def default_address(self) -> str:
        return self._keys.addresses()[0]

    def held_address(self, address: str) -> str | None:
        return address if address in self._keys else None

    def addresses(self) -> tuple[str, ...]:
        return self._keys.addresses()

    def sign(self, address: str, message: bytes) -> bytes:
        return self._keys.sign(address, message)


class PaperWallet:
    """Keys derived from a seed and the address they stand for.

    A derived key is found again from the address it stands for, not from its own address. So those
    addresses are kept in a file, one to a line: after a restart, and in another process, it is read
    again.
    """

    def __init__(self, seed: bytes, file: Path | None = None) -> None:
        self._seed = seed
        self._keys = Keys()
        self._mapped: dict[str, str] = {}
        self._file = file
        self._read_bytes = 0
        self._default = self._derive("default")
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            self._read_new_lines()

    @property
    def default_address(self) -> str:
        return self._default

    def held_address(self, address: str) -> str:
        """The address itself if its key is one of ours, else the wallet that stands for it."""
        found = self._mapped.get(address)
        if found is not None:
            return found
        if self._knows(address):
            return address
        found = self._derive(address)
        if self._file is not None:
            # One short write in append mode: lines of several processes do not mix.
            with self._file.open("ab", buffering=0) as file:
                file.write(address.encode("ascii") + b"\n")
        return found

    def addresses(self) -> tuple[str, ...]:
        return self._keys.addresses()

    def sign(self, address: str, message: bytes) -> bytes:
        if not self._knows(address):
            raise KeyError(address)
        return self._keys.sign(address, message)

    def _knows(self, address: str) -> bool:
        if address in self._keys:
            return True
        self._read_new_lines()
        return address in self._keys

    def _derive(self, stands_for: str) -> str:
        digest = hashlib.sha256(b"fairlead paper wallet\0" + self._seed + stands_for.encode())
        self._mapped[stands_for] = self._keys.add_seed(digest.digest())
        return self._mapped[stands_for]

    def _read_new_lines(self) -> None:
        if self._file is None or self._file.stat().st_size == self._read_bytes:
            return
        with self._file.open("rb") as file:
            file.seek(self._read_bytes)
            lines, end, _half_written = file.read().rpartition(b"\n")
        self._read_bytes += len(lines) + len(end)
        for line in lines.decode("ascii", "replace").split("\n"):
            if line and line not in self._mapped:
                self._derive(line)


def _key_files(paths: Iterable[Path]) -> list[Path]:
    """The files meant: a folder means all its .json files, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(path.glob("*.json"))[:MAX_KEYS])
        else:
            found.append(path)
    return found


def _read_seed(file: Path) -> bytes:
    """The 32 secret bytes in a key file: solana-keygen's JSON array, or 64 bytes in base58."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_KEY_FILE_BYTES + 1).strip()
    except OSError as error:
        raise ConfigError(KEY_VARIABLE, f"{file} cannot be read: {error.strerror}") from None
    # No cause is kept: its text or its frames might show what was in the file.
    key = _from_json(text) if text.startswith(b"[") else _from_base58(text)
    if key is None:
        raise ConfigError(
            KEY_VARIABLE, f"{file} is not a key: neither 64 numbers in JSON nor 64 bytes in base58"
        )
    if crypto_sign_seed_keypair(key[:32])[0] != key[32:]:
        raise ConfigError(KEY_VARIABLE, f"{file}: its secret and public halves do not match")
    return key[:32]


def _from_json(text: bytes) -> bytes | None:
    try:
        key = bytes(msgspec.json.decode(text, type=list[int]))
    except (msgspec.MsgspecError, ValueError):
        return None
    return key if len(key) == 64 else None


def _from_base58(text: bytes) -> bytes | None:
    key = base58.decode(text.decode("latin-1"))
    return key if key is not None and len(key) == 64 else None
