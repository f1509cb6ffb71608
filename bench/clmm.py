"""Microseconds per CLMM decode and quote.

    python bench/clmm.py [POOL.json …]

Without files it takes a pool of our own with 60 initialised ticks in three arrays on either side;
a file is one of the format swap-vectors/1. "First" quotes compute the way to the end of the third
array, later ones find their place on it. Times are processor time, the fastest
of five rounds.
"""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from solders.pubkey import Pubkey

from fairlead.venues.raydium import clmm, clmm_accounts
from fairlead.venues.raydium.clmm_encode import Position
from fairlead.venues.raydium.ticks import sqrt_price_at_tick
from fairlead.venues.vectors import parse
from fairlead.venues.venue import Account, ChainTime
from tests.vectors.clmm_pools import Shape, pool_with

ROUNDS, CALLS, ARRAYS = 5, 300, 3
NOW = ChainTime(400_000_000, 1_790_000_000, 925)
Pool = tuple[str, Pubkey, dict[Pubkey, Account]]


def own() -> Pool:
    """Twenty initialised ticks in each array, the current one in the middle of its own."""
    rng, spacing = random.Random(7), 10  # noqa: S311 - not a secret
    ends = sorted(
        start + spacing * place
        for start in range(-3_000, 3_600, 600)
        for place in rng.sample(range(60), 20)
    )
    rng.shuffle(ends)
    pairs = zip(ends[::2], ends[1::2], strict=True)
    positions = [Position(min(pair), max(pair), rng.randint(10**9, 10**12)) for pair in pairs]
    positions.append(Position(-6_000, 6_000, 10**11))
    shape = Shape("", spacing, (2_500, 120_000, 40_000), 305, "")
    pool = pool_with(0, shape, positions, sqrt_price_at_tick(305))
    return "own, 20 ticks per array", pool.address, pool.accounts


def recorded(path: Path) -> Pool:
    """The pool of the first vector in the file."""
    vector = parse(path.read_bytes())[0]
    return path.stem, vector.pool, vector.accounts


def microseconds(call: Callable[[], object]) -> float:
    """The fastest round's time per call."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.process_time() - start)
    return best / CALLS * 1e6


def measure(pool: Pool) -> None:
    """Prints the figures of one pool."""
    name, address, accounts = pool

    def load() -> clmm.LoadedClmmPool:
        return clmm.decode(address, accounts[address]).load(accounts)

    def load_uncached() -> clmm.LoadedClmmPool:
        clmm_accounts.decode_numbers.cache_clear()
        clmm_accounts.extension_bits.cache_clear()
        clmm_accounts.ticks_in.cache_clear()
        return load()

    def cold(mint: Pubkey, amount: int) -> object:
        return load().quote_exact_in(mint, amount, NOW, max_arrays=ARRAYS)

    loaded = load()
    print(f"{name}: load {microseconds(load):.0f} µs from bytes seen before, ", end="")
    print(f"{microseconds(load_uncached):.0f} µs from new ones")
    for side, mint in enumerate(loaded.mints):
        amount = loaded.reach(mint, max_arrays=ARRAYS).max_in_atoms * 99 // 100
        out = loaded.reach(mint, max_arrays=ARRAYS).max_out_atoms * 99 // 100
        walk = loaded.walk_exact_in(side == 0, amount, NOW, 0, ARRAYS).walk
        first = microseconds(lambda m=mint, a=amount: cold(m, a)) - microseconds(load)
        again = microseconds(
            lambda m=mint, a=amount: loaded.quote_exact_in(m, a, NOW, max_arrays=ARRAYS)
        )
        exact_out = microseconds(
            lambda m=mint, a=out: loaded.quote_exact_out(m, a, NOW, max_arrays=ARRAYS)
        )
        print(
            f"  {('down', 'up')[side]}: {walk.ticks_crossed} ticks in {walk.arrays_used} arrays: "
            f"first quote {first:.0f} µs, later {again:.1f} µs, exact out {exact_out:.1f} µs"
        )


if __name__ == "__main__":
    for found in [recorded(Path(name)) for name in sys.argv[1:]] or [own()]:
        measure(found)
