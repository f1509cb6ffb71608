"""The ledger: a chain of blocks over accounts, fed with signed transaction bytes.

Time is an argument: `produce_slot(now_ms)` ends the open block and opens the next (`chain.py`);
`send(raw)` executes into the open block at once; what can be read is in `reading.py`. Nothing here
waits or draws.
"""

from collections.abc import Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.ledger.account import EMPTY, AccountState
from fairlead.ledger.blocks import TransactionError, TransactionRecord
from fairlead.ledger.execution import Execution
from fairlead.ledger.failures import Refused
from fairlead.ledger.message import (
    MalformedTransaction,
    Message,
    SignedTransaction,
    parse_transaction,
)
from fairlead.ledger.plans import ProgramTable
from fairlead.ledger.program import Program
from fairlead.ledger.programs.token_data import ACCOUNT_SIZE, TOKEN_PROGRAM
from fairlead.ledger.reading import ReadableChain
from fairlead.ledger.records import Snapshot
from fairlead.ledger.straight import StraightRuns

MAX_SIMULATED = 512
"""Messages remembered that were simulated and may be sent, about 3 KB each. They are let go of when
they are: memory that is used again at once costs less than any other."""

# 34 µs a signature; libsodium (PyNaCl) takes 38 µs and accepts a little more than the cluster does.
_verify = Signature.verify
_signature = Signature.from_bytes
_pubkey = Pubkey.from_bytes


class SendOutcome(msgspec.Struct, frozen=True, gc=False):
    """What became of a send. `landed` with `err` is a failed transaction that is in a block."""

    # Empty where the bytes have none.
    signature: bytes
    landed: bool
    err: TransactionError | None
    # More than `err` says, for people.
    detail: str = ""


class Simulation(msgspec.Struct, frozen=True, gc=False):
    """What a message would do in the open block."""

    err: TransactionError | None
    logs: Sequence[str]
    compute_units: int
    slot: int


class Bank(ReadableChain):
    """The whole ledger. One owner: nothing in it is safe to share between threads."""

    def __init__(
        self, programs: Mapping[bytes, Program], snapshot: Snapshot, *, keeps_journal: bool = False
    ) -> None:
        super().__init__(snapshot, keeps_journal)
        self._runs = StraightRuns(ProgramTable(programs))
        # By their bytes.
        self._simulated: dict[bytes, Message] = {}

    def send(self, raw: bytes, *, moved: Mapping[bytes, AccountState] | None = None) -> SendOutcome:
        """Execute signed bytes into the open block.

        With `moved` the transaction runs as if these accounts had changed just before it; what was
        moved is gone again afterwards, and if it succeeds all the same, it runs again on the true
        states.
        """
        try:
            transaction = self._checked(raw)
        except Refused as refused:
            return SendOutcome(_signature_in(raw), False, refused.err, refused.detail)
        message = transaction.message
        self._simulated.pop(message.raw, None)
        signature = transaction.signatures[0]
        refusal = self._refusal(message)
        if refusal is not None:
            return SendOutcome(signature, False, refusal)
        try:
            execution = self._executed(message, moved)
        except Refused as refused:
            return SendOutcome(signature, False, refused.err, refused.detail)
        self._runs.forget(message)
        self._commit(signature, raw, message, execution)
        return SendOutcome(signature, True, execution.err)

    def simulate(self, raw: bytes, *, sig_verify: bool = False) -> Simulation:
        """What signed bytes would do now; without `sig_verify` any signatures will do."""
        try:
            message = self._checked(raw).message if sig_verify else self._parsed(raw).message
        except Refused as refused:
            return self._refused_simulation(refused)
        if len(self._simulated) >= MAX_SIMULATED:
            self._simulated.clear()
        self._simulated[message.raw] = message
        try:
            self._check_message(message)
            refusal = self._refusal(message)
            if refusal is not None:
                raise Refused(refusal)
            done = self._executed(message, None)
        except Refused as refused:
            return self._refused_simulation(refused)
        return Simulation(done.err, done.logs, done.compute_units, self._open.slot)

    def _refusal(self, message: Message) -> TransactionError | None:
        return self._window.refusal(
            message.blockhash,
            message.digest,
            self._open.height - 1,
            self.params.blockhash_window,
        )

    def _refused_simulation(self, refused: Refused) -> Simulation:
        return Simulation(refused.err, [], 0, self._open.slot)

    def _parsed(self, raw: bytes) -> SignedTransaction:
        if len(raw) > self.params.max_transaction_bytes:
            limit = self.params.max_transaction_bytes
            raise Refused("SanitizeFailure", f"{len(raw)} bytes, {limit} allowed")
        try:
            return parse_transaction(raw, self._simulated)
        except (MalformedTransaction, IndexError) as error:
            raise Refused("SanitizeFailure", str(error)) from None

    def _checked(self, raw: bytes) -> SignedTransaction:
        transaction = self._parsed(raw)
        message = transaction.message
        if self.params.verifies_signatures:
            for signature, key in zip(transaction.signatures, message.keys, strict=False):
                if not _verify(_signature(signature), _pubkey(key), message.raw):
                    raise Refused("SignatureFailure")
        self._check_message(message)
        return transaction

    def _check_message(self, message: Message) -> None:
        if message.shape.lookup_tables:
            raise Refused(
                "AddressLookupTableNotFound", "the paper ledger has no address lookup tables"
            )
        if len(message.keys) > self.params.max_account_locks:
            raise Refused("TooManyAccountLocks")
        if message.has_duplicate_keys:
            raise Refused("AccountLoadedTwice")

    def _executed(self, message: Message, moved: Mapping[bytes, AccountState] | None) -> Execution:
        per_signature = self.params.lamports_per_signature
        if moved:
            overlay = {key: self._accounts.get(key, EMPTY) for key in message.keys}
            overlay.update((key, moved[key]) for key in message.keys if key in moved)
            execution = self._runs.execute(message, overlay, self._clock, per_signature)
            if execution.err is not None:
                before = [self._accounts.get(key, EMPTY) for key in message.keys]
                after = [execution.after[0], *before[1:]]
                return msgspec.structs.replace(execution, before=before, after=after)
        return self._runs.execute(message, self._accounts, self._clock, per_signature)

    def _commit(self, signature: bytes, raw: bytes, message: Message, execution: Execution) -> None:
        block = self._open
        before, after = execution.before, execution.after
        lamports = [state.lamports for state in before]
        pre_lamports = tuple(lamports)
        accounts, changed_before = self._accounts, block.before
        for index in execution.changed:
            key, new = message.keys[index], after[index]
            lamports[index] = new.lamports
            if key not in changed_before:
                changed_before[key] = accounts.get(key)
            if new.lamports:
                accounts[key] = new
            else:
                accounts.pop(key, None)
        record = TransactionRecord(
            signature,
            raw,
            block.slot,
            execution.err,
            execution.fee_lamports,
            pre_lamports,
            tuple(lamports),
            _tokens(before),
            _tokens(after),
            tuple(execution.logs),
            execution.compute_units,
        )
        block.records.append(record)
        self._records[signature] = record
        self._transaction_count += 1
        self._window.mark(message.blockhash, message.digest, block.slot)


def _tokens(states: Sequence[AccountState]) -> tuple[tuple[int, bytes], ...]:
    """Index and data of each token account."""
    return tuple(
        [
            (index, state.data)
            for index, state in enumerate(states)
            if state.owner == TOKEN_PROGRAM and len(state.data) == ACCOUNT_SIZE
        ]
    )


def _signature_in(raw: bytes) -> bytes:
    return raw[1:65] if len(raw) > 65 and 0 < raw[0] < 0x80 else b""
