"""Recorded pools of every venue on the paper ledger."""

from functools import cache
from pathlib import Path

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.account import AccountState
from fairlead.venues.token2022 import encode_token_account
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import Account, Venue
from tests.contract.chain.worlds import World

VECTORS = Path(__file__).parents[2] / "vectors"


@cache
def recorded(venue: Venue) -> Vector:
    """The first exact-in swap that was recorded of this venue and that all its builds agree on."""
    file = VECTORS / f"{venue.value}_own00.json"
    return next(
        one
        for one in parse(file.read_bytes())
        if one.instruction == "exact_in" and not one.refused and one.build_quirk is None
    )


def put(world: World, accounts: dict[Pubkey, Account]) -> None:
    """Set accounts on the ledger, and let a block hold them."""
    states = {
        bytes(key): AccountState(max(account.lamports, 1), account.data, bytes(account.owner))
        for key, account in accounts.items()
        if not str(key).startswith("Sysvar")
    }
    world.paper.bank.apply(states)
    world.tick(2)


def changed(account: Account, offset: int, piece: bytes) -> Account:
    data = account.data[:offset] + piece + account.data[offset + len(piece) :]
    return msgspec.structs.replace(account, data=data)


def copied(vector: Vector, address: Pubkey, vaults: tuple[Pubkey, Pubkey], atoms: tuple[int, int]):
    """Another CPMM pool of the recorded pool's mints, with vaults of its own that hold this."""
    pool = vector.accounts[vector.pool]
    data = pool.data[:72] + b"".join(map(bytes, vaults)) + pool.data[136:]
    mints = [Pubkey.from_bytes(pool.data[at : at + 32]) for at in (168, 200)]
    token_program = Pubkey.from_bytes(pool.data[232:264])
    held = {
        vault: Account(token_program, 1, encode_token_account(mint, address, amount))
        for vault, mint, amount in zip(vaults, mints, atoms, strict=True)
    }
    return {address: msgspec.structs.replace(pool, data=data), **held}
