"""What choosing a route costs, and how good the splits are. One JSON object.

    python -m bench.routing [--cases 1000] [--rounds 60] [--seed 1]

Times are µs of processor time of one `best_route`, quoting included, decoding not: pools are
loaded before, and each figure is the fastest of three runs of the same order. Orders are of a
ten-thousandth to a third of a pool's greatest depth. "floor" is what the quotes and curves of the
same pools cost without any search: no router in Python that asks each pool once can be faster.
Quality is over random markets of 2 to 16 pools of all venues, both directions, against the least
bound that scipy finds for what any split pays (`tests/unit/routing/reference.py`).
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from math import exp, log
from time import process_time

from solders.pubkey import Pubkey

from bench.engine import machine, print_figures
from fairlead.ports import PoolSnapshot
from fairlead.routing import WSOL_MINT, NetworkCosts, NoRoute, RouteRequest, best_route
from fairlead.routing.hops import hop_of
from fairlead.routing.split import SplitRequest, best_split, vessels_of
from fairlead.routing.water import level_of, out_of
from fairlead.venues.curves import curve_of
from tests.unit.routing.cases import random_case, solved
from tests.unit.routing.markets import (
    NOW,
    Made,
    Unlimited,
    a_cpmm,
    a_damm_v2,
    ordered,
    random_market,
    snapshot_of,
    tables_of,
)
from tests.vectors.pools import key

USDC = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
USDT = Pubkey.from_string("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB")
TOKEN_A, TOKEN_B = key("bench token a"), key("bench token b")
WORTH = {WSOL_MINT: 0.15, USDC: 1.0, USDT: 1.0, TOKEN_A: 0.02, TOKEN_B: 0.5}
"""Of an atom, in some common unit."""

MIDDLES = (WSOL_MINT, USDC, USDT)
COSTS = NetworkCosts(1_000)
MOST_ATOMS = 1e14
REPEATS = 3


def us(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        began = process_time()
        call()
        best = min(best, process_time() - began)
    return best * 1e6


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    found = sorted(values)
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {
        name: round(found[min(int(len(found) * part), len(found) - 1)], digits)
        for name, part in at.items()
    }


def pools_of(rng: random.Random, one: Pubkey, other: Pubkey, count: int) -> list[Made]:
    mints = ordered(one, other)
    return random_market(rng, count, mints, price=WORTH[mints[0]] / WORTH[mints[1]])


def amount_of(rng: random.Random) -> int:
    return int(MOST_ATOMS * exp(rng.uniform(log(1e-4), log(0.3))))


# --- two pools, small orders: what everyone pays


def small_orders(rounds: int, seed: int) -> dict[str, object]:
    """Two pools of the shape the paper market has, and an order that moves neither by 1 bp."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    mints = ordered(WSOL_MINT, USDC)
    alone, several, ratio = [], [], []
    for n in range(rounds):
        made = [
            a_cpmm(f"two {n}", mints, 10**14, 0.15, 2_500),
            a_damm_v2(f"two {n}", mints, 10**14, 0.15, 2_500),
        ]
        snapshot, amount = snapshot_of(made), rng.randrange(10**8, 10**10)
        requests = [RouteRequest(WSOL_MINT, USDC, amount, max_legs=legs) for legs in (1, 4)]

        def many(request: RouteRequest, seen: PoolSnapshot = snapshot) -> None:
            for _ in range(100):
                best_route(request, seen, COSTS)

        one, four = (us(partial(many, request)) / 100 for request in requests)
        alone.append(one)
        several.append(four)
        ratio.append(four / one)
    return {
        "one_leg_us": spread(alone, 2),
        "four_legs_us": spread(several, 2),
        "four_over_one": spread(ratio, 3),
    }


# --- splits and two hops


def splits(rounds: int, seed: int, max_legs: int, with_tables: bool) -> dict[str, object]:
    """16 pools of SOL/USDC."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    taken, floors, legs, bound = [], [], Counter[int](), Counter[str]()
    for _ in range(rounds):
        made, amount = pools_of(rng, WSOL_MINT, USDC, 16), amount_of(rng)
        snapshot = snapshot_of(made)
        tables = tables_of(made) if with_tables else ()
        request = RouteRequest(WSOL_MINT, USDC, amount, max_legs=max_legs, lookup_tables=tables)
        route = best_route(request, snapshot, COSTS)
        taken.append(us(partial(best_route, request, snapshot, COSTS)))
        floors.append(us(partial(asked_once, made, amount)))
        if isinstance(route, NoRoute):
            legs[0] += 1
            continue
        legs[len(route.legs)] += 1
        bound[route.binding.value if route.binding else "none"] += 1
    return {
        "pools": 16,
        "max_legs": max_legs,
        "lookup_tables": with_tables,
        "us": spread(taken),
        "floor_us": spread(floors),
        "legs": dict(sorted(legs.items())),
        "binding": dict(bound),
    }


def asked_once(made: Sequence[Made], amount: int) -> None:
    hop_of([each.pool for each in made], WSOL_MINT, USDC, amount, NOW)
    for each in made:
        curve_of(each.pool, WSOL_MINT, amount, NOW)


def two_hops(rounds: int, seed: int, max_legs: int, with_tables: bool) -> dict[str, object]:
    """50 pools: 8 of the pair, 7 of each hop through three middles."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    taken, shapes, bound = [], Counter[str](), Counter[str]()
    for _ in range(rounds):
        direct = pools_of(rng, TOKEN_A, TOKEN_B, 8)
        others = [
            each
            for middle in MIDDLES
            for ends in ((TOKEN_A, middle), (middle, TOKEN_B))
            for each in pools_of(rng, *ends, 7)
        ]
        snapshot = snapshot_of(direct, others)
        tables = tables_of([*direct, *others]) if with_tables else ()
        request = RouteRequest(
            TOKEN_A,
            TOKEN_B,
            amount_of(rng),
            max_legs=max_legs,
            middles=MIDDLES,
            lookup_tables=tables,
        )
        route = best_route(request, snapshot, COSTS)
        taken.append(us(partial(best_route, request, snapshot, COSTS)))
        if isinstance(route, NoRoute):
            shapes["none"] += 1
            continue
        shapes[f"{route.alternatives[0].shape.value} of {len(route.legs)}"] += 1
        bound[route.binding.value if route.binding else "none"] += 1
    return {
        "pools": 50,
        "max_legs": max_legs,
        "lookup_tables": with_tables,
        "us": spread(taken),
        "chosen": dict(sorted(shapes.items())),
        "binding": dict(bound),
    }


# --- quality


def quality(cases: int, seed: int, max_legs: int, min_gain_bps: int) -> dict[str, object]:
    rng = random.Random(seed)  # noqa: S311 - not a secret
    gaps, gains, legs, below = [], [], Counter[int](), 0
    for _ in range(cases):
        found = solved(random_case(rng), max_legs, min_gain_bps)
        out = found.split.amount_out_atoms
        gaps.append(found.gap_bps)
        legs[len(found.split.legs)] += 1
        if found.best_alone:
            below += int(out < found.best_alone)
            gains.append((out / found.best_alone - 1) * 1e4)
    return {
        "cases": cases,
        "max_legs": max_legs,
        "min_gain_bps": min_gain_bps,
        "gap_bps": spread(gaps, 6),
        "gap_above_1_bp": sum(gap > 1 for gap in gaps),
        "below_the_best_single_pool": below,
        "gain_over_it_bps": spread(gains),
        "no_single_pool_serves": cases - len(gains),
        "legs": dict(sorted(legs.items())),
    }


def few_legs(cases: int, seed: int, max_legs: int, order_part: int) -> dict[str, object]:
    """Against every set of so many of 4 to 9 pools, by their curves; every other order is one part
    in `order_part` of the usual ones."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    gaps = []
    for n in range(cases):
        case = random_case(rng, range(4, 10))
        amount = max(case.amount // (order_part if n % 2 else 1), 1_000)
        token_in, token_out = case.mints
        pools = [each.pool for each in case.made]
        request = SplitRequest(token_in, token_out, amount, NOW, max_legs, 0)
        vessels = vessels_of(pools, token_in, amount, NOW, {}, lambda _: 0)
        best = 0.0
        for some in combinations(vessels, min(max_legs, len(vessels))):
            curves = [vessel.curve for vessel in some]
            level = level_of(curves, amount)
            if level is not None:
                paid = [out_of(*each) for each in zip(curves, level.amounts, strict=True)]
                best = max(best, sum(paid))
        split = best_split(request, vessels, Unlimited())
        if best:
            gaps.append((1 - (split.amount_out_atoms if split else 0) / best) * 1e4)
    return {
        "cases": len(gaps),
        "max_legs": max_legs,
        "gap_to_the_best_set_bps": spread(gaps, 3),
        "gap_above_1_bp": sum(gap > 1 for gap in gaps),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rounds, seed = given.rounds, given.seed
    figures = {
        "two_pools_small_orders": small_orders(min(rounds, 20), seed),
        "split": [
            splits(rounds, seed, legs, tables)
            for legs, tables in ((1, False), (4, False), (4, True), (16, True))
        ],
        "two_hop": [
            two_hops(rounds, seed, legs, tables)
            for legs, tables in ((2, False), (4, False), (4, True))
        ],
        "quality": [
            quality(given.cases, seed, 16, 0),
            quality(given.cases, seed, 16, 1),
            quality(given.cases, seed, 4, 1),
        ],
        "few_legs": [few_legs(given.cases // 2, seed, legs, 20) for legs in (2, 3, 4)],
    }
    print_figures({"what": "routing", "figures": figures, "machine": machine()})


if __name__ == "__main__":
    main()
