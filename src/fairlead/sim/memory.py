"""What the store was told, kept beside it; and what a restore to an earlier moment took from it.

A backup of the store has a backup of this beside it. What was stored after it is lost: its orders
nobody can ask for any more, its attempts are found on the chain or not at all (rule 23).
"""

import msgspec

from fairlead.orders.model import Attempt, NewOrder, OrderStatus


class Known(msgspec.Struct):
    """An order as it was committed."""

    order: NewOrder
    owner: str | None
    # What reaches the user at the least: the limit, or what the first attempt asked for.
    floor_atoms: int | None
    status: OrderStatus
    accepted_s: float
    # What leaves the user at the most: what the first attempt said.
    ceiling_atoms: int | None = None
    attempts: dict[str, Attempt] = {}
    latch_generation: int = 0
    # Rounds begun, and those of them that earlier firings used up.
    round: int = 0
    earlier_rounds: int = 0
    is_over: bool = False

    def copy(self) -> "Known":
        """Apart from this one from now on."""
        return msgspec.structs.replace(self, attempts=dict(self.attempts))


class Past(msgspec.Struct, frozen=True):
    """A moment to which one can go back."""

    orders: dict[str, Known]
    open: tuple[str, ...]
    order_of: dict[str, str]
    by_key: dict[str, str]


class Memory:
    """All orders and attempts: those that the store knows, and those that it once knew."""

    def __init__(self) -> None:
        self.orders: dict[str, Known] = {}
        # Accepted and not ended.
        self.open: dict[str, None] = {}
        # By signature: those the store knows.
        self.order_of: dict[str, str] = {}
        self.by_key: dict[str, str] = {}
        # Whatever was stored at any time, by id and by signature.
        self.ever: dict[str, NewOrder] = {}
        self.signed: dict[str, Attempt] = {}
        # What the store does not know, and did: signatures by order, and orders.
        self.lost: dict[str, dict[str, Attempt]] = {}
        self.lost_orders: set[str] = set()
        # The order of each latch that any attempt was to take.
        self.latches: dict[str, str] = {}
        # Orders that may end against a swap of theirs: it was lost by a restore, and the engine was
        # begun before all that had been sent was decided, against the instructions.
        self.excused: set[str] = set()

    def add(self, known: Known) -> None:
        """Accepted."""
        order_id = known.order.order_id
        self.orders[order_id] = known
        self.ever[order_id] = known.order
        self.open[order_id] = None

    def signs(self, known: Known, attempt: Attempt) -> None:
        """Stored as an attempt of this order: a new one, or one that was lost and is found."""
        order_id = known.order.order_id
        known.attempts[attempt.signature] = attempt
        self.order_of[attempt.signature] = order_id
        self.signed.setdefault(attempt.signature, attempt)
        if attempt.latch_address is not None:
            self.latches[attempt.latch_address] = order_id
        self.lost.get(order_id, {}).pop(attempt.signature, None)

    def lost_of(self, order_id: str) -> list[Attempt]:
        """Its attempts that the store does not know."""
        return list(self.lost.get(order_id, {}).values())

    def owner_of(self, signature: str) -> str | None:
        """The order of an attempt that was stored at any time."""
        attempt = self.signed.get(signature)
        return None if attempt is None else attempt.order_id

    # -- back in time

    def past(self) -> Past:
        """As of now."""
        return Past(
            {order_id: known.copy() for order_id, known in self.orders.items()},
            tuple(self.open),
            dict(self.order_of),
            dict(self.by_key),
        )

    def after(self, past: Past) -> list[Attempt]:
        """Attempts that going back there would lose."""
        return [a for s, a in self.signed.items() if s not in past.order_of]

    def go_back(self, past: Past) -> None:
        """The store is as it was; whatever it was told since is lost."""
        self.orders = {order_id: known.copy() for order_id, known in past.orders.items()}
        self.open = dict.fromkeys(past.open)
        self.order_of = dict(past.order_of)
        self.by_key = dict(past.by_key)
        self.lost_orders = set(self.ever) - set(self.orders)
        self.lost = {}
        for attempt in self.after(past):
            self.lost.setdefault(attempt.order_id, {})[attempt.signature] = attempt
