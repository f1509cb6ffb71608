"""Places lent to the API of the same process: the accept of an order is then its claim too."""

from collections.abc import Callable

from fairlead.orders.model import Claimed
from fairlead.workers.places import Place

LOOK_FOR_MS = 600_000
"""How long to look for an order of which nobody knows whether it was stored: a statement that the
database has still in hand may be committed long after its connection broke."""


class LentPlace:
    """`ports.Hand`: a place that is held until one of the three ends is told."""

    __slots__ = ("_begin", "_doubt", "_place", "owner")

    def __init__(
        self,
        owner: str,
        place: Place,
        begin: Callable[[str, Claimed, Place], None],
        doubt: Callable[[str], None],
    ) -> None:
        self.owner = owner
        self._place = place
        self._begin = begin
        self._doubt = doubt

    def begin(self, claimed: Claimed) -> None:
        assert claimed.order.owner == self.owner
        self._begin(self.owner, claimed, self._place)

    def put_back(self) -> None:
        self._place.release()

    def doubt(self, order_id: str) -> None:
        self._place.release()
        self._doubt(order_id)


class Doubts:
    """Orders that may have been stored and claimed for us though nobody was told. Looked for at
    ages that double, up to `LOOK_FOR_MS`."""

    def __init__(self) -> None:
        # By order: since when, and when to look again.
        self._doubts: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._doubts)

    def add(self, order_id: str, now_ms: int) -> None:
        self._doubts[order_id] = (now_ms, now_ms)

    def settle(self, order_id: str) -> None:
        self._doubts.pop(order_id, None)

    def to_look_for(self, now_ms: int) -> tuple[str, ...]:
        """Those whose time has come; each is asked for again when it is twice as old."""
        due = tuple(each for each, (_, look_ms) in self._doubts.items() if look_ms <= now_ms)
        for order_id in due:
            since_ms, _ = self._doubts[order_id]
            if now_ms - since_ms > LOOK_FOR_MS:
                del self._doubts[order_id]
            else:
                self._doubts[order_id] = (since_ms, 2 * now_ms - since_ms)
        return due
