"""Reading orders and cancelling them."""

from dataclasses import replace
from typing import Any

import pytest

from fairlead.api.http import create_app
from fairlead.errors import Unavailable
from fairlead.orders import changes, round_ends
from fairlead.orders.failures import Failure
from fairlead.orders.model import AttemptSettled, AttemptState, Change, Order
from fairlead.orders.retry import RetryPolicy
from tests.api.world import ORDER, World, client_of, world
from tests.contract.store.making import submitted

NUMERIC = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": 1.5, "orderType": "market"}


async def stored(here: World, order_id: str) -> Order:
    order = await here.store.order(order_id)
    assert order is not None
    return order


async def confirmed(here: World, order: Order) -> Order:
    """Submitted, then seen at `confirmed` with 225 USDC."""
    order = await submitted(here.store, order)
    (attempt,) = await here.store.attempts(order.order_id)
    at = here.deps.clock.now_ms()
    await here.store.apply(changes.confirmed(order, attempt, 1_500_000_000, 225_000_000, 77, at))
    return await stored(here, order.order_id)


async def finalized(here: World, order: Order) -> Order:
    order = await confirmed(here, order)
    (attempt,) = await here.store.attempts(order.order_id)
    at = here.deps.clock.now_ms()
    await here.store.apply(changes.finalized(order, attempt, 1_500_000_000, 225_000_000, 77, at))
    return await stored(here, order.order_id)


async def get(here: World, path: str) -> Any:
    response = await here.client.get(path)
    assert 200 == response.status_code, response.text
    return response.json()


async def test_a_new_order_tells_its_terms_and_nulls_for_what_is_not_known():
    async with world() as here:
        order_id = await here.accepted(userId="u-1", clientOrderId="c-1", slippageBps=250)
        shown = await get(here, f"/api/orders/{order_id}")
        expected = {
            "orderId": order_id,
            "status": "pending",
            "type": "market",
            "orderType": "market",
            "userId": "u-1",
            "clientOrderId": "c-1",
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amountIn": "1.5",
            "amountInAtoms": "1500000000",
            "slippageBps": 250,
            "slippage": "2.5",
            "selectedDex": None,
            "txHash": None,
            "retryCount": 0,
            "attempts": [],
            "quotes": [],
            "finalizedAt": None,
        }
        assert expected == {name: shown[name] for name in expected}
        assert shown["createdAt"].endswith("Z")


async def test_a_filled_order_tells_its_fill_and_what_was_proven():
    async with world() as here:
        order_id = await here.accepted()
        order = await confirmed(here, await here.claimed())
        shown = await get(here, f"/api/orders/{order_id}")
        assert ("confirmed", True) == (shown["status"], shown["provisional"])
        (attempt,) = await here.store.attempts(order_id)
        at = here.deps.clock.now_ms()
        await here.store.apply(
            changes.finalized(order, attempt, 1_500_000_000, 225_000_000, 77, at)
        )
        shown = await get(here, f"/api/orders/{order_id}")
        assert ("confirmed", False) == (shown["status"], shown["provisional"])
        assert ("225", "150") == (shown["amountOut"], shown["executedPrice"])
        assert attempt.signature == shown["txHash"] == shown["txSignature"]
        assert shown["finalizedAt"] is not None
        assert shown["selectedDex"] == shown["dex"] == shown["legs"][0]["venue"].split("_")[0]


async def test_a_fork_takes_the_shown_fill_back():
    async with world() as here:
        order_id = await here.accepted()
        order = await confirmed(here, await here.claimed())
        await here.store.apply(changes.dropped(order, here.deps.clock.now_ms()))
        shown = await get(here, f"/api/orders/{order_id}")
        assert ("submitted", None, None) == (
            shown["status"],
            shown["amountOut"],
            shown["executedPrice"],
        )


async def test_numbers_follow_the_form_of_the_order_unless_asked_otherwise():
    async with world() as here:
        order_id = (await here.post(NUMERIC)).json()["orderId"]
        await finalized(here, await here.claimed())
        path = f"/api/orders/{order_id}"
        assert b'"amountOut":225' in (await here.client.get(path)).content
        assert b'"amountOut":"225"' in (await here.client.get(f"{path}?numbers=string")).content
        other = await here.accepted()
        shown = await here.client.get(f"/api/orders/{other}?numbers=json")
        assert b'"amountIn":1.5,' in shown.content
        events = await here.client.get(f"{path}/events?numbers=string")
        assert b'"executedPrice":"150"' in events.content


async def test_slippage_is_told_in_the_unit_it_was_sent_in():
    async with world() as here:
        for body, told in [
            ({**NUMERIC, "slippage": 2.5}, 2.5),
            (
                {
                    "type": "market",
                    "amount": "1",
                    "tokenIn": "SOL",
                    "tokenOut": "USDC",
                    "slippage": "0.025",
                },
                "0.025",
            ),
        ]:
            order_id = (await here.post(body)).json()["orderId"]
            shown = await get(here, f"/api/orders/{order_id}")
            assert (told, 250) == (shown["slippage"], shown["slippageBps"])


async def test_lists_are_pages_newest_first_with_counts_of_all():
    async with world() as here:
        ids = [await here.accepted(userId=f"u{i % 2}") for i in range(5)]
        await here.claimed()
        await here.client.delete(f"/api/orders/{ids[4]}")
        first = await get(here, "/api/orders?limit=3")
        assert ids[:1:-1] == [order["orderId"] for order in first["orders"]]
        rest = await get(here, f"/api/orders?limit=3&cursor={first['nextCursor']}")
        assert ids[1::-1] == [order["orderId"] for order in rest["orders"]]
        assert rest["nextCursor"] is None
        mine = await get(here, "/api/orders?userId=u1&status=pending")
        assert [ids[3], ids[1]] == [order["orderId"] for order in mine["orders"]]
        counts = {"waiting": 3, "active": 1, "open": 0, "completed": 0, "failed": 0}
        counts |= {"cancelled": 1, "expired": 0, "total": 5}
        for page in (first, rest, mine):
            assert counts == {name: page[name] for name in counts}


async def test_lists_filter_by_the_wallet_named_and_the_one_that_pays():
    async with world() as here:
        named = "6xKS8hCXqh5VCBKhNJ6YJJqzqGwKCyp8CYVDJqmz3Lez"
        order_id = await here.accepted(wallet=named)
        await here.accepted()
        for query in (f"walletAddress={named}", f"wallet={here.deps.wallet.held_address(named)}"):
            page = await get(here, f"/api/orders?{query}")
            assert [order_id] == [order["orderId"] for order in page["orders"]]


async def test_events_come_in_pages():
    async with world() as here:
        order_id = await here.accepted()
        await finalized(here, await here.claimed())
        path = f"/api/orders/{order_id}/events"
        seen: list[Any] = []
        after = 0
        while events := (page := await get(here, f"{path}?after={after}&limit=2"))["events"]:
            seen += events
            after = page["next"]
        assert list(range(1, 7)) == [event["sequence"] for event in seen]
        kinds = ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"]
        assert kinds == [event["event"] for event in seen]


@pytest.mark.parametrize("by", ["delete", "post"])
async def test_a_waiting_order_is_cancelled_at_once(by: str):
    async with world() as here:
        order_id = await here.accepted()
        if by == "delete":
            response = await here.client.delete(f"/api/orders/{order_id}")
        else:
            response = await here.client.post(f"/api/orders/{order_id}/cancel")
        assert (200, "cancelled") == (response.status_code, response.json()["status"])
        again = await here.client.delete(f"/api/orders/{order_id}")
        assert (409, "already_cancelled", "cancelled") == (
            again.status_code,
            again.json()["code"],
            again.json()["orderStatus"],
        )
        assert {} == dict(await here.store.reserved(here.deps.wallet.default_address))


async def test_a_claimed_order_with_nothing_sent_is_cancelled_at_once():
    async with world() as here:
        order_id = await here.accepted()
        await here.claimed()
        assert 200 == (await here.client.delete(f"/api/orders/{order_id}")).status_code


async def test_an_order_in_flight_is_cancelling_until_the_chain_says():
    async with world() as here:
        order_id = await here.accepted()
        await submitted(here.store, await here.claimed())
        for _ in range(2):
            response = await here.client.delete(f"/api/orders/{order_id}")
            assert (202, "cancelling") == (response.status_code, response.json()["status"])
        assert (order_id,) == await here.store.cancelling("worker")


async def test_a_later_round_is_cancelled_at_once_only_when_its_attempt_is_dead():
    async with world() as here:
        await here.accepted()
        order = await submitted(here.store, await here.claimed())
        (attempt,) = await here.store.attempts(order.order_id)
        dead = (AttemptSettled(attempt.signature, AttemptState.DEAD),)
        policy = RetryPolicy()
        why = Failure("stale_price", "the price moved")
        await here.store.apply(
            round_ends.round_failed(order, why, here.deps.clock.now_ms(), policy, dead)
        )
        response = await here.client.delete(f"/api/orders/{order.order_id}")
        assert (200, "cancelled") == (response.status_code, response.json()["status"])


async def test_a_confirmed_order_is_not_cancelled():
    async with world() as here:
        order_id = await here.accepted()
        await confirmed(here, await here.claimed())
        response = await here.client.delete(f"/api/orders/{order_id}")
        assert (409, "already_confirmed") == (response.status_code, response.json()["code"])


async def test_a_cancel_that_is_overtaken_decides_again():
    async with world() as here:
        order_id = await here.accepted()
        store = here.store
        overtaken: list[Change] = []

        class Overtaking:
            """A worker sends the order in the moment the cancel is written."""

            async def apply(self, change: Change) -> int:
                if not overtaken:
                    overtaken.append(change)
                    await submitted(store, await here.claimed())
                return await store.apply(change)

            def __getattr__(self, name: str) -> Any:
                return getattr(store, name)

        overtaking: Any = Overtaking()
        async with client_of(create_app(replace(here.deps, store=overtaking))) as client:
            response = await client.delete(f"/api/orders/{order_id}")
        assert (202, "cancelling") == (response.status_code, response.json()["status"])


async def test_ready_names_the_part_that_does_not_answer():
    async with world() as here:
        response = await here.client.get("/ready")
        assert (503, "no worker is alive") == (
            response.status_code,
            response.json()["checks"]["workers"],
        )
        await here.store.register_worker("w", here.deps.clock.now_ms() + 60_000)
        response = await here.client.get("/ready")
        assert (200, "ok") == (response.status_code, response.json()["checks"]["chain"])


async def test_orders_go_on_without_a_bus_and_ready_says_so():
    async with world() as here:
        await here.store.register_worker("w", here.deps.clock.now_ms() + 60_000)

        async def ping() -> None:
            raise Unavailable("bus", "gone")

        here.bus.ping = ping  # type: ignore[method-assign]
        response = await here.client.get("/ready")
        assert (200, "ready") == (response.status_code, response.json()["status"])
        assert "ok" != response.json()["checks"]["bus"]


async def test_quotes_name_every_venue_and_the_best():
    async with world() as here:
        answer = await get(here, "/api/quotes?tokenIn=sol&tokenOut=USDC&amountIn=1.5")
        assert 2 == len(answer["quotes"])
        assert answer["quotes"][0] == answer["best"]
        assert ("1.5", "1500000000") == (answer["amountIn"], answer["amountInAtoms"])
        assert 0 == await here.order_count()


async def test_tokens_and_wallets_are_listed():
    async with world() as here:
        tokens = (await get(here, "/api/tokens"))["tokens"]
        assert {"SOL": 9, "USDC": 6, "BONK": 5}.items() <= {
            token["symbol"]: token["decimals"] for token in tokens
        }.items()
        here.balances.atoms["lamports"] = 1_500_000_000
        (wallet,) = (await get(here, "/api/wallets"))["wallets"]
        assert (here.deps.wallet.default_address, True) == (wallet["address"], wallet["isDefault"])
        assert ("1.5", "0") == (wallet["balances"][0]["amount"], wallet["lamportsLent"])


async def test_metrics_count_accepts():
    async with world() as here:
        await here.post(ORDER)
        await here.post({})
        text = (await here.client.get("/metrics")).text
        assert 'fairlead_accepts_total{outcome="accepted"} 1.0' in text
        assert 'fairlead_accepts_total{outcome="invalid_request"} 1.0' in text
