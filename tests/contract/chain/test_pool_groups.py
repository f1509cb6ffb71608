"""Pools that are read together: rounds where one account leads to another, and what is shared."""

from collections.abc import Mapping

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.found_pairs import FoundPairs, Pair, pair_of
from fairlead.chain.pool_cache import PoolCache, PoolGroup
from fairlead.chain.pool_list import FoundPools
from fairlead.chain.rpc_answers import CLOCK_SYSVAR, clock_bytes
from fairlead.errors import Unavailable
from fairlead.ports import AccountsAtSlot, ListedPool, PoolSnapshot
from fairlead.venues.meteora.dlmm_accounts import bin_array_address, bitmap_extension_address
from fairlead.venues.meteora.dlmm_arrays import BinContent
from fairlead.venues.venue import Account, Venue
from tests.contract.chain.pool_worlds import changed, recorded
from tests.contract.chain.worlds import StepClock
from tests.unit.venues import dlmm_pairs
from tests.unit.venues.dlmm_pairs import DLMM_PAIR, NOW, accounts_of, price

CLOCK = Account(Pubkey.default(), 1, clock_bytes(NOW))
EDGE = 512 * 70
"""The first bin beyond the pair's own bitmap."""
BEYOND = bin_array_address(DLMM_PAIR, 522)


def edge_pair() -> dict[Pubkey, Account]:
    """A pair at the end of its bitmap, whose further arrays only the extension names."""
    bins = {
        EDGE - 1: BinContent(price(EDGE - 1, 1), amount_y=9, amount_x=9),
        EDGE + 700: BinContent(price(EDGE + 700, 1), amount_x=9),
    }
    parameters = dlmm_pairs.changed(dlmm_pairs.FLAT, bin_step=1)
    return accounts_of(bins, active_id=EDGE - 1, parameters=parameters, has_extension=True)


def read(
    group: PoolGroup, accounts: Mapping[Pubkey, Account], slot: int = 7
) -> PoolSnapshot | None:
    """One read of what the group asks for, and nothing else."""
    given = {key: accounts[key] for key in group.keys if key in accounts}
    return group.take(AccountsAtSlot(slot, {**given, CLOCK_SYSVAR: CLOCK}))


def rounds(group: PoolGroup, accounts: Mapping[Pubkey, Account]) -> tuple[int, PoolSnapshot]:
    for count in range(1, 9):
        found = read(group, accounts)
        if found is not None:
            return count, found
    raise AssertionError("never complete")


def test_accounts_that_lead_to_further_ones_are_read_in_three_rounds_and_then_in_one():
    accounts, group = edge_pair(), PoolGroup(PoolCache(), (DLMM_PAIR,))
    count, snapshot = rounds(group, accounts)
    (pool,) = snapshot.pools
    assert (3, True) == (count, BEYOND in group.keys)
    _, y = pool.mints
    # What the first array has and no more would be refused.
    assert 17 == pool.quote_exact_out(y, 17, NOW).amount_out_atoms
    count, again = rounds(group, accounts)
    assert 1 == count
    assert pool is again.pools[0]


def test_what_a_pool_stops_needing_is_asked_for_no_more_and_costs_no_read():
    accounts, group = edge_pair(), PoolGroup(PoolCache(), (DLMM_PAIR,))
    rounds(group, accounts)
    without = {k: a for k, a in accounts.items() if k != bitmap_extension_address(DLMM_PAIR)}
    assert 1 == rounds(group, without)[0]
    assert 1 == rounds(group, without)[0]
    assert BEYOND not in group.keys


def test_a_read_from_before_another_group_found_more_keys_makes_no_pool_without_them():
    accounts, cache = edge_pair(), PoolCache()
    group, other = PoolGroup(cache, (DLMM_PAIR,)), PoolGroup(cache, (DLMM_PAIR,))
    asked = {key: accounts[key] for key in group.keys if key in accounts}
    rounds(other, accounts)
    # The pool is known to need its arrays now, and this read did not ask for them.
    assert group.take(AccountsAtSlot(7, {**asked, CLOCK_SYSVAR: CLOCK})) is None
    count, snapshot = rounds(group, accounts)
    assert (1, 1) == (count, len(snapshot.pools))


def test_groups_share_what_one_has_decoded():
    accounts, cache = edge_pair(), PoolCache()
    _, first = rounds(PoolGroup(cache, (DLMM_PAIR,)), accounts)
    other = PoolGroup(cache, (), others=(DLMM_PAIR,))
    changes = cache.changes
    count, second = rounds(other, accounts)
    assert (1, changes) == (count, cache.changes)
    assert ((), (first.pools[0],)) == (second.pools, second.others)


def test_an_older_read_is_an_older_snapshot_for_whoever_made_it():
    vector = recorded(Venue.METEORA_DAMM_V2)
    cache = PoolCache()
    group, other = PoolGroup(cache, (vector.pool,)), PoolGroup(cache, (vector.pool,))
    before = dict(vector.accounts)
    # Liquidity, halved.
    data = before[vector.pool].data
    half = (int.from_bytes(data[360:376], "little") // 2).to_bytes(16, "little")
    after = {**before, vector.pool: changed(before[vector.pool], 360, half)}
    paid = []
    for reader, accounts in [(group, before), (other, after), (group, before), (other, after)]:
        _, snapshot = rounds(reader, accounts)
        quote = snapshot.pools[0].quote_exact_in(vector.input_mint, vector.amount, vector.time)
        paid.append(quote.amount_out_atoms)
    assert paid[0] == paid[2] > paid[1] == paid[3]


def test_the_same_answer_is_the_same_snapshot_whatever_another_group_read_since():
    vector = recorded(Venue.RAYDIUM_CPMM)
    cache = PoolCache()
    group, other = PoolGroup(cache, (vector.pool,)), PoolGroup(cache, (vector.pool,))
    rounds(group, vector.accounts)
    answer = AccountsAtSlot(7, {**vector.accounts, CLOCK_SYSVAR: CLOCK})
    first = group.take(answer)
    gone = {key: a for key, a in vector.accounts.items() if key != vector.pool}
    assert () == rounds(other, gone)[1].pools
    assert group.take(answer) is first
    assert () == rounds(group, gone)[1].pools
    assert first == group.take(answer)


def test_a_pool_that_goes_is_left_out_and_comes_back_with_its_bytes():
    vector = recorded(Venue.RAYDIUM_CPMM)
    group = PoolGroup(PoolCache(), (vector.pool,), left_out=((DLMM_PAIR, "empty"),))
    assert 2 == rounds(group, vector.accounts)[0]
    gone = {key: a for key, a in vector.accounts.items() if key != vector.pool}
    _, snapshot = rounds(group, gone)
    left_out = ((vector.pool, "pool_missing"), (DLMM_PAIR, "empty"))
    assert ((), left_out) == (snapshot.pools, snapshot.left_out)
    _, snapshot = rounds(group, vector.accounts)
    assert (1, left_out[1:]) == (len(snapshot.pools), snapshot.left_out)


def test_without_a_clock_nothing_can_be_quoted():
    group = PoolGroup(PoolCache(), ())
    with pytest.raises(Unavailable, match="clock"):
        group.take(AccountsAtSlot(7, {}))


class Counting:
    """A source that finds one pool for every pair, and counts."""

    refresh_s: float | None = 60.0

    def __init__(self) -> None:
        self.asked: list[tuple[Pubkey, Pubkey]] = []

    async def find(self, mint_a: Pubkey, mint_b: Pubkey) -> FoundPools:
        self.asked.append((mint_a, mint_b))
        return FoundPools((ListedPool(mint_a, "", None, None, None, None),))


async def test_pairs_remembered_are_bounded_and_the_oldest_is_told_to_go(monkeypatch):
    monkeypatch.setattr("fairlead.chain.found_pairs.MAX_PAIRS", 3)
    source = Counting()
    gone: list[Pair] = []
    found = FoundPairs(source, StepClock(), gone.append)
    keys = [Pubkey.from_bytes(bytes([n]) * 32) for n in range(6)]
    pairs = [pair_of(keys[0], other) for other in keys[1:]]
    for pair in pairs:
        await found.of(pair)
    assert pairs[-3:] == list(found.known())
    assert set(pairs[:2]) <= set(gone)
    await found.of(pairs[0])
    assert len(pairs) + 1 == len(source.asked)
    await found.close()
