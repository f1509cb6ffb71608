"""Reads at each commitment, and forks, against a model that copies everything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState
from fairlead.ledger.blocks import Commitment, LedgerParams
from tests.ledger.wire import ALICE_KEY, BOB_KEY, bank, blocks, latch, newest, signed, transfer

KEYS = [bytes([n]) * 32 for n in range(1, 6)]
PARAMS = LedgerParams(confirmed_depth=2, finality_depth=5)

actions = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 4), st.integers(0, 3)),
        st.tuples(st.just("slot"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("root"), st.integers(0, 4), st.integers(1, 3)),
        st.tuples(st.just("drop"), st.integers(0, 7), st.just(0)),
    ),
    max_size=60,
)


@given(actions)
@settings(max_examples=150, deadline=None)
def test_reads_and_forks_are_exact_at_every_commitment(script):
    ledger = bank(PARAMS)
    # One full copy per block after the root, the root's first, the open one's last.
    copies: list[dict[bytes, int]] = [{}, {}]
    for what, first, second in script:
        if what == "set":
            ledger.apply({KEYS[first]: AccountState(second + 1, b"", SYSTEM_PROGRAM)})
            copies[-1][KEYS[first]] = second + 1
        elif what == "slot":
            ledger.produce_slot(0, first)
            copies.append(dict(copies[-1]))
            copies = copies[-PARAMS.finality_depth - 1 :]
        elif what == "root":
            key, more = KEYS[first], second

            def add(state: AccountState | None, more: int = more) -> AccountState:
                return AccountState((state.lamports if state else 0) + more, b"", SYSTEM_PROGRAM)

            ledger.change_at_root({key: add})
            for copy in copies:
                copy[key] = copy.get(key, 0) + more
        else:
            ledger.drop_unrooted(first or None)
            kept = copies[: max(1, len(copies) - first)] if first else copies[:1]
            copies = [*kept, dict(kept[-1])]
        confirmed = copies[max(0, len(copies) - 1 - PARAMS.confirmed_depth)]
        levels: dict[Commitment, dict[bytes, int]] = {
            "processed": copies[-1],
            "confirmed": confirmed,
            "finalized": copies[0],
        }
        for level, copy in levels.items():
            _, states = ledger.accounts(KEYS, level)
            assert [copy.get(key) for key in KEYS] == [s and s.lamports for s in states]
            found = ledger.program_accounts(SYSTEM_PROGRAM, commitment=level)
            wanted = {(key, lamports) for key, lamports in copy.items()}
            assert wanted == {(k, s.lamports) for k, s in found if k in KEYS}
            there = {block.slot: block for block in ledger.blocks_backwards(level)}
            for slot in range(min(there), ledger.epoch_info("processed").slot + 1):
                assert there.get(slot) is ledger.block(slot, level)
    rooted = ledger.snapshot().accounts
    assert copies[0] == {key: rooted[key].lamports for key in KEYS if key in rooted}


def test_a_transaction_is_processed_then_confirmed_then_finalized():
    ledger = bank(PARAMS)
    signature = ledger.send(signed(newest(ledger), latch(ALICE_KEY, "a"))).signature
    seen = []
    for _ in range(7):
        status = ledger.signature_status(signature)
        assert status is not None
        seen.append((status.level, status.confirmations))
        blocks(ledger, 1)
    assert [
        ("processed", 0),
        ("processed", 1),
        ("confirmed", 2),
        ("confirmed", 3),
        ("confirmed", 4),
        ("finalized", None),
        ("finalized", None),
    ] == seen


def test_a_status_leaves_the_recent_cache_but_not_the_history():
    ledger = bank(LedgerParams(finality_depth=1, status_cache_slots=300))
    signature = ledger.send(signed(newest(ledger), latch(ALICE_KEY, "a"))).signature
    blocks(ledger, 301)
    assert ledger.signature_status(signature) is not None
    blocks(ledger, 1)
    assert ledger.signature_status(signature) is None
    assert ledger.signature_status(signature, search_history=True) is not None


def test_history_is_bounded():
    params = LedgerParams(
        finality_depth=1, blockhash_window=5, history_transactions=3, history_blocks=12
    )
    ledger = bank(params)
    signatures = []
    for number in range(20):
        raw = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, number + 1))
        signatures.append(ledger.send(raw).signature)
        blocks(ledger, 1)
    kept = [s for s in signatures if ledger.signature_status(s, search_history=True)]
    assert signatures[-len(kept) :] == kept
    assert len(kept) <= 12
    assert ledger.first_available_slot() > 1_000
    assert ledger.block(ledger.first_available_slot() - 1) is None
    found = ledger.signatures_for_address(BOB_KEY, commitment="processed")
    assert kept[::-1] == [record.signature for record in found]


def test_blocks_in_which_nothing_happened_are_forgotten_at_no_loss():
    params = LedgerParams(finality_depth=1, blockhash_window=5, history_blocks=12)
    ledger = bank(params)
    raw = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 1))
    signature, slot = ledger.send(raw).signature, ledger.epoch_info("processed").slot
    blocks(ledger, 12)
    assert ledger.signature_status(signature, search_history=True)
    assert 0 == ledger.first_available_slot()
    blocks(ledger, 5)
    assert ledger.signature_status(signature, search_history=True) is None
    assert slot + 1 == ledger.first_available_slot()
    blocks(ledger, 100)
    assert slot + 1 == ledger.first_available_slot()


def test_signatures_of_an_address_are_listed_newest_first_between_two():
    ledger = bank()
    signatures = []
    for number in range(5):
        raw = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, number + 1))
        signatures.append(ledger.send(raw).signature)
    ledger.send(signed(newest(ledger), latch(ALICE_KEY, "not Bob's")))
    found = ledger.signatures_for_address(
        BOB_KEY, before=signatures[4], until=signatures[0], limit=2, commitment="processed"
    )
    assert [signatures[3], signatures[2]] == [record.signature for record in found]
    assert [] == ledger.signatures_for_address(BOB_KEY)


def test_a_fork_forgets_its_transactions_and_blockhashes_and_takes_the_same_bytes_again():
    ledger = bank(PARAMS)
    blocks(ledger, 3)
    old = newest(ledger)
    raw = signed(old, transfer(ALICE_KEY, BOB_KEY, 7))
    signature = ledger.send(raw).signature
    blocks(ledger, 1)
    lost = newest(ledger)
    assert [signature] == ledger.drop_unrooted(2)
    assert ledger.signature_status(signature) is None
    assert ledger.send(raw).landed
    assert "BlockhashNotFound" == ledger.send(signed(lost, latch(ALICE_KEY, "x"))).err
    blocks(ledger, 5)
    assert not ledger.is_blockhash_valid(lost)


def test_slots_run_ahead_of_heights_where_slots_are_skipped():
    ledger = bank()
    before = ledger.epoch_info("processed")
    ledger.produce_slot(0, 3)
    after = ledger.epoch_info("processed")
    assert (before.slot + 4, before.block_height + 1) == (after.slot, after.block_height)
    assert ledger.block(before.slot + 1, "processed") is None
    assert ledger.block(after.slot, "processed") is not None
