"""No hot statement looks at orders that have ended, or scans a table."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest

from fairlead.orders.model import AttemptState, Change, EventType, Order, OrderFilter, OrderStatus
from fairlead.store.batch import Write
from fairlead.store.named_sql import load_queries
from fairlead.store.postgres_writer import PostgresFlush
from fairlead.store.principals import Principals
from fairlead.store.sqlite import SqliteStore
from fairlead.store.writes import Accept, Claim, Release
from tests.contract.store.conftest import World
from tests.contract.store.making import (
    T0_MS,
    WALLET,
    change,
    firing,
    new_attempt,
    new_id,
    new_order,
    stored,
)

ENDED = 1_500
# Resting orders of the highest priority: a claim must not walk over them.
RESTING = 300
ENDED_TRIGGERS = 200
BIG_TABLES = ("terms", "orders", "attempts", "events", "triggers")


async def fill(store: Any) -> list[str]:
    """Many orders that have ended, many that rest, and three that wait, one of them fired."""
    resting = [new_order(rests=True, priority=9, user_id="u") for _ in range(RESTING)]
    await asyncio.gather(*(store.accept(order) for order in resting))
    for order in resting[1:ENDED_TRIGGERS]:
        await store.apply(
            change(await stored(store, order.order_id), EventType.CANCELLED, owner=None, end=True)
        )
    ended = [new_order(priority=5, user_id="u") for _ in range(ENDED)]
    await asyncio.gather(*(store.accept(order) for order in ended))
    rows = [await stored(store, order.order_id) for order in ended]
    await asyncio.gather(*(store.apply(ending(row)) for row in rows))
    for _ in range(2):
        await store.accept(new_order())
    await store.apply(firing(await stored(store, resting[0].order_id)))
    return [order.order_id for order in ended]


def ending(row: Order) -> Change:
    dead = msgspec.structs.replace(new_attempt(row), state=AttemptState.DEAD)
    return change(row, EventType.CANCELLED, end=True, new_attempt=dead)


# Name and values of each statement of PostgreSQL that only reads, and the rows of big tables it may
# touch: what it returns, with their terms.
READS: tuple[tuple[str, tuple[Any, ...], int], ...] = (
    ("by_idempotency_key", ("local", "k"), 1),
    ("first_waiting", (["pending", "routing"],), 3),
    ("order_by_id", (new_id(),), 2),
    ("cancelling", ("w",), 1),
    ("principals_of", ([new_id()],), 1),
    ("attempts_of", (new_id(),), 1),
    ("events_of_order", (new_id(), 0, 10), 10),
    ("events_of_orders", ([new_id()],), 10),
    ("written_at", (new_id(), 2), 1),
    ("feed", (10, 10), 12),
    ("triggers", (10, 10), 12),
    ("resting_triggers", (10, 10), 12),
)


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(world.place)
    try:
        yield connection
    finally:
        await connection.close()


async def touched(connection: Any, sql: str, values: Any) -> dict[str, tuple[int, int]]:
    """By big table: (sequential scans, rows fetched) of one statement, which is undone."""
    transaction = connection.transaction()
    await transaction.start()
    before = await statistics(connection)
    await connection.fetch(sql, *values)
    after = await statistics(connection)
    await transaction.rollback()
    return {
        name: (after[name][0] - before[name][0], after[name][1] - before[name][1])
        for name in BIG_TABLES
    }


async def statistics(connection: Any) -> dict[str, tuple[int, int]]:
    rows = await connection.fetch(
        "SELECT relname, coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) + seq_tup_read"
        " FROM pg_stat_xact_user_tables WHERE schemaname = 'fairlead'"
    )
    return {name: (scans, fetched) for name, scans, fetched in rows}


async def test_postgres_reads_by_index(postgres: World) -> None:
    store = await postgres.open()
    ids = await fill(store)
    queries = load_queries("postgres_queries")
    async with connected(postgres) as connection:
        await connection.execute("ANALYZE")
        for name, values, most in READS:
            found = await touched(connection, queries[name], values)
            assert all(scans == 0 for scans, _ in found.values()), (name, found)
            assert sum(fetched for _, fetched in found.values()) <= most, (name, found)
    assert len(ids) == ENDED


@pytest.mark.parametrize("analyzed", [False, True])
async def test_postgres_claims_by_index(postgres: World, analyzed: bool) -> None:
    # Two connections: one whose plans were made on empty tables, one on full and analyzed ones.
    store = await postgres.open()
    writes: dict[str, Any] = {
        "claim": Claim("w", 10, T0_MS, False, 1),
        "adopt": Claim("w", 10, T0_MS, True, 2),
        "release": Release((("w", None),), T0_MS),
    }
    flush = load_queries("postgres_queries")["flush"]

    def arguments(value: Any) -> tuple[Any, ...]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        flush = PostgresFlush([Write(value, future)], Principals())
        flush.learn([(one, "local") for one in flush.unknown_orders()])
        return flush.arguments(0, None, None)

    async with AsyncExitStack() as stack:
        early = await stack.enter_async_context(connected(postgres))
        for value in writes.values():
            await touched(early, flush, arguments(value))
        ids = await fill(store)
        if analyzed:
            await early.execute("ANALYZE")
        row = await stored(store, ids[0])
        writes["change"] = msgspec.structs.replace(change(row), owner="x", at_ms=T0_MS)
        writes["accept"] = Accept(new_order())
        writes["accept and claim"] = Accept(new_order(), "x")
        writes["rest"] = Accept(new_order(rests=True))
        page = await store.triggers(0, 3, resting_only=True)
        open_row = await stored(store, page[2].trigger.order_id)
        writes["fire"] = firing(open_row)
        writes["expire"] = change(open_row, EventType.EXPIRED, owner=None, end=True)
        late = await stack.enter_async_context(connected(postgres))
        for connection in (early, late):
            for name, value in writes.items():
                found = await touched(connection, flush, arguments(value))
                assert all(scans == 0 for scans, _ in found.values()), (name, found)
                assert sum(fetched for _, fetched in found.values()) <= 12, (name, found)


async def test_postgres_pages_by_index(postgres: World) -> None:
    store = await postgres.open()
    ids = await fill(store)
    sent: list[tuple[str, tuple[Any, ...]]] = []

    async def read(statement: str, *values: Any) -> list[Any]:
        sent.append((statement, values))
        return []

    store._connections.read = read
    for filter in (
        OrderFilter("local"),
        OrderFilter("local", user_id="u"),
        OrderFilter("local", status=OrderStatus.PENDING),
        OrderFilter("local", status=OrderStatus.CANCELLED),
        OrderFilter("local", status=OrderStatus.FAILED),
        OrderFilter("local", wallet="unknown"),
        OrderFilter("local", wallet=WALLET),
    ):
        await store.orders(filter, 5, None)
        await store.orders(filter, 5, ids[700])
    async with connected(postgres) as connection:
        await connection.execute("ANALYZE")
        for statement, values in sent:
            found = await touched(connection, statement, values)
            assert all(scans == 0 for scans, _ in found.values()), (statement, found)
            assert sum(fetched for _, fetched in found.values()) <= 40, (statement, found)


async def test_sqlite_plans_use_indexes(tmp_path: Any) -> None:
    world = World("sqlite", str(tmp_path / "a.db"))
    store: SqliteStore = await world.open()
    queries = load_queries("sqlite_queries")
    for name in ("order_columns", "feed_head", "page", "page_by_status"):
        del queries[name]
    for name, query in queries.items():
        plan = plan_of(store, query.replace("{columns}", "status = status"))
        scans = [
            line
            for line in plan
            if re.match(r"SCAN (o|w|t|e|orders|terms|attempts|events|triggers)\b", line)
        ]
        assert [] == scans, (name, plan)
    assert any("orders_waiting" in line for line in plan_of(store, queries["waiting_in"]))
    for name in ("waiting_in", "first_waiting", "triggers", "resting_triggers"):
        assert not any("B-TREE" in line for line in plan_of(store, queries[name])), name
    (line,) = plan_of(store, queries["resting_triggers"])
    assert "triggers_resting" in line
    await world.close_all()


@pytest.mark.parametrize(
    ("filter", "index"),
    [
        (OrderFilter("local"), "terms_newest"),
        (OrderFilter("local", status=OrderStatus.FAILED), "orders_by_status"),
        (OrderFilter("local", user_id="u"), "terms_user"),
    ],
)
async def test_sqlite_pages_by_index(tmp_path: Any, filter: OrderFilter, index: str) -> None:
    world = World("sqlite", str(tmp_path / "a.db"))
    store = await world.open()
    sent: list[tuple[str, Any]] = []

    def rows(statement: str, *values: Any) -> list[Any]:
        sent.append((statement, values))
        return []

    read, store._rows = store._rows, rows
    await store.orders(filter, 5, None)
    await store.orders(filter, 5, new_id())
    store._rows = read
    for statement, values in sent:
        plan = [row[3] for row in store._reader.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert any(index in line for line in plan), plan
        assert not any("B-TREE" in line for line in plan), plan
    await world.close_all()


def plan_of(store: SqliteStore, query: str) -> list[str]:
    numbers = [int(n) for n in re.findall(r"\?(\d+)", query)]
    size = max(numbers) if numbers else query.count("?")
    rows = store._writer.execute(f"EXPLAIN QUERY PLAN {query}", (None,) * size)
    return [row[3] for row in rows]
