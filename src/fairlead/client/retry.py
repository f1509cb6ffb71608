"""When to ask again: a value that counts failures and names the next wait."""

# The first wait; it doubles with each failure.
BASE_S = 0.1
LONGEST_S = 5.0


class Patience:
    """Waits that grow, until `for_s` seconds have passed since the first failure in a row."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._deadline: float | None = None
        self._failures = 0

    def reached(self) -> None:
        """The other side answers. Waits go on growing until it also says something new."""
        self._deadline = None

    def succeeded(self) -> None:
        self._deadline = None
        self._failures = 0

    def next_wait(self, now: float, jitter: int, at_least_s: float = 0) -> float | None:
        """Seconds to wait, None when it is time to give up. `jitter` is a random byte."""
        if self._deadline is None:
            self._deadline = now + self._for_s
        wait = min(LONGEST_S, BASE_S * 2 ** min(self._failures, 16))
        self._failures += 1
        # Half fixed, half random: clients that lost one server do not come back as one.
        wait = max(at_least_s, wait * (0.5 + jitter / 510))
        return wait if now + wait <= self._deadline else None
