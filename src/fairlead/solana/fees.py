"""What the cluster charges for a transaction. Source: Solana docs, "Transaction fees"."""

from fairlead.amounts import div_ceil

LAMPORTS_PER_SIGNATURE = 5_000
MICRO_LAMPORTS = 1_000_000
LEAST_RAISE_MICRO_LAMPORTS = 10_000
"""The least by which a raised price exceeds the last: a multiple of nothing would be nothing. For a
swap of 200,000 compute units 2,000 lamports, less than half its base fee."""


def base_fee_lamports(signatures: int) -> int:
    """The part that does not depend on compute units."""
    return LAMPORTS_PER_SIGNATURE * signatures


def priority_fee_lamports(compute_unit_limit: int, price_micro_lamports: int) -> int:
    """Charged on the requested limit, rounded up."""
    return div_ceil(compute_unit_limit * price_micro_lamports, MICRO_LAMPORTS)


def raised_price(price_micro_lamports: int, percent: int, cap_micro_lamports: int) -> int:
    """The price after a raise to so many percent, rounded up, within the cap."""
    raised = div_ceil(price_micro_lamports * percent, 100)
    least = price_micro_lamports + LEAST_RAISE_MICRO_LAMPORTS
    return min(max(raised, least), cap_micro_lamports)


def affordable_price(room_lamports: int, compute_unit_limit: int) -> int:
    """The highest price at which a transaction of one signature costs no more than this; 0 where
    not even its base fee fits."""
    left = max(room_lamports - base_fee_lamports(1), 0)
    return left * MICRO_LAMPORTS // compute_unit_limit
