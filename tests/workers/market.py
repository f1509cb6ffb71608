"""A market that tests move, and what its pools would pay."""

import random
from typing import Any

from solders.pubkey import Pubkey

from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.ledger.market import all_pools
from fairlead.ledger.market_flow import moved_pool
from fairlead.ledger.market_pool import MILLION
from fairlead.orders.model import NEVER_MS, AttemptKind, Order, OrderFilter, OrderStatus
from fairlead.ports import PoolSnapshot
from fairlead.venues.venue import Venue, VenueError
from tests.workers.world import World

SOL_PRICE = 150
"""Of the paper market's genesis, in USDC."""


def move(
    world: World, price: float, base: str = "SOL", quote: str = "USDC", venue: Venue | None = None
) -> None:
    """Bring the pools of a pair (of one venue) to `price` times that of genesis, as a flow of
    trades would: quotes see it once its slot is confirmed, swaps at once."""
    bank = world.paper.bank
    for pool in all_pools():
        if (pool.base.symbol, pool.quote.symbol) != (base, quote):
            continue
        if venue is not None and pool.venue is not venue:
            continue
        numerator = pool.base.price_nanos * 10**pool.quote.decimals * round(price * MILLION)
        denominator = pool.quote.price_nanos * 10**pool.base.decimals * MILLION
        bank.apply(moved_pool(bank.account, pool, (numerator, denominator)))


async def paid(world: World, order: Order) -> int:
    """The most that a pool the order allows gives for its amount now, as quotes are read."""
    return best_of(await quoted(world, order), order)


async def quoted(world: World, order: Order) -> PoolSnapshot:
    """The pools of an order's pair, as workers see them."""
    pools = ChainPools(world.paper, paper_pool_list(), world.clock)
    mints = Pubkey.from_string(order.terms.token_in), Pubkey.from_string(order.terms.token_out)
    return await pools.snapshot(*mints)


def best_of(seen: PoolSnapshot, order: Order) -> int:
    """What the best pool that the order allows gives for its amount."""
    terms = order.terms
    best = 0
    for pool in seen.pools:
        if terms.venues is not None and pool.venue.value not in terms.venues:
            continue
        try:
            quote = pool.quote_exact_in(
                Pubkey.from_string(terms.token_in), terms.amount_in_atoms, seen.time
            )
        except VenueError:
            continue
        limit = terms.max_price_impact_bps
        if limit is None or quote.price_impact_bps <= limit:
            best = max(best, quote.amount_out_atoms)
    return best


async def check_floors(world: World) -> None:
    """Every fill on the ledger gave its order what it asked for at the least."""
    for order_id in world.orders:
        order = await world.order(order_id)
        floor = order.terms.limit_out_atoms
        if floor is None:
            continue
        assert order.minimum_out_atoms in (None, floor)
        for attempt in await world.attempts(order_id):
            swaps = attempt.kind is AttemptKind.SWAP
            assert not swaps or attempt.minimum_out_atoms >= floor, "rule 6"
        if order.status is OrderStatus.CONFIRMED:
            assert order.amount_out_atoms is not None
            assert order.amount_out_atoms >= floor, f"{order_id} was filled below its limit"


class Holding:
    """Looks at all open orders again and again: none may rest on while its limit holds for longer
    than `within_s`."""

    def __init__(self, world: World, within_s: float) -> None:
        self.world = world
        self.within_s = within_s
        # When its limit was first seen to hold, since it last did not.
        self._since: dict[tuple[str, int], float] = {}
        self.missed: list[str] = []

    async def run(self) -> None:
        while True:
            filter = OrderFilter("local", status=OrderStatus.OPEN)
            page = await self.world.store.orders(filter, 200, None)
            if page.orders:
                seen = await quoted(self.world, page.orders[0])
                for order in page.orders:
                    self._look(order, seen)
            await self.world.clock.sleep(0.1)

    def _look(self, order: Order, seen: PoolSnapshot) -> None:
        floor, now_s = order.terms.limit_out_atoms, self.world.loop.time()
        key = order.order_id, order.sequence
        if floor is None or order.due_at_ms != NEVER_MS or best_of(seen, order) < floor:
            self._since.pop(key, None)
            return
        since_s = self._since.setdefault(key, now_s)
        if now_s - since_s > self.within_s:
            self.missed.append(f"{order.order_id} rests since {since_s} s though its limit holds")
            self._since[key] = float("inf")


async def walk(world: World, dice: random.Random, seconds: float, step: float = 0.004) -> None:
    """Prices that wander around that of genesis, each venue by itself, a new one in each slot."""
    prices = dict.fromkeys(Venue, 1.0)
    until_s = world.loop.time() + seconds
    while world.loop.time() < until_s:
        for venue in prices:
            pull = (1 - prices[venue]) * 0.05
            prices[venue] *= 1 + pull + dice.uniform(-step, step)
            move(world, prices[venue], venue=venue)
        await world.clock.sleep(0.4)


async def limit(
    world: World, price: float, *, amount: str = "1", sell: bool = True, **given: Any
) -> str:
    """A limit order for SOL against USDC at `price` times that of genesis: to sell an amount of
    SOL, or to buy with an amount of USDC."""
    usdc = SOL_PRICE * price
    if sell:
        return await world.submit(
            "SOL", "USDC", amount, type="limit", limit_price=f"{usdc:.6f}", **given
        )
    at = f"{1 / usdc:.12f}"
    return await world.submit("USDC", "SOL", amount, type="limit", limit_price=at, **given)
