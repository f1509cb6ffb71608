"""Query strings and path parameters, read strictly: unknown, repeated or malformed ones are 422."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.types import Scope

from fairlead.api.problems import invalid
from fairlead.orders.model import NumberForm

MAX_PARAMETERS = 32
MAX_LENGTH = 512

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,18}", re.ASCII)
_Choice = TypeVar("_Choice", bound=StrEnum)

Query = Mapping[str, str]


def query_of(scope: Scope, allowed: frozenset[str]) -> Query:
    """The parameters by name; `InvalidOrder` for one that is not allowed or comes twice."""
    raw: bytes = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise invalid("query", "bad_characters", "is no well-formed query") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise invalid(name[:64], "unknown_field", "is not a parameter of this address")
        if name in query:
            raise invalid(name, "duplicate_field", "is given twice")
        if not value.isprintable() or len(value) > MAX_LENGTH:
            raise invalid(name, "bad_characters", "must be short and printable")
        query[name] = value
    return query


def order_id_of(text: str) -> str:
    """The id in its one spelling, or `InvalidOrder`."""
    if not _UUID.fullmatch(text):
        raise invalid("orderId", "invalid_order_id", "must be a UUID")
    return text.lower()


def integer(query: Query, name: str, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise invalid(name, "wrong_type", "must be an integer")
    if not low <= int(text) <= high:
        raise invalid(name, "out_of_range", f"must be {low} to {high}")
    return int(text)


def choice(query: Query, name: str, kind: type[_Choice]) -> _Choice | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        choices = ", ".join(kind)
        raise invalid(name, "invalid_choice", f"must be one of: {choices}") from None


def number_form(query: Query) -> NumberForm | None:
    """`?numbers=json|string`; None leaves each order its own form."""
    return choice(query, "numbers", NumberForm)
