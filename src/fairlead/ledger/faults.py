"""How the paper chain misbehaves: one seeded function decides the fate of every send."""

import hashlib
from enum import Enum

import msgspec

from fairlead.amounts import BPS
from fairlead.venues.venue import Venue


class FaultKind(Enum):
    """What can go wrong with a send."""

    # The market moves against it: it lands, fails with the program's slippage error and pays.
    SLIPPAGE_MOVED = "slippage_moved"
    # It never lands, whatever is sent again.
    DROPPED = "dropped"
    # The send is answered with an error; `Fate.is_taken` says whether it was taken all the same.
    RPC_ERROR = "rpc_error"
    # It lands just before its blockhash expires.
    LATE = "late"


class FaultRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of all sends to a venue, in basis points; together at most 10,000."""

    slippage_moved_bps: int = 0
    dropped_bps: int = 0
    rpc_error_bps: int = 0
    late_bps: int = 0

    def __post_init__(self) -> None:
        rates = self.by_kind().values()
        if min(rates) < 0 or sum(rates) > BPS:
            raise ValueError("fault rates must be 0 to 10,000 basis points in total")

    def by_kind(self) -> dict[FaultKind, int]:
        """The rates, in the order they are drawn in."""
        return {
            FaultKind.SLIPPAGE_MOVED: self.slippage_moved_bps,
            FaultKind.DROPPED: self.dropped_bps,
            FaultKind.RPC_ERROR: self.rpc_error_bps,
            FaultKind.LATE: self.late_bps,
        }


NO_FAULTS = FaultRates()
FIVE_PERCENT = FaultRates(slippage_moved_bps=300, dropped_bps=80, rpc_error_bps=80, late_bps=40)


class PaperProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the paper chain behaves towards those who use it."""

    # Time a quote takes.
    quote_latency_ms: int = 0
    # Time from a send to the block that holds it: evenly between the two.
    land_min_ms: int = 0
    land_max_ms: int = 0
    raydium: FaultRates = NO_FAULTS
    meteora: FaultRates = NO_FAULTS
    # Transactions without a swap: cancels, reclaims, transfers.
    other: FaultRates = NO_FAULTS
    # How far the market moves against a transaction that it fails.
    slippage_move_bps: int = 2_000
    # Of sends answered with an error, how many were taken all the same.
    taken_despite_error_bps: int = 5_000
    # Whether prices move from slot to slot.
    moves_market: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.land_min_ms <= self.land_max_ms or self.quote_latency_ms < 0:
            raise ValueError("times must not be negative, nor the shortest above the longest")
        if not 0 < self.slippage_move_bps < BPS or not 0 <= self.taken_despite_error_bps <= BPS:
            raise ValueError("basis points are out of range")

    def rates(self, venue: Venue | None) -> FaultRates:
        """The rates that hold for a venue's swaps, or for transactions without one."""
        if venue is None:
            return self.other
        return self.raydium if venue.dex == "raydium" else self.meteora


FAST = PaperProfile()
"""No delay, no fault."""

REALISTIC = PaperProfile(
    quote_latency_ms=200,
    land_min_ms=2_000,
    land_max_ms=3_000,
    raydium=FIVE_PERCENT,
    meteora=FIVE_PERCENT,
)
"""Two to three seconds to land, one swap in twenty goes wrong."""

PROFILES = {"fast": FAST, "realistic": REALISTIC}


class Fate(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a send: the same for the same signature, however often it is sent."""

    fault: FaultKind | None
    # From the first send to the block; with LATE, the last block that may hold it counts instead.
    land_after_ms: int
    # Whether the ledger will execute it.
    is_taken: bool


TAKEN_AT_ONCE = Fate(None, 0, True)


def fate_of(profile: PaperProfile, seed: int, signature: bytes, venue: Venue | None) -> Fate:
    """The fate of a transaction under this profile, drawn from seed and signature."""
    rates = profile.rates(venue)
    if rates == NO_FAULTS and profile.land_max_ms == 0:
        return TAKEN_AT_ONCE
    digest = hashlib.blake2b(signature, key=b"%d" % seed, digest_size=12).digest()
    draw, delay, taken = (int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8))
    span = profile.land_max_ms - profile.land_min_ms + 1
    land_after_ms = profile.land_min_ms + delay % span
    fault = _drawn(rates, draw % BPS)
    if fault is FaultKind.RPC_ERROR:
        return Fate(fault, land_after_ms, taken % BPS < profile.taken_despite_error_bps)
    return Fate(fault, land_after_ms, fault is not FaultKind.DROPPED)


def _drawn(rates: FaultRates, draw: int) -> FaultKind | None:
    for kind, rate in rates.by_kind().items():
        if draw < rate:
            return kind
        draw -= rate
    return None
