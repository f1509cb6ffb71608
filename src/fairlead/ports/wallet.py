"""Keys, and what they hold."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Wallet(Protocol):
    """Keys. They never leave it: it gives addresses and signatures."""

    @property
    def default_address(self) -> str: ...

    def held_address(self, address: str) -> str | None:
        """The address that signs for `address`: itself when its key is held, on paper a mapped
        wallet, else None."""
        ...

    def addresses(self) -> tuple[str, ...]: ...

    def sign(self, address: str, message: bytes) -> bytes:
        """The 64-byte ed25519 signature of `message` by a held address."""
        ...


class Balances(Protocol):
    """What a wallet holds at `finalized`, as fresh as a slot or two."""

    async def of(self, wallet: str, assets: Sequence[str]) -> Mapping[str, int]:
        """Atoms by asset; "lamports" is the native balance."""
        ...
