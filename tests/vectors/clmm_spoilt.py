"""What can be wrong with a CLMM swap: its accounts, their bytes, its arguments."""

import random
from struct import pack_into, unpack_from

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues import check
from fairlead.venues.raydium import clmm
from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from fairlead.venues.vectors import Vector
from fairlead.venues.venue import Account, VenueError
from tests.vectors.clmm_pools import VAULT_ATOMS
from tests.vectors.pools import START, key, rent

STRANGER = key("stranger")


def spoilt(vector: Vector, rng: random.Random, patches: bool = True) -> Vector:
    """The swap with one thing wrong, which may not matter; `patches` allows that in an account."""
    sent, accounts = vector.sent, vector.accounts
    assert sent is not None
    metas, data = list(sent.accounts), bytearray(sent.data)
    place, other = rng.randrange(len(metas)), rng.randrange(len(metas))
    old = metas[place]
    match rng.randrange(12 if patches else 10):
        case 0:
            metas[place], metas[other] = metas[other], metas[place]
        case 1:
            found = rng.choice(list(accounts))
            metas[place] = AccountMeta(found, old.is_signer, old.is_writable)
        case 2:
            metas[place] = AccountMeta(metas[other].pubkey, old.is_signer, old.is_writable)
        case 3:
            metas[place] = AccountMeta(STRANGER, False, old.is_writable)
        case 4:
            metas = [
                AccountMeta(m.pubkey, m.is_signer, False) if m.pubkey == old.pubkey else m
                for m in metas
            ]
        case 5:
            del metas[place]
        case 6:
            metas.insert(place, AccountMeta(metas[other].pubkey, False, True))
        case 7:
            at = rng.randrange(len(data))
            data[at] = rng.choice((0, 1, 2, 255, data[at] ^ 1, rng.randrange(256)))
        case 8:
            data = bytearray(rng.choice((data[: rng.randrange(len(data))], data + b"\0")))
        case 9:
            # The arrays in another order, with some of them gone.
            first = next((i for i, m in enumerate(metas) if _is_array(accounts, m)), len(metas))
            rest = metas[first:]
            rng.shuffle(rest)
            metas[first:] = rest[: rng.randint(0, len(rest))]
        case 10:
            accounts = _patched(accounts, old.pubkey, rng)
        case _:
            accounts = _emptied(vector)
    sent = Instruction(sent.program_id, bytes(data), metas)
    return msgspec.structs.replace(vector, accounts=accounts, sent=sent)


def _emptied(vector: Vector) -> dict[Pubkey, Account]:
    """The output's vault with just what the swap takes out, after which the program closes it."""
    pool = check.load_pool(vector)
    assert isinstance(pool, clmm.LoadedClmmPool)
    walk = pool.walk_exact_in if vector.instruction == "exact_in" else pool.walk_exact_out
    zero_for_one = vector.input_mint == pool.mints[0]
    limit = vector.sqrt_price_limit_x64
    try:
        swap = walk(zero_for_one, vector.amount, vector.time, limit, clmm.ARRAYS_PER_SWAP)
    except VenueError:
        return vector.accounts
    vault = layout.vault_address(vector.pool, vector.output_mint)
    held, atoms = vector.accounts[vault], min(swap.walk.amount_out, VAULT_ATOMS)
    data = held.data[:64] + atoms.to_bytes(8, "little") + held.data[72:]
    return {**vector.accounts, vault: Account(held.owner, held.lamports, data)}


def _is_array(accounts: dict[Pubkey, Account], meta: AccountMeta) -> bool:
    found = accounts.get(meta.pubkey)
    return found is not None and len(found.data) in (layout.TICK_ARRAY_SIZE, layout.EXTENSION_SIZE)


def _patched(
    accounts: dict[Pubkey, Account], address: Pubkey, rng: random.Random
) -> dict[Pubkey, Account]:
    """Other bytes, size or owner of one account."""
    found = accounts.get(address)
    if found is None or not found.data:
        return accounts
    data, owner = bytearray(found.data), found.owner
    match rng.randrange(5):
        case 0:
            owner = rng.choice((TOKEN_PROGRAM, TOKEN_2022_PROGRAM, layout.PROGRAM_ID, STRANGER))
        case 1 if data:
            data[rng.randrange(min(8, len(data)))] ^= 1
        case 2 if len(data) in (165, 178):
            # State, amount, owner, mint of a token account.
            at = rng.choice((108, 64, 71, 32, 0))
            data[at] = rng.choice((0, 1, 2, 3))
        case 3 if len(data) == layout.POOL_SIZE:
            if rng.random() < 0.5:
                data[layout.STATUS_OFFSET] = rng.choice((15, 16, 255))
            else:
                opens = unpack_from("<Q", data, layout.OPEN_TIME_OFFSET)[0] or START.unix_timestamp
                pack_into("<Q", data, layout.OPEN_TIME_OFFSET, opens + rng.choice((0, 1, 10**8)))
        case 3 if len(data) == layout.OBSERVATION_SIZE:
            data[19] ^= 1
        case _:
            data[:] = data[: rng.choice((0, 7, 8))]
    return {**accounts, address: Account(owner, rent(len(data)), bytes(data))}
