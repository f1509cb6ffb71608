"""The CLMM's newer rules: a volatility fee, limit orders at ticks, the fee in a chosen token.

Written from the source alone: no compiled program of that age was at hand, so nothing here is
proven on one; the official SDK says the same (docs/venues-proof.md). A pool is walked by these
rules only where the caller allows it. Without any of the three they give what `clmm_path` gives,
which is proven. Source: raydium-clmm
`instructions/swap.rs`, `libraries/swap_math.rs`, `states/{pool_fee,tick_array}.rs` (03b44b7).
"""

from collections.abc import Iterator

from fairlead.amounts import U64_MAX
from fairlead.venues.raydium.clmm_accounts import (
    FEE_ON_TOKEN_0,
    FEE_ON_TOKEN_1,
    FEE_RATE_DENOMINATOR,
    ConfigRates,
    PoolNumbers,
    Tick,
)
from fairlead.venues.raydium.clmm_curve import (
    SwapStep,
    amounts_between,
    fee_on_top,
    next_sqrt_price_from_input,
    next_sqrt_price_from_output,
)
from fairlead.venues.raydium.clmm_errors import accounts_end, panic, refusal
from fairlead.venues.raydium.clmm_path import Walk
from fairlead.venues.raydium.clmm_volatility import Volatility
from fairlead.venues.raydium.ticks import (
    Q64,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from fairlead.venues.record import Record
from fairlead.venues.venue import VenueError

DYNAMIC_FEE, FEE_ON, LIMIT_ORDERS = "dynamic_fee", "fee_on", "limit_orders"
"""The names of the three, as `SwapQuote.unproven` has them."""

MAX_STEPS = 2_000
"""Steps of one walk; a transaction runs out of compute units long before."""


class Order(Record, frozen=True, gc=False):
    """What is asked of a walk."""

    amount: int
    sqrt_price_limit: int
    is_base_input: bool
    zero_for_one: bool
    max_arrays: int
    unix_timestamp: int


def is_fee_on_input(fee_on: int, zero_for_one: bool) -> bool:
    """Whether the fee of a swap in this direction is taken in its input token."""
    if fee_on == FEE_ON_TOKEN_0:
        return zero_for_one
    if fee_on == FEE_ON_TOKEN_1:
        return not zero_for_one
    return True


def pool_modes(numbers: PoolNumbers) -> tuple[str, ...]:
    """The names of the newer rules that every swap of this pool goes by."""
    dynamic = (DYNAMIC_FEE,) if numbers.dynamic_fee is not None else ()
    return (*dynamic, FEE_ON) if numbers.fee_on else dynamic


class LayeredWalk:
    """One swap by the newer rules, step by step."""

    def __init__(self, numbers: PoolNumbers, rates: ConfigRates, order: Order) -> None:
        self.order = order
        self.rates = rates
        self.fee_on_input = is_fee_on_input(numbers.fee_on, order.zero_for_one)
        self.remaining = order.amount
        self.calculated = 0
        self.price = numbers.sqrt_price_x64
        self.tick = numbers.tick_current
        self.liquidity = numbers.liquidity
        self.fee = self.protocol_fee = self.fund_fee = 0
        self.steps = self.ticks_crossed = self.arrays_used = 0
        self.modes = list(pool_modes(numbers))
        self.volatility: Volatility | None = None
        if numbers.dynamic_fee is not None:
            self.volatility = Volatility(
                numbers.dynamic_fee, self.tick, numbers.tick_spacing, order.unix_timestamp
            )

    def run(self, ticks: Iterator[tuple[Tick, int] | VenueError]) -> Walk:
        """Walks these ticks; raises what the program would refuse with."""
        order = self.order
        while self.remaining and self.price != order.sqrt_price_limit:
            found = next(ticks)
            if isinstance(found, VenueError):
                raise found
            tick, array_number = found
            if array_number >= order.max_arrays:
                raise accounts_end("NotEnoughTickArrayAccount", "the tick arrays given end")
            self.arrays_used = array_number + 1
            self._to_tick(tick)
        consumed = order.amount - self.remaining
        amount_in, amount_out = consumed, self.calculated
        if not order.is_base_input:
            amount_in, amount_out = amount_out, amount_in
        return Walk(
            amount_in,
            amount_out,
            self.fee,
            self.protocol_fee,
            self.fund_fee,
            self.price,
            self.liquidity,
            self.tick,
            self.ticks_crossed,
            self.arrays_used,
            self.remaining > 0,
            self.fee_on_input,
            ", ".join(self.modes),
        )

    def _to_tick(self, tick: Tick) -> None:
        """Swaps towards the tick, group by group where the fee depends on it."""
        zero_for_one, limit = self.order.zero_for_one, self.order.sqrt_price_limit
        at_tick = sqrt_price_at_tick(tick.index)
        target = max(at_tick, limit) if zero_for_one else min(at_tick, limit)
        liquidity_next = self.liquidity
        while True:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise panic("more steps than a transaction has compute units for")
            rate = self._fee_rate()
            bounded, bounded_tick, skipped = self._bounded(target)
            reached = bounded
            if self.price != bounded:
                step = self._compute_swap(bounded, rate)
                self._apply(step)
                reached = step.sqrt_price_next_x64
            if reached == at_tick:
                orders_left = self._match_orders(tick, at_tick, rate)
                if tick.liquidity_gross and not orders_left:
                    net = -tick.liquidity_net if zero_for_one else tick.liquidity_net
                    liquidity_next = self.liquidity + net
                    self.ticks_crossed += 1
                self.tick = tick.index - (zero_for_one != orders_left)
            elif reached != self.price:
                if bounded_tick is not None and reached == bounded:
                    self.tick = bounded_tick
                else:
                    self.tick = tick_at_sqrt_price(reached)
            self.price = reached
            if self.volatility is not None:
                place = tick.index if reached == at_tick else self.tick
                self.volatility.advance(place, zero_for_one, skipped)
            if not self.remaining or self.price == target:
                break
        self.liquidity = liquidity_next

    def _fee_rate(self) -> int:
        base = self.rates.trade_fee_rate
        if self.volatility is None:
            return base
        self.volatility.accumulate()
        return self.volatility.total_fee_rate(base)

    def _bounded(self, target: int) -> tuple[int, int | None, bool]:
        """The price this step may reach, its tick if a group ends, whether groups are skipped."""
        volatility = self.volatility
        if volatility is None or not self.liquidity or volatility.is_at_most():
            return target, None, True
        zero_for_one = self.order.zero_for_one
        tick = volatility.boundary(zero_for_one)
        price = sqrt_price_at_tick(tick)
        if target > price if zero_for_one else target < price:
            return target, None, False
        return price, tick, False

    def _compute_swap(self, target: int, rate: int) -> SwapStep:
        """One step at one fee rate; the amounts are net of a fee on their side."""
        base_input, on_input = self.order.is_base_input, self.fee_on_input
        remaining, zero_for_one = self.remaining, self.order.zero_for_one
        rest = FEE_RATE_DENOMINATOR - rate
        drives = remaining
        if base_input and on_input:
            drives = remaining * rest // FEE_RATE_DENOMINATOR
        elif not base_input and not on_input:
            drives = -(-remaining * FEE_RATE_DENOMINATOR // rest)
            if drives > U64_MAX:
                raise refusal("CalculateOverflow")
        reached = target
        amounts = amounts_between(self.price, target, self.liquidity, zero_for_one)
        if max(amounts) > U64_MAX or drives < amounts[0 if base_input else 1]:
            if not base_input and drives > amounts[1]:
                # The input at the target is beyond u64, and the output asks for more than that.
                raise refusal("CalculateOverflow")
            solve = next_sqrt_price_from_input if base_input else next_sqrt_price_from_output
            reached = solve(self.price, self.liquidity, drives, zero_for_one)
            amounts = amounts_between(self.price, reached, self.liquidity, zero_for_one)
            if max(amounts) > U64_MAX:
                raise refusal("MaxTokenOverflow")
        amount_in, amount_out = amounts
        if on_input:
            if base_input and reached != target:
                return SwapStep(reached, amount_in, amount_out, remaining - amount_in)
            if not base_input:
                amount_out = min(amount_out, remaining)
            return SwapStep(reached, amount_in, amount_out, fee_on_top(amount_in, rate))
        fee = -(-amount_out * rate // FEE_RATE_DENOMINATOR)
        if base_input:
            # Dust that does not move the price goes to the pool.
            amount_in = amount_in if reached == target else remaining
        else:
            fee = max(fee, amount_out - remaining)
        return SwapStep(reached, amount_in, amount_out - fee, fee)

    def _apply(self, step: SwapStep) -> None:
        """Books a step's amounts and cuts its fee: what no liquidity earns is the protocol's."""
        taken = step.amount_in + (step.fee_amount if self.fee_on_input else 0)
        spent, gained = taken, step.amount_out
        if not self.order.is_base_input:
            spent, gained = gained, spent
        self.remaining -= spent
        self.calculated += gained
        if self.remaining < 0 or taken > U64_MAX or self.calculated > U64_MAX:
            raise refusal("CalculateOverflow")
        protocol = step.fee_amount * self.rates.protocol_fee_rate // FEE_RATE_DENOMINATOR
        fund = step.fee_amount * self.rates.fund_fee_rate // FEE_RATE_DENOMINATOR
        self.fee += step.fee_amount
        self.fund_fee += fund
        self.protocol_fee += protocol if self.liquidity else step.fee_amount - fund

    def _match_orders(self, tick: Tick, sqrt_price: int, rate: int) -> bool:
        """Trades with the limit orders at this tick; whether some of them remain."""
        available = tick.orders_atoms + tick.part_filled_orders_atoms
        if not available or not self.remaining:
            return available > 0
        if LIMIT_ORDERS not in self.modes:
            self.modes.append(LIMIT_ORDERS)
        step = self._order_step(available, sqrt_price, rate)
        self._apply(step)
        gross = step.amount_out if self.fee_on_input else step.amount_out + step.fee_amount
        return gross < available

    def _order_step(self, available: int, sqrt_price: int, rate: int) -> SwapStep:
        """What the orders and the swap exchange at just the tick's price."""
        zero_for_one, on_input = self.order.zero_for_one, self.fee_on_input
        squared = sqrt_price * sqrt_price
        # Token 1 for one of token 0: rounded down for a swap that pays token 0, up for the other.
        price = squared >> 64 if zero_for_one else -(-squared >> 64)
        rest, fee = FEE_RATE_DENOMINATOR - rate, 0
        if self.order.is_base_input:
            if on_input:
                fee = -(-self.remaining * rate // FEE_RATE_DENOMINATOR)
            amount_in = self.remaining - fee
            gross = amount_in * price >> 64 if zero_for_one else amount_in * Q64 // price
            if gross > available:
                gross = available
                amount_in = _order_input(gross, price, zero_for_one)
                fee = fee_on_top(amount_in, rate) if on_input else 0
        else:
            gross = min(self.remaining, available)
            if not on_input:
                if not rate:
                    raise panic("divides by a fee rate of 0")
                gross = min(-(-gross * FEE_RATE_DENOMINATOR // rest), available)
            amount_in = _order_input(gross, price, zero_for_one)
            fee = fee_on_top(amount_in, rate) if on_input else 0
        if on_input:
            return SwapStep(sqrt_price, amount_in, gross, fee)
        fee = -(-gross * rate // FEE_RATE_DENOMINATOR)
        return SwapStep(sqrt_price, amount_in, gross - fee, fee)


def _order_input(amount_out: int, price: int, zero_for_one: bool) -> int:
    """What a swap pays for this much of the orders, rounded up."""
    amount = -(-amount_out * Q64 // price) if zero_for_one else -(-amount_out * price >> 64)
    if amount > U64_MAX:
        raise refusal("CalculateOverflow")
    return amount
