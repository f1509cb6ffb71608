"""The on-chain programs that exchange tokens: quotes and swap instructions, to the atom."""

from fairlead.venues.pools import decode_pool
from fairlead.venues.refusals import classify
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    LoadedPool,
    Pool,
    SwapQuote,
    Venue,
    VenueError,
)

__all__ = [
    "Account",
    "ChainTime",
    "ErrorClass",
    "LoadedPool",
    "Pool",
    "SwapQuote",
    "Venue",
    "VenueError",
    "classify",
    "decode_pool",
]
