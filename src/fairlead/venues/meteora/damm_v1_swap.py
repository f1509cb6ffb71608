"""One DAMM v1 swap from the accounts' numbers to the amounts that move, in the program's order.

A pool owns no tokens but shares of two vaults, which many pools share and which may lend. A swap
puts the input into one vault, swaps on what the pool's shares are worth, and takes the output out
of the other. Each conversion between atoms and shares is rounded down, so a swap loses an atom here
and there. The program compares the user's minimum not with what it pays but with what the pool's
shares lost in worth, which is that or an atom more.

Sources: damm-v1-sdk `dynamic-amm-quote/src/lib.rs`, `programs/dynamic-vault/src/state.rs`
(02c66a3), and the compiled programs.
"""

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora.damm_v1_accounts import ACTIVATION_BY_SLOT, PoolNumbers, VaultState
from fairlead.venues.meteora.damm_v1_curve import (
    StableCurve,
    overflow,
    swap_constant_product,
    swap_stable,
)
from fairlead.venues.meteora.damm_v1_errors import (
    AMOUNT_MUST_GREATER_THAN_ZERO,
    FEE_CALCULATION_FAILURE,
    MATH_OVERFLOW,
    POOL_DISABLED,
    VAULT_IS_DISABLED,
    VAULT_MATH_OVERFLOW,
    refusal,
    reserve_refusal,
    vault_refusal,
)
from fairlead.venues.record import Record
from fairlead.venues.venue import ChainTime, ErrorClass

LOCKED_PROFIT_DEGRADATION_DENOMINATOR = 10**12


class VaultSide(Record, frozen=True, gc=False):
    """One of a pool's two vaults. All in atoms, of the token or of the vault's shares."""

    state: VaultState
    # The shares that the pool owns, and all there are.
    lp_amount: int
    lp_supply: int
    # What the token vault holds: the rest is lent out.
    reserve: int

    def unlocked_amount(self, now: int) -> int:
        """What the shares are worth: profits count little by little, rounded up."""
        state = self.state
        locked, total = state.last_updated_locked_profit, state.total_amount
        if now < state.last_report:
            raise overflow("the vault's report is of a later time")
        if not locked:
            return total
        ratio = (now - state.last_report) * state.locked_profit_degradation
        if ratio > LOCKED_PROFIT_DEGRADATION_DENOMINATOR:
            return total
        rest = LOCKED_PROFIT_DEGRADATION_DENOMINATOR - ratio
        locked = locked * rest // LOCKED_PROFIT_DEGRADATION_DENOMINATOR
        if locked > total:
            raise overflow("more profit is locked than the vault holds")
        return total - locked


class Swap(Record, frozen=True, gc=False):
    """What a swap moves, in atoms and shares."""

    amount_in: int
    # Reaches the user.
    amount_out: int
    # What the curve says, before the roundings of the vault.
    curve_out: int
    # In the input token. The protocol's part leaves the pool before all else.
    trade_fee: int
    protocol_fee: int
    # What moves on the curve, and the pool's two sides before.
    curve_in: int
    total_in: int
    total_out: int
    # Shares that the pool gains and gives up.
    lp_in: int
    lp_out: int
    # Of Newton's method, which most of a stable swap's computing is.
    rounds: int


def check_open(numbers: PoolNumbers, time: ChainTime) -> None:
    """Refuses a pool that is off (terminal) or not active yet."""
    if not numbers.is_enabled:
        raise refusal(POOL_DISABLED, "swaps are off", ErrorClass.TERMINAL)
    by_slot = numbers.activation_type == ACTIVATION_BY_SLOT
    if (time.slot if by_slot else time.unix_timestamp) < numbers.activation_point:
        opens = f"opens at {'slot' if by_slot else 'time'} {numbers.activation_point}"
        raise refusal(POOL_DISABLED, opens, ErrorClass.NOT_YET)


def calculate_fee(amount: int, numerator: int, denominator: int) -> int:
    """Rounded down, but at least one atom where there is a fee at all."""
    if not numerator or not amount:
        return 0
    if not denominator:
        raise refusal(FEE_CALCULATION_FAILURE, "a fee's denominator is 0")
    return amount * numerator // denominator or 1


class Worth(Record, frozen=True, gc=False):
    """What a swap begins with, in atoms: both vaults' worth, and the pool's parts of it."""

    unlocked_in: int
    unlocked_out: int
    total_in: int
    total_out: int


def swap(
    numbers: PoolNumbers,
    stable: StableCurve | None,
    vaults: tuple[VaultSide, VaultSide],
    a_to_b: bool,
    amount_in: int,
    now: int,
) -> Swap:
    """The swap that takes `amount_in` from the user. `vaults`: of A, of B."""
    if not amount_in:
        # The program leaves before it does anything.
        return Swap(*(0,) * 11)
    source, target = vaults if a_to_b else vaults[::-1]
    worth = worth_of(source, target, now)
    trade_fee, protocol_fee = split_fee(numbers, amount_in)
    net = net_of(amount_in, protocol_fee)
    lp_in = deposit(source, worth.unlocked_in, net)
    curve_in = input_of(source, worth, net, lp_in, trade_fee)
    curve_out, rounds = output_of(stable, worth, curve_in, a_to_b)
    lp_out, amount_out = withdraw(target, worth.unlocked_out, curve_out)
    return Swap(
        amount_in,
        amount_out,
        curve_out,
        trade_fee,
        protocol_fee,
        curve_in,
        worth.total_in,
        worth.total_out,
        lp_in,
        lp_out,
        rounds,
    )


def worth_of(source: VaultSide, target: VaultSide, now: int) -> Worth:
    """What the vaults and the pool's shares of them are worth."""
    unlocked_in, unlocked_out = source.unlocked_amount(now), target.unlocked_amount(now)
    if not source.lp_supply or not target.lp_supply:
        raise overflow("a vault has no shares")
    total_in = source.lp_amount * unlocked_in // source.lp_supply
    total_out = target.lp_amount * unlocked_out // target.lp_supply
    if total_in > U64_MAX or total_out > U64_MAX:
        raise overflow("the pool's shares are worth more than 2^64-1")
    return Worth(unlocked_in, unlocked_out, total_in, total_out)


def split_fee(numbers: PoolNumbers, amount_in: int) -> tuple[int, int]:
    """The fee in the input token: what stays with the pool, and what the protocol gets."""
    trade_fee = calculate_fee(amount_in, numbers.trade_fee_numerator, numbers.trade_fee_denominator)
    protocol_fee = 0
    if numbers.protocol_fee_numerator:
        protocol_fee = calculate_fee(
            trade_fee, numbers.protocol_fee_numerator, numbers.protocol_fee_denominator
        )
        trade_fee -= protocol_fee
    if trade_fee < 0:
        raise refusal(FEE_CALCULATION_FAILURE, "the protocol's part is more than the fee")
    if max(trade_fee, protocol_fee) > U64_MAX:
        raise overflow("a fee of more than 2^64-1")
    return trade_fee, protocol_fee


def net_of(amount_in: int, protocol_fee: int) -> int:
    """What is left to put into the vault."""
    if protocol_fee > amount_in:
        fee = "the protocol's fee is more than the input"
        raise refusal(MATH_OVERFLOW, fee, ErrorClass.TERMINAL)
    return amount_in - protocol_fee


def input_of(source: VaultSide, worth: Worth, net: int, lp_in: int, trade_fee: int) -> int:
    """What moves on the curve: what the pool's shares gained in worth, less the fee."""
    after = (source.lp_amount + lp_in) * (worth.unlocked_in + net) // (source.lp_supply + lp_in)
    curve_in = after - worth.total_in - trade_fee
    if curve_in < 0:
        fee = "the fee is more than what the vault counts as put in"
        raise refusal(MATH_OVERFLOW, fee, ErrorClass.TERMINAL)
    return curve_in


def output_of(
    stable: StableCurve | None, worth: Worth, curve_in: int, a_to_b: bool
) -> tuple[int, int]:
    """What the curve pays, and the rounds that it took."""
    if stable is None:
        return swap_constant_product(curve_in, worth.total_in, worth.total_out), 0
    return swap_stable(stable, curve_in, worth.total_in, worth.total_out, a_to_b)


def compared_out(target: VaultSide, swap: Swap, now: int) -> int:
    """What the program compares with the minimum: how much less the pool's shares are worth.

    It is `amount_out` or one more. With L the pool's shares, S all of them, U the vault's worth and
    s those given up, the pool had floor(LU/S) and has floor((L-s)(U-out)/(S-s)) left. A share is
    worth no less after than before, as out <= sU/S, so at least floor(LU/S - sU/S) is left, and
    sU/S < out + 1. What the vault gains by rounding is below an atom, so no more than
    floor(LU/S - out) is left.
    """
    if not swap.amount_in:
        # No minimum is looked at.
        return U64_MAX
    unlocked = target.unlocked_amount(now) - swap.amount_out
    shares, supply = target.lp_amount - swap.lp_out, target.lp_supply - swap.lp_out
    if supply <= 0 or shares < 0:
        raise overflow("no shares are left")
    return swap.total_out - shares * unlocked // supply


def raised_minimum(minimum: int, target: VaultSide) -> int:
    """The least minimum that makes sure of `minimum` atoms reaching the user; see `compared_out`.

    A vault that lends nothing and whose shares are worth one atom each rounds nothing off, and it
    stays so whatever others do until the swap lands.
    """
    state = target.state
    is_exact = (
        state.total_amount == target.lp_supply
        and not state.has_strategies
        and not state.last_updated_locked_profit
    )
    return minimum if not minimum or is_exact else min(minimum + 1, U64_MAX)


def deposit(vault: VaultSide, unlocked: int, atoms: int) -> int:
    """The shares that the vault gives for these atoms; rounded down."""
    state = vault.state
    if not atoms:
        raise vault_refusal(AMOUNT_MUST_GREATER_THAN_ZERO)
    if not state.is_enabled:
        raise vault_refusal(VAULT_IS_DISABLED)
    if not unlocked:
        raise vault_refusal(VAULT_MATH_OVERFLOW, "the vault is empty")
    shares = atoms * vault.lp_supply // unlocked
    if shares > U64_MAX or state.total_amount + atoms > U64_MAX:
        raise vault_refusal(VAULT_MATH_OVERFLOW, f"{atoms} atoms")
    return shares


def withdraw(vault: VaultSide, unlocked: int, atoms: int) -> tuple[int, int]:
    """The shares that are worth these atoms, and what they bring; both rounded down."""
    shares, paid = shares_for(vault, unlocked, atoms)
    if paid > vault.reserve:
        raise reserve_refusal(f"{paid} atoms of {vault.reserve} that are not lent out")
    return shares, paid


def shares_for(vault: VaultSide, unlocked: int, atoms: int) -> tuple[int, int]:
    """As `withdraw`, whether or not the vault holds that."""
    if not unlocked:
        raise overflow("the vault is empty")
    shares = atoms * vault.lp_supply // unlocked
    return shares, shares * unlocked // vault.lp_supply
