"""What a block takes, what it refuses, and what a transaction costs."""

from hypothesis import given, settings
from hypothesis import strategies as st
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState
from fairlead.ledger.bank import MAX_SIMULATED, Bank
from fairlead.ledger.blocks import LedgerParams, TransactionError
from fairlead.ledger.programs import BASE_PROGRAMS
from fairlead.ledger.programs.memo import MEMO_PROGRAM
from fairlead.ledger.programs.system import address_with_seed
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, token_account
from fairlead.ledger.records import genesis
from tests.ledger.random_transactions import RandomTransactions
from tests.ledger.wire import (
    ALICE,
    ALICE_KEY,
    BOB,
    BOB_KEY,
    LATCH_LAMPORTS,
    bank,
    blocks,
    instruction,
    key_of,
    keypair,
    latch,
    newest,
    signed,
    transfer,
    unit_limit,
    unit_price,
)

LATCH_TAKEN = {"InstructionError": [0, {"Custom": 0}]}


def lamports(ledger: Bank, key: bytes) -> int:
    state = ledger.account(key)
    return 0 if state is None else state.lamports


def test_a_transfer_moves_lamports_and_costs_a_signature():
    ledger = bank()
    outcome = ledger.send(signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 7)))
    assert (True, None) == (outcome.landed, outcome.err)
    assert 100 * 10**9 - 7 - 5_000 == lamports(ledger, ALICE_KEY)
    assert 10**9 + 7 == lamports(ledger, BOB_KEY)


def test_a_failed_transaction_lands_pays_and_changes_nothing_else():
    ledger = bank()
    raw = signed(
        newest(ledger), transfer(ALICE_KEY, BOB_KEY, 7), transfer(ALICE_KEY, BOB_KEY, 10**15)
    )
    outcome = ledger.send(raw)
    assert outcome.landed
    assert {"InstructionError": [1, {"Custom": 1}]} == outcome.err
    assert 100 * 10**9 - 5_000 == lamports(ledger, ALICE_KEY)
    assert 10**9 == lamports(ledger, BOB_KEY)
    record = ledger.transaction(outcome.signature, "processed")
    assert record is not None
    assert outcome.err == record.err
    assert 5_000 == record.fee_lamports == record.pre_lamports[0] - record.post_lamports[0]


def test_the_priority_fee_is_charged_on_the_requested_limit_rounded_up():
    ledger = bank()
    raw = signed(newest(ledger), unit_limit(9_001), unit_price(1_000_001), latch(ALICE_KEY, "x"))
    assert ledger.send(raw).err is None
    fee = 5_000 + 9_002
    assert 100 * 10**9 - fee - LATCH_LAMPORTS == lamports(ledger, ALICE_KEY)


def test_the_same_transaction_again_is_refused_and_free():
    ledger = bank()
    for payload in (transfer(ALICE_KEY, BOB_KEY, 7), transfer(ALICE_KEY, BOB_KEY, 10**15)):
        raw = signed(newest(ledger), payload)
        assert ledger.send(raw).landed
        before = lamports(ledger, ALICE_KEY)
        blocks(ledger, 5)
        again = ledger.send(raw)
        assert (False, "AlreadyProcessed") == (again.landed, again.err)
        assert before == lamports(ledger, ALICE_KEY)


@given(window=st.integers(1, 40), skipped=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_blockhash_lives_from_the_next_block_to_one_past_its_last_valid_height(window, skipped):
    ledger = bank(LedgerParams(blockhash_window=window, finality_depth=4))
    latest = ledger.latest_blockhash("processed")
    height = latest.last_valid_block_height - window
    last = latest.last_valid_block_height
    assert last == ledger.last_valid_block_height(latest.blockhash)
    raws = [
        signed(latest.blockhash, transfer(ALICE_KEY, BOB_KEY, n + 1)) for n in range(window + 2)
    ]
    for raw in raws:
        info = ledger.epoch_info("processed")
        expected = height + 1 <= info.block_height <= latest.last_valid_block_height + 1
        outcome = ledger.send(raw)
        assert expected == outcome.landed
        if not expected:
            assert "BlockhashNotFound" == outcome.err
            assert latest.last_valid_block_height + 2 == info.block_height
        ledger.produce_slot(0, skipped)
    # Forgotten as executed only when no block can hold it any more.
    assert "BlockhashNotFound" == ledger.send(raws[0]).err


def test_a_window_that_grows_in_flight_revives_a_blockhash():
    ledger = bank(LedgerParams(blockhash_window=10))
    raw = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 1))
    blocks(ledger, 15)
    assert "BlockhashNotFound" == ledger.send(raw).err
    ledger.set_params(LedgerParams(blockhash_window=20))
    assert ledger.send(raw).landed


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_a_latch_is_taken_at_most_once_whatever_the_blockhash_or_payer(attempts):
    ledger = bank()
    payer = keypair(9)
    assert ledger.send(signed(newest(ledger), transfer(ALICE_KEY, key_of(payer), 10**9))).landed
    won = 0
    for number, (gap, other_payer) in enumerate(attempts):
        blocks(ledger, gap)
        payload = (latch(ALICE_KEY, "one order"), transfer(ALICE_KEY, BOB_KEY, number + 1))
        signers = (payer, ALICE) if other_payer else (ALICE,)
        outcome = ledger.send(signed(newest(ledger), *payload, signers=signers))
        assert outcome.landed
        assert outcome.err in (None, LATCH_TAKEN)
        won += outcome.err is None
    assert 1 == won


def test_lamports_sent_to_the_latch_address_take_it_too():
    ledger = bank()
    address = address_with_seed(ALICE_KEY, b"order", SYSTEM_PROGRAM)
    assert ledger.send(
        signed(newest(ledger), transfer(BOB_KEY, address, LATCH_LAMPORTS), signers=(BOB,))
    ).landed
    assert LATCH_TAKEN == ledger.send(signed(newest(ledger), latch(ALICE_KEY, "order"))).err


def test_a_wrong_signature_is_refused():
    ledger = bank()
    raw = bytearray(signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 7)))
    raw[20] ^= 1
    assert "SignatureFailure" == ledger.send(bytes(raw)).err


def test_more_bytes_than_a_packet_are_refused():
    ledger = bank()
    raw = signed(newest(ledger), instruction(MEMO_PROGRAM, b"x" * 1_100))
    assert len(raw) > 1_232
    outcome = ledger.send(raw)
    assert (False, "SanitizeFailure") == (outcome.landed, outcome.err)
    assert "1232" in outcome.detail


def test_too_many_accounts_are_refused():
    ledger = bank(LedgerParams(max_account_locks=10))
    metas = [(n.to_bytes(32, "big"), "") for n in range(100, 110)]
    raw = signed(newest(ledger), instruction(MEMO_PROGRAM, b"", *metas))
    assert "TooManyAccountLocks" == ledger.send(raw).err


def test_an_address_lookup_table_is_refused_clearly():
    ledger = bank()
    table = AddressLookupTableAccount(Pubkey.new_unique(), [Pubkey.from_bytes(BOB_KEY)])
    raw = signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 7), tables=(table,))
    outcome = ledger.send(raw)
    assert "AddressLookupTableNotFound" == outcome.err
    assert "lookup tables" in outcome.detail


def test_a_payer_without_the_fee_is_refused():
    ledger = bank()
    poor = keypair(5)
    assert ledger.send(signed(newest(ledger), transfer(ALICE_KEY, key_of(poor), 890_881))).landed
    outcome = ledger.send(signed(newest(ledger), latch(key_of(poor), "a"), signers=(poor,)))
    assert {"InsufficientFundsForRent": {"account_index": 0}} == outcome.err
    nobody = keypair(6)
    outcome = ledger.send(signed(newest(ledger), latch(key_of(nobody), "a"), signers=(nobody,)))
    assert "AccountNotFound" == outcome.err


def test_an_unknown_program_is_refused():
    ledger = bank()
    outcome = ledger.send(signed(newest(ledger), instruction(keypair(8).secret(), b"")))
    assert (False, "ProgramAccountNotFound") == (outcome.landed, outcome.err)


def test_logs_end_at_ten_thousand_bytes():
    ledger = bank()
    memos = [instruction(MEMO_PROGRAM, b"m" * 600)] + [
        instruction(MEMO_PROGRAM, b"") for _ in range(55)
    ]
    outcome = ledger.send(signed(newest(ledger), unit_limit(1_400_000), *memos))
    record = ledger.transaction(outcome.signature, "processed")
    assert record is not None
    assert "Log truncated" == record.logs[-1]
    assert sum(map(len, record.logs[:-1])) < 10_000


def test_a_limit_below_what_it_burns_fails_and_pays():
    ledger = bank()
    raw = signed(newest(ledger), unit_limit(200), instruction(MEMO_PROGRAM, b"m"))
    outcome = ledger.send(raw)
    assert {"InstructionError": [1, "ProgramFailedToComplete"]} == outcome.err
    assert 100 * 10**9 - 5_000 == lamports(ledger, ALICE_KEY)


def test_simulation_changes_nothing_and_needs_no_signature():
    ledger = bank()
    raw = bytearray(signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, 7)))
    raw[1:65] = bytes(64)
    result = ledger.simulate(bytes(raw))
    assert result.err is None
    assert 150 == result.compute_units
    assert 10**9 == lamports(ledger, BOB_KEY)
    assert "SignatureFailure" == ledger.simulate(bytes(raw), sig_verify=True).err


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_lamports_and_tokens_are_conserved(seed):
    """Over random transactions: lamports leave by fees alone, tokens are burnt and minted only."""
    world = RandomTransactions(seed)
    start = world.accounts()
    ledger = Bank(BASE_PROGRAMS, genesis(seed, start, LedgerParams(), 0))
    fees = 0
    for number in range(60):
        ledger.produce_slot(number * 400)
        outcome = ledger.send(world.transaction(newest(ledger)))
        if outcome.landed:
            record = ledger.transaction(outcome.signature, "processed")
            assert record is not None
            fees += record.fee_lamports
            assert sum(record.pre_lamports) - record.fee_lamports == sum(record.post_lamports)
    blocks(ledger, 33)
    accounts = ledger.snapshot().accounts
    before = sum(state.lamports for state in start.values())
    assert before - fees == sum(state.lamports for state in accounts.values())
    for mint_key in world.mints[:2]:
        # The mints claim ten times what their accounts hold at first; the rest is nowhere.
        assert _unheld(start, mint_key) == _unheld(accounts, mint_key)


def _unheld(accounts: dict[bytes, AccountState], mint_key: bytes) -> int:
    held = sum(
        int.from_bytes(state.data[64:72], "little")
        for state in accounts.values()
        if len(state.data) == 165 and state.data[:32] == mint_key
    )
    return int.from_bytes(accounts[mint_key].data[36:44], "little") - held


def test_a_send_sees_what_happened_since_its_simulation():
    ledger = bank()
    raw = signed(newest(ledger), transfer(BOB_KEY, ALICE_KEY, 10**9 - 1_000_000), signers=(BOB,))
    assert ledger.simulate(raw).err is None
    other = signed(newest(ledger), transfer(BOB_KEY, ALICE_KEY, 10**8), signers=(BOB,))
    assert ledger.send(other).err is None
    assert {"InstructionError": [0, {"Custom": 1}]} == ledger.simulate(raw).err
    assert {"InstructionError": [0, {"Custom": 1}]} == ledger.send(raw).err


def test_a_simulation_forgotten_for_many_others_leaves_its_message_to_be_sent():
    ledger = bank()
    raws = [
        signed(newest(ledger), transfer(ALICE_KEY, BOB_KEY, number + 1))
        for number in range(MAX_SIMULATED + 2)
    ]
    assert all(ledger.simulate(raw).err is None for raw in raws)
    for raw in (raws[0], raws[-1]):
        assert ledger.send(raw).landed
        assert "AlreadyProcessed" == ledger.simulate(raw).err
        assert "AlreadyProcessed" == ledger.send(raw).err
    assert 10**9 + 1 + len(raws) == lamports(ledger, BOB_KEY)


def test_what_a_program_did_to_a_read_only_account_is_gone_after_the_failure():
    """Read-only accounts are shown again to the next message that names them."""
    mint_key, source, target = bytes([7]) * 32, bytes([8]) * 32, bytes([9]) * 32
    accounts = {
        ALICE_KEY: AccountState(10**9, b"", SYSTEM_PROGRAM),
        source: AccountState(2_039_280, token_account(mint_key, ALICE_KEY, 100), TOKEN_PROGRAM),
        target: AccountState(2_039_280, token_account(mint_key, BOB_KEY, 5), TOKEN_PROGRAM),
    }
    ledger = Bank(BASE_PROGRAMS, genesis(1, accounts, LedgerParams(), 0))

    def sent(amount: int) -> TransactionError | None:
        data = b"\x03" + amount.to_bytes(8, "little")
        move = instruction(TOKEN_PROGRAM, data, (source, "w"), (target, ""), (ALICE_KEY, "s"))
        return ledger.send(signed(newest(ledger), move)).err

    assert {"InstructionError": [0, "ReadonlyDataModified"]} == sent(1)
    assert {"InstructionError": [0, "ReadonlyDataModified"]} == sent(2)
    assert sent(0) is None
    assert {"InstructionError": [0, {"Custom": 1}]} == sent(101)
    state = ledger.account(target)
    assert state is accounts[target]


def test_a_reserved_key_stays_read_only_for_messages_of_a_known_shape():
    ledger = bank()
    rent_sysvar = bytes(Pubkey.from_string("SysvarRent111111111111111111111111111111111"))
    for target, err in (
        (BOB_KEY, None),
        (rent_sysvar, {"InstructionError": [0, "ReadonlyLamportChange"]}),
        (key_of(keypair(5)), None),
    ):
        raw = signed(newest(ledger), transfer(ALICE_KEY, target, 900_000))
        assert err == ledger.send(raw).err
