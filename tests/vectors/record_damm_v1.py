"""Records swaps of the compiled DAMM v1 and vault programs on our own pools; compares at random.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_damm_v1 FOLDER
    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_damm_v1 random COUNT SEED

As `record.py`: pools come from our encoders, keys and amounts from a seed, results are balances
that the programs left behind. `random` lets pools and vaults evolve in the programs and holds each
quote and each refusal against what they then did.
"""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from fairlead.venues.meteora import damm_v1
from fairlead.venues.meteora.damm_v1_accounts import PROGRAM_ID, VAULT_PROGRAM_ID
from fairlead.venues.meteora.damm_v1_swap import raised_minimum
from fairlead.venues.venue import VenueError
from tests.vectors.damm_v1_pools import make_pool, patched, random_shape, shapes_to_record
from tests.vectors.trials import U64_MAX, Trials, open_machine, run

SHA256 = {
    PROGRAM_ID: "4529bb15f8507843f12bc80d5d5e728565f203237d679a1608b1caf30be701c8",
    VAULT_PROGRAM_ID: "e52970f5192bcddd535543018a03e4d5cc137f4206ecf8842d24b4a89e2b6ea7",
}
SEED = 20_251_123


def record_pool(trials: Trials, rng: random.Random, *, refusals: bool) -> None:
    """Some swaps of one pool: ordinary ones, dust, limits, and what it must refuse.

    All but the last start from the same state, which keeps the file small.
    """
    pool, side = trials.pool, rng.randrange(2)
    loaded = damm_v1.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)
    amount = pool.depth[side] // 1_000 + 1
    compared = loaded.compared_out(pool.mints[side], amount, trials.time)
    trials.record("exact_in", side, rng.randint(2, 10), category="tiny")
    trials.record("exact_in", side, rng.randint(11, 200), category="tiny")
    trials.record("exact_in", side, amount, compared, category="slippage_exact")
    trials.record("exact_in", side, pool.depth[side] * 9 + 1, category="large")
    if refusals:
        trials.record("exact_in", side, amount, compared + 1, category="slippage")
        trials.record("exact_in", side, 0, category="zero_input")
        off, later = pool.disabled(trials.state), pool.opens_later(trials.state, trials.time)
        trials.record("exact_in", side, amount, category="status", changed=off)
        trials.record("exact_in", side, amount, category="not_open", changed=later)
        vault = loaded.pool.vault_states[side]
        closed = patched(trials.state, vault, 8, b"\0")
        trials.record("exact_in", side, amount, category="status", changed=closed)
        reserve = loaded.pool.vaults[1 - side]
        lent = patched(trials.state, reserve, 64, (compared // 2).to_bytes(8, "little"))
        category = "insufficient_liquidity"
        trials.record("exact_in", side, amount, category=category, changed=lent)
    for turn in range(22):
        side = rng.randrange(2)
        amount = max(1, int(pool.depth[side] * 10 ** rng.uniform(-5, -0.1)))
        trials.wait(rng.choice((0, 1, 40, 300)))
        trials.record("exact_in", side, amount, keep=refusals and turn > 20)


def compare_one(trials: Trials, rng: random.Random, seen: Counter[str]) -> None:
    """One swap by the programs and by us."""
    pool = trials.pool
    trials.wait(rng.choice((0, 0, 1, 7, 40, 700)))
    side = rng.randrange(2)
    loaded = damm_v1.decode(pool.address, trials.state[pool.address]).load(trials.state)
    amount = _amount(rng, pool.depth[side])
    if rng.random() < 0.1:
        amount = _input_for(loaded, trials, side, _amount(rng, pool.depth[1 - side]), seen)
    balance = U64_MAX - loaded.sides[side].reserve
    ours, limit, promise = _expected(loaded, trials, side, amount, rng)
    keep = rng.random() < 0.7
    result = trials.send("exact_in", side, amount, limit, balance=balance, keep=keep)
    seen["swaps"] += 1
    error = result.get("error")
    if amount > balance and error and error["code"] in (1, 6004):
        seen["more than the user can have"] += 1
        return
    theirs = (
        (result.get("amount_in"), result.get("amount_out")) if not error else _told(trials, error)
    )
    if ours == theirs:
        curve = "stable" if loaded.pool.numbers.is_stable else "constant product"
        seen[f"agreed {theirs if error else curve}"] += 1
    elif error and isinstance(ours, str):
        seen[f"both refuse, but {theirs} is {ours} to us"] += 1
    else:
        seen["DIFFERENT"] += 1
        print("DIFFERENT", pool.note, side, amount, limit, "ours", ours, "theirs", theirs)
    if not error and amount:
        # Without what the classic token program takes more.
        quote = loaded.quote_exact_in(pool.mints[side], amount, trials.time)
        seen["compute units above the estimate"] += trials.units > quote.compute_units - 22_500
        kept = result["amount_out"] >= promise
        seen["promised minimum kept" if kept else "PROMISE BROKEN"] += promise > 0


def _expected(
    loaded: damm_v1.LoadedDammV1Pool, trials: Trials, side: int, amount: int, rng: random.Random
) -> tuple[object, int, int]:
    """What we expect, the limit to send, and the minimum that this limit is to make sure of."""
    mint = trials.pool.mints[side]
    try:
        swap = loaded.exact_in(mint, amount, trials.time)
        compared = loaded.compared_out(mint, amount, trials.time)
    except VenueError as refused:
        return f"{refused.name} {refused.code}", 0, 0
    limit, promise = 0, 0
    if rng.random() < 0.5:
        # What is compared, or one more.
        limit = min(compared + rng.randrange(2), U64_MAX)
    elif rng.random() < 0.5:
        promise = max(0, swap.amount_out + rng.randint(-2, 1))
        limit = raised_minimum(promise, loaded.sides[1 - side])
    if limit > compared:
        return "ExceededSlippage 6004", limit, promise
    return (swap.amount_in, swap.amount_out), limit, promise


def _input_for(
    loaded: damm_v1.LoadedDammV1Pool, trials: Trials, side: int, wanted: int, seen: Counter[str]
) -> int:
    """The input that our search finds for an output."""
    try:
        quote = loaded.quote_exact_out(trials.pool.mints[side], wanted, trials.time)
    except VenueError:
        return 0
    assert quote.amount_out_atoms >= wanted
    seen["inputs found for an output"] += 1
    return quote.amount_in_atoms


def _told(trials: Trials, error: dict[str, Any]) -> str:
    if trials.units >= 1_399_000:
        return "out_of_compute_units None"
    return f"{error['name']} {error['code']}"


def _amount(rng: random.Random, depth: int) -> int:
    chance = rng.random()
    if chance < 0.08:
        return rng.choice((0, 1, 2, 3, 10, 2**64 - 1, rng.randrange(2**64)))
    if chance < 0.16:
        return rng.randint(1, 200)
    return min(2**64 - 1, int(depth * 10 ** rng.uniform(-6, 0.7)))


def main() -> None:
    """Records into the folder named, or compares at random."""

    def record(folder: Path) -> None:
        machine, rng = open_machine(SHA256), random.Random(SEED)
        for number, shape in enumerate(shapes_to_record(rng)):
            pool = make_pool(f"meteora_damm_v1 {number}", shape)
            trials = Trials(machine, f"own{number:02}", pool, lambda _: "swap")
            record_pool(trials, rng, refusals=number % 4 == 0)
            path = folder / f"meteora_damm_v1_own{number:02}.json"
            path.write_text(json.dumps(trials.file(SEED), separators=(",", ":")) + "\n")
            print(f"{path.name}: {len(trials.vectors)} swaps, {path.stat().st_size} bytes")

    def compare(count: int, seed: int) -> Counter[str]:
        machine, rng, seen = open_machine(SHA256), random.Random(seed), Counter[str]()
        while seen["swaps"] < count:
            pool = make_pool(f"random {seed} {seen['swaps']}", random_shape(rng))
            trials = Trials(machine, "random", pool, lambda _: "swap")
            for _ in range(rng.choice((5, 20, 40))):
                compare_one(trials, rng, seen)
        return seen

    run(record, compare)


if __name__ == "__main__":
    main()
