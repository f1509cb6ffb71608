"""Records swaps of the real programs on pools of our own, in the format swap-vectors/1.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record FOLDER

The folder of the programs holds their .so files under any names; they are found by their sha256 and
never become part of the project. Everything else is made here: pools come from our encoders, keys
and amounts from a seed, so a second run writes the same files. Results are balances that the
program left behind, never a formula.
"""

import hashlib
import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from solders.account import Account as SvmAccount
from solders.clock import Clock
from solders.instruction import Instruction
from solders.litesvm import LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.venues import check
from fairlead.venues.meteora import damm_v2_accounts
from fairlead.venues.raydium import cpmm_accounts
from fairlead.venues.token2022 import decode_token_account, encode_token_account
from fairlead.venues.vectors import FORMAT, Vector, encode_account
from fairlead.venues.venue import Account, ChainTime, VenueError
from tests.vectors.pools import PoolOfOurs, cpmm_pools, damm_v2_pools, key, rent

PROGRAMS = {
    cpmm_accounts.PROGRAM_ID: "4ec452fc44ad608c638a08355b8f964c92109a646f63ab481f98ee5e90c00e7b",
    damm_v2_accounts.PROGRAM_ID: "171e53bbc797459dde7f62d7b57943b0b596087e9364e25f4c3127e9893cb1b1",
}
COMPUTE_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
UNIT_LIMIT = Instruction(COMPUTE_BUDGET, b"\x02" + (1_400_000).to_bytes(4, "little"), [])
U64_MAX = 2**64 - 1
USER_BALANCE = 2**62
NORMAL_SWAPS = 9
ERROR_NAME = re.compile(r"Error Code: (\w+)\.")
FAILED_PROGRAM = re.compile(r"Program (\w+) failed")


class Machine:
    """One program in a Solana VM."""

    def __init__(self, program_id: Pubkey, program: bytes) -> None:
        self.program_id = program_id
        self.program = {"sha256": hashlib.sha256(program).hexdigest(), "size": len(program)}
        self.svm = LiteSVM().with_sigverify(False).with_blockhash_check(False)
        self.svm.add_program(program_id, program)

    def send(
        self, accounts: dict[Pubkey, Account], time: ChainTime, payer: Pubkey, swap: Instruction
    ) -> Any:
        """Puts the accounts and the clock in place and sends the swap."""
        svm = self.svm
        svm.set_clock(Clock(time.slot, 0, time.epoch, time.epoch, time.unix_timestamp))
        for address, a in accounts.items():
            svm.set_account(address, SvmAccount(a.lamports, a.data, a.owner, False, 0))
        message = MessageV0.try_compile(payer, [UNIT_LIMIT, swap], [], svm.latest_blockhash())
        signatures = [Signature.default()] * message.header.num_required_signatures
        answer = svm.send_transaction(VersionedTransaction.populate(message, signatures))
        svm.expire_blockhash()
        return answer

    def account(self, address: Pubkey) -> Account:
        found = self.svm.get_account(address)
        assert found is not None
        return Account(found.owner, found.lamports, bytes(found.data))


class Recording:
    """The vectors of one pool, in order; each starts from the state that the last one left."""

    def __init__(self, machine: Machine, name: str, pool: PoolOfOurs, rng: random.Random) -> None:
        self.machine = machine
        self.name = f"{pool.venue.value}/{name}"
        self.pool = pool
        self.rng = rng
        self.payer = key(f"{self.name} user")
        self.time = pool.time
        self.base = dict(pool.accounts)
        self.base[self.payer] = Account(Pubkey.default(), 10**12, b"")
        for side in (0, 1):
            self.base[self.wallet(side)] = self.holding(side, 0)
        self.state = dict(self.base)
        self.vectors: list[dict[str, Any]] = []

    def wallet(self, side: int) -> Pubkey:
        return key(f"{self.name} wallet {side}")

    def holding(self, side: int, atoms: int) -> Account:
        mint = self.pool.mints[side]
        program = self.state_of(mint).owner
        withheld = 0 if len(self.state_of(mint).data) > 82 else None
        data = encode_token_account(mint, self.payer, atoms, withheld_atoms=withheld)
        return Account(program, rent(len(data)), data)

    def state_of(self, address: Pubkey) -> Account:
        return self.base[address]

    def swap(
        self,
        instruction: str,
        side_in: int,
        amount: int,
        limit: int | None = None,
        *,
        category: str = "normal",
        note: str = "",
        balance: int = USER_BALANCE,
        keep: bool = True,
        changed: dict[Pubkey, Account] | None = None,
    ) -> dict[str, Any]:
        """Executes one swap and stores it; `keep` lets the next one start from what it left."""
        if limit is None:
            limit = U64_MAX if instruction == "exact_out" else 0
        before = {**self.state, **(changed or {})}
        before[self.wallet(side_in)] = self.holding(side_in, balance)
        before[self.wallet(1 - side_in)] = self.holding(1 - side_in, 0)
        vector = self._vector(before, instruction, side_in, amount, limit)
        sent = check.build(check.load_pool(vector), vector)
        answer = self.machine.send(before, self.time, self.payer, sent)
        is_refused = isinstance(answer, FailedTransactionMetadata)
        meta = answer.meta() if is_refused else answer
        result: dict[str, Any]
        if is_refused:
            result = {"error": _error(answer)}
        else:
            result = {
                "amount_in": balance - self._atoms(self.wallet(side_in)),
                "amount_out": self._atoms(self.wallet(1 - side_in)),
            }
            if keep:
                for address in self.pool.changing:
                    self.state[address] = self.machine.account(address)
        if "error" in result and result["error"]["code"] == 1:
            category = "user_balance"
        different = {a: v for a, v in before.items() if self.base.get(a) != v}
        raw = {
            "id": f"{self.name}/{len(self.vectors):03}",
            "category": category,
            "note": note,
            "clock": {
                "slot": self.time.slot,
                "unix_timestamp": self.time.unix_timestamp,
                "epoch": self.time.epoch,
            },
            "accounts": {str(a): encode_account(v) for a, v in different.items()},
            "instruction": instruction,
            "input_mint": str(self.pool.mints[side_in]),
            "output_mint": str(self.pool.mints[1 - side_in]),
            "amount": amount,
            "limit": limit,
            "user_input": str(self.wallet(side_in)),
            "user_output": str(self.wallet(1 - side_in)),
            "result": result,
            "compute_units": meta.compute_units_consumed(),
            "ix": _sent(sent, _name(sent)),
        }
        if _is_ceil_div(vector, result):
            raw["build_quirk"] = "ceil_div"
        self.vectors.append(raw)
        return result

    def wait(self, seconds: int) -> None:
        """Moves the clock; two and a half slots a second."""
        time = self.time
        slot = time.slot + seconds * 5 // 2
        self.time = ChainTime(slot, time.unix_timestamp + seconds, slot // 432_000)

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
            "programs": {str(self.machine.program_id): self.machine.program},
            "base": {str(a): encode_account(v) for a, v in self.base.items()},
            "vectors": self.vectors,
        }

    def _atoms(self, address: Pubkey) -> int:
        return decode_token_account(self.machine.account(address)).amount_atoms

    def _vector(
        self, before: dict[Pubkey, Account], instruction: str, side_in: int, amount: int, limit: int
    ) -> Vector:
        return Vector(
            id="",
            venue=self.pool.venue.value,
            category="",
            pool=self.pool.address,
            payer=self.payer,
            time=self.time,
            accounts=before,
            instruction=instruction,
            input_mint=self.pool.mints[side_in],
            output_mint=self.pool.mints[1 - side_in],
            amount=amount,
            limit=limit,
            user_input=self.wallet(side_in),
            user_output=self.wallet(1 - side_in),
        )


def _is_ceil_div(vector: Vector, result: dict[str, Any]) -> bool:
    """Whether the recorded build's older ceiling division made it refuse what a newer one takes."""
    if vector.venue != "raydium_cpmm" or vector.instruction != "exact_out":
        return False
    if result.get("error", {}).get("code") != 2505:
        return False
    try:
        check.load_pool(vector).quote_exact_out(vector.input_mint, vector.amount, vector.time)
    except VenueError:
        return False
    return True


def _name(sent: Instruction) -> str:
    names = {
        "8fbe5adac41e33de": "swap_base_input",
        "37d96256a34ab4ad": "swap_base_output",
        "414b3f4ceb5b5b88": "swap2",
        "2bd7f784893cf351": "swap_exact_out2",
    }
    return names[bytes(sent.data[:8]).hex()]


def _sent(sent: Instruction, name: str) -> dict[str, Any]:
    metas = [
        {"pubkey": str(m.pubkey), "is_signer": m.is_signer, "is_writable": m.is_writable}
        for m in sent.accounts
    ]
    program_id, data = str(sent.program_id), bytes(sent.data).hex()
    return {"name": name, "program_id": program_id, "data": data, "accounts": metas}


def _error(answer: FailedTransactionMetadata) -> dict[str, Any]:
    logs = answer.meta().logs()
    err = json.loads(answer.to_json())["err"]
    what = err["InstructionError"][1] if "InstructionError" in err else err
    code = what.get("Custom") if isinstance(what, dict) else None
    text = "\n".join(logs)
    named = ERROR_NAME.search(text)
    failed = FAILED_PROGRAM.search(text)
    if named:
        name = named[1]
    elif "panicked" in text:
        name = "panic"
    else:
        name = {1: "InsufficientFunds"}.get(code or 0, str(what))
    return {
        "code": code,
        "name": name,
        "failed_program": failed[1] if failed else None,
        "transaction_error": err,
        "log": [line for line in logs if "Error" in line or "failed" in line or "panick" in line],
    }


def record_pool(machine: Machine, name: str, pool: PoolOfOurs, rng: random.Random) -> Recording:
    """Some twenty swaps of one pool: ordinary ones, dust, limits, and what it must refuse."""
    recording = Recording(machine, name, pool, rng)
    kinds = ["exact_in", "exact_out"] + (["partial"] if pool.has_partial else [])
    for _ in range(NORMAL_SWAPS):
        recording.wait(rng.choice((0, 1, 7, 40, 900)))
        side = rng.randrange(2)
        kind = rng.choice(kinds)
        size = pool.depth[1 - side if kind == "exact_out" else side]
        recording.swap(kind, side, max(1, int(size * 10 ** rng.uniform(-6, -0.5))))
    recording.swap("exact_in", rng.randrange(2), rng.randint(1, 10), category="tiny", keep=False)
    side = rng.randrange(2)
    recording.swap("exact_in", side, 0, category="zero_input", keep=False)
    amount = pool.depth[side] // 1000 + 1
    result = recording.swap("exact_in", side, amount, keep=False)
    if "amount_out" in result:
        paid = result["amount_out"]
        recording.swap("exact_in", side, amount, paid + 1, category="slippage", keep=False)
        recording.swap("exact_in", side, amount, paid, category="slippage_exact", keep=False)
    recording.swap("exact_out", side, pool.depth[1 - side] * 3 + 7, category="large", keep=False)
    if pool.has_partial:
        for end in (0, 1):
            offered = pool.depth[end] * 100 + 3
            recording.swap("partial", end, offered, category="large", keep=False)
    recording.swap("exact_in", 1 - side, U64_MAX, category="max_u64", keep=False)
    off, later = pool.disabled(recording.state), pool.opens_later(recording.state, recording.time)
    recording.swap(
        "exact_in", side, amount, category="status", note="swaps off", keep=False, changed=off
    )
    recording.swap("exact_in", side, amount, category="not_open", keep=False, changed=later)
    recording.swap(
        "exact_in", side, amount, category="user_balance", balance=amount - 1, keep=False
    )
    return recording


def recordings(programs: dict[Pubkey, bytes], seed: int) -> Iterator[tuple[str, Recording]]:
    """(file name, recording) of every pool."""
    makers: list[tuple[Pubkey, Callable[[random.Random], list[PoolOfOurs]]]] = [
        (cpmm_accounts.PROGRAM_ID, cpmm_pools),
        (damm_v2_accounts.PROGRAM_ID, damm_v2_pools),
    ]
    for program_id, pools in makers:
        machine = Machine(program_id, programs[program_id])
        rng = random.Random(seed)
        for index, pool in enumerate(pools(rng)):
            name = f"own{index:02}"
            recording = record_pool(machine, name, pool, rng)
            yield f"{pool.venue.value}_{name}.json", recording


def find_programs(folder: Path) -> dict[Pubkey, bytes]:
    """The programs in the folder, by id; SystemExit names one that is missing."""
    return {program_id: with_sha256(folder, sha256) for program_id, sha256 in PROGRAMS.items()}


def with_sha256(folder: Path, sha256: str) -> bytes:
    """The compiled program in the folder that has this hash; SystemExit where there is none."""
    for path in folder.glob("*.so"):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
    sys.exit(f"no file in {folder} has the sha256 {sha256}")


def main(arguments: list[str]) -> None:
    """Writes one file per pool into the folder named."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if len(arguments) != 1 or folder is None:
        sys.exit("usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record FOLDER")
    seed = 20_251_120
    for name, recording in recordings(find_programs(Path(folder)), seed):
        text = json.dumps(recording.file(seed), separators=(",", ":"))
        (Path(arguments[0]) / name).write_text(text + "\n")
        print(f"{name}: {len(recording.vectors)} swaps")


if __name__ == "__main__":
    main(sys.argv[1:])
