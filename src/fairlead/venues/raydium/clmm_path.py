"""The way of a CLMM pool's price in one direction, from initialised tick to initialised tick.

What a swap takes and pays up to a tick does not depend on its size: the program fills a step just
when the rest covers the step's input and the fee on top of it. So the steps are computed once per
pool state, as far as some swap needs them, as running sums. A swap then finds by bisection how many
steps it fills and computes only its last, partial step. Source: raydium-clmm
`instructions/swap.rs`, `swap_internal` (a5a46ff).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from fairlead.amounts import U64_MAX, U128_MAX
from fairlead.venues.raydium.clmm_accounts import (
    FEE_RATE_DENOMINATOR,
    ConfigRates,
    PoolNumbers,
    TickArray,
)
from fairlead.venues.raydium.clmm_bitmap import ArrayPath, ticks_ahead
from fairlead.venues.raydium.clmm_curve import amounts_between, compute_swap_step, fee_on_top
from fairlead.venues.raydium.clmm_errors import accounts_end, anchor_refusal, panic, refusal
from fairlead.venues.raydium.ticks import (
    MAX_SQRT_PRICE_X64,
    MIN_SQRT_PRICE_X64,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from fairlead.venues.record import Record
from fairlead.venues.venue import ErrorClass, VenueError

_ALL = 1 << 256
"""More than all steps of a path can take."""

UNPROVEN_LIMIT_ORDERS = "unproven_limit_orders"
"""What a walk ends with before orders, whose rules are those of `clmm_layers`."""


class Walk(Record, frozen=True, gc=False):
    """What a swap moves inside the pool, in atoms, and where it leaves the price."""

    # The input, fee included, and the output: Token-2022 transfer fees are outside of both.
    amount_in: int
    amount_out: int
    # Protocol and fund fees are cut out of it, the rest is the liquidity's.
    fee: int
    protocol_fee: int
    fund_fee: int
    sqrt_price_x64: int
    liquidity: int
    tick: int
    ticks_crossed: int
    # Tick arrays that were walked, the last one partly.
    arrays_used: int
    # Whether it ended at the price limit, with some of the amount left over.
    stopped_at_limit: bool
    # Else the fee is in the output token and already off `amount_out`.
    fee_on_input: bool = True
    # The newer rules' modes that took part, by name.
    unproven: str = ""


class Reach(Record, frozen=True, gc=False):
    """How far the accounts at hand go in one direction."""

    # Atoms inside the pool, fee included.
    max_in_atoms: int
    max_out_atoms: int
    sqrt_price_x64: int
    # The refusal that a swap beyond it meets: of liquidity, or of the arrays given.
    end: VenueError


class Path:
    """The steps in one direction, computed as far as they were needed."""

    def __init__(
        self,
        numbers: PoolNumbers,
        rates: ConfigRates,
        arrays: Sequence[TickArray],
        order: ArrayPath,
        zero_for_one: bool,
    ) -> None:
        self.zero_for_one = zero_for_one
        self.tick_start = numbers.tick_current
        self.rates = rates
        self._ticks = ticks_ahead(numbers, arrays, order, zero_for_one)
        # Why there is no further step; None while there may be one.
        self.end: VenueError | None = None
        # Filling so many steps meets limit orders; None where none are known.
        self.must_not_fill: int | None = None
        # Running sums and states after 0, 1, 2 … filled steps.
        self.prices = [numbers.sqrt_price_x64]
        self.liquidities = [numbers.liquidity]
        self.amounts_in = [0]
        self.amounts_out = [0]
        self.fees = [0]
        self.protocol_fees = [0]
        self.fund_fees = [0]
        # Of each step: the tick it goes to, and the place of that tick's array in the path.
        self.ticks: list[int] = []
        self.array_numbers: list[int] = []

    def walk(
        self, amount: int, sqrt_price_limit: int, is_base_input: bool, max_arrays: int
    ) -> Walk:
        """Swaps `amount` > 0 (input with its fee, or output) over at most so many arrays.

        The limit lies strictly ahead. Raises what the program would refuse with.
        """
        sums = self.amounts_in if is_base_input else self.amounts_out
        self._extend(sums, amount, sqrt_price_limit, max_arrays)
        filled = bisect_left(sums, amount)
        if filled == len(sums) or sums[filled] > amount:
            filled -= 1
        filled = min(filled, self._steps_within(sqrt_price_limit, max_arrays))
        self._check_bounds(filled, is_base_input)
        rest = amount - sums[filled]
        price = self.prices[filled]
        if rest == 0 or price == sqrt_price_limit:
            return self._walk_of(filled, rest)
        if filled == len(self.ticks) or self.array_numbers[filled] >= max_arrays:
            raise self._end_at(filled)
        return self._partial(filled, rest, sqrt_price_limit, is_base_input)

    def prepare(self, amount_in: int, max_arrays: int) -> None:
        """Computes the steps that an input of this much fills, as far as there are any."""
        limit = MIN_SQRT_PRICE_X64 if self.zero_for_one else MAX_SQRT_PRICE_X64
        self._extend(self.amounts_in, amount_in, limit, max_arrays)

    def reach(self, max_arrays: int) -> Reach:
        """What fills all steps there are."""
        limit = MIN_SQRT_PRICE_X64 if self.zero_for_one else MAX_SQRT_PRICE_X64
        self._extend(self.amounts_in, _ALL, limit, max_arrays)
        last = bisect_left(self.array_numbers, max_arrays)
        return Reach(
            min(self.amounts_in[last], U64_MAX),
            min(self.amounts_out[last], U64_MAX),
            self.prices[last],
            self._end_at(last),
        )

    def _partial(self, filled: int, rest: int, limit: int, is_base_input: bool) -> Walk:
        price, liquidity = self.prices[filled], self.liquidities[filled]
        target = self.prices[filled + 1]
        if self._passes(target, limit):
            target = limit
        zero_for_one, rates = self.zero_for_one, self.rates
        step = compute_swap_step(
            price, target, liquidity, rest, rates.trade_fee_rate, is_base_input, zero_for_one
        )
        protocol, fund = self._cuts(step.fee_amount)
        tick = self._tick_after(filled)
        if step.sqrt_price_next_x64 == self.prices[filled + 1]:
            liquidity = self.liquidities[filled + 1]
            tick = self._tick_after(filled + 1)
        elif step.sqrt_price_next_x64 != price:
            tick = tick_at_sqrt_price(step.sqrt_price_next_x64)
        amount_in = self.amounts_in[filled] + step.amount_in + step.fee_amount
        amount_out = self.amounts_out[filled] + step.amount_out
        if amount_in > U64_MAX and not is_base_input:
            raise refusal("CalculateOverflow", "the input is more than 2^64-1")
        if amount_out > U64_MAX:
            raise panic("the output is more than 2^64-1")
        spent = step.amount_in + step.fee_amount if is_base_input else step.amount_out
        return Walk(
            amount_in,
            amount_out,
            self.fees[filled] + step.fee_amount,
            self.protocol_fees[filled] + protocol,
            self.fund_fees[filled] + fund,
            step.sqrt_price_next_x64,
            liquidity,
            tick,
            filled,
            self.array_numbers[filled] + 1,
            rest != spent,
        )

    def _walk_of(self, filled: int, rest: int) -> Walk:
        return Walk(
            self.amounts_in[filled],
            self.amounts_out[filled],
            self.fees[filled],
            self.protocol_fees[filled],
            self.fund_fees[filled],
            self.prices[filled],
            self.liquidities[filled],
            self._tick_after(filled),
            filled,
            self.array_numbers[filled - 1] + 1 if filled else 1,
            rest > 0,
        )

    def _tick_after(self, filled: int) -> int:
        """The pool's tick after so many filled steps; downwards a crossed tick is left behind."""
        if not filled:
            return self.tick_start
        return self.ticks[filled - 1] - self.zero_for_one

    def _passes(self, price: int, limit: int) -> bool:
        """Whether this price is strictly beyond the limit."""
        return price < limit if self.zero_for_one else price > limit

    def _steps_within(self, limit: int, max_arrays: int) -> int:
        """How many steps end at or before the limit, inside the arrays given."""
        if self.zero_for_one:
            within = bisect_right(self.prices, -limit, key=int.__neg__) - 1
        else:
            within = bisect_right(self.prices, limit) - 1
        if self.array_numbers and self.array_numbers[-1] >= max_arrays:
            within = min(within, bisect_left(self.array_numbers, max_arrays))
        return within

    def _end_at(self, filled: int) -> VenueError:
        if filled < len(self.ticks) or self.end is None:
            return accounts_end("NotEnoughTickArrayAccount", "the tick arrays given end")
        return self.end

    def _check_bounds(self, filled: int, is_base_input: bool) -> None:
        """The program's u64 and u128 failures inside the filled steps, and what we refuse."""
        if filled == self.must_not_fill:
            raise self._end_at(filled)
        if not 0 <= self.liquidities[filled] <= U128_MAX:
            raise panic("the liquidity leaves u128")
        if self.amounts_in[filled] <= U64_MAX and self.amounts_out[filled] <= U64_MAX:
            return
        for sums in (self.amounts_in, self.amounts_out):
            at = bisect_right(sums, U64_MAX, 0, filled + 1)
            if at > filled:
                continue
            fee = self.fees[at] - self.fees[at - 1] if sums is self.amounts_in else 0
            if sums[at] - sums[at - 1] - fee > U64_MAX:
                raise refusal("MaxTokenOverflow")
        if is_base_input:
            raise panic("the output is more than 2^64-1")
        raise refusal("CalculateOverflow", "the input is more than 2^64-1")

    def _extend(self, sums: list[int], amount: int, limit: int, max_arrays: int) -> None:
        """Computes steps until these sums cover the amount, the price passes the limit or the
        arrays given end. A pool's first quote spends its time here.
        """
        zero_for_one, fee_rate = self.zero_for_one, self.rates.trade_fee_rate
        price, liquidity = self.prices[-1], self.liquidities[-1]
        array_number = self.array_numbers[-1] if self.array_numbers else -1
        while (
            sums[-1] < amount
            and array_number < max_arrays
            and not (price < limit if zero_for_one else price > limit)
            and self.end is None
        ):
            found = next(self._ticks)
            if isinstance(found, VenueError):
                self.end = found
                return
            tick, array_number = found
            target = sqrt_price_at_tick(tick.index)
            self.end = self._mismatch(price, target, liquidity)
            if self.end is not None:
                return
            amount_in, amount_out = amounts_between(price, target, liquidity, zero_for_one)
            fee = fee_on_top(amount_in, fee_rate)
            protocol, fund = self._cuts(fee)
            price = target
            liquidity += -tick.liquidity_net if zero_for_one else tick.liquidity_net
            self.prices.append(target)
            self.liquidities.append(liquidity)
            self.amounts_in.append(self.amounts_in[-1] + amount_in + fee)
            self.amounts_out.append(self.amounts_out[-1] + amount_out)
            self.fees.append(self.fees[-1] + fee)
            self.protocol_fees.append(self.protocol_fees[-1] + protocol)
            self.fund_fees.append(self.fund_fees[-1] + fund)
            self.ticks.append(tick.index)
            self.array_numbers.append(array_number)
            if tick.orders_atoms or tick.part_filled_orders_atoms:
                # The step up to them is an ordinary one, the orders themselves are not.
                detail = f"at tick {tick.index}"
                self.end = VenueError(ErrorClass.TERMINAL, UNPROVEN_LIMIT_ORDERS, detail=detail)
                self.must_not_fill = len(self.ticks)

    def _mismatch(self, price: int, target: int, liquidity: int) -> VenueError | None:
        """What the program meets before a step where the accounts contradict each other."""
        if not 0 <= liquidity <= U128_MAX:
            return panic("the liquidity leaves u128")
        if price < target if self.zero_for_one else price > target:
            detail = "price and ticks do not match"
            return anchor_refusal("RequireGteViolated", ErrorClass.TERMINAL, detail)
        return None

    def _cuts(self, fee: int) -> tuple[int, int]:
        """The protocol's and the fund's part of a step's fee, rounded down."""
        rates = self.rates
        return (
            fee * rates.protocol_fee_rate // FEE_RATE_DENOMINATOR,
            fee * rates.fund_fee_rate // FEE_RATE_DENOMINATOR,
        )
