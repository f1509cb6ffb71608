"""A snapshot is of one slot, however many reads it takes."""

import asyncio
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.chain import slot_reads
from fairlead.chain.slot_reads import MAX_ACCOUNTS, MAX_TRIES, read_at_one_slot
from fairlead.errors import Unavailable
from fairlead.ports import AccountsAtSlot
from fairlead.venues.venue import Account

KEYS = [Pubkey.from_bytes(n.to_bytes(32, "big")) for n in range(2 * MAX_ACCOUNTS + 50)]
OWNER = Pubkey.default()


class Scripted:
    """A chain whose reads answer, in turn, from these slots; 0 means no answer.

    What it tells of an account is the slot it was read at.
    """

    def __init__(self, *slots: int) -> None:
        self._slots = list(slots)
        self.asked: list[tuple[int, int]] = []

    async def accounts(self, addresses, commitment="confirmed", min_context_slot=0):
        assert 0 < len(addresses) <= MAX_ACCOUNTS
        self.asked.append((KEYS.index(addresses[0]) // MAX_ACCOUNTS, min_context_slot))
        slot = self._slots.pop(0)
        await asyncio.sleep(0)
        if slot < max(min_context_slot, 1):
            raise Unavailable("chain", "minimum context slot has not been reached")
        account = Account(OWNER, slot, b"")
        return AccountsAtSlot(slot, dict.fromkeys(addresses, account))


async def read(*slots: int, keys: Any = KEYS) -> tuple[AccountsAtSlot, Scripted]:
    chain: Any = Scripted(*slots)
    return await read_at_one_slot(chain, keys), chain


async def test_few_accounts_are_one_read():
    found, chain = await read(7, keys=KEYS[:MAX_ACCOUNTS])
    assert (7, MAX_ACCOUNTS, [(0, 0)]) == (found.slot, len(found.accounts), chain.asked)


async def test_parts_of_one_slot_are_taken_as_they_are():
    found, chain = await read(7, 7, 7)
    assert (7, set(KEYS), 3) == (found.slot, set(found.accounts), len(chain.asked))


async def test_only_the_late_parts_are_read_again_and_from_the_newest_slot_on():
    found, chain = await read(8, 7, 8, 8)
    assert [(1, 8)] == chain.asked[3:]
    assert {8} == {account.lamports for account in found.accounts.values()}


async def test_a_part_that_comes_from_a_newer_slot_still_makes_the_others_late():
    found, chain = await read(8, 7, 8, 9, 9, 9)
    assert [(1, 8), (0, 9), (2, 9)] == chain.asked[3:]
    assert (9, {9}) == (found.slot, {account.lamports for account in found.accounts.values()})


async def test_a_replica_that_is_behind_is_asked_again():
    found, chain = await read(8, 7, 8, 7, 7, 8)
    assert [(1, 8)] * 3 == chain.asked[3:]
    assert 8 == found.slot


async def test_without_a_common_slot_there_is_no_answer():
    slots = [1, 2, 2, *range(3, 200)]
    with pytest.raises(Unavailable, match="different slots"):
        await read(*slots)


async def test_tries_are_bounded():
    chain: Any = Scripted(8, 7, 8, *[7] * 100)
    with pytest.raises(Unavailable):
        await read_at_one_slot(chain, KEYS)
    assert 3 + MAX_TRIES == len(chain.asked)


async def test_a_chain_that_does_not_answer_at_all_is_told_at_once():
    with pytest.raises(Unavailable, match="minimum"):
        await read(0, 1, 1)


async def test_what_is_only_ranked_is_read_part_by_part_of_any_slot():
    chain: Any = Scripted(9, 7, 8)
    found = await slot_reads.read_in_parts(chain, KEYS)
    assert (7, set(KEYS)) == (found.slot, set(found.accounts))
    assert (0, {}) == ((none := await slot_reads.read_in_parts(chain, [])).slot, none.accounts)
