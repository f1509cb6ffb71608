"""Records swaps of the real CLMM on pools of our own, in the format swap-vectors/1.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_clmm FOLDER
    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_clmm compare SEED SWAPS

As `record.py`: pools come from our encoders, results are balances that the program left behind. The
second form stores nothing: it runs random swaps on evolving pools and counts where we differ.
"""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.venues import check
from fairlead.venues.raydium import clmm, clmm_accounts
from fairlead.venues.raydium.ticks import sqrt_price_at_tick
from fairlead.venues.token2022 import amount_of, encode_token_account
from fairlead.venues.vectors import FORMAT, Vector, encode_account
from fairlead.venues.venue import Account, ChainTime, Venue
from tests.vectors import record
from tests.vectors.clmm_pools import SHAPES, ClmmPoolOfOurs, Shape, clmm_pool, clmm_pools
from tests.vectors.pools import START, key, rent

PROGRAM_SHA256 = "e7c743d885e55ef880493144974638088b6bc8a33f05c2fa063914c39f7c505f"
U64_MAX = 2**64 - 1
USER_BALANCE = 2**62
SEED = 20_251_121


class ClmmRecording:
    """The vectors of one pool. The user's balances are the same before each swap."""

    def __init__(
        self, machine: record.Machine, name: str, pool: ClmmPoolOfOurs, rng: random.Random
    ) -> None:
        self.machine = machine
        self.name = f"{Venue.RAYDIUM_CLMM.value}/{name}"
        self.pool = pool
        self.rng = rng
        self.payer = key(f"{self.name} user")
        self.time = START
        self.base = dict(pool.accounts)
        self.base[self.payer] = Account(Pubkey.default(), 10**12, b"")
        for side in (0, 1):
            self.base[self.wallet(side)] = self.holding(side, USER_BALANCE)
        self.state = dict(self.base)
        self.vectors: list[dict[str, Any]] = []

    def wallet(self, side: int) -> Pubkey:
        return key(f"{self.name} wallet {side}")

    def holding(self, side: int, atoms: int) -> Account:
        withheld = 0 if self.pool.fees[side] else None
        mint = self.pool.mints[side]
        data = encode_token_account(mint, self.payer, atoms, withheld_atoms=withheld)
        return Account(self.pool.accounts[mint].owner, rent(len(data)), data)

    def loaded(self) -> clmm.LoadedClmmPool:
        return clmm.decode(self.pool.address, self.state[self.pool.address]).load(self.state)

    def execute(
        self,
        vector: Vector,
        arrays: int,
        *,
        v1: bool = False,
        keep: bool = False,
    ) -> tuple[Instruction, dict[str, Any], int]:
        """Sends the swap; returns what was sent, the result and the compute units."""
        pool = check.load_pool(vector)
        assert isinstance(pool, clmm.LoadedClmmPool)
        build = pool.swap_exact_in if vector.instruction == "exact_in" else pool.swap_exact_out
        sent = build(
            self.payer,
            vector.input_mint,
            vector.user_input,
            vector.user_output,
            vector.amount,
            vector.limit,
            sqrt_price_limit_x64=vector.sqrt_price_limit_x64,
            max_arrays=arrays,
            v1=v1,
        )
        answer = self.machine.send(vector.accounts, vector.time, self.payer, sent)
        if isinstance(answer, FailedTransactionMetadata):
            units = answer.meta().compute_units_consumed()
            return sent, {"error": record._error(answer)}, units
        result = {
            "amount_in": USER_BALANCE - self._atoms(vector.user_input),
            "amount_out": self._atoms(vector.user_output) - USER_BALANCE,
        }
        if keep:
            for meta in sent.accounts:
                if meta.is_writable and meta.pubkey not in (vector.user_input, vector.user_output):
                    self.state[meta.pubkey] = self.machine.account(meta.pubkey)
        return sent, result, answer.compute_units_consumed()

    def vector(
        self,
        instruction: str,
        side_in: int,
        amount: int,
        limit: int | None = None,
        price: int = 0,
        changed: dict[Pubkey, Account] | None = None,
    ) -> Vector:
        if limit is None:
            limit = U64_MAX if instruction == "exact_out" else 0
        return Vector(
            id=f"{self.name}/{len(self.vectors):03}",
            venue=Venue.RAYDIUM_CLMM.value,
            category="",
            pool=self.pool.address,
            payer=self.payer,
            time=self.time,
            accounts={**self.state, **(changed or {})},
            instruction=instruction,
            input_mint=self.pool.mints[side_in],
            output_mint=self.pool.mints[1 - side_in],
            amount=amount,
            limit=limit,
            user_input=self.wallet(side_in),
            user_output=self.wallet(1 - side_in),
            sqrt_price_limit_x64=price,
        )

    def swap(
        self,
        category: str,
        vector: Vector,
        *,
        arrays: int = 2,
        v1: bool = False,
        keep: bool = False,
        note: str = "",
    ) -> dict[str, Any]:
        """Executes one swap and stores it; `keep` lets the next ones start from what it left."""
        sent, result, units = self.execute(vector, arrays, v1=v1, keep=keep)
        if result.get("error", {}).get("failed_program") not in (None, str(sent.program_id)):
            category = "user_balance"
        time = vector.time
        different = {a: v for a, v in vector.accounts.items() if self.base.get(a) != v}
        raw = {
            "id": vector.id,
            "category": category,
            "note": note,
            "clock": {
                "slot": time.slot,
                "unix_timestamp": time.unix_timestamp,
                "epoch": time.epoch,
            },
            "accounts": {str(a): encode_account(v) for a, v in different.items()},
            "instruction": vector.instruction,
            "input_mint": str(vector.input_mint),
            "output_mint": str(vector.output_mint),
            "amount": vector.amount,
            "limit": vector.limit,
            "user_input": str(vector.user_input),
            "user_output": str(vector.user_output),
            "result": result,
            "compute_units": units,
            "ix": record._sent(sent, "swap" if v1 else "swap_v2"),
        }
        if vector.sqrt_price_limit_x64:
            raw["params"] = {"sqrt_price_limit_x64": str(vector.sqrt_price_limit_x64)}
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
            "venue": Venue.RAYDIUM_CLMM.value,
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

    def patched(self, offset: int, value: bytes) -> dict[Pubkey, Account]:
        """The pool account with these bytes changed."""
        account = self.state[self.pool.address]
        data = account.data[:offset] + value + account.data[offset + len(value) :]
        return {self.pool.address: Account(account.owner, account.lamports, data)}

    def _atoms(self, address: Pubkey) -> int:
        return amount_of(self.machine.account(address).data)


def some_amount(recording: ClmmRecording, side: int, exact_in: bool, arrays: int) -> int:
    """An amount between dust and somewhat more than there is, often at an initialised tick."""
    rng, path = recording.rng, recording.loaded().steps[side]
    reach = path.reach(arrays)
    most = max(1, reach.max_in_atoms if exact_in else reach.max_out_atoms)
    if rng.random() < 0.25:
        sums = path.amounts_in if exact_in else path.amounts_out
        return min(
            U64_MAX, max(rng.choice((0, 1, 1, 1)), rng.choice(sums) + rng.choice((-1, 0, 1)))
        )
    return min(U64_MAX, max(1, int(most * 10 ** rng.uniform(-7, 0.05))))


def some_price(recording: ClmmRecording, side: int) -> int:
    """A price limit a little way ahead; sometimes just at a tick, sometimes behind."""
    rng, pool = recording.rng, recording.loaded()
    prices = pool.steps[side].prices
    if rng.random() < 0.3:
        return rng.choice(prices[1:] or prices)
    width = 60 * pool.numbers.tick_spacing
    ahead = int(width * 10 ** rng.uniform(-2.5, 0.5)) * (1 if side else -1)
    tick = max(-443_000, min(443_000, pool.numbers.tick_current + ahead))
    return sqrt_price_at_tick(tick) + rng.randint(-5, 5)


def record_pool(
    machine: record.Machine, name: str, pool: ClmmPoolOfOurs, rng: random.Random
) -> ClmmRecording:
    """Some thirty swaps of one pool: ordinary ones, at ticks, to prices, and what it refuses."""
    recording = ClmmRecording(machine, name, pool, rng)
    plain = pool.fees == (None, None)
    for number in range(30):
        side, exact_in = rng.randrange(2), rng.random() < 0.6
        arrays = rng.choice((1, 1, 2, 2, 3))
        price = some_price(recording, side) if number % 4 == 3 else 0
        amount = some_amount(recording, side, exact_in, arrays)
        kind = "exact_in" if exact_in else "exact_out"
        vector = recording.vector(kind, side, amount, price=price)
        category = "price_limit" if price else "normal"
        v1 = plain and rng.random() < 0.2
        recording.swap(category, vector, arrays=arrays, v1=v1, keep=number == 21)
        recording.wait(rng.choice((0, 1, 20)))
    recording.state = dict(recording.base)
    side = rng.randrange(2)
    make = recording.vector
    for amount in (rng.randint(1, 10), 1):
        recording.swap("tiny", make("exact_in", side, amount))
        recording.swap("tiny", make("exact_out", side, amount))
    recording.swap("zero_input", make("exact_in", side, 0))
    amount = recording.loaded().steps[side].reach(1).max_in_atoms // 3 + 1000
    result = recording.swap("normal", make("exact_in", side, amount))
    if "amount_out" in result:
        paid = result["amount_out"]
        recording.swap("slippage", make("exact_in", side, amount, paid + 1))
        recording.swap("slippage_exact", make("exact_in", side, amount, paid))
        result = recording.swap("normal", make("exact_out", side, paid))
        limit = result.get("amount_in", 1) - 1
        recording.swap("slippage", make("exact_out", side, paid, limit))
    recording.swap("max_u64", make("exact_in", side, U64_MAX), arrays=8)
    recording.swap("large", make("exact_out", 1 - side, USER_BALANCE), arrays=1)
    off = recording.patched(clmm_accounts.STATUS_OFFSET, b"\x10")
    recording.swap("status", make("exact_in", side, amount, changed=off), note="swaps off")
    now = recording.time.unix_timestamp.to_bytes(8, "little")
    later = recording.patched(clmm_accounts.OPEN_TIME_OFFSET, now)
    recording.swap("not_open", make("exact_in", side, amount, changed=later))
    return recording


def recordings(program: bytes, seed: int) -> Iterator[tuple[str, ClmmRecording]]:
    """(file name, recording) of every pool."""
    machine = record.Machine(clmm_accounts.PROGRAM_ID, program)
    rng = random.Random(seed)
    for index, pool in enumerate(clmm_pools(rng)):
        name = f"own{index:02}"
        recording = record_pool(machine, name, pool, rng)
        yield f"{Venue.RAYDIUM_CLMM.value}_{name}.json", recording


def random_shape(rng: random.Random) -> Shape:
    """A shape that nobody chose."""
    fees = tuple(rng.choice((None, None, None, shape)) for shape in (SHAPES[4].fees[0],) * 2)
    return Shape(
        "random",
        rng.choice((1, 1, 2, 5, 10, 14, 15, 60, 120, 500)),
        (rng.choice((0, 100, 400, 2_500, 10_000, 250_000)), rng.choice((0, 120_000)), 40_000),
        rng.choice((rng.randint(-3000, 3000), rng.randint(-440_000, 440_000))),
        rng.choice(("dense", "gaps", "edge", "wide", "thin")),
        (fees[0], fees[1]),
        int(10 ** rng.uniform(1, 24)),
    )


def compare(program: bytes, seed: int, swaps: int) -> Counter[str]:
    """Random swaps on evolving pools: how many agreed, by outcome; prints the differences."""
    machine = record.Machine(clmm_accounts.PROGRAM_ID, program)
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(swaps):
        if number % 40 == 0:
            pool = clmm_pool(number // 40, random_shape(rng), rng)
            recording = ClmmRecording(machine, f"random{number}", pool, rng)
            if rng.random() < 0.15:
                # The program does not insist on the extension before it needs it.
                del recording.state[clmm_accounts.extension_address(pool.address)]
        side, exact_in = rng.randrange(2), rng.random() < 0.6
        arrays = rng.choice((1, 2, 4, 4, 8))
        price = some_price(recording, side) if rng.random() < 0.25 else 0
        amount = some_amount(recording, side, exact_in, arrays)
        kind = "exact_in" if exact_in else "exact_out"
        vector = recording.vector(kind, side, amount, price=price)
        sent, result, _ = recording.execute(vector, arrays, keep=True)
        outcome = _judge(vector, sent, result)
        if outcome == "agrees: amounts" and not _leaves_the_state(vector, arrays, recording):
            outcome = "differs in the state left"
        seen[outcome] += 1
        recording.wait(rng.choice((0, 1, 20)))
    return seen


def _leaves_the_state(vector: Vector, arrays: int, recording: ClmmRecording) -> bool:
    """Whether price, tick and liquidity after the swap are those that we said."""
    pool = check.load_pool(vector)
    assert isinstance(pool, clmm.LoadedClmmPool)
    zero_for_one = vector.input_mint == pool.mints[0]
    walk = pool.walk_exact_in if vector.instruction == "exact_in" else pool.walk_exact_out
    said = walk(zero_for_one, vector.amount, vector.time, vector.sqrt_price_limit_x64, arrays).walk
    left = clmm_accounts.decode_numbers(recording.state[vector.pool].data)
    return (said.sqrt_price_x64, said.tick, said.liquidity) == (
        left.sqrt_price_x64,
        left.tick_current,
        left.liquidity,
    )


def _judge(vector: Vector, sent: Instruction, result: dict[str, Any]) -> str:
    error = result.get("error")
    failed = error and error["failed_program"]
    if failed and failed != str(sent.program_id):
        return "refused by a token program, not compared"
    filled = msgspec.structs.replace(
        vector,
        sent=sent,
        sent_name="swap_v2",
        amount_in=result.get("amount_in"),
        amount_out=result.get("amount_out"),
        error_code=error and error["code"],
        error_name=error and error["name"],
    )
    found = check.difference(filled)
    if found is None:
        return f"agrees: {error['name'] if error else 'amounts'}"
    what = f"{vector.id} {vector.instruction} {vector.amount} {vector.sqrt_price_limit_x64}"
    print(f"{what}: {found}", flush=True)
    return "differs"


def main(arguments: list[str]) -> None:
    """Writes one file per pool into the folder named, or compares without storing."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or not arguments:
        sys.exit("usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_clmm FOLDER")
    program = find_program(Path(folder))
    if arguments[0] == "compare":
        for outcome, count in sorted(compare(program, *map(int, arguments[1:])).items()):
            print(f"{count:7} {outcome}")
        return
    for name, recording in recordings(program, SEED):
        text = json.dumps(recording.file(SEED), separators=(",", ":"))
        (Path(arguments[0]) / name).write_text(text + "\n")
        print(f"{name}: {len(recording.vectors)} swaps, {len(text)} bytes")


def find_program(folder: Path) -> bytes:
    """The program in the folder, by its sha256."""
    return record.with_sha256(folder, PROGRAM_SHA256)


if __name__ == "__main__":
    main(sys.argv[1:])
