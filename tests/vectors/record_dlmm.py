"""Records swaps of the compiled DLMM program on pairs of our own, and compares at random.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_dlmm FOLDER
    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_dlmm random COUNT SEED

As `record.py`: pairs come from our encoders, keys and amounts from a seed, results are balances
that the program left behind. `random` lets pairs evolve in the program and holds each quote, its
fees and its refusals against what the program then did.
"""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora import dlmm
from fairlead.venues.meteora.dlmm_accounts import PROGRAM_ID
from fairlead.venues.venue import Account, ChainTime, VenueError
from tests.vectors.dlmm_pools import make_pool, random_shape, recorded_shapes
from tests.vectors.record import Machine, Recording, with_sha256

SHA256 = "942f609d03440911f15c40e8df1733d808670768fd9042af1de956964fb2f0e6"
SEED = 20_251_121
SWAP2_EVENT = bytes.fromhex("2e7452d7941b544d")
INSUFFICIENT_FUNDS = 1
NORMAL_SWAPS = 6


class Listening(Machine):
    """A machine that keeps the last answer, for the events in it."""

    answer: Any = None

    def send(
        self, accounts: dict[Pubkey, Account], time: ChainTime, payer: Pubkey, swap: Instruction
    ) -> Any:
        self.answer = super().send(accounts, time, payer, swap)
        return self.answer


def record_pair(recording: Recording, rng: random.Random) -> None:
    """Some 26 swaps of one pair: refusals, those that just drain bins, and ordinary ones.

    The last ones evolve the pair; they come last, because each stores what those before changed.
    """
    pool = recording.pool
    for extra in (-1, 0, 0, 0, 1):
        side, kind = rng.randrange(2), rng.choice(("exact_in", "exact_out"))
        loaded = _loaded(recording)
        amount = _drains(rng, loaded, side, "exact_out", 1.0)
        if kind == "exact_in":
            amount = _cost(loaded, pool.mints[side], amount, recording.time)
        recording.swap(kind, side, amount + extra, category="boundary", keep=False)
    side, kind = rng.randrange(2), rng.choice(("exact_in", "exact_out"))
    recording.swap(kind, side, rng.randint(1, 9), category="tiny", keep=False)
    recording.swap(kind, side, 0, category="zero_input", keep=False)
    amount = _drains(rng, _loaded(recording), side, kind, 0.5)
    result = recording.swap(kind, side, amount, keep=False)
    told, past = ("amount_in", -1) if kind == "exact_out" else ("amount_out", 1)
    if told in result:
        limit = result[told]
        recording.swap(kind, side, amount, limit + past, category="slippage", keep=False)
        recording.swap(kind, side, amount, limit, category="slippage_exact", keep=False)
    recording.swap("exact_out", side, pool.depth[1 - side] * 2, category="large", keep=False)
    recording.swap("exact_in", 1 - side, U64_MAX, category="max_u64", keep=False)
    off, later = pool.disabled(recording.state), pool.opens_later(recording.state, recording.time)
    recording.swap("exact_in", side, 10_000, category="status", keep=False, changed=off)
    recording.swap("exact_in", side, 10_000, category="not_open", keep=False, changed=later)
    for number in range(2 * NORMAL_SWAPS):
        recording.wait(rng.choice((0, 1, 20, 200, 900)))
        side, kind = number % 2, rng.choice(("exact_in", "exact_out"))
        amount = _drains(rng, _loaded(recording), side, kind, rng.random())
        recording.swap(kind, side, amount, keep=number >= NORMAL_SWAPS)


def _loaded(recording: Recording) -> dlmm.LoadedDlmmPool:
    pool = recording.pool
    return dlmm.decode(pool.address, recording.state[pool.address]).load(recording.state)


def _drains(
    rng: random.Random, loaded: dlmm.LoadedDlmmPool, side: int, kind: str, part: float
) -> int:
    """That part of what empties some bins, their fees aside."""
    path, active_id = loaded.up if side else loaded.down, loaded.numbers.active_id
    bins = [
        b for _, bins in path.arrays for b in bins if (b.bin_id - active_id) * (side - 0.5) >= 0
    ]
    some = bins[: rng.randint(1, 8)]
    total = sum(b.max_amount_in if kind == "exact_in" else b.amount for b in some)
    return max(1, min(int(total * part), 2**61))


def _cost(loaded: dlmm.LoadedDlmmPool, mint: Pubkey, amount: int, time: ChainTime) -> int:
    """The input that pays for this output; the output where the program would refuse it."""
    try:
        return loaded.quote_exact_out(mint, amount, time).amount_in_atoms
    except VenueError:
        return amount


def recordings(program: bytes, seed: int) -> Iterator[tuple[str, Recording]]:
    """(file name, recording) of every pair."""
    machine = Listening(PROGRAM_ID, program)
    rng = random.Random(seed)
    for index, shape in enumerate(recorded_shapes()):
        name = f"own{index:02}"
        recording = Recording(machine, name, make_pool(f"meteora_dlmm {index}", shape, rng), rng)
        record_pair(recording, rng)
        yield f"meteora_dlmm_{name}.json", recording


def compare_at_random(program: bytes, count: int, seed: int) -> Counter[str]:
    """Counts of what agreed, by kind; prints each difference. Pairs evolve in the program."""
    rng = random.Random(seed)
    machine = Listening(PROGRAM_ID, program)
    seen: Counter[str] = Counter()
    while seen["swaps"] < count:
        seen["pairs"] += 1
        pool = make_pool(f"random {seed} {seen['pairs']}", random_shape(rng), rng)
        recording = Recording(machine, f"random {seed} {seen['pairs']}", pool, rng)
        for _ in range(rng.choice((5, 20, 40))):
            seen["swaps"] += 1
            found = _compare_one(recording, rng)
            seen[found.partition(":")[0]] += 1
            if found.startswith("DIFFERENT"):
                print(found, "|", pool.note)
            recording.vectors.clear()
    return seen


def _compare_one(recording: Recording, rng: random.Random) -> str:
    """What came of one random swap; begins with DIFFERENT where we said something else."""
    pool, machine = recording.pool, recording.machine
    assert isinstance(machine, Listening)
    recording.wait(rng.choice((0, 0, 1, 7, 40, 400, 5_000)))
    side, kind = rng.randrange(2), rng.choice(("exact_in", "exact_out"))
    loaded = _loaded(recording)
    amount = _any_amount(rng, loaded, side, kind)
    # All there can be of the token, so that no sum in the token program overflows.
    balance, keep = U64_MAX - loaded.reserves[side], rng.random() < 0.8
    result = recording.swap(kind, side, amount, balance=balance, keep=keep)
    error: Any = result.get("error")
    said = f"{kind} {amount} of side {side}"
    try:
        move = loaded.exact_in if kind == "exact_in" else loaded.exact_out
        swap = move(pool.mints[side], amount, recording.time)
    except VenueError as refused:
        if not error:
            return f"DIFFERENT: {said}: we refuse with {refused}, the program: {result}"
        if refused.code == error["code"]:
            return f"both refuse with {error['name']}"
        if error["code"] == INSUFFICIENT_FUNDS and kind == "exact_in" and amount > balance:
            return "more than the user can have"
        return f"both refuse, {error['name']} is {refused} to us".replace(":", ",")
    if error:
        if error["code"] == INSUFFICIENT_FUNDS and swap.amount_in > balance:
            return "more than the user can have"
        return f"DIFFERENT: {said}: we say {swap.amount_out}, the program: {error['name']}"
    if (swap.amount_in, swap.amount_out) != (result["amount_in"], result["amount_out"]):
        return f"DIFFERENT: {said}: {swap.amount_in} for {swap.amount_out}, the program: {result}"
    split = swap.fee_split(loaded.numbers.parameters.protocol_share)
    fees = (split.market_makers, split.protocol, split.limit_orders)
    told = _told_fees(machine.answer)
    if told != fees:
        return f"DIFFERENT: {said}: fees {fees}, the program: {told}"
    return f"{kind} agrees, amounts and fees"


def _told_fees(answer: Any) -> tuple[int, int, int] | None:
    """(market makers, protocol, limit orders) in the Swap2Evt among the inner instructions."""
    for inner in answer.inner_instructions():
        for each in inner:
            data = bytes(each.instruction().data)
            if data[8:16] == SWAP2_EVENT:
                # After lb_pair, from, two bin ids, a flag and the rate: seven u64.
                at = 16 + 32 + 32 + 4 + 4 + 1 + 16
                told = [int.from_bytes(data[n : n + 8], "little") for n in range(at, at + 56, 8)]
                return told[3], told[4], told[5]
    return None


def _any_amount(rng: random.Random, loaded: dlmm.LoadedDlmmPool, side: int, kind: str) -> int:
    """Atoms of any size, often exactly what drains some bins, or an atom beside that."""
    path = loaded.up if side else loaded.down
    bins = [b for _, bins in path.arrays for b in bins]
    chance = rng.random()
    if not bins or chance < 0.05:
        return rng.choice((0, 1, 2, 10, U64_MAX, rng.randrange(2**64)))
    some = bins[: rng.randint(1, min(len(bins), rng.choice((1, 3, 30, 200))))]
    total = sum(b.max_amount_in if kind == "exact_in" else b.amount for b in some)
    if chance < 0.35:
        amount = total + rng.choice((-1, 0, 0, 1, 2))
    elif chance < 0.9:
        amount = int(total * rng.random())
    else:
        amount = int(10 ** rng.uniform(0, 12))
    return max(0, min(amount, U64_MAX))


def find_program(folder: Path) -> bytes:
    """The program in this folder; SystemExit where it is missing."""
    return with_sha256(folder, SHA256)


def main(arguments: list[str]) -> None:
    """Writes one file per pair into the folder named, or compares at random."""
    folder = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
    if folder is None or len(arguments) not in (1, 3):
        sys.exit("usage: FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_dlmm FOLDER")
    program = find_program(Path(folder))
    if arguments[0] == "random":
        for what, number in sorted(compare_at_random(program, *map(int, arguments[1:])).items()):
            print(f"{what}: {number}")
        return
    for name, recording in recordings(program, SEED):
        text = json.dumps(recording.file(SEED), separators=(",", ":"))
        (Path(arguments[0]) / name).write_text(text + "\n")
        print(f"{name}: {len(recording.vectors)} swaps")


if __name__ == "__main__":
    main(sys.argv[1:])
