"""What the paper chain itself made final, read from its journal and nothing of the engine's."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from fairlead.ledger import journal
from fairlead.ledger.account import AccountState
from fairlead.ledger.blocks import Block, TransactionRecord
from fairlead.ledger.records import RootedSlot, Snapshot
from fairlead.ledger.tokens import SOL, TOKENS
from fairlead.solana.program_errors import failure_of

NATIVE = str(Pubkey.from_bytes(SOL.mint))
"""SOL, in amounts by mint: lamports of the wallet itself."""

_BASIC = {
    Pubkey.from_string(text)
    for text in (
        "11111111111111111111111111111111",
        "ComputeBudget111111111111111111111111111111",
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
        "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL",
        "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
    )
}
"""Whatever else a transaction calls is a venue."""

_TOKEN_PROGRAMS = {bytes(key) for key in _BASIC if str(key).startswith("Token")}
_TOKEN_ACCOUNT_BYTES = 165


@dataclass(frozen=True)
class Landed:
    """A final transaction: who paid, and what that wallet gained by it."""

    signature: str
    slot: int
    error: str | None
    has_swap: bool
    payer: str
    fee_lamports: int
    # Lamports put into accounts that it made: the latch.
    rent_lamports: int
    # Atoms by mint, of SOL the lamports as they changed, fee and rent included.
    gained: dict[str, int]
    # Lamports by which every other account changed, by address.
    moved: dict[str, int] = field(default_factory=dict)
    # Of its block.
    height: int = 0
    # What the engine would call its error; "" where there is none.
    failure_code: str = ""

    def exchanged(self, mint: str) -> int:
        """Atoms gained by the swap itself."""
        atoms = self.gained.get(mint, 0)
        return atoms + self.fee_lamports + self.rent_lamports if mint == NATIVE else atoms

    def told(self) -> str:
        what = "swap" if self.has_swap else "no swap"
        changes = ", ".join(f"{atoms:+} {mint[:6]}…" for mint, atoms in self.gained.items())
        end = self.error or "succeeded"
        return f"slot {self.slot}: {self.signature[:16]}… {what}, {end}: {changes}"


@dataclass
class Ledger:
    """Everything that was ever final, over all files that the chain wrote."""

    by_signature: dict[str, Landed] = field(default_factory=dict)
    # Blocks by slot; what another file says of the same slot must be the same.
    blockhashes: dict[int, bytes] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    # As the newest file has them.
    accounts: dict[bytes, AccountState] = field(default_factory=dict)

    def take(self, file: Path) -> None:
        """Read one more file, older ones first."""
        accounts: dict[bytes, AccountState] = {}
        for record in journal.decode(file.read_bytes())[0]:
            if isinstance(record, Snapshot):
                accounts = dict(record.accounts)
                for block in record.blocks:
                    self._take_block(block)
            else:
                for key, state in record.changed:
                    if state is None:
                        accounts.pop(key, None)
                    else:
                        accounts[key] = state
                if isinstance(record, RootedSlot):
                    self._take_block(record.block)
        self.accounts = accounts

    def _take_block(self, block: Block) -> None:
        known = self.blockhashes.setdefault(block.slot, block.blockhash)
        if known != block.blockhash:
            self.contradictions.append(f"slot {block.slot} was final as two different blocks")
        for record in block.records:
            signature = str(Signature.from_bytes(record.signature))
            landed = self.by_signature.get(signature)
            if landed is None:
                self.by_signature[signature] = _landed(signature, block, record)
            elif landed.slot != block.slot:
                text = f"{signature} is in slot {landed.slot} and in slot {block.slot}"
                self.contradictions.append(text)

    def held(self) -> Counter[tuple[str, str]]:
        """Atoms by (owner, mint) at the end; lamports as `NATIVE`."""
        held: Counter[tuple[str, str]] = Counter()
        for key, state in self.accounts.items():
            if state.owner in _TOKEN_PROGRAMS and len(state.data) == _TOKEN_ACCOUNT_BYTES:
                mint, owner, atoms = _token_account(state.data)
                held[owner, mint] += atoms
            else:
                held[str(Pubkey.from_bytes(key)), NATIVE] += state.lamports
        return held

    def lamports_of(self, address: str) -> int:
        """Of one account, at the end."""
        state = self.accounts.get(bytes(Pubkey.from_string(address)))
        return 0 if state is None else state.lamports

    def supplies(self) -> dict[str, int]:
        """Of every token but SOL, by its mint account."""
        return {
            str(Pubkey.from_bytes(token.mint)): int.from_bytes(
                self.accounts[token.mint].data[36:44], "little"
            )
            for token in TOKENS
            if token is not SOL
        }


def _landed(signature: str, block: Block, record: TransactionRecord) -> Landed:
    message = VersionedTransaction.from_bytes(record.raw).message
    keys = message.account_keys
    programs = {keys[each.program_id_index] for each in message.instructions}
    payer = str(keys[0])
    gained = Counter({NATIVE: record.post_lamports[0] - record.pre_lamports[0]})
    for sign, side in ((1, record.post_tokens), (-1, record.pre_tokens)):
        for mint, owner, atoms in _tokens(side):
            if owner == payer and mint != NATIVE:
                gained[mint] += sign * atoms
    others = list(zip(keys, record.pre_lamports, record.post_lamports, strict=True))[1:]
    rent = sum(after for _, before, after in others if before == 0)
    return Landed(
        signature,
        block.slot,
        None if record.err is None else str(record.err),
        bool(programs - _BASIC),
        payer,
        record.fee_lamports,
        rent,
        {mint: atoms for mint, atoms in gained.items() if atoms},
        {str(key): after - before for key, before, after in others if after != before},
        block.height,
        _failure_code(record),
    )


def _failure_code(record: TransactionRecord) -> str:
    return "" if record.err is None else failure_of(json.dumps(record.err), record.logs).code


def _tokens(side: Sequence[tuple[int, bytes]]) -> Iterator[tuple[str, str, int]]:
    for _, data in side:
        if len(data) == _TOKEN_ACCOUNT_BYTES:
            yield _token_account(data)


def _token_account(data: bytes) -> tuple[str, str, int]:
    """Mint, owner and atoms of a token account's bytes."""
    mint, owner = (str(Pubkey.from_bytes(data[at : at + 32])) for at in (0, 32))
    return mint, owner, int.from_bytes(data[64:72], "little")


class Journals:
    """Keeps files of the chain that it would delete at its next start, now and then: it forgets
    what is old, and what was final once must stay so."""

    def __init__(self, data: Path, keep: Path) -> None:
        self._data = data
        self._keep = keep
        self._kept: list[Path] = []

    def keep_newest(self) -> None:
        """A link to the file that is written now: costs nothing until the chain has deleted it."""
        file = self._files()[-1]
        kept = self._keep / f"{len(self._kept)}-{file.name}"
        self._keep.mkdir(exist_ok=True)
        os.link(file, kept)
        self._kept.append(kept)

    def read(self) -> Ledger:
        """All that was kept, and the newest."""
        ledger = Ledger()
        for file in (*self._kept, self._files()[-1]):
            ledger.take(file)
        return ledger

    def _files(self) -> list[Path]:
        files = self._data.rglob("paper-*.journal")
        return sorted(files, key=lambda file: int(file.stem.rpartition("-")[2]))
