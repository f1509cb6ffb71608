"""Retry policy: again, when, or never, as a value."""

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, gc=False):
    """At most `max_rounds` rounds; the wait before round n+1 is base × 2^(n-1), capped."""

    max_rounds: int = 3
    base_ms: int = 1_000
    cap_ms: int = 60_000
    # Signed messages with the same terms in one round, each made only after the last is proven
    # dead.
    max_attempts_per_round: int = 3
    # Wait before asking again when the chain does not answer; uses up no round.
    outage_ms: int = 1_000

    def delay_ms(self, round: int) -> int | None:
        """Milliseconds to wait after this round failed, None when no round is left."""
        if round >= self.max_rounds:
            return None
        return int(min(self.base_ms << (round - 1), self.cap_ms))
