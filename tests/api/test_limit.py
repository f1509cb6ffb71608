"""Limit orders over HTTP: what is accepted, how it rests, and what is refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fairlead.api import dialects
from fairlead.api.bodies import decode_object
from fairlead.api.dependencies import ApiSettings
from fairlead.orders.model import Order, OrderStatus, OrderType
from tests.api.test_execute import Later, OneHand
from tests.api.world import ORDER, World, world

LIMIT = {**ORDER, "type": "limit", "limitPrice": "162.5"}
# The same as the other known engines write it.
NUMERIC = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": 1.5, "orderType": "limit"}
KEY = {"idempotency-key": "k-1"}


def limit_with(raw_price: str, form: dict[str, Any] = LIMIT) -> bytes:
    """A limit order with this JSON text as its price."""
    rest = {name: value for name, value in form.items() if name != "limitPrice"}
    return f'{json.dumps(rest)[:-1]}, "limitPrice": {raw_price}}}'.encode()


def without(name: str, form: dict[str, Any] = LIMIT) -> dict[str, Any]:
    return {field: value for field, value in form.items() if field != name}


async def stored(here: World, order_id: str) -> Order:
    order = await here.store.order(order_id)
    assert order is not None
    return order


async def rested(here: World, **fields: Any) -> str:
    return await here.accepted(**{**LIMIT, **fields})


PAST = "2020-01-01T00:00:00Z"
FORTY_DIGITS = "1" * 40

# Body, the field that the answer must name (None: the body as a whole), and its code.
BAD = [
    pytest.param(without("limitPrice"), "limitPrice", "required", id="missing"),
    pytest.param(NUMERIC, "limitPrice", "required", id="missing-orderType"),
    pytest.param(limit_with("0"), "limitPrice", "not_positive", id="zero"),
    pytest.param(limit_with('"0.00"'), "limitPrice", "not_positive", id="zero-text"),
    pytest.param(limit_with("-0.0"), "limitPrice", "not_positive", id="minus-zero"),
    pytest.param(limit_with("0e5"), "limitPrice", "not_positive", id="zero-exponent"),
    pytest.param(limit_with("-162.5"), "limitPrice", "not_positive", id="negative"),
    pytest.param(limit_with('"-162.5"'), "limitPrice", "not_positive", id="negative-text"),
    pytest.param(limit_with("NaN"), None, "malformed_json", id="NaN"),
    pytest.param(limit_with('"NaN"'), "limitPrice", "not_a_number", id="NaN-text"),
    pytest.param(limit_with("Infinity"), None, "malformed_json", id="Infinity"),
    pytest.param(limit_with('"Infinity"'), "limitPrice", "not_a_number", id="Infinity-text"),
    pytest.param(limit_with("1e400"), "limitPrice", "out_of_range", id="1e400"),
    pytest.param(limit_with('"1e400"'), "limitPrice", "not_a_number", id="1e400-text"),
    pytest.param(limit_with("1e-19"), "limitPrice", "out_of_range", id="1e-19"),
    pytest.param(limit_with("true"), "limitPrice", "wrong_type", id="boolean"),
    pytest.param(limit_with('"true"'), "limitPrice", "not_a_number", id="boolean-text"),
    pytest.param(limit_with("null"), "limitPrice", "wrong_type", id="null"),
    pytest.param(limit_with('""'), "limitPrice", "not_a_number", id="empty-text"),
    pytest.param(limit_with("[162.5]"), "limitPrice", "wrong_type", id="array"),
    pytest.param(limit_with('["162.5"]'), "limitPrice", "wrong_type", id="array-of-text"),
    pytest.param(limit_with('{"price": 1}'), "limitPrice", "wrong_type", id="object"),
    pytest.param(limit_with(FORTY_DIGITS), "limitPrice", "too_many_digits", id="40-digits"),
    pytest.param(
        limit_with(f'"{FORTY_DIGITS}"'), "limitPrice", "too_many_digits", id="40-digits-text"
    ),
    pytest.param(limit_with("1" * 5000), "limitPrice", "too_many_digits", id="5000-digits"),
    pytest.param(
        limit_with("0." + "0" * 18 + "1"), "limitPrice", "too_many_digits", id="19-decimals"
    ),
    pytest.param(
        limit_with('"0.' + "0" * 18 + '1"'), "limitPrice", "too_many_digits", id="19-decimals-text"
    ),
    pytest.param(limit_with("1e19"), "limitPrice", "out_of_range", id="floor-above-u64"),
    pytest.param(
        limit_with('"12297829382473.034412"'), "limitPrice", "out_of_range", id="floor-2^64"
    ),
    pytest.param(
        {**ORDER, "limitPrice": "162.5"}, "limitPrice", "not_for_market", id="on-a-market-order"
    ),
    pytest.param(
        {**without("orderType", NUMERIC), "type": "market", "limitPrice": 162.5},
        "limitPrice",
        "not_for_market",
        id="on-a-market-order-number",
    ),
    pytest.param({**LIMIT, "type": "stop"}, "type", "unsupported_type", id="unknown-type"),
    pytest.param(
        {**NUMERIC, "limitPrice": 162.5, "orderType": "LIMIT"},
        "orderType",
        "unsupported_type",
        id="unknown-orderType",
    ),
    pytest.param({**LIMIT, "expiresAt": PAST}, "expiresAt", "in_the_past", id="expired"),
    pytest.param(
        {**NUMERIC, "limitPrice": 162.5, "expiresAt": "2020-01-01T01:00:00+01:00"},
        "expiresAt",
        "in_the_past",
        id="expired-with-zone",
    ),
]


@pytest.mark.parametrize(("body", "field", "code"), BAD)
async def test_a_bad_limit_order_is_refused_and_nothing_is_stored(
    body: Any, field: str | None, code: str
):
    async with world() as here:
        response = await here.post(body)
        problem = response.json()
        if field is None:
            assert (400, code) == (response.status_code, problem["code"])
        else:
            assert 422 == response.status_code, problem
            assert (field, code) in [(e["field"], e["code"]) for e in problem["errors"]]
        assert "application/problem+json" == response.headers["content-type"]
        assert 0 == await here.order_count()


@pytest.mark.parametrize(
    ("raw", "price", "floor"),
    [
        ('"162.5"', "162.5", 243_750_000),
        ("162.50", "162.5", 243_750_000),
        ("1.625e2", "162.5", 243_750_000),
        ('"0162.5"', "162.5", 243_750_000),
        ("1e-18", "0.000000000000000001", 1),
        ("0.1", "0.1", 150_000),
        ("150.000000333333333333", "150.000000333333333333", 225_000_001),
        ('"12297829382473.034410"', "12297829382473.03441", 2**64 - 1),
    ],
)
async def test_prices_are_exact_in_text_and_as_numbers(raw: str, price: str, floor: int):
    async with world() as here:
        for form in (LIMIT, NUMERIC):
            response = await here.post(limit_with(raw, form))
            assert 202 == response.status_code, response.text
            terms = (await stored(here, response.json()["orderId"])).terms
            assert (OrderType.LIMIT, price, floor) == (
                terms.type,
                terms.limit_price,
                terms.limit_out_atoms,
            )


async def test_the_answer_says_pending_and_that_it_rests():
    async with world() as here:
        answer = (await here.post(LIMIT)).json()
        assert ("pending", True) == (answer["status"], answer["success"])
        assert "rests" in answer["message"]
        mapped = {**LIMIT, "wallet": "6xKS8hCXqh5VCBKhNJ6YJJqzqGwKCyp8CYVDJqmz3Lez"}
        assert answer["message"] == (await here.post(mapped)).json()["message"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (LIMIT, b'"limitPrice":"162.5"'),
        ({**NUMERIC, "limitPrice": 162.5}, b'"limitPrice":162.5'),
    ],
)
async def test_a_resting_order_is_open_with_nothing_executed(body: dict[str, Any], shown: bytes):
    async with world() as here:
        order_id = (await here.post(body)).json()["orderId"]
        response = await here.client.get(f"/api/orders/{order_id}")
        assert shown + b"," in response.content
        order = response.json()
        expected: dict[str, Any] = {
            "status": "open",
            "type": "limit",
            "orderType": "limit",
            "executedPrice": None,
            "amountOut": None,
            "txSignature": None,
            "attempts": [],
            "quotes": [],
            "retryCount": 0,
            "failureReason": None,
            "finalizedAt": None,
        }
        assert expected == {name: order[name] for name in expected}
        assert "243.75" == str(order["minimumOut"])
        other = await here.client.get(f"/api/orders/{order_id}?numbers=json")
        assert b'"limitPrice":162.5,' in other.content


async def test_its_events_say_that_it_was_accepted_and_rests():
    async with world() as here:
        order_id = await rested(here)
        events = (await here.client.get(f"/api/orders/{order_id}/events")).json()["events"]
        assert [("accepted", "pending"), ("rested", "open")] == [
            (event["event"], event["status"]) for event in events
        ]
        assert ("243.75", "waits until 1.5 SOL give at least 243.75 USDC") == (
            events[1]["minimumOut"],
            events[1]["reason"],
        )


async def test_a_resting_order_is_cancelled_at_once():
    async with world() as here:
        for by in ("delete", "post"):
            order_id = await rested(here)
            path = f"/api/orders/{order_id}"
            response = await (
                here.client.delete(path) if by == "delete" else here.client.post(f"{path}/cancel")
            )
            assert (200, "cancelled") == (response.status_code, response.json()["status"])
            again = await here.client.delete(path)
            assert (409, "already_cancelled") == (again.status_code, again.json()["code"])
        assert {} == dict(await here.store.reserved(here.deps.wallet.default_address))


async def test_lists_filter_by_type_and_open_and_count_what_rests():
    async with world() as here:
        market = await here.accepted()
        limits = [await rested(here) for _ in range(3)]
        await here.client.delete(f"/api/orders/{limits[0]}")
        for query, ids in (
            ("type=limit", limits[::-1]),
            ("type=market", [market]),
            ("status=open", limits[:0:-1]),
            ("type=limit&status=cancelled", limits[:1]),
        ):
            page = (await here.client.get(f"/api/orders?{query}")).json()
            assert ids == [order["orderId"] for order in page["orders"]]
            counts = {name: page[name] for name in ("waiting", "open", "cancelled", "total")}
            assert {"waiting": 1, "open": 2, "cancelled": 1, "total": 4} == counts


async def test_nobody_begins_an_order_that_rests():
    hands = OneHand()
    async with world(hands=hands) as here:
        order = await stored(here, await rested(here))
        assert (OrderStatus.OPEN, None) == (order.status, order.owner)
        assert ([], []) == (hands.begun, hands.told)


async def test_no_worker_claims_an_order_that_rests():
    async with world() as here:
        await rested(here)
        now_ms = here.deps.clock.now_ms()
        assert () == await here.store.claim("worker", 10, now_ms + 10**9)
        market = await here.accepted()
        assert market == (await here.claimed()).order_id


async def test_it_reserves_its_funds_like_any_other():
    async with world() as here:
        wallet = here.deps.wallet.default_address
        await here.accepted()
        of_market = dict(await here.store.reserved(wallet))
        await rested(here)
        twice = {asset: 2 * atoms for asset, atoms in of_market.items()}
        assert twice == dict(await here.store.reserved(wallet))


async def test_resting_orders_do_not_count_as_waiting():
    async with world(ApiSettings(max_waiting=2, poll_s=60)) as here:
        for _ in range(5):
            await rested(here)
        await here.accepted()
        await here.accepted()
        refused = await here.post(ORDER)
        assert (503, "overloaded") == (refused.status_code, refused.json()["code"])


async def test_resting_orders_have_a_bound_of_their_own():
    async with world(ApiSettings(max_resting=2, poll_s=60)) as here:
        await rested(here)
        replayed = await here.post(LIMIT, **KEY)
        refused = await here.post(LIMIT)
        assert (503, "too_many_resting") == (refused.status_code, refused.json()["code"])
        assert int(refused.headers["retry-after"]) >= 1
        # What is known is answered, and what does not rest goes on.
        assert replayed.json() == (await here.post(LIMIT, **KEY)).json()
        await here.accepted()


async def test_a_place_at_rest_that_became_free_is_seen():
    clock = Later()
    async with world(ApiSettings(max_resting=1, poll_s=60), clock=clock) as here:
        for _ in range(3):
            order_id = await rested(here)
            assert 503 == (await here.post(LIMIT)).status_code
            await here.client.delete(f"/api/orders/{order_id}")
            clock.elapsed_s += 1


async def test_the_bound_is_over_all_who_may_send():
    tokens = (("a", "token-of-a-which-is-long"), ("b", "token-of-b-which-is-long"))
    async with world(ApiSettings(max_resting=2, tokens=tokens, poll_s=0)) as here:
        answers = [
            (await here.post(LIMIT, authorization=f"Bearer {tokens[n % 2][1]}")).status_code
            for n in range(3)
        ]
        assert [202, 202, 503] == answers


async def test_an_expiry_that_lies_ahead_is_kept():
    async with world() as here:
        at = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="milliseconds")
        order = await stored(here, await rested(here, expiresAt=at))
        assert datetime.fromisoformat(at).timestamp() * 1000 == order.terms.expires_at_ms


async def test_a_repeated_key_answers_the_same_order_and_another_price_is_409():
    async with world() as here:
        first = await here.post(limit_with("162.5", NUMERIC), **KEY)
        again = await here.post(limit_with("1.6250e2", NUMERIC), **KEY)
        assert (202, first.json()) == (again.status_code, again.json())
        other = await here.post(limit_with("162.6", NUMERIC), **KEY)
        assert (409, "idempotency_conflict") == (other.status_code, other.json()["code"])
        assert 1 == await here.order_count()


def hashed(raw_price: str) -> bytes:
    return dialects.request_hash(decode_object(limit_with(raw_price)))


def test_the_hash_covers_the_price_exactly():
    assert hashed("162.5") == hashed("162.500") == hashed("1625e-1")
    prices = ["162.5", "162.500000000000001", "9007199254740993", "9007199254740992", '"162.5"']
    assert len(prices) == len({hashed(price) for price in prices})
    assert dialects.HASH_VERSION == hashed("1")[:1]
