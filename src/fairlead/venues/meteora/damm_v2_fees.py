"""DAMM v2's fee rates: base fee (schedulers, rate limiter) and dynamic fee, in parts of 1e9.

A point is a slot or a unix time, as the pool's activation type says.
"""

from functools import lru_cache
from math import isqrt

from fairlead.amounts import BPS, U64_MAX, U128_MAX
from fairlead.venues.meteora.damm_v2_errors import (
    INVALID_BASE_FEE_MODE,
    MATH_OVERFLOW,
    TYPE_CAST_FAILED,
    UNDETERMINED_ERROR,
    refusal,
)
from fairlead.venues.record import Record, replace

FEE_DENOMINATOR = 1_000_000_000
NUMERATOR_PER_BPS = FEE_DENOMINATOR // BPS
MAX_FEE_NUMERATOR = (500_000_000, 990_000_000)
"""The highest total fee by the pool's fee version."""

TIME_SCHEDULER_LINEAR = 0
TIME_SCHEDULER_EXPONENTIAL = 1
RATE_LIMITER = 2
MARKET_CAP_SCHEDULER_LINEAR = 3
MARKET_CAP_SCHEDULER_EXPONENTIAL = 4

ONE_Q64 = 1 << 64
VARIABLE_FEE_SCALE = 100_000_000_000


class BaseFee(Record, frozen=True, gc=False):
    """The 32 bytes of a base fee; which of the fields count depends on the mode."""

    # Parts of 1e9.
    cliff_fee_numerator: int
    mode: int = TIME_SCHEDULER_LINEAR
    # Schedulers: number_of_period. Rate limiter: fee_increment_bps.
    periods_or_increment_bps: int = 0
    # Time scheduler: period_frequency, in points. Market cap: sqrt_price_step_bps. Rate limiter:
    # max_limiter_duration, in points.
    frequency_or_step_or_duration: int = 0
    # Market cap: scheduler_expiration_duration, in points. Rate limiter: max_fee_bps.
    expiration_or_max_fee_bps: int = 0
    # Schedulers: reduction_factor (parts of 1e9, or bps when exponential). Rate limiter:
    # reference_amount, atoms.
    reduction_or_reference: int = 0

    @property
    def is_rate_limiter(self) -> bool:
        """Whether swaps may need the Instructions sysvar; all-zero parameters turn it off."""
        return self.mode == RATE_LIMITER and bool(
            self.periods_or_increment_bps
            or self.frequency_or_step_or_duration
            or self.expiration_or_max_fee_bps
            or self.reduction_or_reference
        )

    def rate_limiter_applies(self, a_to_b: bool, point: int, activation_point: int) -> bool:
        """Only when B is bought with, and only for a while after the activation."""
        return (
            self.is_rate_limiter
            and not a_to_b
            and activation_point <= point <= activation_point + self.frequency_or_step_or_duration
        )


class DynamicFee(Record, frozen=True, gc=False):
    """Volatility and its parameters; off where `initialized` is 0."""

    initialized: int = 0
    max_volatility_accumulator: int = 0
    variable_fee_control: int = 0
    bin_step: int = 0
    # Seconds.
    filter_period: int = 0
    decay_period: int = 0
    # Basis points.
    reduction_factor: int = 0
    last_update_timestamp: int = 0
    bin_step_u128: int = 0
    sqrt_price_reference: int = 0
    volatility_accumulator: int = 0
    volatility_reference: int = 0

    def numerator(self) -> int:
        """From the stored accumulator: decay at a swap's start does not lower that swap's fee."""
        if not self.initialized:
            return 0
        moved = self.volatility_accumulator * self.bin_step
        scaled = moved * moved * self.variable_fee_control
        if scaled > U128_MAX:
            raise refusal(MATH_OVERFLOW, "dynamic fee")
        return -(-scaled // VARIABLE_FEE_SCALE)

    def after_swap(self, old_price: int, new_price: int, unix_timestamp: int) -> "DynamicFee":
        """References decayed as at the start of a swap, then the move counted as at its end."""
        reference, volatility = self.sqrt_price_reference, self.volatility_reference
        elapsed = max(unix_timestamp - self.last_update_timestamp, 0)
        if elapsed >= self.filter_period:
            reference = old_price
            volatility = (
                self.volatility_accumulator * self.reduction_factor // BPS
                if elapsed < self.decay_period
                else 0
            )
        moved = self._bins_between(reference, new_price)
        accumulator = min(volatility + moved * BPS, self.max_volatility_accumulator)
        updated_at = self.last_update_timestamp
        if self._bins_between(old_price, new_price) > 0:
            updated_at = unix_timestamp
        return replace(
            self,
            last_update_timestamp=updated_at,
            sqrt_price_reference=reference,
            volatility_accumulator=accumulator,
            volatility_reference=volatility,
        )

    def _bins_between(self, price: int, other: int) -> int:
        if price < other:
            price, other = other, price
        return 2 * (((price << 64) // other - ONE_Q64) // self.bin_step_u128)


def base_fee_numerator(
    fee: BaseFee, point: int, activation_point: int, sqrt_price: int, init_sqrt_price: int
) -> int:
    """The base fee now, the rate limiter's surcharge aside. Uses the price before the swap."""
    if fee.mode <= TIME_SCHEDULER_EXPONENTIAL:
        frequency = fee.frequency_or_step_or_duration
        if not frequency:
            return fee.cliff_fee_numerator
        periods = fee.periods_or_increment_bps
        if point >= activation_point:
            periods = min((point - activation_point) // frequency, periods)
        return _scheduled(fee, periods, fee.mode == TIME_SCHEDULER_LINEAR)
    if fee.mode == RATE_LIMITER:
        return fee.cliff_fee_numerator
    if fee.mode <= MARKET_CAP_SCHEDULER_EXPONENTIAL:
        periods = fee.periods_or_increment_bps
        if activation_point <= point <= activation_point + fee.expiration_or_max_fee_bps:
            if sqrt_price <= init_sqrt_price:
                periods = 0
            else:
                gained_bps = (sqrt_price - init_sqrt_price) * BPS // init_sqrt_price
                periods = min(gained_bps // fee.frequency_or_step_or_duration, periods)
        return _scheduled(fee, periods, fee.mode == MARKET_CAP_SCHEDULER_LINEAR)
    raise refusal(INVALID_BASE_FEE_MODE, str(fee.mode))


def _scheduled(fee: BaseFee, periods: int, linear: bool) -> int:
    if not linear:
        return _exponential(fee.cliff_fee_numerator, fee.reduction_or_reference, periods)
    numerator = fee.cliff_fee_numerator - periods * fee.reduction_or_reference
    if numerator < 0:
        raise refusal(MATH_OVERFLOW, "base fee")
    return numerator


@lru_cache(maxsize=4096)
def _exponential(cliff: int, reduction_bps: int, periods: int) -> int:
    """cliff * (1 - reduction)^periods in Q64.64; square-and-multiply truncates each product.

    The program takes a power that is truncated to nothing for an overflow.
    """
    if not reduction_bps or not periods:
        return cliff
    square = ONE_Q64 - (reduction_bps << 64) // BPS
    power = ONE_Q64
    while periods:
        if periods & 1:
            power = power * square >> 64
        square = square * square >> 64
        periods >>= 1
    if not power:
        raise refusal(MATH_OVERFLOW, "base fee")
    return power * cliff >> 64


def rate_limited_numerator(fee: BaseFee, included_amount: int) -> int:
    """The base fee of an input of this size, fees included, while the limiter applies.

    Each further `reference` of input pays one increment more, up to the maximum; the sum, rounded
    up, is turned back into one numerator for the whole input, rounded up again.
    """
    reference, cliff = fee.reduction_or_reference, fee.cliff_fee_numerator
    if included_amount <= reference:
        return cliff
    increment = fee.periods_or_increment_bps * NUMERATOR_PER_BPS
    highest = fee.expiration_or_max_fee_bps * NUMERATOR_PER_BPS
    steps, rest = divmod(included_amount - reference, reference)
    most = _steps_to_highest(fee)
    if steps < most:
        total = reference * (cliff + cliff * steps + increment * steps * (steps + 1) // 2)
        total += rest * (cliff + increment * (steps + 1))
    else:
        total = reference * (cliff + cliff * most + increment * most * (most + 1) // 2)
        total += ((steps - most) * reference + rest) * highest
    trading_fee = -(-total // FEE_DENOMINATOR)
    return -(-trading_fee * FEE_DENOMINATOR // included_amount)


def rate_limited_numerator_excluded(fee: BaseFee, excluded_amount: int) -> int:
    """The base fee of an input whose size is known after the fee.

    Inverts `rate_limited_numerator`: below the highest fee the input solves a quadratic in whole
    references, whose root is rounded down and completed linearly; above, the rest pays the maximum.
    """
    reference, cliff = fee.reduction_or_reference, fee.cliff_fee_numerator
    if excluded_amount <= _less_fee(fee, reference):
        return cliff
    increment = fee.periods_or_increment_bps * NUMERATOR_PER_BPS
    edge = min((_steps_to_highest(fee) + 1) * reference, U64_MAX)
    edge_excluded = _less_fee(fee, edge)
    if excluded_amount == edge_excluded:
        return rate_limited_numerator(fee, edge)
    if excluded_amount < edge_excluded:
        # increment*x^2 - y*x + z = 0 for the input x
        y = (2 * FEE_DENOMINATOR + increment - 2 * cliff) * reference
        z = 2 * excluded_amount * FEE_DENOMINATOR * reference
        included = (y - isqrt(y * y - 4 * increment * z)) // (2 * increment)
        rest = excluded_amount - _less_fee(fee, included)
        if rest < 0:
            raise refusal(MATH_OVERFLOW, "rate limiter")
        included += including_fee(rest, cliff + increment * (included // reference))
    elif edge == U64_MAX:
        raise refusal(MATH_OVERFLOW, "rate limiter")
    else:
        highest = fee.expiration_or_max_fee_bps * NUMERATOR_PER_BPS
        included = edge + including_fee(excluded_amount - edge_excluded, highest)
    numerator = -(-(included - excluded_amount) * FEE_DENOMINATOR // included)
    if numerator < cliff:
        raise refusal(UNDETERMINED_ERROR, "rate limiter")
    return numerator


def _steps_to_highest(fee: BaseFee) -> int:
    """Whole references of input, beyond the first, until the fee is at its maximum."""
    gap = fee.expiration_or_max_fee_bps * NUMERATOR_PER_BPS - fee.cliff_fee_numerator
    increment = fee.periods_or_increment_bps * NUMERATOR_PER_BPS
    if gap < 0 or not increment:
        raise refusal(MATH_OVERFLOW, "rate limiter")
    return gap // increment


def _less_fee(fee: BaseFee, included_amount: int) -> int:
    return included_amount - fee_on(included_amount, rate_limited_numerator(fee, included_amount))


def fee_on(amount: int, numerator: int) -> int:
    """The fee in an amount that includes it, rounded up."""
    return -(-amount * numerator // FEE_DENOMINATOR)


def including_fee(amount: int, numerator: int) -> int:
    """The amount that leaves `amount` after the fee, rounded up."""
    included = -(-amount * FEE_DENOMINATOR // (FEE_DENOMINATOR - numerator))
    if included > U64_MAX:
        raise refusal(TYPE_CAST_FAILED, "the amount with its fee is more than 2^64-1")
    return included
