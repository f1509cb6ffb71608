"""Orders that the API of the same process hands over as it accepts them."""

from collections.abc import Callable

LOOK_FOR_MS = 600_000
"""How long to look for an order of which nobody knows whether it was stored: a statement that the
database has still in hand may be committed long after its connection broke."""


class Begun:
    """`ports.Hand`: an order that is being driven while it is accepted."""

    __slots__ = ("_doubt", "_leave", "_order_id", "owner")

    def __init__(
        self,
        owner: str,
        order_id: str,
        leave: Callable[[str], None],
        doubt: Callable[[str], None],
    ) -> None:
        self.owner = owner
        self._order_id = order_id
        self._leave = leave
        self._doubt = doubt

    def put_back(self) -> None:
        self._leave(self._order_id)

    def doubt(self) -> None:
        self._doubt(self._order_id)


class Doubts:
    """Orders that may have been stored and claimed for us though nobody was told. Looked for at
    ages that double, up to `LOOK_FOR_MS`."""

    def __init__(self) -> None:
        # By order: since when, and when to look again.
        self._doubts: dict[str, tuple[int, int]] = {}

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
