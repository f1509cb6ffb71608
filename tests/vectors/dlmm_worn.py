"""DLMM pairs that have been used: fees and rewards grown, an oracle begun, arrays run dry."""

import random
from struct import pack

from fairlead.venues.meteora import dlmm_accounts, dlmm_arrays
from fairlead.venues.venue import Account
from tests.vectors.pools import START, PoolOfOurs, key

NOW = START.unix_timestamp
REWARDS = (264, 264 + 144)
ROW = 144


def worn(pool: PoolOfOurs, rng: random.Random) -> PoolOfOurs:
    """The pair after some time."""
    wear = {
        dlmm_accounts.PAIR_SIZE: _pair,
        dlmm_arrays.ARRAY_SIZE: _array,
    }
    oracle = dlmm_accounts.oracle_address(pool.address)
    for address, account in list(pool.accounts.items()):
        data = account.data
        if address == oracle:
            data = _oracle(rng)
        elif len(data) in wear:
            data = wear[len(data)](data, rng)
        pool.accounts[address] = Account(account.owner, account.lamports, data)
    return pool


def _pair(data: bytes, rng: random.Random) -> bytes:
    """With fees owed to the protocol and rewards that are to come, running or over."""
    pair = bytearray(data)
    for at in REWARDS:
        if rng.random() < 0.5:
            if rng.random() < 0.8:
                pair[at : at + 32] = bytes(key("reward"))
            rate = rng.choice((0, rng.randrange(2**64), rng.randrange(2**114)))
            ends = NOW + rng.randrange(-500, 3_000)
            updated = min(ends, NOW - rng.randrange(500))
            pair[at + 96 : at + 112] = pack("<QQ", rng.randrange(2_000), ends)
            pair[at + 112 : at + 128] = rate.to_bytes(16, "little")
            pair[at + 128 : at + 144] = pack("<QQ", updated, rng.randrange(100))
    pair[216:232] = pack("<QQ", rng.randrange(10**9), rng.randrange(10**9))
    return bytes(pair)


def _oracle(rng: random.Random) -> bytes:
    """With room for few observations or many, none of which are made, some, or all."""
    length = rng.choice((1, 2, 3, 100))
    active = rng.randint(0, length)
    index = rng.randrange(length) if active == length else max(active - 1, 0)
    data = pack("<8sQQQ", dlmm_accounts.ORACLE_DISCRIMINATOR, index, active, length)
    for _ in range(active):
        total = rng.randrange(-(2**60), 2**60).to_bytes(16, "little", signed=True)
        data += total + pack("<qq", NOW - rng.randrange(100, 300), NOW - rng.randrange(100))
    return data + bytes(dlmm_accounts.OBSERVATION_SIZE * (length - active))


def _array(data: bytes, rng: random.Random) -> bytes:
    """With growths and totals of its own; some hold orders only, and few of them."""
    array = bytearray(data)
    only_orders = rng.random() < 0.3
    for at in range(56, len(data), ROW):
        if rng.random() < 0.3:
            array[at + 80 : at + 112] = rng.randbytes(32)
        if rng.random() < 0.3:
            array[at + 48 : at + 80] = pack("<4Q", *[rng.randrange(10**12) for _ in range(4)])
        if any(array[at + 32 : at + 48]) and rng.random() < 0.2:
            array[at + 32 : at + 40] = rng.randbytes(8)
        if only_orders:
            array[at : at + 16] = array[at + 32 : at + 48] = bytes(16)
            if rng.random() < 0.8:
                array[at + 112 : at + 141] = bytes(29)
        if any(array[at + 112 : at + 144]) and rng.random() < 0.5:
            array[at + 136 : at + 140] = pack("<I", rng.randrange(2**31))
    return bytes(array)
