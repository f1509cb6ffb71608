"""Why an order's round can end without a fill: the closed list of failure codes, stable API."""

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
