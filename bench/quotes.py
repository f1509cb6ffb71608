"""Microseconds of processor time to decode a pool and to quote it, venue by venue.

    python -m bench.quotes [VENUE …]

Each case is a pool that swaps change on the ledger: every state has new bytes, as a feed brings
them. "decode" is from those bytes to a pool ready to quote; what did not change since the last
state is remembered. "first_quote" is the first on a state, "quote" each later one; "all" is decode
and first quote. Of five rounds of 200 states the fastest counts. "floor" is what pure Python cannot
go below. A venue is added by a function in
`CASES`; its program must be one of `tests/vectors/replay.py`.
"""

import argparse
import json
import random
import time
import timeit
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from bench.clmm import own as own_clmm
from fairlead.venues.meteora import (
    damm_v1_accounts,
    damm_v2_accounts,
    dlmm,
    dlmm_accounts,
    dlmm_arrays,
)
from fairlead.venues.pools import decode_pool
from fairlead.venues.raydium import amm_v4_accounts, clmm, clmm_accounts, cpmm_accounts
from fairlead.venues.token2022 import TOKEN_PROGRAM, amount_of, encode_token_account
from fairlead.venues.venue import Account, ChainTime, LoadedPool, SwapQuote, VenueError
from tests.vectors import amm_v4_pools, damm_v1_pools
from tests.vectors.dlmm_pools import Shape, make_pool
from tests.vectors.pools import PoolOfOurs, cpmm_pools, damm_v2_pools, key, rent
from tests.vectors.replay import replay_instruction

ROUNDS, STATES, LATER_QUOTES = 5, 200, 5
NOW = ChainTime(400_000_000, 1_790_000_000, 925)
USER = key("bench user")
USER_ATOMS = 2**62

Accounts = dict[Pubkey, Account]
Quote = Callable[[LoadedPool, int, int], SwapQuote]
"""Of a side's input of so many atoms."""


class Case(msgspec.Struct):
    """A pool to measure."""

    note: str
    address: Pubkey
    accounts: Accounts
    # The inputs that are quoted, of either side; swaps between take up to a third.
    atoms_in: tuple[int, int]
    quote: Quote
    # Functions that remember what they decoded: a feed's bytes were never seen before.
    caches: tuple[Any, ...]


def concentrated() -> Case:
    """Raydium CLMM: 60 initialised ticks in three arrays on either side, quoted to their end."""
    arrays = 3
    name, address, accounts = own_clmm()
    loaded = clmm.decode(address, accounts[address]).load(accounts)
    down, up = (
        loaded.reach(mint, max_arrays=arrays).max_in_atoms * 9 // 10 for mint in loaded.mints
    )

    def quote(pool: LoadedPool, side: int, atoms: int) -> SwapQuote:
        assert isinstance(pool, clmm.LoadedClmmPool)
        return pool.quote_exact_in(pool.mints[side], atoms, NOW, max_arrays=arrays + 1)

    caches = (
        clmm_accounts.decode_numbers,
        clmm_accounts.ticks_in,
        clmm_accounts.extension_bits,
    )
    return Case(f"{name}, {arrays} arrays", address, accounts, (down, up), quote, caches)


def binned() -> Case:
    """Meteora DLMM: a pair of the paper market's shape, quoted over three arrays on either side."""
    arrays = 3
    pool = make_pool(
        "bench",
        Shape("", 10, 25_000, 35, emptiness=0, reach=34 + 3 * 70),
        random.Random(7),  # noqa: S311 - not a secret
    )
    found = dlmm.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)
    down, up = (
        sum(b.max_amount_in for _, bins in path.arrays[:arrays] for b in bins) * 9 // 10
        for path in (found.down, found.up)
    )

    def quote(pool: LoadedPool, side: int, atoms: int) -> SwapQuote:
        assert isinstance(pool, dlmm.LoadedDlmmPool)
        return pool.quote_exact_in(pool.mints[side], atoms, NOW)

    note = f"own, 70 bins per array, {arrays} arrays"
    caches = (dlmm_accounts.decode_numbers, dlmm_arrays.bins_on_path)
    return Case(note, pool.address, pool.accounts, (down, up), quote, caches)


def _in_the_middle(made: PoolOfOurs, note: str, *caches: Any) -> Case:
    """A pool that needs no walk: inputs of a hundredth of what it holds."""

    def quote(pool: LoadedPool, side: int, atoms: int) -> SwapQuote:
        return pool.quote_exact_in(pool.mints[side], atoms, NOW)

    atoms = (made.depth[0] // 100, made.depth[1] // 100)
    return Case(note, made.address, made.accounts, atoms, quote, caches)


def plain_product() -> Case:
    """Raydium CPMM: two mints of SPL Token, trade, protocol and fund fee."""
    made = cpmm_pools(random.Random(7))[0]  # noqa: S311 - not a secret
    return _in_the_middle(made, "own, plain", cpmm_accounts.decode_numbers)


def old_product() -> Case:
    """Raydium AMM v4: a pool of status 6."""
    made = amm_v4_pools.make_pool("bench", note="", reserves=(10**13, 10**12))
    return _in_the_middle(made, "own, status 6", amm_v4_accounts.decode_numbers)


def one_range() -> Case:
    """Meteora DAMM v2: fee in B, a flat base fee, a dynamic fee."""
    made = damm_v2_pools(random.Random(7))[1]  # noqa: S311 - not a secret
    return _in_the_middle(made, "own, dynamic fee", damm_v2_accounts.decode_numbers)


def _lending(note: str, stable: tuple[int, int, int, int] | None) -> Case:
    side = damm_v1_pools.Side(10**13, 10**13, 10**12, 10**13)
    made = damm_v1_pools.make_pool("bench", damm_v1_pools.Shape((side, side), stable=stable))
    known = (damm_v1_accounts.decode_numbers, damm_v1_accounts.decode_vault)
    return _in_the_middle(made, note, *known)


def lending_product() -> Case:
    """Meteora DAMM v1: the constant product between two vaults."""
    return _lending("own, constant product", None)


def lending_stable() -> Case:
    """Meteora DAMM v1: the stable curve between two vaults."""
    return _lending("own, stable", (100, 1, 1, 6))


CASES: Mapping[str, Callable[[], Case]] = {
    "raydium_clmm": concentrated,
    "meteora_dlmm": binned,
    "raydium_cpmm": plain_product,
    "raydium_amm_v4": old_product,
    "meteora_damm_v2": one_range,
    "meteora_damm_v1": lending_product,
    "meteora_damm_v1_stable": lending_stable,
}


def loaded(case: Case, accounts: Accounts) -> LoadedPool:
    return decode_pool(case.address, accounts[case.address]).load(accounts)


def wallet(side: int) -> Pubkey:
    return key(f"bench wallet {side}")


def states(case: Case, seed: int) -> list[Accounts]:
    """The pool's accounts after each of so many swaps: a random one, then its output back."""
    rng, accounts = random.Random(seed), dict(case.accounts)  # noqa: S311 - not a secret
    mints = loaded(case, accounts).mints
    accounts[USER] = Account(Pubkey.default(), 10**12, b"")
    for side, mint in enumerate(mints):
        data = encode_token_account(mint, USER, USER_ATOMS)
        accounts[wallet(side)] = Account(TOKEN_PROGRAM, rent(len(data)), data)
    found: list[Accounts] = []
    atoms = 0
    while len(found) < STATES:
        side = len(found) % 2
        if not side:
            atoms = int(case.atoms_in[side] * rng.uniform(0.01, 0.33))
        sent = loaded(case, accounts).swap_exact_in(
            USER, mints[side], wallet(side), wallet(1 - side), atoms, 0
        )
        done = replay_instruction(sent, accounts, NOW)
        assert done.error is None, done.logs
        atoms = amount_of(done.views[wallet(1 - side)].data) - amount_of(
            accounts[wallet(1 - side)].data
        )
        changed = {
            address: Account(Pubkey.from_bytes(view.owner), view.lamports, view.data)
            for address, view in done.views.items()
            if address in accounts and view.data is not accounts[address].data
        }
        accounts = {**accounts, **changed}
        found.append(accounts)
    return found


def measured(case: Case, seed: int) -> dict[str, float]:
    """Mean µs over the states of one round."""
    spent = dict.fromkeys(("decode", "first_quote", "quote"), 0)
    quotes = 0
    found_states = states(case, seed)
    for cache in case.caches:
        cache.cache_clear()
    for number, accounts in enumerate(found_states):
        side = number % 2
        start = time.process_time_ns()
        pool = loaded(case, accounts)
        ready = time.process_time_ns()
        ask = partial(case.quote, pool, side, case.atoms_in[side] * 2 // 3)
        try:
            ask()
        except VenueError:
            # The pool has moved so far that so much does not fit; its decoding counts all the same.
            spent["decode"] += ready - start
            continue
        first = time.process_time_ns()
        for _ in range(LATER_QUOTES):
            ask()
        end = time.process_time_ns()
        quotes += 1
        spent["decode"] += ready - start
        spent["first_quote"] += first - ready
        spent["quote"] += (end - first) // LATER_QUOTES
    found = {
        "decode": spent["decode"] / STATES / 1_000,
        "first_quote": spent["first_quote"] / quotes / 1_000,
        "quote": spent["quote"] / quotes / 1_000,
    }
    return {**found, "all": found["decode"] + found["first_quote"]}


def row(case: Case) -> dict[str, Any]:
    """The fastest of the rounds, figure by figure."""
    rounds = [measured(case, seed) for seed in range(ROUNDS)]
    best = {name: round(min(one[name] for one in rounds), 1) for name in rounds[0]}
    return {"pool": case.note, "us": best}


def floor() -> dict[str, float]:
    """What no quote in pure Python goes below: a constant product's sums alone, and with one call
    and the quote made of them. Mean µs, the best of some rounds."""
    fee_rate, reserve_in, reserve_out, amount = 2_500, 10**13 + 7, 10**12 + 9, 10**10 + 3
    mint = key("floor")

    def sums() -> None:
        fee = -(-amount * fee_rate // 1_000_000)
        net = amount - fee
        _ = net * reserve_out // (reserve_in + net)

    def ask(atoms: int) -> SwapQuote:
        fee = -(-atoms * fee_rate // 1_000_000)
        net = atoms - fee
        out = net * reserve_out // (reserve_in + net)
        at_pool_price = net * reserve_out
        lost = at_pool_price - out * reserve_in
        return SwapQuote(atoms, out, fee, mint, -(-lost * 10_000 // at_pool_price), 46_500)

    found = {}
    for name, call in (("sums", sums), ("call_and_quote", partial(ask, amount))):
        timer = timeit.Timer(call, timer=time.process_time)
        found[name] = round(min(timer.repeat(9, 20_000)) / 20_000 * 1e6, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("venues", nargs="*", metavar="VENUE", help=", ".join(CASES))
    chosen = parser.parse_args().venues or list(CASES)
    if unknown := [name for name in chosen if name not in CASES]:
        parser.error(f"not measured: {', '.join(unknown)}")
    rows = {name: row(CASES[name]()) for name in chosen}
    print(json.dumps({**rows, "floor": {"us": floor()}}, indent=2))


if __name__ == "__main__":
    main()
