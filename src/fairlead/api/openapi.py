"""/openapi.json, made from the structs that encode the answers and from the list of problems."""

from typing import Any

import msgspec

from fairlead import __version__
from fairlead.api import schemas
from fairlead.api.problems import CONTENT_TYPE, PROBLEMS, Problem
from fairlead.orders.bundle import ProofBundle
from fairlead.orders.events import DECIMAL_FIELDS
from fairlead.orders.model import NumberForm, OrderStatus, OrderType

_ANSWERS = (
    schemas.AcceptedAnswer,
    schemas.CancelAnswer,
    schemas.OrderView,
    schemas.OrderList,
    schemas.EventList,
    ProofBundle,
    schemas.QuotesAnswer,
    schemas.TokenListAnswer,
    schemas.PoolListAnswer,
    schemas.WalletList,
    schemas.Alive,
    schemas.Ready,
)
_REF = "#/components/schemas/{name}"

# Any call may meet these; the order's ids, methods and bodies add theirs.
_ANY = ("malformed_request", "host_not_allowed", "origin_not_allowed", "headers_too_large")
_CALL = (*_ANY, "unauthorized", "invalid_request", "internal", "unavailable")
_ORDER = (*_CALL, "order_not_found")

Json = dict[str, Any]

_TOKEN: Json = {"type": "string", "minLength": 1, "maxLength": 64}


def document() -> bytes:
    """The OpenAPI 3.1 document, encoded."""
    return msgspec.json.format(msgspec.json.encode(_document()), indent=1)


def _document() -> Json:
    _, components = msgspec.json.schema_components(
        (schemas.OrderBody, Problem, *_ANSWERS), ref_template=_REF
    )
    for name, schema in components.items():
        if name != "OrderBody":
            _widen_amounts(schema)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fairlead",
            "version": __version__,
            "description": "Order execution on Solana: each order lands exactly once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # A token is asked only where one is set.
        "security": [{}, {"token": []}],
    }


def _widen_amounts(schema: Json) -> None:
    """Decimals are strings or, in the other number form, JSON numbers of the same digits."""
    for name, value in schema.get("properties", {}).items():
        if name in DECIMAL_FIELDS and ("type" in value or "anyOf" in value):
            kinds = value.pop("anyOf", None) or [{"type": value.pop("type")}]
            value["anyOf"] = [*kinds, {"type": "number"}]


def _paths() -> Json:
    order_id = _parameter("orderId", {"type": "string", "format": "uuid"}, where="path")
    return {
        "/api/orders/execute": {
            "post": _execute(),
            "get": _operation(
                "The order's stream is a WebSocket here", {}, (*_ANY, "upgrade_required"), []
            ),
        },
        "/api/orders": {"get": _list()},
        "/api/orders/{orderId}": {
            "get": _operation(
                "Everything known about an order",
                {200: _json("OrderView")},
                _ORDER,
                [order_id, _numbers()],
            ),
            "delete": _cancel(order_id),
        },
        "/api/orders/{orderId}/cancel": {"post": _cancel(order_id)},
        "/api/orders/{orderId}/events": {"get": _events(order_id)},
        "/api/orders/{orderId}/proof": {
            "get": _operation(
                "All that proves how an order that has ended came to its end",
                {200: _json("ProofBundle")},
                (*_ORDER, "not_ended"),
                [order_id],
            )
        },
        "/api/quotes": {"get": _quotes()},
        "/api/tokens": _get(
            "The token list, or what the chain says of one token",
            "TokenListAnswer",
            [_parameter("mint", _TOKEN)],
        ),
        "/api/pools": _get(
            "The pools of a pair, the pool at an address, or all that were read so far",
            "PoolListAnswer",
            [
                _parameter("tokenIn", _TOKEN),
                _parameter("tokenOut", _TOKEN),
                _parameter("address", {"type": "string", "minLength": 32, "maxLength": 44}),
            ],
        ),
        "/api/wallets": _get("Addresses and balances", "WalletList", [_numbers()]),
        "/health": {"get": _operation("The process is alive", {200: _json("Alive")}, _ANY, [])},
        "/ready": {
            "get": _operation(
                "Every part answers", {200: _json("Ready")}, (*_CALL, "not_ready"), []
            )
        },
        "/metrics": {
            "get": _operation("Prometheus metrics", {200: _text("text/plain")}, _CALL, [])
        },
        "/openapi.json": {
            "get": _operation(
                "This document", {200: _content("application/json", {"type": "object"})}, _CALL, []
            )
        },
    }


def _execute() -> Json:
    accepted = _json("AcceptedAnswer")
    accepted["headers"] = {
        "Idempotent-Replayed": {
            "description": "true when the key had made this order before",
            "schema": {"type": "string", "enum": ["true"]},
        }
    }
    problems = (
        *_CALL,
        "malformed_json",
        "idempotency_conflict",
        "body_too_large",
        "unsupported_media_type",
        "wallet_not_held",
        "unsupported_type",
        "insufficient_funds",
        "overloaded",
        "too_many_resting",
        "draining",
        "write_outcome_unknown",
    )
    key = _parameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        where="header",
    )
    operation = _operation("Execute an order", {202: accepted}, problems, [key, _numbers()])
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": _schema("OrderBody"), "examples": _EXAMPLES}},
    }
    return operation


_EXAMPLES: Json = {
    "canonical": {
        "value": {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5", "slippageBps": 100}
    },
    "limit": {
        "value": {
            "type": "limit",
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amountIn": "1.5",
            "limitPrice": "162.5",
        }
    },
    "exactOutput": {
        "value": {
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amountOut": "100",
            "maxAmountIn": "0.7",
        }
    },
    "fraction": {
        "value": {
            "type": "market",
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amount": "1.5",
            "slippage": "0.01",
        }
    },
    "percent": {
        "value": {
            "orderType": "market",
            "tokenIn": "So11111111111111111111111111111111111111112",
            "tokenOut": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
            "amountIn": 1.5,
            "slippage": 1.0,
        }
    },
}


def _list() -> Json:
    text: Json = {"type": "string", "maxLength": 512}
    parameters = [
        _parameter("userId", text),
        _parameter("wallet", text),
        _parameter("walletAddress", text),
        _parameter("status", {"type": "string", "enum": [s.value for s in OrderStatus]}),
        _parameter("type", {"type": "string", "enum": [t.value for t in OrderType]}),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
        _parameter("cursor", text),
        _numbers(),
    ]
    return _operation("Orders, newest first", {200: _json("OrderList")}, _CALL, parameters)


def _cancel(order_id: Json) -> Json:
    problems = (
        *_ORDER,
        "already_confirmed",
        "already_failed",
        "already_cancelled",
        "already_expired",
        "fenced",
        "write_outcome_unknown",
    )
    answers = {
        200: _json("CancelAnswer", "It has ended: cancelled."),
        202: _json("CancelAnswer", "It was in flight: the stream says what won."),
    }
    return _operation("Cancel an order", answers, problems, [order_id])


def _events(order_id: Json) -> Json:
    parameters = [
        order_id,
        _parameter("after", {"type": "integer", "minimum": 0, "maximum": 2**53}),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
        _numbers(),
        _parameter("Last-Event-ID", {"type": "string"}, where="header"),
    ]
    page = _json("EventList", "A page, or a live stream for who accepts text/event-stream.")
    page["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    gone = {"description": "An event stream has nothing more to say."}
    problems = (*_ORDER, "too_many_sockets", "draining")
    return _operation("An order's events", {200: page, 204: gone}, problems, parameters)


def _quotes() -> Json:
    parameters = [
        _parameter("tokenIn", _TOKEN, required=True),
        _parameter("tokenOut", _TOKEN, required=True),
        _parameter("amountIn", {"type": "string", "pattern": "^[0-9.]+$"}),
        _parameter("amountOut", {"type": "string", "pattern": "^[0-9.]+$"}),
        _parameter("slippageBps", {"type": "integer", "minimum": 0, "maximum": 5_000}),
        _numbers(),
    ]
    return _operation(
        "Every venue's quote; no order is made", {200: _json("QuotesAnswer")}, _CALL, parameters
    )


def _get(summary: str, schema: str, parameters: list[Json] | None = None) -> Json:
    return {"get": _operation(summary, {200: _json(schema)}, _CALL, parameters or [])}


def _operation(
    summary: str, answers: dict[int, Json], problems: tuple[str, ...], parameters: list[Json]
) -> Json:
    return {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            **{str(status): answer for status, answer in answers.items()},
            **_problem_responses((*problems, "method_not_allowed")),
        },
    }


def _problem_responses(codes: tuple[str, ...]) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        str(status): {
            "description": " · ".join(f"`{c}`: {PROBLEMS[c][2]}" for c in dict.fromkeys(named)),
            "content": {CONTENT_TYPE.decode(): {"schema": _schema("Problem")}},
        }
        for status, named in sorted(by_status.items())
    }


def _parameter(name: str, schema: Json, *, where: str = "query", required: bool = False) -> Json:
    return {
        "name": name,
        "in": where,
        "required": required or where == "path",
        "schema": schema,
    }


def _numbers() -> Json:
    """Overrides the number form of the answer."""
    return _parameter("numbers", {"type": "string", "enum": [form.value for form in NumberForm]})


def _schema(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


def _json(schema: str, description: str = "") -> Json:
    return _content("application/json", _schema(schema), description)


def _text(kind: str) -> Json:
    return _content(kind, {"type": "string"})


def _content(kind: str, schema: Json, description: str = "") -> Json:
    return {"description": description or "Done.", "content": {kind: {"schema": schema}}}
