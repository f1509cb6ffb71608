"""Exact amounts: token units to atoms and back, and divisions that name their rounding.

Money is `int` in atoms everywhere inside fairlead. Decimal strings exist only at the edge (API,
CLI), and
this file is the only place that crosses that edge. No float and no `Decimal` takes part.
"""

import re

U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1
BPS = 10_000
"""Basis points in one."""

MAX_WHOLE_DIGITS = 20
MAX_FRACTION_DIGITS = 18
"""Digits a number may have before and after the point, in plain notation (API contract)."""

_PLAIN = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,18}))?", re.ASCII)
_EXPONENT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?[eE]([+-]?[0-9]+)", re.ASCII)


class AmountError(ValueError):
    """A number that cannot be an amount. `code` is stable API; the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def div_floor(numerator: int, denominator: int) -> int:
    """Quotient rounded towards zero, for non-negative values."""
    assert numerator >= 0 < denominator
    return numerator // denominator


def div_ceil(numerator: int, denominator: int) -> int:
    """Quotient rounded up, for non-negative values."""
    assert numerator >= 0 < denominator
    return -(-numerator // denominator)


def mul_div_floor(a: int, b: int, denominator: int) -> int:
    """`a * b / denominator` rounded down, exact in between."""
    numerator = a * b
    assert numerator >= 0 < denominator
    return numerator // denominator


def mul_div_ceil(a: int, b: int, denominator: int) -> int:
    """`a * b / denominator` rounded up, exact in between."""
    numerator = a * b
    assert numerator >= 0 < denominator
    return -(-numerator // denominator)


def plain_decimal(text: str, *, is_json_number: bool) -> str:
    """The plain notation of a non-negative decimal, or `AmountError`.

    A string must be plain already. A JSON number may carry an exponent (JavaScript writes 1e-7),
    but only
    where the plain form has at most 20 digits before and 18 after the point; the exponent is
    checked
    before anything is expanded, so `1e400` costs nothing.
    """
    if len(text) > 64:
        raise AmountError("too_many_digits", "has too many digits")
    if _PLAIN.fullmatch(text):
        return text
    if text.startswith("-"):
        raise AmountError("not_positive", "must be positive")
    match = _EXPONENT.fullmatch(text) if is_json_number else None
    if match is None:
        raise _why_not_plain(text)
    whole, fraction, exponent_text = match[2], match[3] or "", match[4]
    if len(exponent_text.lstrip("+-")) > 3:
        raise AmountError("out_of_range", "is out of range")
    exponent = int(exponent_text)
    if (
        not -MAX_FRACTION_DIGITS - MAX_WHOLE_DIGITS
        <= exponent
        <= MAX_WHOLE_DIGITS + MAX_FRACTION_DIGITS
    ):
        raise AmountError("out_of_range", "is out of range")
    digits = whole + fraction
    point = len(whole) + exponent
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    digits = digits.ljust(point, "0")
    plain_whole = digits[:point].lstrip("0") or "0"
    plain_fraction = digits[point:].rstrip("0")
    if len(plain_whole) > MAX_WHOLE_DIGITS or len(plain_fraction) > MAX_FRACTION_DIGITS:
        raise AmountError("out_of_range", "is out of range")
    return f"{plain_whole}.{plain_fraction}" if plain_fraction else plain_whole


def _why_not_plain(text: str) -> AmountError:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        return AmountError(
            "too_many_digits", "has more than 20 digits before or 18 after the point"
        )
    return AmountError("not_a_number", "must be a plain decimal number, as in 1.5")


def atoms_from_decimal(text: str, decimals: int) -> int:
    """Atoms in a plain decimal of token units; 1 … 2^64-1, or `AmountError`.

    More decimals than the token has are refused, trailing zeros too few to matter are not:
    "1.50" of a token with one decimal is 15 atoms.
    """
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise _why_not_plain(text)
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise AmountError("too_many_decimals", f"has more decimals than the token's {decimals}")
    atoms = int(match[1] + fraction.ljust(decimals, "0"))
    return checked_atoms(atoms)


def checked_atoms(atoms: int) -> int:
    """The same value if a u64 amount above zero, else `AmountError`."""
    if atoms <= 0:
        raise AmountError("not_positive", "must be greater than zero")
    if atoms > U64_MAX:
        raise AmountError("out_of_range", "is more than 2^64-1 atoms")
    return atoms


def decimal_from_atoms(atoms: int, decimals: int) -> str:
    """Token units as a plain decimal string without trailing zeros: 1500000000 at 9 is "1.5"."""
    if atoms < 0:
        return "-" + decimal_from_atoms(-atoms, decimals)
    # By digits: half the time of dividing, and an event tells a dozen amounts.
    digits = str(atoms).zfill(decimals + 1)
    point = len(digits) - decimals
    fraction = digits[point:].rstrip("0")
    return f"{digits[:point]}.{fraction}" if fraction else digits[:point]


PRICE_DECIMALS = 18
"""Digits after the point in a price; the last one is rounded down."""


def price_from_atoms(out_atoms: int, out_decimals: int, in_atoms: int, in_decimals: int) -> str:
    """Net tokenOut per tokenIn in token units, as a decimal string, rounded down at 18 digits."""
    assert out_atoms >= 0 < in_atoms
    scaled = div_floor(
        out_atoms * 10 ** (in_decimals + PRICE_DECIMALS), in_atoms * 10**out_decimals
    )
    return decimal_from_atoms(scaled, PRICE_DECIMALS)


def plain_price(text: str) -> str:
    """The one shortest plain form of a positive price, or `AmountError`: "0150.50" is "150.5"."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise _why_not_plain(text)
    whole, fraction = match[1].lstrip("0") or "0", (match[2] or "").rstrip("0")
    if whole == "0" and not fraction:
        raise AmountError("not_positive", "must be greater than zero")
    return f"{whole}.{fraction}" if fraction else whole


def out_atoms_at_price(price: str, in_atoms: int, in_decimals: int, out_decimals: int) -> int:
    """What `in_atoms` must give at a plain price (tokenOut per tokenIn, token units), in atoms.

    Rounded up: a fill of one atom less would be below the price. Not bounded to u64.
    """
    whole, _, fraction = price.partition(".")
    numerator = int(whole + fraction) * in_atoms * 10**out_decimals
    return div_ceil(numerator, 10 ** (in_decimals + len(fraction)))
