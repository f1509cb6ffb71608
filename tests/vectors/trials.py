"""Swaps of one pool in a Solana VM, tried or recorded; for the recorders of single venues."""

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.venues import check
from fairlead.venues.token2022 import TOKEN_PROGRAM, encode_token_account
from fairlead.venues.vectors import FORMAT, Vector, encode_account
from fairlead.venues.venue import Account, ChainTime
from tests.vectors.pools import PoolOfOurs, key, rent
from tests.vectors.record import Machine, _error, _sent

U64_MAX = 2**64 - 1
USER_BALANCE = 2**62
FOLDER = "FAIRLEAD_PROGRAMS_DIR"


class Trials:
    """Swaps of one pool, each from the state that the last kept one left."""

    def __init__(
        self,
        machine: "Programs",
        name: str,
        pool: PoolOfOurs,
        name_of: Callable[[bytes], str],
        error_names: Mapping[int, str] | None = None,
        quirk: Callable[["Trials", str, int, int, dict[str, Any]], str | None] | None = None,
    ) -> None:
        self.machine = machine
        self.name = f"{pool.venue.value}/{name}"
        self.pool = pool
        self.name_of = name_of
        # Of a program that writes no names.
        self.error_names = error_names or {}
        self.quirk = quirk
        self.payer = key(f"{self.name} user")
        self.time = pool.time
        self.base = dict(pool.accounts)
        self.base[self.payer] = Account(Pubkey.default(), 10**12, b"")
        for side in (0, 1):
            self.base[self.wallet(side)] = self.holding(side, USER_BALANCE)
        self.state = dict(self.base)
        self.before = self.state
        self.kept = False
        self.vectors: list[dict[str, Any]] = []

    def wallet(self, side: int) -> Pubkey:
        return key(f"{self.name} wallet {side}")

    def holding(self, side: int, atoms: int) -> Account:
        data = encode_token_account(self.pool.mints[side], self.payer, atoms)
        return Account(TOKEN_PROGRAM, rent(len(data)), data)

    def wait(self, seconds: int) -> None:
        """Moves the clock; two and a half slots a second."""
        slot = self.time.slot + seconds * 5 // 2
        self.time = ChainTime(slot, self.time.unix_timestamp + seconds, slot // 432_000)

    def send(
        self,
        kind: str,
        side: int,
        amount: int,
        limit: int | None = None,
        *,
        balance: int | None = None,
        keep: bool = False,
        changed: Mapping[Pubkey, Account] | None = None,
    ) -> dict[str, Any]:
        """Executes one swap; `keep` lets the next one start from what it left."""
        if limit is None:
            limit = U64_MAX if kind == "exact_out" else 0
        before = {**self.state, **(changed or {})}
        if balance is not None:
            before[self.wallet(side)] = self.holding(side, balance)
            before[self.wallet(1 - side)] = self.holding(1 - side, 0)
        self.before, self.kept = before, False
        self.vector = self._vector(kind, side, amount, limit)
        self.sent = check.build(check.load_pool(self.vector), self.vector)
        answer = self.machine.send(before, self.time, self.payer, self.sent)
        if isinstance(answer, FailedTransactionMetadata):
            self.units = answer.meta().compute_units_consumed()
            self.logs = answer.meta().logs()
            error = _error(answer)
            error["name"] = self.error_names.get(error["code"], error["name"])
            error["log"] = error["log"][:1]
            return {"error": error}
        self.units, self.logs = answer.compute_units_consumed(), answer.logs()
        if keep:
            self.kept = True
            for address in self.pool.changing:
                self.state[address] = self.machine.account(address)
        source, target = self.wallet(side), self.wallet(1 - side)
        return {
            "amount_in": _atoms(before[source]) - _atoms(self.machine.account(source)),
            "amount_out": _atoms(self.machine.account(target)) - _atoms(before[target]),
        }

    def record(
        self,
        kind: str,
        side: int,
        amount: int,
        limit: int | None = None,
        *,
        category: str = "normal",
        note: str = "",
        **how: Any,
    ) -> dict[str, Any]:
        """As `send`, and stores the vector."""
        result = self.send(kind, side, amount, limit, **how)
        different = {a: v for a, v in self.before.items() if self.base.get(a) != v}
        raw = {
            "id": f"{self.name}/{len(self.vectors):03}",
            "category": category,
            "clock": msgspec.to_builtins(self.vector.time),
            "accounts": {str(a): encode_account(v) for a, v in different.items()},
            "instruction": kind,
            "input_mint": str(self.pool.mints[side]),
            "output_mint": str(self.pool.mints[1 - side]),
            "amount": amount,
            "limit": self.vector.limit,
            "user_input": str(self.wallet(side)),
            "user_output": str(self.wallet(1 - side)),
            "result": result,
            "compute_units": self.units,
            "ix": _sent(self.sent, self.name_of(bytes(self.sent.data))),
        }
        found = self.quirk(self, kind, side, amount, result) if self.quirk else None
        if found:
            raw["build_quirk"] = found
        if note:
            raw["note"] = note
        self.vectors.append(raw)
        return result

    def file(self, seed: int) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "venue": self.pool.venue.value,
            "program_id": str(self.machine.program_id),
            "pool": str(self.pool.address),
            "note": self.pool.note,
            "made_by": "synthesised with fairlead's encoders",
            "seed": seed,
            "payer": str(self.payer),
            "programs": self.machine.programs,
            "base": {str(a): encode_account(v) for a, v in self.base.items()},
            "vectors": self.vectors,
        }

    def _vector(self, kind: str, side: int, amount: int, limit: int) -> Vector:
        return Vector(
            id="",
            venue=self.pool.venue.value,
            category="",
            pool=self.pool.address,
            payer=self.payer,
            time=self.time,
            accounts=self.before,
            instruction=kind,
            input_mint=self.pool.mints[side],
            output_mint=self.pool.mints[1 - side],
            amount=amount,
            limit=limit,
            user_input=self.wallet(side),
            user_output=self.wallet(1 - side),
        )


class Programs(Machine):
    """A venue's program and those that it calls."""

    def __init__(self, programs: dict[Pubkey, bytes]) -> None:
        (first, *others) = programs
        super().__init__(first, programs[first])
        for program_id in others:
            self.svm.add_program(program_id, programs[program_id])
        self.programs = {
            str(program_id): {"sha256": hashlib.sha256(code).hexdigest(), "size": len(code)}
            for program_id, code in programs.items()
        }


def open_machine(wanted: Mapping[Pubkey, str]) -> Programs:
    """The programs of these sha256, found in the folder that the environment names."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        sys.exit(f"{FOLDER} names no folder")
    by_hash = {}
    for path in Path(folder).glob("*.so"):
        content = path.read_bytes()
        by_hash[hashlib.sha256(content).hexdigest()] = content
    for program_id, sha256 in wanted.items():
        if sha256 not in by_hash:
            sys.exit(f"no file in {folder} has the sha256 {sha256} ({program_id})")
    return Programs({program_id: by_hash[sha256] for program_id, sha256 in wanted.items()})


def run(record: Callable[[Path], None], compare: Callable[[int, int], Counter[str]]) -> None:
    """What the command line asks for: FOLDER, or `random COUNT SEED`."""
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] == "random":
        for what, number in sorted(compare(int(arguments[1]), int(arguments[2])).items()):
            print(f"{what}: {number}")
    elif len(arguments) == 1:
        record(Path(arguments[0]))
    else:
        sys.exit("usage: … FOLDER | random COUNT SEED")


def _atoms(account: Account) -> int:
    return int.from_bytes(account.data[64:72], "little")
