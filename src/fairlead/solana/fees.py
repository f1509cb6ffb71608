"""What the cluster charges for a transaction. Source: Solana docs, "Transaction fees"."""

from fairlead.amounts import div_ceil

LAMPORTS_PER_SIGNATURE = 5_000
MICRO_LAMPORTS = 1_000_000


def base_fee_lamports(signatures: int) -> int:
    """The part that does not depend on compute units."""
    return LAMPORTS_PER_SIGNATURE * signatures


def priority_fee_lamports(compute_unit_limit: int, price_micro_lamports: int) -> int:
    """Charged on the requested limit, rounded up."""
    return div_ceil(compute_unit_limit * price_micro_lamports, MICRO_LAMPORTS)
