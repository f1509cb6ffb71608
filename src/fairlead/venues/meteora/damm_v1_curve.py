"""DAMM v1's two curves on plain integers: the constant product, and the stable one.

The stable curve is the StableSwap of two coins that Saber wrote, its amounts scaled to one
precision and, in pools of a staked token, by that token's price. Names and rounding follow
damm-v1-sdk `dynamic-amm-quote/src/math/*.rs` (02c66a3) and Saber's `stable-swap-math`.
"""

from fairlead.amounts import U64_MAX, U128_MAX
from fairlead.venues.meteora.damm_v1_errors import MATH_OVERFLOW, ZERO_TRADING_TOKENS, refusal
from fairlead.venues.record import Record
from fairlead.venues.venue import ErrorClass, VenueError

N_COINS = 2
MAX_ITERATIONS = 256
"""Newton's method stops here, as in the program; it needs about ten rounds."""

DEPEG_PRECISION = 1_000_000
"""What a virtual price of one is."""

U192_MAX = 2**192 - 1
"""The program's widest number on the stable curve."""


class StableCurve(Record, frozen=True, gc=False):
    """The parameters of a stable pool, its virtual price being that of the moment."""

    amp: int
    token_a_multiplier: int
    token_b_multiplier: int
    # Of token B in token A, parts of 1,000,000; None in a pool without.
    base_virtual_price: int | None

    @property
    def scales(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Per token, A first: the precision multiplier and the price."""
        price = self.base_virtual_price
        if price is None:
            return ((self.token_a_multiplier, 1), (self.token_b_multiplier, 1))
        return ((self.token_a_multiplier, DEPEG_PRECISION), (self.token_b_multiplier, price))


def swap_constant_product(source: int, total_in: int, total_out: int) -> int:
    """What the curve pays; the pool's new output side is rounded up."""
    new_total_in, invariant = total_in + source, total_in * total_out
    # A quotient of 0 would be rounded up to 1; the program refuses it instead.
    if invariant < new_total_in or not new_total_in:
        raise no_result("the pool is almost empty")
    out = total_out + -invariant // new_total_in
    if not out:
        raise refusal(ZERO_TRADING_TOKENS, "nothing comes out")
    return out


def swap_stable(
    curve: StableCurve, source: int, total_in: int, total_out: int, a_to_b: bool
) -> tuple[int, int]:
    """What the curve pays, and how many rounds that took.

    One less than its rounded root, then scaled down, rounded down.
    """
    scale_a, scale_b = curve.scales
    (mul_in, price_in), (mul_out, price_out) = (scale_a, scale_b) if a_to_b else (scale_b, scale_a)
    if curve.amp * N_COINS > U64_MAX:
        raise no_result("the amplification is more than 2^64-1")
    x = _u128(_u128(total_in * mul_in) * price_in)
    y = _u128(_u128(total_out * mul_out) * price_out)
    dx = _u128(_u128(source * mul_in) * price_in)
    d, rounds_of_d = compute_d(curve.amp, x, y)
    new_y, rounds_of_y = compute_y(curve.amp, _u128(x + dx), d)
    amount = y - new_y - 1
    if not mul_out or not price_out:
        raise no_result("a scale is 0")
    if amount < 0:
        raise refusal(ZERO_TRADING_TOKENS, "nothing comes out")
    return amount // mul_out // price_out, rounds_of_d + rounds_of_y


def compute_d(amp: int, x: int, y: int) -> tuple[int, int]:
    """The invariant, and its rounds; each division in them is rounded down."""
    total = x + y
    if not total:
        return 0, 0
    if not x or not y:
        raise no_result("a side is empty")
    ann = amp * N_COINS
    d = total
    for turn in range(1, MAX_ITERATIONS + 1):
        d_prod = _u192(d * d) // (x * N_COINS)
        d_prod = _u192(d_prod * d) // (y * N_COINS)
        previous = d
        numerator = _u192(d * (d_prod * N_COINS + total * ann))
        denominator = d * (ann - 1) + d_prod * (N_COINS + 1)
        if denominator <= 0:
            raise no_result("the amplification is 0")
        d = numerator // denominator
        if -1 <= d - previous <= 1:
            return d, turn
    raise never_ends()


def compute_y(amp: int, x: int, d: int) -> tuple[int, int]:
    """The other side at this invariant, and its rounds; each division is rounded down."""
    ann = amp * N_COINS
    if not x or not ann:
        raise no_result("a side is empty")
    c = _u192(d * d) // (x * N_COINS)
    c = _u192(c * d) // (ann * N_COINS)
    b = d // ann + x
    y = d
    for turn in range(1, MAX_ITERATIONS + 1):
        previous = y
        denominator = y * 2 + b - d
        if denominator <= 0:
            raise no_result("the curve has no root")
        y = _u192(y * y + c) // denominator
        if -1 <= y - previous <= 1:
            return _u128(y), turn
    raise never_ends()


def spot_price(
    curve: StableCurve | None, total_in: int, total_out: int, a_to_b: bool
) -> tuple[int, int]:
    """Atoms out per atom in before the swap, as numerator and denominator; fees left out."""
    if curve is None:
        return total_out, total_in
    scale_a, scale_b = curve.scales
    (mul_in, price_in), (mul_out, price_out) = (scale_a, scale_b) if a_to_b else (scale_b, scale_a)
    scale_in, scale_out = mul_in * price_in, mul_out * price_out
    x, y = total_in * scale_in, total_out * scale_out
    cube, ann = compute_d(curve.amp, x, y)[0] ** 3, curve.amp * N_COINS
    # dy/dx of ann*(x + y) + d = ann*d + d^3 / (4xy).
    numerator = (4 * ann * x * x * y + cube) * y * scale_in
    return numerator, (4 * ann * x * y * y + cube) * x * scale_out


def overflow(detail: str) -> VenueError:
    """The program's answer to all that its checked arithmetic cannot do."""
    return refusal(MATH_OVERFLOW, detail)


def no_result(detail: str) -> VenueError:
    """The program's answer where a curve has no result: it names all of them zero."""
    return refusal(ZERO_TRADING_TOKENS, detail, ErrorClass.LIQUIDITY)


def never_ends() -> VenueError:
    """Newton's method swings to and fro: the program takes its last round, if it gets that far.

    It does not: 256 rounds take more than the 1,400,000 compute units of a transaction.
    """
    return VenueError(ErrorClass.LIQUIDITY, "out_of_compute_units")


def _u128(number: int) -> int:
    if number > U128_MAX:
        raise no_result("more than 2^128-1")
    return number


def _u192(number: int) -> int:
    if number > U192_MAX:
        raise no_result("more than 2^192-1")
    return number
