"""One instruction on the ledger and on compiled programs: the same accounts in, what each makes of
them out; and the recorded form of that, which needs no programs."""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from solders.account import Account as SvmAccount
from solders.clock import Clock as SvmClock
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.litesvm import LiteSVM
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.ledger.account import AccountState
from fairlead.ledger.execution import Clock, execute
from fairlead.ledger.market import PROGRAMS
from fairlead.ledger.market_pool import LOADER
from fairlead.ledger.message import parse_message
from fairlead.ledger.plans import ProgramTable
from fairlead.ledger.programs import meteora_vault
from fairlead.venues.vectors import encode_account
from fairlead.venues.venue import Account, ChainTime

TABLE = ProgramTable(PROGRAMS)
FEE_LAMPORTS = 5_000
COMPUTE_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
UNIT_LIMIT = Instruction(COMPUTE_BUDGET, b"\x02" + (1_400_000).to_bytes(4, "little"), [])
PROGRAM = AccountState(1, b"", LOADER, True)
NOTHING = Account(Pubkey.default(), 0, b"")

Accounts = Mapping[Pubkey, Account]


class Case(msgspec.Struct):
    """An instruction and the whole state before it."""

    label: str
    time: ChainTime
    payer: Pubkey
    sent: Instruction
    accounts: Accounts


class Outcome(msgspec.Struct):
    """The transaction's error in the cluster's JSON, and the accounts that differ after it, the fee
    payer's always; one that is gone is `NOTHING`."""

    error: Any
    after: dict[Pubkey, Account]
    logs: list[str]


def message_of(case: Case) -> MessageV0:
    return MessageV0.try_compile(case.payer, [UNIT_LIMIT, case.sent], [], Hash.default())


def on_ledger(case: Case) -> Outcome:
    """What the paper ledger makes of it."""
    message = parse_message(to_bytes_versioned(message_of(case)))
    states = {
        bytes(key): AccountState(a.lamports, a.data, bytes(a.owner))
        for key, a in case.accounts.items()
        if a.lamports
    }
    states |= dict.fromkeys((*TABLE.entries, meteora_vault.PROGRAM_ID), PROGRAM)
    time = case.time
    clock = Clock(time.slot, time.unix_timestamp, time.epoch)
    done = execute(message, states, TABLE, clock, FEE_LAMPORTS)
    after = {
        Pubkey.from_bytes(key): Account(Pubkey.from_bytes(state.owner), state.lamports, state.data)
        for key, state in zip(message.keys, done.after, strict=True)
    }
    return Outcome(done.err, _changed(case, after), list(done.logs))


class Compiled:
    """Programs in a Solana VM."""

    def __init__(self, programs: Mapping[Pubkey, bytes]) -> None:
        self.svm = LiteSVM().with_sigverify(False).with_blockhash_check(False)
        for program_id, code in programs.items():
            self.svm.add_program(program_id, code)

    def run(self, case: Case) -> Outcome:
        """What the programs make of it."""
        svm, time = self.svm, case.time
        svm.set_clock(SvmClock(time.slot, 0, time.epoch, time.epoch, time.unix_timestamp))
        for key, a in case.accounts.items():
            svm.set_account(key, SvmAccount(a.lamports, a.data, a.owner, False, 0))
        message = message_of(case)
        signatures = [Signature.default()] * message.header.num_required_signatures
        answer = svm.send_transaction(VersionedTransaction.populate(message, signatures))
        svm.expire_blockhash()
        after = {key: self._account(key) for key in message.account_keys}
        if isinstance(answer, FailedTransactionMetadata):
            err = json.loads(answer.to_json())["err"]
            return Outcome(err, _changed(case, after), answer.meta().logs())
        return Outcome(None, _changed(case, after), answer.logs())

    def _account(self, key: Pubkey) -> Account:
        found = self.svm.get_account(key)
        if found is None or not found.lamports:
            return NOTHING
        return Account(found.owner, found.lamports, bytes(found.data))


def _changed(case: Case, after: Accounts) -> dict[Pubkey, Account]:
    """Programs are no accounts of the case's."""
    return {
        key: account
        for key, account in after.items()
        if key in case.accounts and account != case.accounts[key]
    }


# -- the recorded form -----------------------------------------------------------------------------


def encode(note: str, base: Accounts, runs: Iterable[tuple[Case, Outcome]]) -> str:
    """One case a line, so that files can be compared; keys are numbers of a table at the head."""
    numbers: dict[Pubkey, int] = {}

    def number(key: Pubkey) -> int:
        return numbers.setdefault(key, len(numbers))

    def encoded(accounts: Accounts) -> list[Any]:
        return [[number(key), *encode_account(a).values()] for key, a in accounts.items()]

    lines = []
    for case, outcome in runs:
        different = {k: a for k, a in case.accounts.items() if base.get(k) != a}
        metas = [number(m.pubkey) * 4 + m.is_signer * 2 + m.is_writable for m in case.sent.accounts]
        head = [case.time.slot, case.time.unix_timestamp, case.time.epoch, number(case.payer)]
        sent = [number(case.sent.program_id), bytes(case.sent.data).hex(), metas]
        result = [outcome.error, encoded(outcome.after)]
        lines.append([case.label, *head, *sent, encoded(different), *result])
    start = {"note": note, "base": encoded(base), "keys": [str(key) for key in numbers]}
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in (start, *lines))


def decode(text: str) -> list[tuple[Case, Outcome]]:
    """The cases of a file and what the programs made of them; logs are not recorded."""
    head, *lines = (json.loads(line) for line in text.splitlines())
    keys = [Pubkey.from_string(key) for key in head["keys"]]
    base = _decoded(keys, head["base"])
    return [_run(keys, base, line) for line in lines]


def _run(keys: Sequence[Pubkey], base: Accounts, raw: list[Any]) -> tuple[Case, Outcome]:
    label, slot, unix_timestamp, epoch, payer, program, data, metas, different, error, after = raw
    named = [AccountMeta(keys[m // 4], bool(m & 2), bool(m & 1)) for m in metas]
    sent = Instruction(keys[program], bytes.fromhex(data), named)
    accounts = {**base, **_decoded(keys, different)}
    case = Case(label, ChainTime(slot, unix_timestamp, epoch), keys[payer], sent, accounts)
    return case, Outcome(error, _decoded(keys, after), [])


def _decoded(keys: Sequence[Pubkey], raw: list[Any]) -> dict[Pubkey, Account]:
    return {
        keys[number]: Account(
            Pubkey.from_string(owner), lamports, zlib.decompress(base64.b64decode(data))
        )
        for number, owner, lamports, data in raw
    }
