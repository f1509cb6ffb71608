"""The worker beside an API in one process."""

from typing import Protocol

from fairlead.orders.model import NewOrder


class Hand(Protocol):
    """The worker of this process, that has begun an order which is just about to be accepted. What
    it writes is queued behind the accept, and refused where that stored nothing."""

    # For whom the order is to be accepted as claimed.
    owner: str

    def put_back(self) -> None:
        """Nothing was stored: leave it."""
        ...

    def doubt(self) -> None:
        """Whether the order was stored, and claimed, is unknown: the worker finds out."""
        ...


class Hands(Protocol):
    """The worker beside an API in one process: its free places are known without asking."""

    def begin(self, order: NewOrder) -> Hand | None:
        """Begin an order right before it is accepted; None when no place is free, when the worker
        may not take orders, or when orders are known to wait that a new one must not overtake."""
        ...
