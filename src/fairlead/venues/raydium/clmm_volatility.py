"""The CLMM's volatility fee: the further the price strays in a short time, the dearer the swap.

From the source alone, as `clmm_layers`. Ticks are counted in groups of one spacing; each group that
the price is away from the reference adds 10,000 to the accumulator. Source: raydium-clmm
`states/pool_fee.rs`, `instructions/swap.rs` (03b44b7).
"""

from fairlead.venues.raydium.clmm_accounts import DynamicFeeInfo
from fairlead.venues.raydium.ticks import MAX_TICK, MIN_TICK

MAX_DYNAMIC_FEE_RATE = 100_000
"""10 %: the most that base and volatility fee together reach, in parts of 1,000,000."""
VOLATILITY_SCALE = 10_000
REDUCTION_FACTOR_DENOMINATOR = 10_000
DYNAMIC_FEE_CONTROL_DENOMINATOR = 100_000


class Volatility:
    """A pool's volatility fee during one swap."""

    def __init__(self, info: DynamicFeeInfo, tick: int, tick_spacing: int, now: int) -> None:
        self.info = info
        self.tick_spacing = tick_spacing
        # The group of ticks that the price is in.
        self.index = tick // tick_spacing
        self.accumulator = info.volatility_accumulator
        self.index_reference = info.tick_spacing_index_reference
        self.reference = info.volatility_reference
        since = max(0, now - info.last_update_timestamp)
        if since >= info.filter_period:
            self.index_reference = self.index
            self.reference = 0
            if since < info.decay_period:
                decayed = info.volatility_accumulator * info.reduction_factor
                self.reference = decayed // REDUCTION_FACTOR_DENOMINATOR

    def accumulate(self) -> None:
        """The accumulator for the group that the price is in."""
        distance = abs(self.index_reference - self.index)
        reached = self.reference + distance * VOLATILITY_SCALE
        self.accumulator = min(reached, self.info.max_volatility_accumulator)

    def total_fee_rate(self, base_fee_rate: int) -> int:
        """The fee rate now; the volatility part is rounded up."""
        crossed = self.accumulator * self.tick_spacing
        divisor = DYNAMIC_FEE_CONTROL_DENOMINATOR * VOLATILITY_SCALE * VOLATILITY_SCALE
        rate = -(-self.info.dynamic_fee_control * crossed * crossed // divisor)
        return min(base_fee_rate + min(rate, MAX_DYNAMIC_FEE_RATE), MAX_DYNAMIC_FEE_RATE)

    def is_at_most(self) -> bool:
        """Whether no further group can raise the fee."""
        return self.accumulator == self.info.max_volatility_accumulator

    def boundary(self, zero_for_one: bool) -> int:
        """The tick at which the price leaves its group."""
        tick = (self.index if zero_for_one else self.index + 1) * self.tick_spacing
        return max(MIN_TICK, min(MAX_TICK, tick))

    def advance(self, tick: int, zero_for_one: bool, skipped: bool) -> None:
        """Moves to the next group; after steps over several groups from the tick reached."""
        if skipped:
            self.index = tick // self.tick_spacing
            if not zero_for_one and tick % self.tick_spacing == 0:
                self.index -= 1
            if not self.is_at_most():
                self.accumulate()
        self.index += -1 if zero_for_one else 1
