"""Request bodies: bounded, JSON, one object, numbers as their digits."""

import json
from typing import Any

import msgspec
from starlette.types import Receive

from fairlead.api.access import Headers
from fairlead.api.dialects import JsonNumber
from fairlead.api.problems import Refusal, invalid
from fairlead.errors import FieldError, InvalidOrder

_decode = msgspec.json.Decoder(float_hook=JsonNumber).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Disconnected(Exception):
    """The client left before its request was whole."""


async def read_body(headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    """The whole body, or `Refusal` for too large a one, which is not read to its end."""
    declared = headers.get(b"content-length")
    if declared is not None and (not declared.isdigit() or int(declared[:12]) > max_bytes):
        raise _too_large(max_bytes)
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= max_bytes:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


def _too_large(max_bytes: int) -> Refusal:
    return Refusal("body_too_large", f"the body is larger than {max_bytes} bytes")


def check_json(headers: Headers) -> None:
    """`Refusal` unless the body is said to be JSON in UTF-8."""
    content_type = headers.get(b"content-type", b"")
    if content_type == b"application/json":
        return
    kind, _, parameter = content_type.partition(b";")
    charset = parameter.strip().lower().replace(b'"', b"")
    if kind.strip().lower() != b"application/json" or charset not in (b"", b"charset=utf-8"):
        raise Refusal("unsupported_media_type")


def decode_object(body: bytes) -> dict[str, Any]:
    """The body's JSON object. No number becomes a float, and no name may come twice."""
    try:
        decoded = _decode(body)
    except (msgspec.ValidationError, RecursionError):
        raise _out_of_bounds(body) from None
    except ValueError as error:  # msgspec.DecodeError, or bytes that are no UTF-8
        detail = str(error) if isinstance(error, msgspec.DecodeError) else "is not UTF-8"
        raise Refusal("malformed_json", detail) from None
    if type(decoded) is not dict:
        raise Refusal("malformed_json", "the body must be one JSON object")
    # Each name has its colon: with no more colons than names no name can have come twice.
    if body.count(b":") != len(decoded):
        _check_duplicates(body)
    return decoded


def _out_of_bounds(body: bytes) -> Exception:
    """JSON, but a number of thousands of digits or a pit of brackets: which field is it in?"""
    try:
        fields = _decode_raw(body)
        wrong = [name for name, value in fields.items() if not _bounded(value)]
    except (ValueError, RecursionError):
        return Refusal("malformed_json", "the body is nested too deeply or is no JSON object")
    errors = [FieldError(n[:64], "too_many_digits", "has far too many digits") for n in wrong[:20]]
    return InvalidOrder(tuple(errors)) if errors else Refusal("malformed_json")


def _bounded(value: msgspec.Raw) -> bool:
    try:
        _decode(value)
    except msgspec.ValidationError:
        return False
    return True


def _check_duplicates(body: bytes) -> None:
    """The slow and sure way, for bodies with colons elsewhere (times, labels)."""

    def pairs(items: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in items]
        for name in names:
            if names.count(name) > 1:
                raise invalid(name[:64], "duplicate_field", "is given twice")

    try:
        json.loads(body, object_pairs_hook=pairs, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise Refusal("malformed_json") from None
