"""Resting orders by size, each with its limit price: a tree that finds the next easy limit.

The question a price tick asks again and again is: of the orders larger than this one, which is the
smallest whose limit is at or below that price? Every node keeps the lowest limit price below it, so
the answer takes O(log n), and so do adding and removing. Limit prices are kept as floats, a bit
off: they only leave out what is far from its limit, with a margin (`offers.ceiling`), and never
decide that an order fires.
"""

from array import array
from bisect import bisect_left, bisect_right
from math import inf
from typing import Protocol

import msgspec

MOST = 64
"""Entries of a node; one more splits it. Short enough to walk through, long enough that a million
orders are four nodes deep."""
FEW = MOST // 4
"""A node with fewer is joined with a neighbour that has room."""

GroupKey = tuple[int, str, str, tuple[str, ...], int]
"""What orders that are asked about together share: less their priority, so that the highest comes
first; token in and out; allow-list of venues, empty for all; price impact limit in bps."""


class Resting(msgspec.Struct, frozen=True, order=True, gc=False):
    """A resting order as the book has it. The first three fields are its place in the tree; no
    two orders have a position in common."""

    amount_in_atoms: int
    # It fires when its own amount gives this much.
    threshold_out_atoms: int
    # Of the event that made it rest.
    position: int
    order_id: str
    # Of the order at that event: the fence of whoever fires it.
    sequence: int
    group: GroupKey
    expires_at_ms: int | None


def price_of(order: Resting) -> float:
    """The limit price in atoms out per atom in, to a float's precision."""
    return order.threshold_out_atoms / order.amount_in_atoms


_NO_GROUP: GroupKey = (0, "", "", (), 0)


def end_of(amount_in_atoms: int) -> Resting:
    """A place after every order of this size and before every larger one."""
    return Resting(amount_in_atoms + 1, -1, 0, "", 0, _NO_GROUP, None)


class _Node(Protocol):
    @property
    def first(self) -> Resting: ...
    @property
    def lowest(self) -> float: ...
    @property
    def size(self) -> int: ...
    def add(self, order: Resting) -> "_Node | None":
        """Take it in; the right half when this node had to be split."""
        ...

    def remove(self, order: Resting) -> None: ...
    def find(self, after: Resting | None, price: float) -> Resting | None: ...
    def absorb(self, right: "_Node") -> None:
        """Take over everything of the right neighbour."""
        ...


class _Leaf:
    """Orders in their places."""

    __slots__ = ("_orders", "_prices", "lowest")

    def __init__(self, orders: list[Resting], prices: "array[float]") -> None:
        self._orders = orders
        self._prices = prices
        self.lowest = min(prices, default=inf)

    @property
    def first(self) -> Resting:
        return self._orders[0]

    @property
    def size(self) -> int:
        return len(self._orders)

    def add(self, order: Resting) -> "_Leaf | None":
        price = price_of(order)
        at = bisect_left(self._orders, order)
        self._orders.insert(at, order)
        self._prices.insert(at, price)
        self.lowest = min(self.lowest, price)
        if len(self._orders) <= MOST:
            return None
        half = MOST // 2
        right = _Leaf(self._orders[half:], self._prices[half:])
        del self._orders[half:], self._prices[half:]
        self.lowest = min(self._prices)
        return right

    def remove(self, order: Resting) -> None:
        at = bisect_left(self._orders, order)
        assert self._orders[at] is order
        del self._orders[at]
        if self._prices.pop(at) <= self.lowest:
            self.lowest = min(self._prices, default=inf)

    def find(self, after: Resting | None, price: float) -> Resting | None:
        prices = self._prices
        at = 0 if after is None else bisect_right(self._orders, after)
        for n in range(at, len(prices)):
            if prices[n] <= price:
                return self._orders[n]
        return None

    def absorb(self, right: _Node) -> None:
        assert isinstance(right, _Leaf)
        self._orders += right._orders
        self._prices += right._prices
        self.lowest = min(self.lowest, right.lowest)


class _Inner:
    """Nodes in the order of what is in them. `_firsts` divides them: an entry is at or before the
    first of its node and after all of the node before it."""

    __slots__ = ("_firsts", "_lowest", "_nodes", "lowest")

    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes
        self._firsts = [node.first for node in nodes]
        self._lowest = [node.lowest for node in nodes]
        self.lowest = min(self._lowest)

    @property
    def first(self) -> Resting:
        return self._firsts[0]

    @property
    def size(self) -> int:
        return len(self._nodes)

    @property
    def only(self) -> _Node | None:
        """The one node left in it."""
        return self._nodes[0] if len(self._nodes) == 1 else None

    def add(self, order: Resting) -> "_Inner | None":
        at = self._holder(order)
        node = self._nodes[at]
        right = node.add(order)
        if order < self._firsts[at]:
            self._firsts[at] = order
        self._lowest[at] = node.lowest
        if right is not None:
            self._nodes.insert(at + 1, right)
            self._firsts.insert(at + 1, right.first)
            self._lowest.insert(at + 1, right.lowest)
        self.lowest = min(self.lowest, price_of(order))
        if len(self._nodes) <= MOST:
            return None
        half = MOST // 2
        split = _Inner(self._nodes[half:])
        del self._nodes[half:], self._firsts[half:], self._lowest[half:]
        self.lowest = min(self._lowest)
        return split

    def remove(self, order: Resting) -> None:
        at = self._holder(order)
        node = self._nodes[at]
        node.remove(order)
        self._lowest[at] = node.lowest
        if node.size == 0:
            self._forget(at)
        elif node.size < FEW:
            self._join(at)
        self.lowest = min(self._lowest, default=inf)

    def find(self, after: Resting | None, price: float) -> Resting | None:
        lowest = self._lowest
        at = 0
        if after is not None:
            at = self._holder(after)
            if lowest[at] <= price:
                found = self._nodes[at].find(after, price)
                if found is not None:
                    return found
            at += 1
        for n in range(at, len(lowest)):
            if lowest[n] <= price:
                return self._nodes[n].find(None, price)
        return None

    def absorb(self, right: _Node) -> None:
        assert isinstance(right, _Inner)
        self._nodes += right._nodes
        self._firsts += right._firsts
        self._lowest += right._lowest
        self.lowest = min(self.lowest, right.lowest)

    def _holder(self, order: Resting) -> int:
        return max(bisect_right(self._firsts, order) - 1, 0)

    def _forget(self, at: int) -> None:
        del self._nodes[at], self._firsts[at], self._lowest[at]

    def _join(self, at: int) -> None:
        """Join this node with a neighbour, where the two have room in one."""
        left = at - 1 if at > 0 else at
        if left + 1 >= len(self._nodes):
            return
        node, right = self._nodes[left], self._nodes[left + 1]
        if node.size + right.size <= MOST - FEW:
            node.absorb(right)
            self._lowest[left] = node.lowest
            self._forget(left + 1)


class SizeTree:
    """Resting orders by (amount, threshold, position)."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Leaf | _Inner = _Leaf([], array("d"))

    @property
    def is_empty(self) -> bool:
        return self._root.size == 0

    def add(self, order: Resting) -> None:
        right = self._root.add(order)
        if right is not None:
            self._root = _Inner([self._root, right])

    def remove(self, order: Resting) -> None:
        """Take out an order that is in it."""
        self._root.remove(order)
        while isinstance(self._root, _Inner) and self._root.only is not None:
            only = self._root.only
            assert isinstance(only, _Leaf | _Inner)
            self._root = only

    def find(self, after: Resting | None, price: float) -> Resting | None:
        """The next order after this one, or the first, whose limit price is at most `price`."""
        return self._root.find(after, price)
