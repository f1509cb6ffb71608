"""Orders with an exact output over HTTP: what is accepted, what is refused, and what is quoted."""

import json
from typing import Any

import pytest

from fairlead.orders.model import Order
from tests.api.world import World, world

ASKED = {"tokenIn": "SOL", "tokenOut": "USDC", "amountOut": "100", "maxAmountIn": "0.7"}
IN = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5"}
SOL_ATOMS, USDC_ATOMS = 700_000_000, 100_000_000


def with_raw(name: str, raw: str) -> bytes:
    """The order with this JSON text as the value of a field."""
    rest = {field: value for field, value in ASKED.items() if field != name}
    return f'{json.dumps(rest)[:-1]}, "{name}": {raw}}}'.encode()


def without(name: str, **more: Any) -> dict[str, Any]:
    return {field: value for field, value in ASKED.items() if field != name} | more


async def stored(here: World, order_id: str) -> Order:
    order = await here.store.order(order_id)
    assert order is not None
    return order


@pytest.mark.parametrize(
    "body",
    [
        ASKED,
        ASKED | {"type": "market", "slippageBps": 50},
        without("amountOut", amountOutAtoms="100000000"),
        without("maxAmountIn", maxAmountInAtoms="700000000"),
        ASKED | {"amountOutAtoms": "100000000", "maxAmountInAtoms": "700000000"},
        with_raw("amountOut", "100.0"),
        with_raw("maxAmountIn", "7e-1"),
        with_raw("maxAmountIn", '"0.700000000"'),
    ],
)
async def test_every_form_of_it_is_stored_with_its_output_and_its_bound(body: Any) -> None:
    async with world() as here:
        response = await here.post(body)
        assert 202 == response.status_code, response.text
        terms = (await stored(here, response.json()["orderId"])).terms
        assert (USDC_ATOMS, SOL_ATOMS) == (terms.exact_out_atoms, terms.amount_in_atoms)
        reserved = await here.store.reserved(terms.wallet)
        assert reserved["lamports"] > SOL_ATOMS


# Body, and the fields that the answer must name with their codes.
BAD: list[Any] = [
    pytest.param(
        ASKED | {"amountIn": "1"},
        {("amountIn", "conflicting"), ("amountOut", "conflicting")},
        id="both",
    ),
    pytest.param(
        without("amountOut", amount="1", amountOutAtoms="5"),
        {("amount", "conflicting"), ("amountOutAtoms", "conflicting")},
        id="both-under-other-names",
    ),
    pytest.param(without("maxAmountIn"), {("maxAmountIn", "required")}, id="unbounded"),
    pytest.param(IN | {"maxAmountIn": "2"}, {("maxAmountIn", "conflicting")}, id="bound-of-input"),
    pytest.param(without("amountOut"), {("amountIn", "required")}, id="bound-alone"),
    pytest.param(
        ASKED | {"type": "limit", "limitPrice": "150"},
        {("amountOut", "not_for_limit")},
        id="limit",
    ),
    pytest.param(ASKED | {"amountOutAtoms": "7"}, {("amountOutAtoms", "conflicting")}, id="two"),
    pytest.param(ASKED | {"slippage": "0.01"}, {("slippage", "ambiguous")}, id="slippage"),
    *[
        pytest.param(with_raw(name, raw), {(name, code)}, id=f"{name}-{raw[:12]}")
        for name in ("amountOut", "maxAmountIn")
        for raw, code in (
            ("0", "not_positive"),
            ('"0.00"', "not_positive"),
            ("-1", "not_positive"),
            ('"-1"', "not_positive"),
            ('"NaN"', "not_a_number"),
            ('"Infinity"', "not_a_number"),
            ("1e400", "out_of_range"),
            ('"1e2"', "not_a_number"),
            ("true", "wrong_type"),
            ("null", "wrong_type"),
            ('""', "not_a_number"),
            ("[1]", "wrong_type"),
            ('"0.0000000000001"', "too_many_decimals"),
            ('"99999999999999999999"', "out_of_range"),
            ("1" * 40, "too_many_digits"),
        )
    ],
    *[
        pytest.param(
            without(name, **{f"{name}Atoms": value}), {(f"{name}Atoms", code)}, id=f"{name}-{value}"
        )
        for name in ("amountOut", "maxAmountIn")
        for value, code in (
            ("0", "not_positive"),
            ("1.5", "not_a_number"),
            ("-1", "not_a_number"),
            ("18446744073709551616", "out_of_range"),
            (5, "wrong_type"),
            (True, "wrong_type"),
        )
    ],
]


@pytest.mark.parametrize(("body", "errors"), BAD)
async def test_what_cannot_be_is_refused_by_name_and_nothing_is_stored(
    body: Any, errors: set[tuple[str, str]]
) -> None:
    async with world() as here:
        response = await here.post(body)
        problem = response.json()
        assert 422 == response.status_code, problem
        assert errors <= {(e["field"], e["code"]) for e in problem["errors"]}
        assert 0 == await here.order_count()


async def test_NaN_is_no_JSON() -> None:
    async with world() as here:
        response = await here.post(with_raw("amountOut", "NaN"))
        assert (400, "malformed_json") == (response.status_code, response.json()["code"])


async def test_what_the_wallet_cannot_pay_at_the_most_is_refused() -> None:
    async with world() as here:
        here.balances.atoms["lamports"] = SOL_ATOMS
        response = await here.post(ASKED)
        assert (422, "insufficient_funds") == (response.status_code, response.json()["code"])


async def test_a_key_covers_the_output_and_its_bound() -> None:
    key = {"idempotency-key": "k-1"}
    async with world() as here:
        first = await here.post(ASKED, **key)
        again = await here.post(ASKED, **key)
        assert first.json()["orderId"] == again.json()["orderId"]
        assert "true" == again.headers["idempotent-replayed"]
        for other in (ASKED | {"amountOut": "101"}, ASKED | {"maxAmountIn": "0.71"}):
            assert 409 == (await here.post(other, **key)).status_code
        assert 1 == await here.order_count()


@pytest.mark.parametrize(
    ("body", "asked", "most"),
    [
        (ASKED, b'"requestedAmountOut":"100"', b'"maxAmountIn":"0.7"'),
        (
            {**ASKED, "orderType": "market", "amountOut": 100, "maxAmountIn": 0.7},
            b'"requestedAmountOut":100',
            b'"maxAmountIn":0.7',
        ),
    ],
)
async def test_it_is_shown_in_the_form_in_which_it_was_sent(
    body: dict[str, Any], asked: bytes, most: bytes
) -> None:
    async with world() as here:
        order_id = (await here.post(body)).json()["orderId"]
        response = await here.client.get(f"/api/orders/{order_id}")
        assert asked in response.content
        assert most in response.content
        order = response.json()
        assert (None, None, None) == (
            order["amountIn"],
            order["amountInAtoms"],
            order["amountOut"],
        )
        (listed,) = (await here.client.get("/api/orders")).json()["orders"]
        assert order["maxAmountIn"] == listed["maxAmountIn"]


QUOTES = "/api/quotes?tokenIn=SOL&tokenOut=USDC"


async def test_quotes_say_what_every_venue_takes_for_an_output() -> None:
    async with world() as here:
        answer = await here.client.get(f"{QUOTES}&amountOut=100")
        assert 200 == answer.status_code, answer.text
        told = answer.json()
        assert (None, None, "100") == (
            told["amountIn"],
            told["amountInAtoms"],
            told["requestedAmountOut"],
        )
        assert len(told["quotes"]) >= 2
        inputs = [float(quote["amountIn"]) for quote in told["quotes"]]
        assert sorted(inputs) == inputs
        assert told["quotes"][0] == told["best"]
        for quote in told["quotes"]:
            assert ("100", "100") == (quote["amountOut"], quote["minimumOut"])
            assert float(quote["amountIn"]) < float(quote["maximumIn"])
        # What that much of the input brings is no less.
        best = told["best"]["amountIn"]
        back = (await here.client.get(f"{QUOTES}&amountIn={best}")).json()
        assert float(back["best"]["amountOut"]) >= 100


async def test_a_venue_that_cannot_says_so_beside_its_name() -> None:
    async with world() as here:
        query = "/api/quotes?tokenIn=USDC&tokenOut=JUP&amountOut=10"
        told = (await here.client.get(query)).json()
        errors = {quote["venue"]: quote.get("error") for quote in told["quotes"]}
        assert "has no swap of an exact output" == errors["meteora_damm_v1"]


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ("", {("amountIn", "required")}),
        ("&amountIn=1&amountOut=1", {("amountIn", "conflicting"), ("amountOut", "conflicting")}),
        ("&amountOut=0", {("amountOut", "not_positive")}),
        ("&amountOut=NaN", {("amountOut", "not_a_number")}),
        ("&amountOut=1e2", {("amountOut", "not_a_number")}),
        ("&amountOut=0.0000001", {("amountOut", "too_many_decimals")}),
    ],
)
async def test_a_question_that_is_none_is_refused_by_name(
    more: str, errors: set[tuple[str, str]]
) -> None:
    async with world() as here:
        answer = await here.client.get(f"{QUOTES}{more}")
        assert 422 == answer.status_code
        assert errors == {(e["field"], e["code"]) for e in answer.json()["errors"]}
