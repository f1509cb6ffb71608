"""`fairlead order` and `quote` against an engine: what they print, and how they end."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from rich.console import Console

from fairlead.cli.life import Life, terms_of
from fairlead.client import Order, Update
from tests.unit.cli.engine import Engine
from tests.unit.client.serving import serving


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def url(engine: Engine) -> AsyncIterator[str]:
    async with serving(engine.routes()) as url:
        yield url


async def test_submit_tells_the_id_and_how_to_go_on(fairlead_async: Any, url: str) -> None:
    ended = await fairlead_async("order", "submit", "SOL", "USDC", "1.5", "--url", url)
    assert 0 == ended.code
    assert "01977f2a-0000-7000-8000-000000000000  pending" in ended.out
    assert "fairlead order watch 01977f2a" in ended.out


async def test_submit_sends_what_was_asked(fairlead_async: Any, url: str, engine: Engine) -> None:
    options = ("--slippage-bps", "50", "--wallet", "W", "--priority", "3", "--json")
    ended = await fairlead_async("order", "submit", "SOL", "USDC", "1.5", "--url", url, *options)
    answer = json.loads(ended.out)
    order = engine.orders[answer["orderId"]]
    assert {"amountIn": "1.5", "slippageBps": 50, "wallet": "W", "priority": 3}.items() <= (
        order.items()
    )
    assert engine.keys == {answer["idempotencyKey"]: answer["orderId"]}


async def test_submit_of_an_exact_output_sends_it_and_its_bound(
    fairlead_async: Any, url: str, engine: Engine
) -> None:
    options = ("--amount-out", "100", "--max-in", "0.7", "--json")
    ended = await fairlead_async("order", "submit", "SOL", "USDC", "--url", url, *options)
    order = engine.orders[json.loads(ended.out)["orderId"]]
    assert {"amountOut": "100", "maxAmountIn": "0.7"}.items() <= order.items()
    assert "amountIn" not in order


def test_an_exact_output_is_told_with_the_most_that_it_may_cost() -> None:
    order = Order("id", "pending", token_in="SOL", token_out="USDC")
    asked = msgspec.structs.replace(order, requested_amount_out="100", max_amount_in="0.7")
    assert "≤ 0.7 SOL → 100 USDC" == terms_of(asked)


async def test_submit_with_a_used_key_is_the_same_order(fairlead_async: Any, url: str) -> None:
    again = ("order", "submit", "SOL", "USDC", "1", "--idempotency-key", "k", "--url", url)
    await fairlead_async(*again)
    ended = await fairlead_async(*again)
    assert "(this idempotency key had made it before)" in ended.out


async def test_submit_and_watch_tells_the_whole_life(fairlead_async: Any, url: str) -> None:
    ended = await fairlead_async("order", "submit", "SOL", "USDC", "1.5", "--watch", "--url", url)
    assert 0 == ended.code
    lines = ended.out.splitlines()
    assert [
        "pending",
        "routing",
        "building",
        "submitted",
        "confirmed",
        "confirmed (finalized)",
    ] == [line.split("  ")[1] for line in lines]
    assert "dlmm chosen" in lines[2]
    assert "price 142.33" in lines[4]


async def test_watch_in_json_is_a_line_per_update(fairlead_async: Any, url: str) -> None:
    await fairlead_async("order", "submit", "SOL", "USDC", "1.5", "--url", url)
    order_id = "01977f2a-0000-7000-8000-000000000000"
    ended = await fairlead_async("order", "watch", order_id, "--after", "4", "--json", "--url", url)
    updates = [json.loads(line) for line in ended.out.splitlines()]
    assert [(5, "confirmed"), (6, "finalized")] == [(u["sequence"], u["event"]) for u in updates]


async def test_watching_an_order_that_fails_ends_with_1(fairlead_async: Any, url: str) -> None:
    ended = await fairlead_async("order", "submit", "SOL", "BAD", "1", "--watch", "--url", url)
    assert 1 == ended.code
    assert "no route left" in ended.out


async def test_count_sums_up_the_ends(fairlead_async: Any, url: str, engine: Engine) -> None:
    ended = await fairlead_async(
        "order", "submit", "SOL", "USDC", "1", "--count", "150", "--json", "--url", url
    )
    summary = json.loads(ended.out)
    assert (0, {"confirmed": 150}, 150) == (ended.code, summary["byStatus"], len(engine.orders))
    assert summary["confirmed"]["p99Ms"] >= summary["confirmed"]["p50Ms"] > 0


async def test_count_numbers_the_idempotency_keys(
    fairlead_async: Any, url: str, engine: Engine
) -> None:
    many = ("order", "submit", "SOL", "BAD", "1", "--count", "3", "--idempotency-key", "k")
    ended = await fairlead_async(*many, "--url", url)
    assert {"k-1", "k-2", "k-3"} == set(engine.keys)
    assert 1 == ended.code
    assert "failed" in ended.out


async def test_refused_orders_are_counted_and_told(fairlead_async: Any, url: str) -> None:
    many = ("order", "submit", "SOL", "USDC", "1", "--count", "5", "--wallet", "refused")
    ended = await fairlead_async(*many, "--url", url)
    assert 1 == ended.code
    assert "refused: wallet is not held" in ended.out


async def test_show_list_cancel_and_quote(fairlead_async: Any, url: str) -> None:
    await fairlead_async("order", "submit", "SOL", "USDC", "1.5", "--url", url)
    order_id = "01977f2a-0000-7000-8000-000000000000"
    shown = await fairlead_async("order", "show", order_id, "--url", url)
    assert "142.33" in shown.out
    assert "5igSig" in shown.out
    listed = await fairlead_async("order", "list", "--url", url)
    assert "1 orders" in listed.out
    assert "--cursor more" in listed.out
    assert (
        1
        == json.loads((await fairlead_async("order", "list", "--json", "--url", url)).out)["total"]
    )
    too_late = await fairlead_async("order", "cancel", order_id, "--url", url)
    assert 3 == too_late.code
    asked = await fairlead_async("order", "cancel", "other", "--url", url)
    assert "cancelling" in asked.out
    quoted = await fairlead_async("quote", "SOL", "USDC", "1.5", "--url", url)
    assert "213.5" in quoted.out
    assert "no liquidity" in quoted.out
    assert "pays most" in quoted.out


async def test_refusals_are_sentences_and_exit_3(fairlead_async: Any, url: str) -> None:
    refused = ("order", "submit", "SOL", "USDC", "1", "--wallet", "refused", "--url", url)
    ended = await fairlead_async(*refused)
    assert (3, "", "fairlead: wallet: is not held\n") == (ended.code, ended.out, ended.err)
    ended = await fairlead_async(*refused, "--json")
    assert "wallet_not_held" == json.loads(ended.err)["error"]["code"]
    ended = await fairlead_async("order", "show", "nobody", "--url", url)
    assert (3, "fairlead: no order nobody\n") == (ended.code, ended.err)


async def test_an_engine_that_is_not_there_is_exit_4(
    fairlead_async: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.client.retry.BASE_S", 1_000)
    monkeypatch.setattr("fairlead.client.retry.LONGEST_S", 1_000)
    ended = await fairlead_async("order", "list", "--url", "http://127.0.0.1:1")
    assert 4 == ended.code
    assert "fairlead serve" in ended.err
    assert "Traceback" not in ended.err


async def test_submit_sends_the_limit_and_when_it_expires(
    fairlead_async: Any, url: str, engine: Engine
) -> None:
    limit = ("order", "submit", "SOL", "USDC", "1.5", "--limit", "162.50", "--url", url, "--json")
    before = datetime.now(UTC)
    for expires in ("10m", "2030-01-31T12:00:00Z"):
        ended = await fairlead_async(*limit, "--expires", expires)
        assert 0 == ended.code, ended.err
    within, at = engine.orders.values()
    for sent in (within, at):
        assert ("limit", "162.50") == (sent["type"], sent["limitPrice"])
    ahead = datetime.fromisoformat(within["expiresAt"]) - before
    assert timedelta(minutes=10) <= ahead + timedelta(seconds=1) < timedelta(minutes=11)
    assert "2030-01-31T12:00:00Z" == at["expiresAt"]


@pytest.mark.parametrize("expires", ["10", "10x", "soon", "-5m", "tomorrow"])
async def test_an_expiry_that_is_none_sends_nothing(
    fairlead_async: Any, url: str, engine: Engine, expires: str
) -> None:
    ended = await fairlead_async(
        "order", "submit", "SOL", "USDC", "1", "--limit", "1", "--expires", expires, "--url", url
    )
    assert (2, {}) == (ended.code, engine.orders)


async def test_a_limit_order_is_watched_while_it_rests(fairlead_async: Any, url: str) -> None:
    ended = await fairlead_async(
        *("order", "submit", "SOL", "USDC", "1.5", "--limit", "162.5", "--watch", "--url", url)
    )
    assert 0 == ended.code
    statuses = [line.split("  ")[1] for line in ended.out.splitlines()]
    assert ["pending", "open", "routing"] == statuses[:3]
    assert "waits until 1.5 SOL give at least 243.75 USDC" in ended.out


async def test_lists_ask_for_type_and_status_and_show_what_an_open_order_wants(
    fairlead_async: Any, url: str, engine: Engine
) -> None:
    engine.orders["x"] = {
        "orderId": "x",
        "status": "open",
        "type": "limit",
        "amountIn": "1.5",
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "limitPrice": "162.5",
        "minimumOut": "243.75",
    }
    ended = await fairlead_async(
        "order", "list", "--status", "open", "--type", "limit", "--url", url
    )
    assert {"status": "open", "type": "limit"}.items() <= engine.asked.items()
    assert "≥ 243.75 USDC" in ended.out


def test_a_resting_order_is_drawn_with_its_price_and_its_end() -> None:
    order = Order(
        order_id="x",
        status="open",
        amount_in="1.5",
        token_in="SOL",
        token_out="USDC",
        limit_price="162.5",
        expires_at="2030-01-31T12:00:00.000Z",
    )
    life = Life(order)
    life.add(Update(sequence=1, status="pending", event="accepted"))
    life.add(Update(sequence=2, status="open", event="rested", reason="waits until …"))
    page = io.StringIO()
    Console(width=120, file=page).print(life)
    drawn = page.getvalue()
    assert "1.5 SOL → USDC at 162.5 or better" in drawn
    assert "waits until …" in drawn
    assert "waiting for its price, until 2030-01-31T12:00:00.000Z" in drawn
