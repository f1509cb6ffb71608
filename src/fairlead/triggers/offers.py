"""What pools pay for an amount now, and the most they can pay, per atom, for any larger one.

The second is what lets a tick leave out nearly all orders. It rests on one assumption: **the
average price of a swap never rises with its size.** A curve through the origin that bends down has
it; a fee of a fixed part, or of a part that grows with the size, keeps it; and the best of several
such pools has it too. Two things break it, and nothing is left out because of them: a Token-2022
transfer fee, whose part falls once its maximum is reached, and a pool of a venue that is not named
in `_PRICE_FALLS`.

The programs round. Each rounding takes from the user, by an atom or by a part in 1e9 of the amount
(the rate limiter's numerator), so a quote lies below the curve by a little, and the ceiling made
from it is that much above its average price: with f(n)/n falling, `quote(n) >= f(n - in) - out`
gives `f(m)/m <= (quote(n) + out) / (n - in)` for every m >= n.
"""

from collections.abc import Sequence
from math import inf

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.venues.meteora.damm_v2 import LoadedDammV2Pool
from fairlead.venues.raydium.cpmm import LoadedCpmmPool
from fairlead.venues.venue import ChainTime, LoadedPool, SwapQuote, VenueError

ROUNDED_IN_ATOMS = 2
"""Atoms of input, after fees, that a program's roundings may cost: that of the fee, and that of the
square root of a price."""

ROUNDED_OUT_ATOMS = 4
"""Atoms of output: the curve's, twice for a square root, and of a fee on the output."""

ROUNDED_PART = 1_000_000_000
"""One in so many of the amount: fee numerators are rounded up to parts of 1e9."""

FLOAT_MARGIN = 1 + 2**-40
"""Over a ceiling as a float: far above what its own rounding and that of a limit price may take
from it, far below anything a price moves by."""

NEVER_BPS = BPS + 1
"""More price impact than there is."""

# Refusals that only say that the amount is too small; any other of a size holds for all above it.
_TOO_SMALL = frozenset(
    {"RequireGtViolated", "ZeroTradingTokens", "AmountIsZero", "TransferFeeExcludedAmountIsZero"}
)

_PRICE_FALLS = (LoadedCpmmPool, LoadedDammV2Pool)


class Offer(msgspec.Struct, frozen=True, gc=False):
    """One pool's answer for an amount, and its bounds for all larger ones."""

    # What reaches the user's account; 0 where the pool refuses.
    out_atoms: int
    impact_bps: int
    # No larger amount is paid more per atom, nor has less impact.
    ceiling: float
    least_impact_bps: int


_TELLS_NOTHING = Offer(0, 0, inf, 0)
_NOTHING_MORE = Offer(0, 0, 0.0, NEVER_BPS)


class Offers:
    """The pools of a pair, seen from one side of it, in one snapshot. Quotes each amount once."""

    def __init__(self, pools: Sequence[LoadedPool], token_in: Pubkey, time: ChainTime) -> None:
        self._pools = [(pool, can_prune(pool, time)) for pool in pools]
        self._token_in = token_in
        self._time = time
        self._known: dict[int, tuple[Offer, ...]] = {}

    @property
    def quoted(self) -> int:
        """Amounts that were quoted."""
        return len(self._known)

    def best(self, amount_in_atoms: int, max_impact_bps: int) -> tuple[int, float]:
        """The best output within the price impact, 0 for none; and the ceiling of the price of
        every larger amount."""
        offers = self._known.get(amount_in_atoms)
        if offers is None:
            offers = tuple(
                [self._offer(pool, prune, amount_in_atoms) for pool, prune in self._pools]
            )
            self._known[amount_in_atoms] = offers
        best, ceiling = 0, 0.0
        for offer in offers:
            if offer.out_atoms > best and offer.impact_bps <= max_impact_bps:
                best = offer.out_atoms
            if offer.ceiling > ceiling and offer.least_impact_bps <= max_impact_bps:
                ceiling = offer.ceiling
        return best, ceiling

    def _offer(self, pool: LoadedPool, prune: bool, amount_in_atoms: int) -> Offer:
        try:
            quote = pool.quote_exact_in(self._token_in, amount_in_atoms, self._time)
        except VenueError as refusal:
            return _NOTHING_MORE if prune and refusal.name not in _TOO_SMALL else _TELLS_NOTHING
        out, impact = quote.amount_out_atoms, quote.price_impact_bps
        if not prune:
            return Offer(out, impact, inf, 0)
        return _bounded(quote, quote.fee_mint == self._token_in)


def _bounded(quote: SwapQuote, fee_on_input: bool) -> Offer:
    amount, out, impact = quote.amount_in_atoms, quote.amount_out_atoms, quote.price_impact_bps
    # An atom lost after the fee is as much input as the fee leaves one atom of.
    kept = amount - quote.fee_atoms if fee_on_input else amount
    lost_in = amount // ROUNDED_PART + 2
    if kept > 0:
        lost_in += ROUNDED_IN_ATOMS * amount // kept
    if kept <= 0 or lost_in >= amount:
        return Offer(out, impact, inf, 0)
    lost_out = out // ROUNDED_PART + ROUNDED_OUT_ATOMS
    ceiling = (out + lost_out) / (amount - lost_in) * FLOAT_MARGIN
    # Impact compares amounts that were rounded in the same way; it is rounded up itself.
    off_bps = lost_in * BPS // amount + lost_out * BPS // max(out, 1) + 3
    return Offer(out, impact, ceiling, impact - off_bps)


def can_prune(pool: LoadedPool, time: ChainTime) -> bool:
    """Whether the average price of this pool never rises with the size."""
    if not isinstance(pool, _PRICE_FALLS):
        return False
    fees = [mint.transfer_fee(time.epoch) for mint in pool.token_2022_mints if mint is not None]
    return all(fee is None or not fee.basis_points for fee in fees)
