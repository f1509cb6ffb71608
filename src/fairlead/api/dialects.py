"""The request forms that are accepted, mapped to the one `OrderRequest`, and errors mapped back.

Public engines of this kind name the same things differently. Which names and units exist is known
here and nowhere else.
"""

import re
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from fairlead.amounts import AmountError, plain_decimal
from fairlead.errors import FieldError, InvalidOrder
from fairlead.orders.intake import (
    MAX_LABEL_LENGTH,
    MAX_PRIORITY,
    MAX_PRIORITY_FEE_LAMPORTS,
    MAX_SLIPPAGE_BPS,
    OrderRequest,
)
from fairlead.orders.model import NumberForm, SlippageUnit

MAX_ERRORS = 20
"""Field errors told at once; the rest of a hopeless body is not worth the bytes."""
MAX_VENUES = 32


class JsonNumber(str):
    """A JSON number that is no integer, as its digits: it never becomes a float."""

    __slots__ = ()


class _Wrong(Exception):
    """One field's value cannot be what the field means."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


_INTEGER = re.compile(r"[0-9]{1,20}", re.ASCII)


def _text(value: object) -> str:
    if type(value) is not str:
        raise _Wrong("wrong_type", "must be a string")
    return value


def _label(value: object) -> str:
    text = _text(value)
    if not 1 <= len(text) <= MAX_LABEL_LENGTH:
        raise _Wrong("wrong_length", f"must have 1 to {MAX_LABEL_LENGTH} characters")
    if not text.isprintable():
        raise _Wrong("bad_characters", "must have printable characters only")
    return text


def _name(value: object) -> str:
    """A symbol, an address or a kind: what it must be is decided later."""
    text = _text(value)
    if not (1 <= len(text) <= 64 and text.isascii() and text.isprintable()):
        raise _Wrong("bad_characters", "must have 1 to 64 printable characters")
    return text


def _decimal(value: object) -> str:
    """A plain decimal without trailing zeros, so that equal numbers are equal strings."""
    kind = type(value)
    if kind is not str and kind is not JsonNumber and kind is not int:
        raise _Wrong("wrong_type", "must be a decimal number or a string of one")
    try:
        plain = plain_decimal(str(value), is_json_number=kind is not str)
    except AmountError as error:
        raise _Wrong(error.code, str(error)) from None
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _atoms(value: object) -> int:
    text = _text(value)
    if not _INTEGER.fullmatch(text):
        raise _Wrong("not_a_number", "must be a string of at most 20 digits")
    return int(text)


def _integer(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if type(value) is JsonNumber:  # 100.0 is an integer to JSON
            plain = _decimal(value)
            value = int(plain) if _INTEGER.fullmatch(plain) else value
        if type(value) is not int:
            raise _Wrong("wrong_type", "must be an integer")
        if not low <= value <= high:
            raise _Wrong("out_of_range", f"must be {low} to {high}")
        return value

    return parse


def _time_ms(value: object) -> int:
    text = _text(value)
    try:
        at = datetime.fromisoformat(text)
        if len(text) <= 40 and at.tzinfo is not None:
            return round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise _Wrong("not_a_time", "must be an ISO 8601 time with a zone, as 2030-01-31T12:00:00Z")


def _venues(value: object) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MAX_VENUES:
        raise _Wrong("wrong_type", f"must be an array of 1 to {MAX_VENUES} venue names")
    return tuple([_name(item) for item in value])


# Sent name -> (canonical name, that of the request's attribute, how its value is read).
FIELDS: Final[dict[str, tuple[str, str, Callable[[object], object]]]] = {
    "type": ("type", "type", _name),
    "orderType": ("type", "type", _name),
    "tokenIn": ("tokenIn", "token_in", _name),
    "tokenOut": ("tokenOut", "token_out", _name),
    "amountIn": ("amountIn", "amount_in", _decimal),
    "amount": ("amountIn", "amount_in", _decimal),
    "amountInAtoms": ("amountInAtoms", "amount_in_atoms", _atoms),
    "amountOut": ("amountOut", "amount_out", _decimal),
    "amountOutAtoms": ("amountOutAtoms", "amount_out_atoms", _atoms),
    "maxAmountIn": ("maxAmountIn", "max_amount_in", _decimal),
    "maxAmountInAtoms": ("maxAmountInAtoms", "max_amount_in_atoms", _atoms),
    "slippageBps": ("slippageBps", "slippage_bps", _integer(0, MAX_SLIPPAGE_BPS)),
    "slippage": ("slippage", "slippage", _decimal),
    "wallet": ("wallet", "wallet", _name),
    "walletAddress": ("wallet", "wallet", _name),
    "userId": ("userId", "user_id", _label),
    "clientOrderId": ("clientOrderId", "client_order_id", _label),
    "limitPrice": ("limitPrice", "limit_price", _decimal),
    "priority": ("priority", "priority", _integer(0, MAX_PRIORITY)),
    "expiresAt": ("expiresAt", "expires_at_ms", _time_ms),
    "venues": ("venues", "venues", _venues),
    "maxPriceImpactBps": ("maxPriceImpactBps", "max_price_impact_bps", _integer(0, 10_000)),
    "maxPriorityFeeLamports": (
        "maxPriorityFeeLamports",
        "max_priority_fee_lamports",
        _integer(0, MAX_PRIORITY_FEE_LAMPORTS),
    ),
}

# One of them says how much.
_AMOUNTS: Final = ("amountIn", "amount", "amountInAtoms", "amountOut", "amountOutAtoms")


def read_order(sent: dict[str, Any]) -> OrderRequest:
    """The canonical request, or `InvalidOrder` naming every field as it was sent."""
    errors: list[FieldError] = []
    said = _said(sent, errors)
    unit = _slippage_taken(sent, said, errors)
    if "tokenIn" not in sent or "tokenOut" not in sent:
        errors += [
            FieldError(name, "required", "must be given")
            for name in ("tokenIn", "tokenOut")
            if name not in sent
        ]
    if sent.keys().isdisjoint(_AMOUNTS):
        message = "must be given, or amountOut with maxAmountIn"
        errors.append(FieldError("amountIn", "required", message))
    if errors:
        raise InvalidOrder(tuple(errors[:MAX_ERRORS]))
    return OrderRequest(**said, number_form=_number_form(sent), slippage_unit=unit)


def _said(sent: dict[str, Any], errors: list[FieldError]) -> dict[str, Any]:
    """The values by attribute; what is unknown, malformed or contradictory is an error."""
    said: dict[str, Any] = {}
    for name, value in sent.items():
        field = FIELDS.get(name)
        if field is None:
            errors.append(FieldError(name[:64], "unknown_field", "is not a field of an order"))
            continue
        canonical, attribute, parse = field
        try:
            meant = parse(value)
        except _Wrong as wrong:
            errors.append(FieldError(name, wrong.code, wrong.message))
            continue
        if attribute in said and said[attribute] != meant:
            message = f"differs from its other name ({canonical})"
            errors.append(FieldError(name, "conflicting", message))
        said[attribute] = meant
    return said


def _number_form(sent: dict[str, Any]) -> NumberForm:
    if "orderType" not in sent:
        return NumberForm.STRING
    amount = sent.get("amountIn", sent.get("amountOut"))
    return NumberForm.JSON if type(amount) in (int, JsonNumber) else NumberForm.STRING


def _slippage_taken(
    sent: dict[str, Any], said: dict[str, Any], errors: list[FieldError]
) -> SlippageUnit:
    """The unit that `slippage` came in, which is said in basis points afterwards."""
    value = said.pop("slippage", None)
    if value is None:
        return SlippageUnit.PERCENT
    unit = _slippage_unit(sent)
    if unit is None:
        message = (
            "is percent beside amountIn and orderType and a fraction beside amount and type;"
            " with any other mix send slippageBps"
        )
        errors.append(FieldError("slippage", "ambiguous", message))
        return SlippageUnit.PERCENT
    meant = _bps(value, unit, errors)
    if meant is not None and said.setdefault("slippage_bps", meant) != meant:
        errors.append(FieldError("slippage", "conflicting", "differs from slippageBps"))
    return unit


def _slippage_unit(sent: dict[str, Any]) -> SlippageUnit | None:
    percent = "amountIn" in sent, "orderType" in sent
    fraction = "amount" in sent, "type" in sent
    if all(percent) and not any(fraction):
        return SlippageUnit.PERCENT
    if all(fraction) and not any(percent):
        return SlippageUnit.FRACTION
    return None


def _bps(value: str, unit: SlippageUnit, errors: list[FieldError]) -> int | None:
    digits = 2 if unit is SlippageUnit.PERCENT else 4
    whole, _, fraction = value.partition(".")
    if len(fraction) > digits:
        message = "is finer than one basis point"
        errors.append(FieldError("slippage", "too_many_decimals", message))
        return None
    bps = int(whole + fraction.ljust(digits, "0"))
    if bps > MAX_SLIPPAGE_BPS:
        message = f"is more than {MAX_SLIPPAGE_BPS} basis points"
        errors.append(FieldError("slippage", "out_of_range", message))
        return None
    return bps


def as_sent(error: InvalidOrder, sent: dict[str, Any]) -> InvalidOrder:
    """The same error with each canonical field under the name that the client used."""
    names = {FIELDS[name][0]: name for name in sent if name in FIELDS}
    return InvalidOrder(
        tuple(msgspec.structs.replace(e, field=names.get(e.field, e.field)) for e in error.errors)
    )


HASH_VERSION = b"\x01"
"""First byte of a request hash: another way of normalising gets another one."""

UNHASHED = HASH_VERSION
"""Of an order without an Idempotency-Key: nothing is ever compared with it."""


def request_hash(sent: dict[str, Any]) -> bytes:
    """A hash over what the client sent, before defaults: names as sent and sorted, numbers exact
    (1.50 is 1.5). Only for a body that `read_order` took: its values are flat.
    """
    canonical = _canonical.encode({name: _canonical_value(v) for name, v in sent.items()})
    return HASH_VERSION + sha256(canonical).digest()


_canonical = msgspec.json.Encoder(order="sorted")


def _canonical_value(value: object) -> object:
    kind = type(value)
    return msgspec.Raw(_decimal(value).encode()) if kind is JsonNumber or kind is int else value
