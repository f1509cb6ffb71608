"""What fits one transaction."""

from fairlead.amounts import div_ceil
from fairlead.solana.transaction import MAX_COMPUTE_UNITS

UNITS_AROUND_SWAPS = 60_000
"""Compute units of latch, account creation, wrap and unwrap together, with the classic token
program."""

UNITS_MARGIN = (12, 10)
"""The limit asked for over the estimate: 20 % more. The simulation of the same message checks
it."""


def units_wanted(swap_units: int) -> int:
    """Compute units to ask for around swaps that are expected to burn so many; rounded up, not
    bounded by what a transaction may ask for."""
    up, down = UNITS_MARGIN
    return div_ceil((swap_units + UNITS_AROUND_SWAPS) * up, down)


def compute_unit_limit(swap_units: int) -> int:
    """The limit that such a transaction asks for."""
    return min(units_wanted(swap_units), MAX_COMPUTE_UNITS)
