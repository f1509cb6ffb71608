"""Why an order's round ended without a fill. The failure codes are a closed list, stable API."""

import msgspec

from fairlead.routing import Candidate
from fairlead.solana.program_errors import ProgramFailure
from fairlead.venues.venue import ErrorClass

FAILURE_CODES = {
    "stale_price": "The price moved beyond the order's minimum, maximum or price impact.",
    "pool_not_open": "A pool is not open yet, or is switched off.",
    "insufficient_liquidity": "No pool can fill the amount.",
    "no_route": "No usable pool trades the pair within the order's limits.",
    "insufficient_funds": "The wallet cannot pay the amount, a fee or a rent.",
    "program_error": "The venue's program or the cluster refused the swap for good.",
    "compute_exceeded": "The swap needed more compute units than were asked for.",
    "cluster_busy": "The cluster refused the transaction for a passing reason.",
    "transaction_too_large": "The swap does not fit into one transaction.",
    "expired_blockhash": "No attempt of the round landed before its blockhash died; proven.",
    "fee_cap_spent": "Transactions that landed and failed have used up the order's fee cap.",
    "latch_taken": "A stranger paid into the order's latch account; the next round has a new one.",
}
"""Code -> when. In `failureCode` of an order and of its `round_failed` and `failed` events."""

ABOUT_PRICE = frozenset({"stale_price", "insufficient_liquidity"})
"""Those that say that the pool paid less than was asked for, or could not pay it."""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why a round ended without a fill. `code` is one of `FAILURE_CODES`."""

    code: str
    reason: str
    # No further round can help.
    terminal: bool = False
    candidates: tuple[Candidate, ...] = ()
    # No pool gives the order's floor now, or a program refused it at just that.
    below_floor: bool = False

    def __post_init__(self) -> None:
        assert self.code in FAILURE_CODES, self.code


def refused(
    refusal: ProgramFailure,
    *,
    at_floor: bool,
    candidates: tuple[Candidate, ...] = (),
    where: str = "",
) -> Failure:
    """What a program's refusal means for the round. `at_floor`: it was asked for just the floor."""
    return Failure(
        refusal.code,
        f"{where}{refusal.reason}",
        refusal.error_class is ErrorClass.TERMINAL,
        candidates,
        below_floor=at_floor and refusal.code in ABOUT_PRICE,
    )
