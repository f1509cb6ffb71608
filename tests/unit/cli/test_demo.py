"""The parts of the demonstration that need no engine."""

import asyncio
import io
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fairlead.chain.paper import FIRST_SLOT
from fairlead.cli import demo_engine
from fairlead.cli.demo_engine import RISING_SEED, environment, own_engine
from fairlead.cli.demo_proof import count
from fairlead.cli.demo_scene import ABOVE_MARKET_BPS, SCRIPT, Act, Ask, better_by_bps, limit_above
from fairlead.cli.demo_view import Stage, line_of, short
from fairlead.client import Quote, Update
from fairlead.config import load_settings
from fairlead.errors import Unavailable
from fairlead.ledger.market_flow import price_shift, spread
from fairlead.ledger.tokens import SOL
from tests.unit.cli.engine import Engine
from tests.unit.client.serving import serving

RAYDIUM = Quote(dex="raydium", venue="cpmm", pool="R", amount_out="214", net_amount_out="213.9")
METEORA = Quote(dex="meteora", venue="damm", pool="M", amount_out="219", net_amount_out="218.9")
BROKEN = Quote(dex="raydium", venue="cpmm", pool="R", error="no liquidity")


def routed(*quotes: Quote) -> Update:
    return Update(
        sequence=3,
        status="building",
        event="routed",
        quote=quotes[0],
        quotes=quotes,
        selected_dex=quotes[0].dex,
    )


def told(second: int, status: str, event: str, **more: Any) -> Update:
    at = f"2026-01-01T00:00:{second:02}.000Z"
    return Update(sequence=second + 1, status=status, event=event, timestamp=at, **more)


def played(ask: Ask, *updates: Update) -> Act:
    act = Act(1, ask)
    for update in updates:
        act.add(update, 0.0)
    return act


def test_the_market_of_the_own_engine_reaches_the_limit_in_time() -> None:
    """From anywhere in the first 100 slots (40 s) within 32 slots (13 s): the limit, and what the
    pools lag behind the market."""

    def best(slot: int) -> int:
        at = FIRST_SLOT + slot
        return price_shift(RISING_SEED, SOL, at) + abs(spread(RISING_SEED, "SOL/USDC", at)) // 2

    assert [("SOL", "USDC")] == [(a.token_in, a.token_out) for a in SCRIPT if a.has_limit]
    needed = (ABOVE_MARKET_BPS + 6) * 100
    for slot in range(2, 100):
        assert any(best(slot + later) - best(slot) >= needed for later in range(33)), slot


def test_a_limit_lies_above_the_quote_and_is_rounded_up() -> None:
    assert "146.073" == limit_above(METEORA, "1.5", 5)
    assert "0.333334" == limit_above(Quote(dex="x", amount_out="1"), "3", 0)


@pytest.mark.parametrize(
    ("quotes", "bps"),
    [((METEORA, RAYDIUM), 233), ((RAYDIUM, METEORA), -228), ((METEORA, BROKEN), None)],
)
def test_the_gain_is_that_over_the_next_pool_net_of_fees(
    quotes: tuple[Quote, ...], bps: int | None
) -> None:
    assert bps == better_by_bps(routed(*quotes))


def test_a_limit_order_tells_its_rest_apart_from_its_execution() -> None:
    act = played(
        Ask("SOL", "USDC", "10", has_limit=True),
        told(0, "pending", "accepted"),
        told(0, "open", "rested"),
        told(9, "routing", "claimed", retry_count=0),
        told(12, "confirmed", "confirmed", executed_price="148.5", amount_out="1485"),
        told(25, "confirmed", "finalized", executed_price="148.5", amount_out="1485"),
    )
    act.limit_price = "148.4"
    result = act.result()
    assert ("limit", 9.0, 3.0) == (result.type, result.rested_seconds, result.confirmed_seconds)
    assert act.is_over


def test_an_order_that_was_cancelled_since_its_price_did_not_come_is_no_failure() -> None:
    act = played(Ask("SOL", "USDC", "1", has_limit=True), told(30, "cancelled", "cancelled"))
    cancelled_by_whom = []
    for by_us in (False, True):
        act.gave_up = by_us
        cancelled_by_whom.append(act.went_well)
    assert [False, True] == cancelled_by_whom
    assert "its price did not come" == act.result().reason


def test_swaps_beyond_one_of_each_order_are_counted_and_so_are_those_of_none() -> None:
    orders = {"a": ("1", "2"), "b": ("3",), "c": ("4", "5")}
    assert (2, 0) == _counted(orders, {"1", "3"})
    assert (3, 1) == _counted(orders, {"1", "2", "3"})
    assert (3, 1) == _counted(orders, {"1", "3", "stranger"})
    assert (0, 0) == _counted(orders, set())


def _counted(orders: dict[str, tuple[str, ...]], swapped: set[str]) -> tuple[int, int]:
    proof = count(orders, swapped, "chain")
    return proof.successful_swaps, proof.double_executions


def test_numbers_are_cut_for_people() -> None:
    cases = {
        "219.295577": "219.2955",
        "0.006895580112": "0.00689558",
        "14899297.1916": "14899297",
        "1.5": "1.5",
        "-0.0004712": "-0.0004712",
        "7": "7",
    }
    assert cases == {number: short(number) for number in cases}


def test_a_stage_and_its_lines_can_be_drawn_at_any_moment() -> None:
    ask = Ask("SOL", "USDC", "1.5")
    refused = Act(2, ask)
    refused.refusal = "the wallet is empty"
    acts = [
        Act(1, ask),
        refused,
        played(ask, told(0, "pending", "accepted"), routed(METEORA, RAYDIUM)),
        played(ask, told(0, "pending", "accepted"), routed(METEORA, BROKEN)),
        played(ask, told(0, "open", "rested", minimum_out="243.75")),
        played(ask, told(0, "failed", "failed", reason="no route left")),
    ]
    out = Console(width=160, record=True, file=io.StringIO())
    out.print(Stage(acts, "here", lambda: 1.0))
    drawn = out.export_text()
    for seen in ("meteora +233 bps", "the wallet is empty", "waits for 243.75", "no route left"):
        assert seen in drawn
    assert "none" in drawn
    line = line_of(acts[2], acts[2].updates[1])
    assert "damm 219, cpmm 214: meteora +233 bps" in line


def test_the_own_engine_is_bound_to_nothing_that_somebody_has_set_up(tmp_path: Path) -> None:
    own = environment(
        {
            "PATH": "/bin",
            "DATABASE_URL": "postgresql://desk",
            "POSTGRES_HOST": "desk",
            "REDIS_URL": "redis://desk",
            "FAIRLEAD_CHAIN": "mainnet",
            "FAIRLEAD_KEY_FILES": "/keys/desk.json",
            "FAIRLEAD_API_TOKEN": "desk-token-which-is-long",
            "FAIRLEAD_CONCURRENCY": "0",
            "FAIRLEAD_PAPER_SEED": "7",
            "FAIRLEAD_PAPER_SLOT_MS": "50",
            "PORT": "3000",
        },
        tmp_path,
    )
    settings = load_settings(own)
    assert settings.store.embedded
    assert tmp_path / "data" == settings.store.data_dir
    assert ("paper", (), ()) == (settings.chain.name, settings.chain.key_files, settings.api.tokens)
    assert (0, 64) == (settings.api.port, settings.workers.concurrency)
    assert (RISING_SEED, 50, 200) == (
        settings.paper.seed,
        settings.paper.slot_ms,
        settings.paper.quote_latency_ms,
    )
    assert "/bin" == own["PATH"]


async def test_an_engine_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_engine, "_OWN", {"FAIRLEAD_CHAIN": "nowhere"})
    with pytest.raises(Unavailable, match="nowhere"):
        async with own_engine(tmp_path, dict(os.environ)):
            raise AssertionError("it does not start")


async def test_an_engine_ends_with_its_block(tmp_path: Path) -> None:
    async with own_engine(tmp_path, {**os.environ, "FAIRLEAD_PAPER_PROFILE": "fast"}) as engine:
        host, port = engine.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


async def test_no_demonstration_trades_on_a_chain_that_is_not_paper(fairlead_async: Any) -> None:
    engine = Engine()
    async with serving(engine.routes()) as url:
        for chain in ("mainnet", "", "paper"):
            engine.chain = chain
            ended = await fairlead_async("demo", "--url", url)
            if chain == "paper":
                break
            assert (6, {}) == (ended.code, engine.orders)
            assert "on paper only" in ended.err
    assert 5 == len(engine.orders)
