"""The book of resting orders: which of them fire at the pools' present state. Pure.

A tick must not quote every order, and must miss none whose limit holds. Orders that are asked about
together (one direction of a pair, the same allow-list, price impact limit and priority) are a
group, in a tree by size (`sizes`). A tick walks it from the smallest to the largest: an order is
quoted at its own size, and fires exactly when that gives its threshold; every quote is also a
ceiling on the price of all larger orders (`offers`), so the walk goes on with the next order whose
limit is not above the ceiling. What it quotes in vain are orders within a hair of their limit.
docs/decisions/0008-limit-orders-by-size.md has the figures.

Single pools of the pair decide, though an order may be executed by several: the walk relies on
ceilings that hold for each pool alone. A price that only a split or a path of two hops gives fires
nothing; what fires can be had from one pool.
"""

import heapq
from bisect import bisect_left, insort
from math import inf

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.orders.model import PriceSource, Trigger, TriggerSide, TriggerState
from fairlead.ports import PoolSnapshot
from fairlead.triggers.offers import Offers
from fairlead.triggers.sizes import GroupKey, Resting, SizeTree, end_of

MAX_CANDIDATES = 256
"""Orders that one decision looks at, a few milliseconds' worth. The next one goes on where it
stopped: it should follow at once."""

STALE_EXPIRIES = 1_024
"""Entries of orders that rest no more which the heap of expiries may hold beside as many as it has
of others, before it is made anew."""

Pair = tuple[str, str]
"""Two mints, the lower one first: both directions are read from the same pools."""


class Decision(msgspec.Struct, frozen=True):
    """What one look at a pair's pools came to."""

    # By priority, then those that came to rest first.
    fired: tuple[Resting, ...]
    # Orders that were compared with a quote of their own size.
    candidates: int
    # Sizes that were quoted.
    quotes: int
    # Whether every order was looked at; else the next decision goes on from here.
    is_complete: bool


class _Market:
    """The groups of one pair, and where its walk stopped."""

    __slots__ = ("groups", "keys", "resume")

    def __init__(self) -> None:
        self.groups: dict[GroupKey, SizeTree] = {}
        # Of the groups, in the order of the walk.
        self.keys: list[GroupKey] = []
        self.resume: tuple[GroupKey, Resting | None] | None = None


class Book:
    """All resting orders one process watches. Whoever holds it says what the store has (`put`),
    asks what fires (`decide`) and what has expired, and says what became of it."""

    def __init__(self) -> None:
        self._known: dict[str, Resting] = {}
        # Those that fired and that nobody has claimed yet, as far as is known.
        self._fired: set[str] = set()
        self._markets: dict[Pair, _Market] = {}
        self._groups: dict[GroupKey, GroupKey] = {}
        self._expiries: list[tuple[int, int, str]] = []
        self._expiring = 0

    def __len__(self) -> int:
        """Orders that wait for their price."""
        return len(self._known) - len(self._fired)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._known

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Those with orders that wait for their price."""
        return tuple(self._markets)

    # -- what the store says

    def put(self, state: TriggerState) -> None:
        """Take over a trigger as stored; what is older than what is known changes nothing."""
        trigger = state.trigger
        known = self._known.get(trigger.order_id)
        if known is not None:
            if known.position >= state.position:
                return
            self.drop(known)
        if state.resting:
            self._add(self._resting(state))

    def drop(self, order: Resting) -> None:
        """This order rests no more, or not as it did: forget it, unless it is known anew."""
        if self._known.get(order.order_id) is not order:
            return
        if order.order_id in self._fired:
            self._fired.remove(order.order_id)
        else:
            self._take_out(order)
        del self._known[order.order_id]
        self._expiring -= order.expires_at_ms is not None

    def fire(self, order: Resting) -> None:
        """Its firing is stored. It is not asked about again until it is put at a new position."""
        if self._known.get(order.order_id) is order and order.order_id not in self._fired:
            self._take_out(order)
            self._fired.add(order.order_id)

    # -- what follows

    def decide(self, pair: Pair, snapshot: PoolSnapshot) -> Decision:
        """The orders of a pair whose limit holds now."""
        market = self._markets.get(pair)
        if market is None:
            return Decision((), 0, 0, True)
        walk = _Walk(snapshot)
        key, after = market.resume or (market.keys[0], None)
        market.resume = None
        # The group it stopped in may be gone.
        for n in range(bisect_left(market.keys, key), len(market.keys)):
            here = market.keys[n]
            stopped = walk.group(here, market.groups[here], after if here == key else None)
            if stopped is not None:
                market.resume = (here, stopped)
                break
        fired = sorted(walk.fired, key=lambda order: (order.group[0], order.position))
        return Decision(tuple(fired), walk.candidates, walk.quotes, market.resume is None)

    def expired(self, now_ms: int, limit: int) -> tuple[Resting, ...]:
        """Up to `limit` orders whose time is over, fired ones too: a place may be long in coming.

        They stay known, and are told again by the next call, until they are dropped.
        """
        found: list[Resting] = []
        heap = self._expiries
        while heap and heap[0][0] <= now_ms and len(found) < limit:
            _, position, order_id = heapq.heappop(heap)
            order = self._known.get(order_id)
            if order is not None and order.position == position:
                found.append(order)
        for order in found:
            self._note_expiry(order)
        return tuple(found)

    def _resting(self, state: TriggerState) -> Resting:
        trigger = state.trigger
        assert trigger.side is TriggerSide.AT_LEAST, trigger
        assert trigger.price_source is PriceSource.ROUTE, trigger
        group = group_of(trigger)
        return Resting(
            trigger.amount_in_atoms,
            trigger.threshold_out_atoms,
            state.position,
            trigger.order_id,
            state.sequence,
            # One object for all of them: there may be a million.
            self._groups.setdefault(group, group),
            trigger.expires_at_ms,
        )

    def _add(self, order: Resting) -> None:
        self._known[order.order_id] = order
        self._note_expiry(order)
        self._expiring += order.expires_at_ms is not None
        if len(self._expiries) > 2 * self._expiring + STALE_EXPIRIES:
            self._remake_expiries()
        market = self._markets.setdefault(_pair_of(order), _Market())
        tree = market.groups.get(order.group)
        if tree is None:
            tree = market.groups[order.group] = SizeTree()
            insort(market.keys, order.group)
        tree.add(order)

    def _take_out(self, order: Resting) -> None:
        pair = _pair_of(order)
        market = self._markets[pair]
        tree = market.groups[order.group]
        tree.remove(order)
        if tree.is_empty:
            del market.groups[order.group]
            del market.keys[bisect_left(market.keys, order.group)]
            if not market.groups:
                del self._markets[pair]

    def _note_expiry(self, order: Resting) -> None:
        if order.expires_at_ms is not None:
            heapq.heappush(self._expiries, (order.expires_at_ms, order.position, order.order_id))

    def _remake_expiries(self) -> None:
        self._expiries = [
            (order.expires_at_ms, order.position, order.order_id)
            for order in self._known.values()
            if order.expires_at_ms is not None
        ]
        heapq.heapify(self._expiries)


class _Walk:
    """One decision over one snapshot, within its bound of candidates."""

    def __init__(self, snapshot: PoolSnapshot) -> None:
        self.fired: list[Resting] = []
        self.candidates = 0
        self._snapshot = snapshot
        self._offers: dict[tuple[str, tuple[str, ...]], Offers] = {}

    @property
    def quotes(self) -> int:
        return sum(offers.quoted for offers in self._offers.values())

    def group(self, key: GroupKey, tree: SizeTree, after: Resting | None) -> Resting | None:
        """Walk a group on from `after`; where it stopped when the bound is reached."""
        offers = self._offers_for(key)
        max_impact_bps = key[-1]
        ceiling, amount, best = inf, 0, 0
        while (order := tree.find(after, ceiling)) is not None:
            if self.candidates >= MAX_CANDIDATES:
                return after or end_of(0)
            self.candidates += 1
            if order.amount_in_atoms != amount:
                amount = order.amount_in_atoms
                best, above = offers.best(amount, max_impact_bps)
                ceiling = min(ceiling, above)
            if order.threshold_out_atoms <= best:
                self.fired.append(order)
                after = order
            else:
                # Those of the same size that come after it ask for no less.
                after = end_of(amount)
        return None

    def _offers_for(self, key: GroupKey) -> Offers:
        _, token_in, _, venues, _ = key
        known = self._offers.get((token_in, venues))
        if known is None:
            snapshot = self._snapshot
            allowed = [p for p in snapshot.pools if not venues or p.venue.value in venues]
            known = Offers(allowed, Pubkey.from_string(token_in), snapshot.time)
            self._offers[token_in, venues] = known
        return known


def group_of(trigger: Trigger) -> GroupKey:
    """Orders of one group have the same price at the same size."""
    impact = BPS if trigger.max_price_impact_bps is None else trigger.max_price_impact_bps
    venues = tuple(sorted(trigger.venues or ()))
    return -trigger.priority, trigger.token_in, trigger.token_out, venues, impact


def _pair_of(order: Resting) -> Pair:
    _, token_in, token_out, _, _ = order.group
    return (token_in, token_out) if token_in < token_out else (token_out, token_in)
