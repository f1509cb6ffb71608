"""What a DLMM swap pays: the base fee, the variable fee of recent volatility, and who gets it.

Rates are of 10^9. The variable fee grows with the square of the bins that the price has moved from
its reference; the reference decays by the clock. It is taken anew before each bin that is filled,
so one swap pays another rate in every bin. Source: MeteoraAg/dlmm-sdk @ fb02e51,
`commons/src/extensions/lb_pair.rs` and `commons/src/quote.rs` (split_fee).
"""

from fairlead.amounts import BPS
from fairlead.venues.meteora.dlmm_errors import MATH_OVERFLOW, refusal
from fairlead.venues.record import Record

FEE_PRECISION = 1_000_000_000
MAX_FEE_RATE = 100_000_000
"""10 %: base and variable fee together pay no more."""

VARIABLE_FEE_DIVISOR = 100_000_000_000
LIMIT_ORDER_FEE_SHARE_BPS = 5_000
"""What the owners of limit orders get of the fee on their part; the protocol gets the rest."""

U32_MAX = 2**32 - 1
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
U128_MAX = 2**128 - 1


class StaticParameters(Record, frozen=True, gc=False):
    """A pair's fee settings."""

    base_factor: int
    # Seconds: volatility accumulates within the first, decays until the second, then is gone.
    filter_period: int
    decay_period: int
    # Bps of the volatility that decay leaves.
    reduction_factor: int
    variable_fee_control: int
    # In 1/10,000 bins.
    max_volatility_accumulator: int
    min_bin_id: int
    max_bin_id: int
    # Bps of the fee on market makers' liquidity.
    protocol_share: int
    base_fee_power_factor: int
    # Bps between two bins.
    bin_step: int

    @property
    def base_fee_rate(self) -> int:
        """Of 10^9; not capped."""
        power: int = 10**self.base_fee_power_factor
        return self.base_factor * self.bin_step * 10 * power


class VariableParameters(Record, frozen=True, gc=False):
    """What the price's recent moves left behind."""

    # In 1/10,000 bins.
    volatility_accumulator: int
    volatility_reference: int
    index_reference: int
    # Seconds.
    last_update_timestamp: int


class FeeSplit(Record, frozen=True, gc=False):
    """Who gets which part of a fee. Atoms."""

    # To those who provide liquidity.
    market_makers: int
    # To owners of filled limit orders.
    limit_orders: int
    protocol: int


def update_references(
    p: StaticParameters, v: VariableParameters, active_id: int, now: int
) -> tuple[int, int]:
    """(volatility_reference, index_reference) in force for a swap at this time."""
    elapsed = now - v.last_update_timestamp
    if not I64_MIN <= elapsed <= I64_MAX:
        raise refusal(MATH_OVERFLOW, "elapsed time")
    if elapsed < p.filter_period:
        return v.volatility_reference, v.index_reference
    if elapsed >= p.decay_period:
        return 0, active_id
    product = v.volatility_accumulator * p.reduction_factor
    if product > U32_MAX:
        raise refusal(MATH_OVERFLOW, "volatility reference")
    return product // BPS, active_id


def volatility_at(p: StaticParameters, reference: int, distance: int) -> int:
    """The accumulator with the active bin this many bins from the reference."""
    moved = reference + distance * BPS
    return moved if moved < p.max_volatility_accumulator else p.max_volatility_accumulator


def variable_fee_rate(p: StaticParameters, volatility_accumulator: int) -> int:
    """Of 10^9, rounded up; not capped."""
    if not p.variable_fee_control:
        return 0
    scaled = volatility_accumulator * p.bin_step
    product = p.variable_fee_control * scaled * scaled + VARIABLE_FEE_DIVISOR - 1
    if product > U128_MAX:
        raise refusal(MATH_OVERFLOW, "variable fee")
    return product // VARIABLE_FEE_DIVISOR


def total_fee_rate(p: StaticParameters, base_fee_rate: int, volatility_accumulator: int) -> int:
    """Base and variable rate, at most 10 %. The base rate, which no swap changes, is given."""
    rate = base_fee_rate + variable_fee_rate(p, volatility_accumulator)
    return rate if rate < MAX_FEE_RATE else MAX_FEE_RATE


def fee_on(amount: int, rate: int) -> int:
    """The fee in an amount that includes it, rounded up."""
    return -(-amount * rate // FEE_PRECISION)


def fee_for(amount: int, rate: int) -> int:
    """The fee on top of an amount, so that `amount` is left after it; rounded up."""
    return -(-amount * rate // (FEE_PRECISION - rate))


def split_fee(fee: int, protocol_share: int, mm_amount_in: int, amount_in: int) -> FeeSplit:
    """The parts of one bin's fee, by what its market makers took of the input.

    Their part rounds up, the limit orders' share and the protocol's share of either round down.
    """
    if not amount_in:
        # Less than an atom was left after the fee; the program keeps that fee.
        return FeeSplit(0, 0, fee)
    mm_fee = -(-fee * mm_amount_in // amount_in)
    order_fee = fee - mm_fee
    to_orders = order_fee * LIMIT_ORDER_FEE_SHARE_BPS // BPS
    mm_protocol = mm_fee * protocol_share // BPS
    return FeeSplit(mm_fee - mm_protocol, to_orders, order_fee - to_orders + mm_protocol)
