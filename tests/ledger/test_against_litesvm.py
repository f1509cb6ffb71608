"""The ledger against the real runtime: the same signed bytes on the same accounts, the same result.

LiteSVM runs agave's System program and the compiled Token (p-token), ATA and Memo programs.
Compared after every transaction: whether it landed, its error, its fee and every byte of every
account it named.
"""

import re
from collections import Counter
from typing import Any

import pytest
from solders.account import Account
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.ledger.account import AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.message import parse_transaction
from fairlead.ledger.programs import BASE_PROGRAMS
from fairlead.ledger.records import genesis
from tests.ledger.random_transactions import RandomTransactions

SYSVAR = Pubkey.from_string("SysvarRent111111111111111111111111111111111")

TRANSACTIONS = 300
"""Per world; a world ages, since authorities are given away and accounts frozen."""


def litesvm_with(accounts: dict[bytes, AccountState]) -> LiteSVM:
    svm = LiteSVM().with_sigverify(True).with_blockhash_check(False)
    svm = svm.with_transaction_history(10**6)
    for key, state in accounts.items():
        owner = Pubkey.from_bytes(state.owner)
        svm.set_account(
            Pubkey.from_bytes(key), Account(state.lamports, state.data, owner, state.executable)
        )
    return svm


def state_in(svm: LiteSVM, key: bytes) -> AccountState | None:
    account = svm.get_account(Pubkey.from_bytes(key))
    if account is None or account.lamports == 0:
        return None
    return AccountState(account.lamports, bytes(account.data), bytes(account.owner))


def error_as_json(err: Any) -> Any:
    """solders' error objects in the form of the cluster's JSON."""
    printed = str(err)
    if match := re.fullmatch(r"TransactionErrorInstructionError\(\((\d+), (.*)\)\)", printed):
        what = match[2]
        if code := re.fullmatch(r"Tagged\(InstructionErrorCustom\((\d+)\)\)", what):
            return {"InstructionError": [int(match[1]), {"Custom": int(code[1])}]}
        return {"InstructionError": [int(match[1]), re.sub(r"Fieldless\((.*)\)", r"\1", what)]}
    if match := re.fullmatch(
        r"TransactionErrorInsufficientFundsForRent \{ account_index: (\d+) \}", printed
    ):
        return {"InsufficientFundsForRent": {"account_index": int(match[1])}}
    if match := re.fullmatch(r"TransactionErrorDuplicateInstruction\((\d+)\)", printed):
        return {"DuplicateInstruction": int(match[1])}
    return printed.rpartition(".")[2]


@pytest.mark.parametrize("seed", range(16))
def test_random_transactions_do_what_the_real_runtime_does(seed):
    world = RandomTransactions(seed)
    svm = litesvm_with(world.accounts())
    bank = Bank(BASE_PROGRAMS, genesis(seed, world.accounts(), LedgerParams(), 0))
    seen: Counter[str] = Counter()
    for number in range(TRANSACTIONS):
        bank.produce_slot(number * 400)
        raw = world.transaction(bank.latest_blockhash("processed").blockhash)
        message = parse_transaction(raw).message
        payer = message.keys[0]
        before = state_in(svm, payer)
        result = svm.send_transaction(VersionedTransaction.from_bytes(raw))
        expected = None
        if isinstance(result, FailedTransactionMetadata):
            expected = error_as_json(result.err())
        outcome = bank.send(raw)
        where = f"seed {seed}, transaction {number}: {message.instructions}"
        assert expected == outcome.err, where
        for key in message.keys:
            if key not in BASE_PROGRAMS and Pubkey.from_bytes(key) != SYSVAR:
                assert state_in(svm, key) == bank.account(key), (where, key)
        has_paid = state_in(svm, payer) != before
        assert outcome.landed or not has_paid, where
        seen["ok" if outcome.err is None else str(outcome.err)] += 1
    assert seen["ok"] > TRANSACTIONS // 10, seen
    assert len(seen) > 15, seen


def test_the_fee_is_the_real_one():
    """Limits and prices, set or not, on transactions that succeed and fail."""
    world = RandomTransactions(0)
    svm = litesvm_with(world.accounts())
    bank = Bank(BASE_PROGRAMS, genesis(0, world.accounts(), LedgerParams(), 0))
    fees = set()
    for number in range(500):
        bank.produce_slot(number * 400)
        raw = world.transaction(bank.latest_blockhash("processed").blockhash)
        svm.send_transaction(VersionedTransaction.from_bytes(raw))
        outcome = bank.send(raw)
        record = bank.transaction(outcome.signature, "processed")
        if outcome.landed:
            assert record is not None
            fees.add(record.fee_lamports)
            payer = parse_transaction(raw).message.keys[0]
            assert svm.get_balance(Pubkey.from_bytes(payer)) == record.post_lamports[0]
    assert len(fees) > 50
