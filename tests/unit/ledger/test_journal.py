"""A recovered ledger has everything that was rooted and nothing later."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.ledger.account import AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.journal import CorruptJournal, decode, encode, recover
from fairlead.ledger.programs import BASE_PROGRAMS
from fairlead.ledger.records import genesis
from tests.ledger.random_transactions import RandomTransactions
from tests.ledger.wire import ALICE_KEY, BOB_KEY, bank, blocks, newest, signed, transfer

PARAMS = LedgerParams(finality_depth=4)


def history(seed: int, count: int) -> tuple[Bank, list[bytes]]:
    """A ledger after random transactions, and the frames it gave, the snapshot's first."""
    world = RandomTransactions(seed)
    ledger = Bank(BASE_PROGRAMS, genesis(seed, world.accounts(), PARAMS, 0), keeps_journal=True)
    frames = [encode(ledger.snapshot())]
    for number in range(count):
        ledger.produce_slot(number * 400)
        for _ in range(2):
            ledger.send(world.transaction(newest(ledger)))
        if number % 7 == 0:
            rich = world.wallets[0]
            ledger.change_at_root({rich: _one_more})
        if number % 5 == 4:
            ledger.drop_unrooted(1 + number % 3)
        frames += map(encode, ledger.take_journal())
    return ledger, frames


def _one_more(state: AccountState | None) -> AccountState:
    assert state is not None
    return AccountState(state.lamports + 1, state.data, state.owner)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_recovery_gives_back_the_root(seed, count):
    ledger, frames = history(seed, count)
    records, size = decode(b"".join(frames))
    assert sum(map(len, frames)) == size
    again = recover(BASE_PROGRAMS, records)
    expected, found = ledger.snapshot(), again.snapshot()
    assert expected.accounts == found.accounts
    assert expected.blocks == found.blocks
    assert expected.transaction_count == found.transaction_count
    assert ledger.epoch_info("finalized") == again.epoch_info("finalized")
    for block in expected.blocks:
        for record in block.records:
            assert again.transaction(record.signature) == record


@given(seed=st.integers(0, 9), cut=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_a_torn_end_is_dropped_wherever_it_is_torn(seed, cut):
    _, frames = history(seed, 8)
    data = b"".join(frames)
    at = len(frames[0]) + cut % (len(data) - len(frames[0]))
    for torn in (data[:at], data[:at] + bytes(min(40, len(data) - at))):
        # By its bytes, not its length: what was torn off a frame may have been zeros too.
        whole, size = 0, 0
        for frame in frames:
            if torn[size : size + len(frame)] != frame:
                break
            whole, size = whole + 1, size + len(frame)
        if torn != data:
            records, kept = decode(torn)
            assert (whole, size) == (len(records), kept)


@given(position=st.integers(0, 10**9), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_damage_before_the_end_is_refused(position, bit):
    _, frames = history(3, 8)
    data = bytearray(b"".join(frames))
    data[position % (len(data) - len(frames[-1]))] ^= 1 << bit
    with pytest.raises(CorruptJournal):
        decode(bytes(data))


def test_a_missing_record_is_refused():
    _, frames = history(3, 12)
    records, _ = decode(b"".join(frames[:4] + frames[6:]))
    with pytest.raises(CorruptJournal):
        recover(BASE_PROGRAMS, records)


def test_what_was_not_rooted_is_lost_and_its_bytes_may_land_once_more():
    ledger = bank(PARAMS, keeps_journal=True)
    frames = [encode(ledger.snapshot())]
    rooted = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 1))
    later = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 2))
    assert ledger.send(rooted).landed
    blocks(ledger, 3)
    assert ledger.send(later).landed
    blocks(ledger, 1)
    lost = newest(ledger)
    frames += map(encode, ledger.take_journal())
    again = recover(BASE_PROGRAMS, decode(b"".join(frames))[0])
    again.resume(1_000_000 + 4 * 400)
    assert "AlreadyProcessed" == again.send(rooted).err
    assert again.send(later).landed
    assert "BlockhashNotFound" == again.send(signed(lost, transfer(ALICE_KEY, BOB_KEY, 3))).err
    blocks(again, 6)
    assert not again.is_blockhash_valid(lost)


@pytest.mark.parametrize("ticks_on", [False, True])
def test_slots_and_heights_go_on_after_a_restart(ticks_on):
    ledger = bank(PARAMS, keeps_journal=True)
    blocks(ledger, 10)
    before = ledger.epoch_info("finalized")
    again = recover(BASE_PROGRAMS, [ledger.snapshot()])
    again.resume(1_000_000 + 1_000 * 400, ticks_on=ticks_on)
    after = again.epoch_info("processed")
    assert before.block_height + 2 == after.block_height
    # The first slot after the root opens at the root's time: one slot more than the clock says.
    expected = before.slot + 2 if ticks_on else 2_002
    assert expected == after.slot
    assert before == again.epoch_info("finalized")


def test_blocks_after_a_recovery_differ_from_the_lost_ones_even_at_the_same_times():
    ledger = bank(PARAMS, keeps_journal=True)
    again = recover(BASE_PROGRAMS, [ledger.snapshot()])
    blocks(ledger, 2)
    blocks(again, 2)
    assert ledger.epoch_info("processed") == again.epoch_info("processed")
    assert newest(ledger) != newest(again)
