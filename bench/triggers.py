"""How long a price tick takes to find which resting orders fire; prints JSON.

The book alone, over the real maths of the paper market's two SOL/USDC pools, whose prices walk at
random, a new one for each tick. What fired is replaced by new orders, so that as many rest
throughout. `--mix` says where the limits lie; `--orders 1000000` is the largest book there may be.
"""

import argparse
import gc
import random
import resource
from collections.abc import Callable, Mapping
from math import exp
from multiprocessing import get_context
from time import perf_counter, thread_time

from solders.pubkey import Pubkey

from bench.engine import machine, print_figures
from bench.load import quantiles_ms
from fairlead.clock import SystemClock
from fairlead.ledger.account import AccountState
from fairlead.ledger.market import all_pools, genesis_accounts
from fairlead.ledger.market_flow import moved_pool
from fairlead.ledger.market_pool import MILLION
from fairlead.ledger.tokens import SOL, USDC
from fairlead.orders.model import OrderType, PriceSource, Trigger, TriggerSide, TriggerState
from fairlead.ports import PoolSnapshot
from fairlead.triggers.offers import Offers
from fairlead.triggers.price import Book, Pair
from fairlead.venues.pools import decode_pool
from fairlead.venues.venue import Account, ChainTime, LoadedPool

TIME = ChainTime(slot=1_000_000, unix_timestamp=1_750_000_000, epoch=2)
STEP = 0.0005
"""Standard deviation of a tick's price move: 5 bps."""

SOL_MINT, USDC_MINT = (Pubkey.from_bytes(token.mint) for token in (SOL, USDC))
PAIR: Pair = (
    (str(SOL_MINT), str(USDC_MINT))
    if str(SOL_MINT) < str(USDC_MINT)
    else (str(USDC_MINT), str(SOL_MINT))
)

Draw = Callable[[], tuple[int, float]]
"""An amount of SOL in lamports, and how far its limit is above what its own size is paid now."""


class Market:
    """The SOL/USDC pools at a price of one's choice."""

    def __init__(self) -> None:
        self._states = genesis_accounts()
        self._pools = [p for p in all_pools() if (p.base, p.quote) == (SOL, USDC)]
        # The accounts of these pools, to be decoded again when the price moves.
        self._needed: set[bytes] = set()

    def at(self, price: float) -> PoolSnapshot:
        for number, pool in enumerate(self._pools):
            # A little apart, as venues are.
            millionths = round(price * MILLION * (1 + 0.0005 * number))
            numerator = SOL.price_nanos * 10**USDC.decimals * millionths
            denominator = USDC.price_nanos * 10**SOL.decimals * MILLION
            moved = moved_pool(self._states.get, pool, (numerator, denominator))
            self._states.update(moved)
        return PoolSnapshot(TIME.slot, TIME, tuple([self._loaded(p.address) for p in self._pools]))

    def _loaded(self, address: bytes) -> LoadedPool:
        key = Pubkey.from_bytes(address)
        pool = decode_pool(key, _account(self._states[address]))
        needed: Mapping[Pubkey, Account] = {
            each: _account(self._states[bytes(each)]) for each in pool.accounts_needed
        }
        return pool.load(needed)


def _account(state: AccountState) -> Account:
    return Account(Pubkey.from_bytes(state.owner), state.lamports, state.data)


def draw_of(mix: str, dice: random.Random) -> Draw:
    """Amounts and distances of a mix."""

    def sizes(low: float, high: float) -> int:
        return round(low * (high / low) ** dice.random() * 1e9)

    if mix == "usual":
        # 0.05 to 500 SOL, limits some percent away.
        return lambda: (sizes(0.05, 500), abs(dice.gauss(0, 0.05)))
    if mix == "between":
        # 1,000 to 40,000 SOL: above what their size is paid, at or below what a small one is.
        def large() -> tuple[int, float]:
            lamports = sizes(1_000, 40_000)
            return lamports, dice.random() * lamports / 1e9 / 400_000

        return large
    if mix == "alike":
        return lambda: (10**9, 0.0005)
    if mix == "clustered":
        return lambda: (sizes(0.05, 500), abs(dice.gauss(0, 0.0005)))
    assert mix == "hugging"
    # Each a millionth above what it would be paid.
    return lambda: (sizes(100, 40_000), 1e-6)


MIXES = ("usual", "between", "alike", "clustered", "hugging")


class Resters:
    """Makes orders that come to rest, to sell SOL."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._clock = SystemClock()
        self._position = 0

    def states(self, count: int, seen: PoolSnapshot) -> list[TriggerState]:
        offers = Offers(seen.pools, SOL_MINT, TIME)
        return [self._state(offers) for _ in range(count)]

    def _state(self, offers: Offers) -> TriggerState:
        self._position += 1
        lamports, away = self._draw()
        paid, _ = offers.best(lamports, 10_000)
        trigger = Trigger(
            self._clock.new_id(),
            OrderType.LIMIT,
            TriggerSide.AT_LEAST,
            PriceSource.ROUTE,
            0,
            str(SOL_MINT),
            str(USDC_MINT),
            lamports,
            int(paid * (1 + away)) + 1,
        )
        return TriggerState(trigger, self._position, 2, True)


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def fill(book: Book, resters: Resters, seen: PoolSnapshot, count: int) -> dict[str, float]:
    """Put so many orders into the book, as pages of a store."""
    spent_s, at_first = 0.0, resident_bytes()
    for start in range(0, count, 1_000):
        page = resters.states(min(1_000, count - start), seen)
        began = perf_counter()
        for state in page:
            book.put(state)
        spent_s += perf_counter() - began
        del page
    gc.collect()
    return {
        "inserts_per_second": round(count / spent_s),
        "bytes_per_order": round((resident_bytes() - at_first) / count),
    }


def measure(orders: int, mix: str, ticks: int, seed: int) -> dict[str, object]:
    dice = random.Random(seed)  # noqa: S311 - a seed replays
    market, book = Market(), Book()
    resters = Resters(draw_of(mix, dice))
    price = 1.0
    seen = market.at(price)
    filled = fill(book, resters, seen, orders)
    decisions: list[float] = []
    cpu: list[float] = []
    candidates, quotes, fired, parts, whole = [], [], [], [], []
    removed_s = 0.0
    for _ in range(ticks):
        price *= exp(dice.gauss(0, STEP) + (1 - price) * 0.01)
        seen = market.at(price)
        counts = [0, 0, 0, 0]
        spent_s = 0.0
        while True:
            began, began_cpu = perf_counter(), thread_time()
            decision = book.decide(PAIR, seen)
            cpu.append(thread_time() - began_cpu)
            took = perf_counter() - began
            decisions.append(took)
            spent_s += took
            began = perf_counter()
            for order in decision.fired:
                book.fire(order)
            removed_s += perf_counter() - began
            for order in decision.fired:
                book.drop(order)
            counts[0] += decision.candidates
            counts[1] += decision.quotes
            counts[2] += len(decision.fired)
            counts[3] += 1
            if decision.is_complete:
                break
        for n, each in enumerate((candidates, quotes, fired, parts)):
            each.append(counts[n])
        whole.append(spent_s)
        for state in resters.states(counts[2], seen):
            book.put(state)
        assert len(book) == orders
    return {
        "mix": mix,
        "orders": orders,
        "ticks": ticks,
        **filled,
        "decision_ms": quantiles_ms(decisions),
        # What it takes on a machine that does nothing else.
        "decision_cpu_ms": quantiles_ms(cpu),
        "tick_ms": quantiles_ms(whole),
        "decisions_per_tick": spread(parts),
        "candidates_per_tick": spread(candidates),
        "quotes_per_tick": spread(quotes),
        "fired_per_tick": spread(fired),
        "removals_per_second": round(sum(fired) / removed_s) if removed_s else None,
    }


def spread(counts: list[int]) -> dict[str, float]:
    ordered = sorted(counts)
    return {
        "mean": round(sum(ordered) / len(ordered), 2),
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[int(len(ordered) * 0.99)],
        "max": ordered[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--ticks", type=int, default=1_000)
    parser.add_argument("--mix", choices=MIXES, action="append", help="default: all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    runs = [(given.orders, mix, given.ticks, given.seed) for mix in given.mix or MIXES]
    # Each in a process of its own: what one has freed would hide what the next takes.
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        figures = pool.starmap(measure, runs, chunksize=1)
    print_figures({"what": "triggers", "figures": figures, "machine": machine()})


if __name__ == "__main__":
    main()
