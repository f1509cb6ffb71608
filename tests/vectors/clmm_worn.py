"""CLMM pools as use leaves them: fees earned, rewards running, a price history begun."""

import random
from struct import pack, pack_into

import msgspec

from fairlead.venues.raydium import clmm_accounts as layout
from fairlead.venues.venue import Account
from tests.vectors.clmm_pools import ClmmPoolOfOurs
from tests.vectors.pools import START

NOW = START.unix_timestamp


def worn(pool: ClmmPoolOfOurs, rng: random.Random) -> ClmmPoolOfOurs:
    """The pool after some time: growths, totals, rewards and a price history of its own."""
    data = bytearray(pool.accounts[pool.address].data)
    fees = [rng.choice((0, rng.randrange(2**70))) for _ in range(2)]
    for at, growth in zip((277, 293), fees, strict=True):
        data[at : at + 16] = growth.to_bytes(16, "little")
    for at in (309, 317, 1032, 1040, 1048, 1056, 1064, 1072):
        pack_into("<Q", data, at, rng.randrange(2**40))
    for at in range(325, 389, 16):
        data[at : at + 16] = rng.randrange(2**90).to_bytes(16, "little")
    pack_into("<Q", data, 1088, rng.randrange(START.epoch))
    rewards = [0, 0, 0]
    for number in range(rng.choice((0, 1, 2, 3))):
        rewards[number] = rng.randrange(2**70)
        data[397 + 169 * number : 397 + 169 * (number + 1)] = reward(rewards[number], rng)
    accounts = dict(pool.accounts)
    for address, account in pool.accounts.items():
        if len(account.data) == layout.TICK_ARRAY_SIZE:
            array = bytearray(account.data)
            _wear_ticks(array, fees, rewards, rng)
            accounts[address] = Account(account.owner, account.lamports, bytes(array))
        elif account.data[:8] == layout.OBSERVATION_DISCRIMINATOR and rng.random() < 0.7:
            history = _history(account.data, rng)
            accounts[address] = Account(account.owner, account.lamports, history)
    old = pool.accounts[pool.address]
    accounts[pool.address] = Account(old.owner, old.lamports, bytes(data))
    if rng.random() < 0.1:
        # A vault that some swaps empty: the program then closes the pool.
        vault = layout.vault_address(pool.address, pool.mints[rng.randrange(2)])
        held = accounts[vault]
        atoms = int(10 ** rng.uniform(0, 12)).to_bytes(8, "little")
        accounts[vault] = Account(
            held.owner, held.lamports, held.data[:64] + atoms + held.data[72:]
        )
    return msgspec.structs.replace(pool, accounts=accounts)


def reward(growth: int, rng: random.Random) -> bytes:
    """A RewardInfo that is to come, running or over at the recorder's clock and after it."""
    opens = NOW + rng.choice((-(10**6), -1_000, -1, 0, 100, 10**5))
    ends = opens + rng.choice((50, 1_100, 10**6))
    last = min(max(opens, rng.choice((opens, NOW - 500))), ends)
    if rng.random() < 0.03:
        last = NOW + 500
    emissions = int(2 ** rng.uniform(40, 100))
    head = pack("<BQQQ", rng.choice((1, 2)), opens, ends, last) + emissions.to_bytes(16, "little")
    keys = b"".join(rng.randbytes(32) for _ in range(3))
    total, claimed = rng.randrange(2**40), rng.randrange(2**30)
    return head + pack("<QQ", total, claimed) + keys + growth.to_bytes(16, "little")


def _wear_ticks(array: bytearray, fees: list[int], rewards: list[int], rng: random.Random) -> None:
    pack_into("<Q", array, 10_125, rng.randrange(START.epoch))
    for at in range(44, 44 + 168 * 60, 168):
        if not any(array[at + 20 : at + 36]):
            continue
        for place, most in zip(range(at + 36, at + 116, 16), (*fees, *rewards), strict=True):
            outside = rng.choice((0, most, rng.randint(0, most)))
            array[place : place + 16] = outside.to_bytes(16, "little")


def _history(data: bytes, rng: random.Random) -> bytes:
    history, index = bytearray(data), rng.choice((0, 5, 98, 99))
    pack_into("<?QH", history, 8, True, rng.randrange(START.epoch), index)
    last = NOW - rng.choice((0, 10, 14, 15, 1_000))
    pack_into("<Iq", history, 51 + 44 * index, last, rng.randint(-(2**40), 2**40))
    if rng.random() < 0.1:
        pack_into("<q", history, 55 + 44 * index, rng.choice((2**63 - 1, -(2**63))))
    return bytes(history)
