"""Whose the orders under way are: asked for with every change, and never to change."""

# More than are under way at once; each takes some 200 bytes.
MAX_KNOWN = 50_000


class Principals:
    """Principals by order, forgotten when there are too many or the order has ended."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def remember(self, order_id: str, principal: str) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[order_id] = principal

    def of(self, order_id: str) -> str | None:
        return self._known.get(order_id)

    def forget(self, order_id: str) -> None:
        self._known.pop(order_id, None)
