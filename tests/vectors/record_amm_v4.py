"""Records swaps of the compiled AMM v4 program on pools of our own, and compares at random.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_amm_v4 FOLDER
    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_amm_v4 random COUNT SEED

As `record.py`: pools come from our encoders, keys and amounts from a seed, results are balances
that the program left behind. `random` lets pools evolve in the program and holds each quote, each
refusal and the pool's bytes after the swap against what the program then did.
"""

import json
import random
from collections import Counter
from pathlib import Path

from fairlead.venues.raydium import amm_v4, amm_v4_accounts, amm_v4_curve
from fairlead.venues.venue import VenueError
from tests.vectors.amm_v4_pools import pools_to_record, random_pool
from tests.vectors.trials import Trials, open_machine, run

SHA256 = "b0dda274ad5733a8745abb210bf0700adbe0bed8e984b851b527e4388ce6d9c3"
SEED = 20_251_122
ERROR_NAMES = {code: name for code, (name, _) in amm_v4_curve.ERRORS.items()}
NAMES = {9: "SwapBaseIn", 11: "SwapBaseOut"}


def record_pool(trials: Trials, rng: random.Random, *, refusals: bool) -> None:
    """Some swaps of one pool: ordinary ones, dust, limits, and what it must refuse.

    All but the last start from the same state, which keeps the file small.
    """
    pool = trials.pool
    side = rng.randrange(2)
    trials.record("exact_in", side, rng.randint(2, 100), category="tiny")
    amount = pool.depth[side] // 1000 + 1
    paid = trials.send("exact_in", side, amount).get("amount_out", 0)
    trials.record("exact_in", side, amount, paid, category="slippage_exact")
    out = pool.depth[1 - side] // 1000 + 1
    taken = trials.send("exact_out", side, out).get("amount_in", 0)
    trials.record("exact_out", side, out, taken, category="slippage_exact")
    trials.record("exact_in", side, pool.depth[side] * 9 + 1, category="large")
    if refusals:
        _record_refusals(trials, side, (amount, paid), (out, taken))
    for turn in range(22):
        side, kind = rng.randrange(2), ("exact_in", "exact_out")[turn % 2]
        size = pool.depth[1 - side if kind == "exact_out" else side]
        amount = max(1, int(size * 10 ** rng.uniform(-4, -0.2)))
        trials.wait(rng.choice((0, 1, 40)))
        trials.record(kind, side, amount, keep=refusals and turn > 20)


def _record_refusals(
    trials: Trials, side: int, sold: tuple[int, int], bought: tuple[int, int]
) -> None:
    """`sold`: an input and what it brings; `bought`: an output and what it costs."""
    pool = trials.pool
    trials.record("exact_in", side, sold[0], sold[1] + 1, category="slippage")
    trials.record("exact_out", side, bought[0], bought[1] - 1, category="slippage")
    trials.record("exact_in", side, 0, category="zero_input")
    trials.record("exact_out", side, pool.depth[1 - side], category="insufficient_liquidity")
    off, later = pool.disabled(trials.state), pool.opens_later(trials.state, trials.time)
    trials.record("exact_in", side, sold[0], category="status", changed=off)
    trials.record("exact_in", side, sold[0], category="not_open", changed=later)


def quirk(trials: Trials, kind: str, side: int, amount: int, result: dict) -> str | None:
    """ceil_div where this build's older ceiling division makes another result."""
    plain, old = (_quoted(trials, kind, side, amount, old=old) for old in (False, True))
    return "ceil_div" if plain != old else None


def _quoted(trials: Trials, kind: str, side: int, amount: int, *, old: bool):
    """(in, out) by our maths, or the number of the refusal."""
    loaded = amm_v4.decode(trials.pool.address, trials.before[trials.pool.address]).load(
        trials.before
    )
    ask = loaded.quote_exact_in if kind == "exact_in" else loaded.quote_exact_out
    try:
        quote = ask(trials.pool.mints[side], amount, trials.time, old_ceil_div=old)
    except VenueError as refused:
        return refused.code if refused.code is not None else refused.name
    return quote.amount_in_atoms, quote.amount_out_atoms


def compare_one(trials: Trials, rng: random.Random, seen: Counter[str]) -> None:
    """One swap by the program and by us."""
    pool = trials.pool
    trials.wait(rng.choice((0, 0, 1, 7, 40)))
    side, kind = rng.randrange(2), rng.choice(("exact_in", "exact_out"))
    amount = _amount(rng, trials, side, kind)
    loaded = amm_v4.decode(pool.address, trials.state[pool.address]).load(trials.state)
    # All there can be of the token, so that no sum in the token program overflows.
    balance = 2**64 - 1 - loaded.vault_atoms[side]
    result = trials.send(kind, side, amount, balance=balance, keep=rng.random() < 0.8)
    ours = _quoted(trials, kind, side, amount, old=True)
    seen["swaps"] += 1
    seen["of these where the older division matters"] += ours != _quoted(
        trials, kind, side, amount, old=False
    )
    error = result.get("error")
    if error and error["code"] == 40 and not isinstance(ours, int | str) and ours[0] > balance:
        seen["more than the user can have"] += 1
        return
    if error and kind == "exact_in" and amount > balance:
        seen["more than the user can have"] += 1
        return
    theirs = error["code"] if error else (result["amount_in"], result["amount_out"])
    theirs = "panic" if theirs is None else theirs
    if ours == "unknown_status":
        ours = "panic"
    if ours == 22 and loaded.pool.numbers.status == 5 and theirs != 22:
        # Builds before 2026-07-23 swap once the book's time has come, newer ones never.
        seen["status 5, which newer builds refuse"] += 1
        return
    if ours != theirs:
        seen["DIFFERENT"] += 1
        print("DIFFERENT", pool.note, kind, side, amount, "ours", ours, "theirs", error or theirs)
        return
    seen[f"agreed {error['name'] if error else kind}"] += 1
    if not error and trials.kept:
        after = loaded.after_exact_in if kind == "exact_in" else loaded.after_exact_out
        data = after(pool.mints[side], amount, trials.time, old_ceil_div=True).pool_data
        now = trials.state[pool.address].data
        # This build does not write recent_epoch at 736, as the sources of its year do.
        same = (data[:736], data[744:]) == (now[:736], now[744:])
        seen["pool bytes agree" if same else "POOL BYTES DIFFER"] += 1


def _amount(rng: random.Random, trials: Trials, side: int, kind: str) -> int:
    vault = trials.state[trials.pool.changing[1 + (1 - side if kind == "exact_out" else side)]]
    held = int.from_bytes(vault.data[64:72], "little")
    chance = rng.random()
    if chance < 0.1:
        return rng.choice((0, 1, 2, 3, 10, 2**64 - 1, rng.randrange(2**64)))
    if chance < 0.2:
        return max(0, min(2**64 - 1, held + rng.randint(-2, 2)))
    return min(2**64 - 1, int(held * 10 ** rng.uniform(-5, 0.3)))


def main() -> None:
    """Records into the folder named, or compares at random."""
    wanted = {amm_v4_accounts.PROGRAM_ID: SHA256}

    def record(folder: Path) -> None:
        machine, rng = open_machine(wanted), random.Random(SEED)
        for number, pool in enumerate(pools_to_record(rng)):
            trials = Trials(
                machine, f"own{number:02}", pool, lambda d: NAMES[d[0]], ERROR_NAMES, quirk
            )
            record_pool(trials, rng, refusals=number % 4 == 0)
            path = folder / f"raydium_amm_v4_own{number:02}.json"
            path.write_text(json.dumps(trials.file(SEED), separators=(",", ":")) + "\n")
            print(f"{path.name}: {len(trials.vectors)} swaps, {path.stat().st_size} bytes")

    def compare(count: int, seed: int) -> Counter[str]:
        machine, rng, seen = open_machine(wanted), random.Random(seed), Counter[str]()
        while seen["swaps"] < count:
            pool = random_pool(f"random {seed} {seen['swaps']}", rng)
            trials = Trials(machine, "random", pool, lambda d: NAMES[d[0]], ERROR_NAMES)
            for _ in range(rng.choice((5, 20, 40))):
                compare_one(trials, rng, seen)
        return seen

    run(record, compare)


if __name__ == "__main__":
    main()
