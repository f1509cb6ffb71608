"""Which orders may go on: while the wallets that had orders at the start are held against the chain
(rule 23), theirs wait. Only state; `reconciling` fills it.

On the way of an order this is one look at `is_open`.
"""

import msgspec

from fairlead.orders.model import Order, OrderType
from fairlead.ports import LandedTransaction

TELL_AFTER_MS = 5_000
TELL_AGAIN_MS = 120_000
"""An order that waits says so after so long, and then each time after so long (rule 18)."""

MAX_TOLD = 65_536
"""Waiting orders of which it is known when they last said so; beyond it they begin anew."""


class _Waiting(msgspec.Struct):
    since_ms: int
    told_ms: int | None = None


class Gate:
    """Open for everybody until `close`."""

    def __init__(self) -> None:
        # Nothing waits and nothing is to be adopted.
        self.is_open = True
        # Whether the wallets of all orders in hand or in line, and of those at rest, are known.
        self.are_active_known = True
        self.are_resting_known = True
        # Wallets whose history is not known yet.
        self.wallets: set[str] = set()
        # Of these, those of which the chain did not tell when last asked.
        self.silent: set[str] = set()
        # By order: its successful transaction that the store did not know.
        self.lost: dict[str, LandedTransaction] = {}
        # By order: those that failed. They may wait for long: whoever drives the order next stores
        # them.
        self.failed: dict[str, list[LandedTransaction]] = {}
        # Of the orders of `lost`, those that rest.
        self.lost_at_rest: set[str] = set()
        self._waiting: dict[str, _Waiting] = {}

    def close(self) -> None:
        """Nobody goes on until it is known whose wallets are concerned."""
        self.is_open = self.are_active_known = self.are_resting_known = False

    def settle(self) -> None:
        """Open, if nothing is left that waits."""
        self.is_open = (
            self.are_active_known
            and self.are_resting_known
            and not (self.wallets or self.lost or self.failed)
        )
        if self.is_open:
            self._waiting.clear()

    def waits(self, order: Order) -> bool:
        """Whether the order may not go on yet. One accepted after the start has a secret that no
        lost transaction can have; but its wallet signs nothing (rule 23)."""
        if order.terms.wallet in self.wallets or not self.are_active_known:
            return True
        return not self.are_resting_known and order.terms.type is not OrderType.MARKET

    @property
    def may_expire(self) -> bool:
        """Whether resting orders may end unseen: not while one may have been filled."""
        return self.are_resting_known and not self.wallets and not self.lost_at_rest

    def found(self, order_id: str) -> None:
        """What was lost of the order is known to the store, or of no more use."""
        self.lost.pop(order_id, None)
        self.lost_at_rest.discard(order_id)
        self.settle()

    def forget_failed(self, order_id: str) -> None:
        """They are stored, or of no more use."""
        self.failed.pop(order_id, None)
        self.settle()

    def reason_to_tell(self, order_id: str, reason: str, elapsed_ms: int) -> str | None:
        """The reason if it is time that the order says why it waits."""
        if len(self._waiting) >= MAX_TOLD:
            self._waiting.clear()
        known = self._waiting.setdefault(order_id, _Waiting(elapsed_ms))
        if known.told_ms is None:
            is_due = elapsed_ms - known.since_ms >= TELL_AFTER_MS
        else:
            is_due = elapsed_ms - known.told_ms >= TELL_AGAIN_MS
        if not is_due:
            return None
        known.told_ms = elapsed_ms
        return reason

    @property
    def waiting(self) -> int:
        """How many orders wait."""
        return len(self._waiting)

    def know(self, wallet: str) -> None:
        """Its orders may go on."""
        self.wallets.discard(wallet)
        self.silent.discard(wallet)
        self.settle()

    def goes_on(self, order_id: str) -> None:
        """The order does not wait any more."""
        self._waiting.pop(order_id, None)
