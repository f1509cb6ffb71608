"""POST /api/orders/execute: what is accepted, and what is refused with nothing stored."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fairlead.api.dependencies import ApiSettings
from fairlead.clock import SystemClock
from fairlead.errors import Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.orders.acceptance import begun
from fairlead.orders.model import Claimed, NewOrder, OrderStatus
from fairlead.ports import Accepted, Hand
from fairlead.tokens import SOL, USDC
from tests.api.world import EXECUTE, ORDER, client_of, world

PERCENT_FORM = {
    "walletAddress": "6xKS8hCXqh5VCBKhNJ6YJJqzqGwKCyp8CYVDJqmz3Lez",
    "tokenIn": "So11111111111111111111111111111111111111112",
    "tokenOut": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    "amountIn": 1.5,
    "orderType": "market",
    "slippage": 1.0,
}
FRACTION_FORM = {
    "type": "market",
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amount": "1.5",
    "slippage": "0.01",
}


def body_with(raw_value: str, field: str = "amountIn") -> bytes:
    """An order whose field has this JSON text as its value."""
    rest = {name: value for name, value in ORDER.items() if name != field}
    return f'{json.dumps(rest)[:-1]}, "{field}": {raw_value}}}'.encode()


async def test_both_known_forms_make_the_same_terms():
    async with world() as here:
        terms = []
        for body in (PERCENT_FORM, FRACTION_FORM):
            response = await here.post(body)
            assert 202 == response.status_code
            order = await here.store.order(response.json()["orderId"])
            assert order is not None
            t = order.terms
            terms.append(
                (t.token_in, t.token_out, t.amount_in_atoms, t.slippage_bps, t.fee_cap_lamports)
            )
    assert [(SOL.mint, USDC.mint, 1_500_000_000, 100, 1_000_000)] * 2 == terms


async def test_answer_links_to_the_order_and_names_the_wallet_that_pays():
    async with world() as here:
        answer = (await here.post(PERCENT_FORM)).json()
        order_id = answer["orderId"]
        assert {
            "self": f"/api/orders/{order_id}",
            "events": f"/api/orders/{order_id}/events",
            "websocket": f"/ws/orders/{order_id}",
        } == answer["links"]
        assert (True, "pending", "Order accepted") == (
            answer["success"],
            answer["status"],
            answer["message"],
        )
        assert PERCENT_FORM["walletAddress"] == answer["walletAddress"]
        assert here.deps.wallet.held_address(answer["walletAddress"]) == answer["wallet"]
        assert "wallet" not in (await here.post(FRACTION_FORM)).json()


# Body, and the field that the answer must name (None: the body as a whole is wrong).
BAD = [
    pytest.param(body_with("-1.5"), "amountIn", id="negative"),
    pytest.param(body_with('"-1.5"'), "amountIn", id="negative-text"),
    pytest.param(body_with("0"), "amountIn", id="zero"),
    pytest.param(body_with("-0.0"), "amountIn", id="minus-zero"),
    pytest.param(body_with('"0.000"'), "amountIn", id="zero-text"),
    pytest.param(body_with("1e400"), "amountIn", id="1e400"),
    pytest.param(body_with("1e-400"), "amountIn", id="1e-400"),
    pytest.param(body_with('"1e-1"'), "amountIn", id="exponent-in-text"),
    pytest.param(body_with('"NaN"'), "amountIn", id="NaN-text"),
    pytest.param(body_with('"Infinity"'), "amountIn", id="Infinity-text"),
    pytest.param(body_with("NaN"), None, id="NaN"),
    pytest.param(body_with("Infinity"), None, id="Infinity"),
    pytest.param(body_with("1" * 30), "amountIn", id="30-digits"),
    pytest.param(body_with("1" * 5000), "amountIn", id="5000-digits"),
    pytest.param(body_with("18446744073.709551616"), "amountIn", id="2^64-atoms"),
    pytest.param(body_with("1.0000000001"), "amountIn", id="10-decimals-of-SOL"),
    pytest.param(body_with("true"), "amountIn", id="boolean"),
    pytest.param(body_with("null"), "amountIn", id="null"),
    pytest.param(body_with("[1.5]"), "amountIn", id="array"),
    pytest.param(body_with('{"a": 1}'), "amountIn", id="object"),
    pytest.param(body_with('"１.５"'), "amountIn", id="full-width-digits"),
    pytest.param(body_with('"1,5"'), "amountIn", id="comma"),
    pytest.param(body_with('" 1.5"'), "amountIn", id="blank"),
    pytest.param(body_with("1500000000", "amountInAtoms"), "amountInAtoms", id="atoms-as-number"),
    pytest.param({**ORDER, "amountInAtoms": "7"}, "amountInAtoms", id="amounts-differ"),
    pytest.param({**ORDER, "amount": "1.6"}, "amount", id="two-amounts"),
    pytest.param({"tokenIn": "SOL", "tokenOut": "USDC"}, "amountIn", id="no-amount"),
    pytest.param({"tokenOut": "USDC", "amountIn": "1"}, "tokenIn", id="no-token"),
    pytest.param({**ORDER, "tokenIn": "DOGE"}, "tokenIn", id="unknown-token"),
    pytest.param({**ORDER, "tokenIn": "1" * 32}, "tokenIn", id="unknown-mint"),
    pytest.param({**ORDER, "tokenOut": "0OIl" * 11}, "tokenOut", id="malformed-mint"),
    pytest.param({**ORDER, "tokenOut": SOL.mint}, "tokenOut", id="same-token"),
    pytest.param({**ORDER, "tokenIn": None}, "tokenIn", id="null-token"),
    pytest.param({**ORDER, "tokenIn": ["SOL"]}, "tokenIn", id="array-token"),
    pytest.param({**ORDER, "tokenIn": "SOL\0"}, "tokenIn", id="NUL-in-token"),
    pytest.param({**ORDER, "userId": "a\0b"}, "userId", id="NUL-in-label"),
    pytest.param({**ORDER, "userId": ""}, "userId", id="empty-label"),
    pytest.param({**ORDER, "userId": "x" * 256}, "userId", id="long-label"),
    pytest.param({**ORDER, "clientOrderId": 7}, "clientOrderId", id="number-label"),
    pytest.param({**ORDER, "slippageBps": 5001}, "slippageBps", id="slippage-5001"),
    pytest.param({**ORDER, "slippageBps": -1}, "slippageBps", id="slippage-negative"),
    pytest.param({**ORDER, "slippageBps": "100"}, "slippageBps", id="slippage-text"),
    pytest.param({**ORDER, "slippageBps": True}, "slippageBps", id="slippage-boolean"),
    pytest.param({**PERCENT_FORM, "slippage": 50.01}, "slippage", id="slippage-percent"),
    pytest.param({**FRACTION_FORM, "slippage": "0.00001"}, "slippage", id="slippage-too-fine"),
    pytest.param({**ORDER, "slippage": "0.01"}, "slippage", id="slippage-without-unit"),
    pytest.param({**ORDER, "wallet": "not-a-wallet"}, "wallet", id="malformed-wallet"),
    pytest.param(
        {**ORDER, "wallet": SOL.mint, "walletAddress": USDC.mint}, "walletAddress", id="two-wallets"
    ),
    pytest.param({**ORDER, "type": "limit"}, "limitPrice", id="limit-without-price"),
    pytest.param({**ORDER, "orderType": "sniper"}, "orderType", id="unknown-type"),
    pytest.param({**ORDER, "type": "market", "orderType": "limit"}, "orderType", id="two-types"),
    pytest.param({**ORDER, "limitPrice": "150"}, "limitPrice", id="price-of-market"),
    pytest.param({**ORDER, "priority": 10}, "priority", id="priority-10"),
    pytest.param({**ORDER, "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt", id="expired"),
    pytest.param({**ORDER, "expiresAt": "2030-01-01T00:00:00"}, "expiresAt", id="no-zone"),
    pytest.param({**ORDER, "expiresAt": "9999-01-01T00:00:00Z"}, "expiresAt", id="far-away"),
    pytest.param({**ORDER, "expiresAt": "soon"}, "expiresAt", id="no-time"),
    pytest.param({**ORDER, "venues": ["binance"]}, "venues", id="unknown-venue"),
    pytest.param({**ORDER, "venues": []}, "venues", id="no-venue"),
    pytest.param({**ORDER, "venues": [[]]}, "venues", id="nested-venue"),
    pytest.param({**ORDER, "foo": 1}, "foo", id="unknown-field"),
    pytest.param({**ORDER, "AmountIn": "1"}, "AmountIn", id="unknown-case"),
    pytest.param(
        b'{"tokenIn":"SOL","tokenOut":"USDC","amountIn":"1","amountIn":"2"}',
        "amountIn",
        id="name-twice",
    ),
    pytest.param(b"", None, id="empty"),
    pytest.param(b"{", None, id="broken-JSON"),
    pytest.param(b"[]", None, id="array-body"),
    pytest.param(b'"text"', None, id="text-body"),
    pytest.param(b"null", None, id="null-body"),
    pytest.param(b'{"tokenIn":"\xff"}', None, id="not-UTF-8"),
    pytest.param(body_with('"\\ud800"', "userId"), None, id="lone-surrogate"),
    pytest.param(body_with("[" * 30_000 + "]" * 30_000, "venues"), None, id="deep-nesting"),
    pytest.param(b"[" * 60_000, None, id="deep-and-broken"),
    pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, None, id="deep-objects"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
async def test_bad_input_is_refused_and_nothing_is_stored(body: Any, field: str | None):
    async with world() as here:
        response = await here.post(body)
        assert (422 if field else 400) == response.status_code, response.text
        assert "application/problem+json" == response.headers["content-type"]
        problem = response.json()
        assert response.status_code == problem["status"]
        if field:
            assert field in [error["field"] for error in problem["errors"]]
        else:
            assert "malformed_json" == problem["code"]
        assert 0 == await here.order_count()


async def test_every_wrong_field_is_named_at_once():
    async with world() as here:
        problem = (await here.post({"tokenIn": "X", "amountIn": True, "priority": 99})).json()
        assert {"tokenOut", "amountIn", "priority"} == {e["field"] for e in problem["errors"]}


async def test_types_that_are_not_offered_have_a_code_of_their_own():
    async with world() as here:
        for name in ("type", "orderType"):
            problem = (await here.post({**ORDER, name: "sniper"})).json()
            assert "unsupported_type" == problem["code"]
            assert [name] == [error["field"] for error in problem["errors"]]
            assert "market" in problem["detail"]
            assert "limit" in problem["detail"]


async def test_wallet_without_a_key_has_a_code_of_its_own():
    class OneWallet:
        default_address = SOL.mint

        def held_address(self, address: str) -> str | None:
            return address if address == SOL.mint else None

    async with world(wallet=OneWallet()) as here:
        problem = (await here.post(PERCENT_FORM)).json()
        assert ("wallet_not_held", "walletAddress") == (
            problem["code"],
            problem["errors"][0]["field"],
        )
        assert 202 == (await here.post(ORDER)).status_code


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10 * 1024 * 1024])
async def test_too_large_a_body_is_413(size: int):
    async with world() as here:
        response = await here.post(body_with('"1.5"') + b" " * size)
        assert (413, "body_too_large") == (response.status_code, response.json()["code"])

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(size // 1024 + 1):
                yield b" " * 1024

        response = await here.client.post(
            EXECUTE, content=pieces(), headers={"content-type": "application/json"}
        )
        assert 413 == response.status_code
        assert 0 == await here.order_count()


async def test_a_body_of_64_KiB_is_read():
    async with world() as here:
        body = body_with('"1.5"')
        assert 202 == (await here.post(body + b" " * (64 * 1024 - len(body)))).status_code


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 202),
        ("Application/JSON; charset=UTF-8", 202),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
async def test_content_type_must_be_json(kind: str, status: int):
    async with world() as here:
        response = await here.client.post(
            EXECUTE, content=json.dumps(ORDER), headers={"content-type": kind}
        )
        assert status == response.status_code


@pytest.mark.parametrize(
    ("sent", "atoms"),
    [
        ("1.5", 1_500_000_000),
        ("1.500000000", 1_500_000_000),
        ("1e-9", 1),
        ("15E-1", 1_500_000_000),
        ("0.1", 100_000_000),
        ("18446744073.709551615", 2**64 - 1),
        ("9007199.254740993", 9007199254740993),
    ],
)
async def test_json_numbers_are_exact(sent: str, atoms: int):
    async with world() as here:
        here.balances.atoms["lamports"] = 2**70
        response = await here.post(body_with(sent))
        assert 202 == response.status_code, response.text
        order = await here.store.order(response.json()["orderId"])
        assert order is not None
        assert atoms == order.terms.amount_in_atoms


async def test_two_names_that_agree_are_one():
    async with world() as here:
        body = {**ORDER, "amount": 1.50, "amountInAtoms": "1500000000", "type": "market"}
        assert 202 == (await here.post({**body, "orderType": "market"})).status_code


async def test_reserves_amount_fees_and_rents():
    async with world() as here:
        await here.post({**ORDER, "maxPriorityFeeLamports": 10_000})
        wallet = here.deps.wallet.default_address
        rents = 890_880 + 3 * 2_039_280
        fees, cancels = 10 * 5_000 + 10_000, 50_000
        needed = 1_500_000_000 + fees + cancels + rents
        assert {"lamports": needed} == dict(await here.store.reserved(wallet))


async def test_an_order_that_the_wallet_cannot_pay_is_refused_with_the_numbers():
    async with world() as here:
        here.balances.atoms[USDC.mint] = 10_000_000
        body = {"tokenIn": "USDC", "tokenOut": "SOL", "amountIn": "6"}
        assert 202 == (await here.post(body)).status_code
        response = await here.post(body)
        problem = response.json()
        assert (422, "insufficient_funds") == (response.status_code, problem["code"])
        assert (USDC.mint, "6000000", "10000000", "6000000") == (
            problem["asset"],
            problem["neededAtoms"],
            problem["balanceAtoms"],
            problem["reservedAtoms"],
        )


KEY = {"idempotency-key": "k-1"}


async def test_a_repeated_key_answers_the_same_order():
    async with world() as here:
        first = await here.post(body_with("1.50"), **KEY)
        again = await here.post(body_with("1.5"), **KEY)
        assert "idempotent-replayed" not in first.headers
        assert "true" == again.headers["idempotent-replayed"]
        assert (202, first.json()) == (again.status_code, again.json())
        assert 1 == await here.order_count()


async def test_a_key_with_other_terms_is_409():
    async with world() as here:
        first = (await here.post(ORDER, **KEY)).json()
        response = await here.post({**ORDER, "amountIn": "1.6"}, **KEY)
        problem = response.json()
        assert (409, "idempotency_conflict") == (response.status_code, problem["code"])
        assert first["orderId"] == problem["orderId"]


async def test_a_key_is_replayed_while_new_work_is_refused():
    async with world() as here:
        first = (await here.post(ORDER, **KEY)).json()
        here.api.drain()
        again = await here.post(ORDER, **KEY)
        assert (202, first) == (again.status_code, again.json())
        refused = await here.post(ORDER)
        assert (503, "draining") == (refused.status_code, refused.json()["code"])
        assert "retry-after" in refused.headers


async def test_too_much_waiting_is_503_and_replays_go_on():
    async with world(ApiSettings(max_waiting=2, poll_s=60)) as here:
        first = (await here.post(ORDER, **KEY)).json()
        await here.accepted()
        refused = await here.post(ORDER)
        assert (503, "overloaded") == (refused.status_code, refused.json()["code"])
        assert "1" == refused.headers["retry-after"]
        assert first == (await here.post(ORDER, **KEY)).json()


class Later(SystemClock):
    offset_ms = 0
    elapsed_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.elapsed_s

    def now_ms(self) -> int:
        return super().now_ms() + self.offset_ms


async def test_orders_that_were_claimed_meanwhile_do_not_wait():
    clock = Later()
    async with world(ApiSettings(max_waiting=2, poll_s=60), clock=clock) as here:
        for _ in range(10):
            await here.accepted()
            await here.claimed()
            clock.elapsed_s += 1


async def test_a_key_is_replayed_after_the_expiry_passed():
    clock = Later()
    async with world(clock=clock) as here:
        at = datetime.fromtimestamp(clock.now_ms() // 1000 + 60, UTC).isoformat()
        body = {**ORDER, "expiresAt": at}
        first = (await here.post(body, **KEY)).json()
        clock.offset_ms = 120_000
        assert first == (await here.post(body, **KEY)).json()
        assert 422 == (await here.post(body)).status_code


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb"])
async def test_malformed_keys_are_422(key: str):
    async with world() as here:
        response = await here.post(ORDER, **{"idempotency-key": key.encode("latin-1")})  # type: ignore[arg-type]
        assert (422, "Idempotency-Key") == (
            response.status_code,
            response.json()["errors"][0]["field"],
        )


class BrokenStore:
    """A store whose accept fails as told, before or after the commit."""

    def __init__(self, store: Any, error: Exception, *, commits: bool) -> None:
        self._store, self._error, self._commits = store, error, commits

    async def accept(self, order: NewOrder, owner: str | None = None) -> Accepted:
        if self._commits:
            await self._store.accept(order, owner)
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def answer_of_broken_store(error: Exception, *, commits: bool = False) -> Any:
    async with world() as here:
        store: Any = BrokenStore(here.store, error, commits=commits)
        api = type(here.api)(replace(here.deps, store=store))
        async with client_of(api) as client:
            return await client.post(EXECUTE, json=ORDER)


async def test_a_store_that_does_not_answer_is_503():
    response = await answer_of_broken_store(Unavailable("store", "host=10.0.0.1 password=x"))
    assert (503, "unavailable") == (response.status_code, response.json()["code"])
    assert "10.0.0.1" not in response.text


async def test_an_unknown_outcome_is_looked_up_before_it_is_told():
    made = await answer_of_broken_store(WriteOutcomeUnknown(), commits=True)
    assert 202 == made.status_code
    unknown = await answer_of_broken_store(WriteOutcomeUnknown())
    assert (503, "write_outcome_unknown") == (unknown.status_code, unknown.json()["code"])


async def test_a_bug_tells_nothing_of_itself():
    response = await answer_of_broken_store(RuntimeError("SELECT * FROM secrets"))
    assert (500, "internal") == (response.status_code, response.json()["code"])
    assert "SELECT" not in response.text


class OneHand:
    """`ports.Hands` of a worker with a place for each order, and what it was told of them."""

    owner = "worker"

    def __init__(self) -> None:
        self.begun: list[NewOrder] = []
        self.told: list[str] = []
        self.is_free = True

    def begin(self, order: NewOrder) -> Hand | None:
        if not self.is_free:
            return None
        self.begun.append(order)
        return self

    def put_back(self) -> None:
        self.told.append("put back")

    def doubt(self) -> None:
        self.told.append("doubt")


async def test_an_order_for_which_a_place_is_free_is_claimed_as_it_is_accepted():
    hands = OneHand()
    async with world(hands=hands) as here:
        answer = (await here.post(ORDER)).json()
        assert "pending" == answer["status"]
        order = await here.store.order(answer["orderId"])
        assert order is not None
        assert ("worker", OrderStatus.ROUTING) == (order.owner, order.status)
        # What the worker began with is what is stored.
        assert [Claimed(order)] == [begun(each, "worker") for each in hands.begun]
        assert [] == hands.told
        hands.is_free = False
        waiting = await here.accepted()
        assert waiting == (await here.claimed()).order_id


async def test_a_replay_or_a_refusal_puts_the_place_back():
    hands = OneHand()
    async with world(hands=hands) as here:
        first = (await here.post(ORDER, **KEY)).json()
        assert first == (await here.post(ORDER, **KEY)).json()
        assert 409 == (await here.post({**ORDER, "amountIn": "2"}, **KEY)).status_code
        here.balances.atoms[SOL.mint] = here.balances.atoms["lamports"] = 0
        assert 422 == (await here.post(ORDER)).status_code
        assert ["put back"] * 3 == hands.told
        assert 422 == (await here.post({**ORDER, "tokenIn": "DOGE"})).status_code
        assert (4, 3) == (len(hands.begun), len(hands.told))


@pytest.mark.parametrize("commits", [False, True])
@pytest.mark.parametrize(
    "error", [Unavailable("store", "x"), WriteOutcomeUnknown(), RuntimeError()]
)
async def test_the_worker_looks_for_an_order_that_may_have_been_stored(
    error: Exception, commits: bool
):
    hands = OneHand()
    async with world() as here:
        store: Any = BrokenStore(here.store, error, commits=commits)
        api = type(here.api)(replace(here.deps, store=store, hands=hands))
        async with client_of(api) as client:
            await client.post(EXECUTE, json=ORDER)
        assert ["doubt"] == hands.told
        order = await here.store.order(hands.begun[0].order_id)
        assert commits is (order is not None)


async def test_a_full_store_puts_the_place_back():
    hands = OneHand()
    async with world() as here:
        store: Any = BrokenStore(here.store, Overloaded(1, 1), commits=False)
        api = type(here.api)(replace(here.deps, store=store, hands=hands))
        async with client_of(api) as client:
            assert 503 == (await client.post(EXECUTE, json=ORDER)).status_code
    assert ["put back"] == hands.told


async def test_the_worker_looks_for_an_order_whose_request_was_cancelled():
    hands = OneHand()
    async with world(hands=hands) as here:
        posting = asyncio.ensure_future(here.post(ORDER))
        while not hands.begun:
            await asyncio.sleep(0)
        posting.cancel()
        await asyncio.wait({posting})
        assert ["doubt"] == hands.told
