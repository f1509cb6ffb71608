"""The latch: an account that only one transaction of an order can create (EXACTLY-ONCE 9–12).

Its address follows from the paying wallet and a seed that nobody can guess before the first send.
All attempts of one generation share both, so at most one of them succeeds, whatever else they
contain.
"""

import hashlib
from struct import Struct as Layout

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.solana.accounts import SYSTEM_PROGRAM, TOKEN_PROGRAM, seeded_address

SEED_CHARACTERS = 32
"""The longest seed that createAccountWithSeed takes; in hex it is 128 bits."""

WRAP_SEED_CHARACTERS = 16
"""64 bits in hex: enough, as each attempt has a seed of its own; every further one costs a byte."""

_U32 = Layout("<I")
_U64 = Layout("<Q")
_CREATE_ACCOUNT_WITH_SEED = 3
_TRANSFER_WITH_SEED = 11


class Latch(msgspec.Struct, frozen=True, gc=False):
    """A latch to be taken: its address for this wallet, the seed that leads there, what it must
    hold."""

    address: Pubkey
    seed: str
    # The rent minimum of an account without data, read from the cluster.
    lamports: int


def latch_seed(secret: bytes, generation: int) -> str:
    """The 32 characters that lead to an order's latch of this generation."""
    assert len(secret) == 32
    return _derived(b"fairlead latch", secret, generation)[:SEED_CHARACTERS]


def latch_address(wallet: Pubkey, seed: str) -> Pubkey:
    """Where the latch of this wallet and seed is."""
    return seeded_address(wallet, seed, SYSTEM_PROGRAM)


def wrap_seed(secret: bytes, attempt: int) -> str:
    """The seed of an attempt's temporary wSOL account.

    A new one per attempt: whoever saw an earlier attempt could fund its address and so block it,
    not the next.
    """
    assert len(secret) == 32
    return _derived(b"fairlead wrap", secret, attempt)[:WRAP_SEED_CHARACTERS]


def wrap_address(wallet: Pubkey, seed: str) -> Pubkey:
    """Where the temporary wSOL account of this wallet and seed is."""
    return seeded_address(wallet, seed, TOKEN_PROGRAM)


def _derived(purpose: bytes, secret: bytes, number: int) -> str:
    return hashlib.sha256(purpose + secret + number.to_bytes(8, "little")).hexdigest()


def create_with_seed(
    wallet: Pubkey, address: Pubkey, seed: str, lamports: int, space: int, owner: Pubkey
) -> Instruction:
    """The wallet pays for an account at `seeded_address(wallet, seed, owner)`; fails if there is
    one."""
    data = (
        _U32.pack(_CREATE_ACCOUNT_WITH_SEED)
        + bytes(wallet)
        + _U64.pack(len(seed))
        + seed.encode("ascii")
        + _U64.pack(lamports)
        + _U64.pack(space)
        + bytes(owner)
    )
    metas = [AccountMeta(wallet, True, True), AccountMeta(address, False, True)]
    return Instruction(SYSTEM_PROGRAM, data, metas)


def take_instruction(wallet: Pubkey, latch: Latch) -> Instruction:
    """Take the latch: index 0 of every attempt."""
    return create_with_seed(wallet, latch.address, latch.seed, latch.lamports, 0, SYSTEM_PROGRAM)


def reclaim_instruction(wallet: Pubkey, latch: Latch) -> Instruction:
    """Move a latch's whole balance, as just read, back to the wallet (rule 12 says when that is
    safe)."""
    data = (
        _U32.pack(_TRANSFER_WITH_SEED)
        + _U64.pack(latch.lamports)
        + _U64.pack(len(latch.seed))
        + latch.seed.encode("ascii")
        + bytes(SYSTEM_PROGRAM)
    )
    metas = [
        AccountMeta(latch.address, False, True),
        AccountMeta(wallet, True, False),
        AccountMeta(wallet, False, True),
    ]
    return Instruction(SYSTEM_PROGRAM, data, metas)
