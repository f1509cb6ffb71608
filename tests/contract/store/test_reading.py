import asyncio
import random
from typing import Any

import pytest

from fairlead.errors import Rejected
from fairlead.orders.model import EventType, OrderFilter, OrderStatus, OrderType, StoredEvent
from tests.contract.store import making
from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS, WALLET, change, new_order, stored

LOCAL = OrderFilter("local")
OTHER = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"


async def accepted(store: Any, count: int, **values: Any) -> list[str]:
    orders = [new_order(**values) for _ in range(count)]
    await asyncio.gather(*map(store.accept, orders))
    return [order.order_id for order in orders]


async def all_pages(store: Any, filter: OrderFilter, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor = None
    while True:
        page = await store.orders(filter, limit, cursor)
        pages.append([order.order_id for order in page.orders])
        cursor = page.next_cursor
        if cursor is None:
            return pages


async def test_pages_go_newest_first_and_end(store: Any) -> None:
    ids = await accepted(store, 10)
    assert [ids[:6:-1], ids[6:3:-1], ids[3:0:-1], ids[:1]] == await all_pages(store, LOCAL, 3)
    assert [ids[::-1]] == await all_pages(store, LOCAL, 10)
    assert [[]] == await all_pages(store, OrderFilter("nobody"), 10)


async def test_a_page_is_stable_under_inserts(store: Any) -> None:
    ids = await accepted(store, 6)
    first = await store.orders(LOCAL, 3, None)
    await accepted(store, 4)
    second = await store.orders(LOCAL, 3, first.next_cursor)
    assert ids[::-1] == [order.order_id for order in (*first.orders, *second.orders)]


async def test_pages_show_whole_rows(store: Any) -> None:
    (order_id,) = await accepted(store, 1)
    assert (await stored(store, order_id),) == (await store.orders(LOCAL, 1, None)).orders


@pytest.mark.parametrize("cursor", ["", "x", "0' OR 1=1", "01890000-0000-7000-8000-00000000000G"])
async def test_a_malformed_cursor_is_rejected(store: Any, cursor: str) -> None:
    with pytest.raises(Rejected):
        await store.orders(LOCAL, 3, cursor)


async def test_filters_are_joined_by_and(store: Any) -> None:
    random.seed(7)
    made = []
    for _ in range(60):
        values: dict[str, Any] = {
            "principal": random.choice(["local", "other"]),
            "user_id": random.choice([None, "a", "b"]),
            "wallet": random.choice([WALLET, OTHER]),
            "wallet_address": random.choice([WALLET, OTHER, "named"]),
            "rests": random.choice([False, True]),
        }
        order = new_order(**values)
        values["type"] = OrderType.LIMIT if values["rests"] else OrderType.MARKET
        values["status"] = OrderStatus.OPEN if values["rests"] else OrderStatus.PENDING
        made.append((order.order_id, values))
        await store.accept(order)
    for order_id, values in made[::4]:
        row = await stored(store, order_id)
        await store.apply(change(row, EventType.CANCELLED, end=True))
        values["status"] = OrderStatus.CANCELLED
    for _ in range(40):
        wanted = OrderFilter(
            random.choice(["local", "other"]),
            random.choice([None, "a", "b"]),
            random.choice([None, WALLET, OTHER, "named", "nobody"]),
            random.choice([None, OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.CANCELLED]),
            random.choice([None, *OrderType]),
        )
        expected = [
            order_id
            for order_id, values in reversed(made)
            if values["principal"] == wanted.principal
            and wanted.user_id in (None, values["user_id"])
            and wanted.wallet in (None, values["wallet"], values["wallet_address"])
            and wanted.type in (None, values["type"])
            and wanted.status in (None, values["status"])
        ]
        pages = await all_pages(store, wanted, random.choice([1, 7, 100]))
        assert expected == [order_id for page in pages for order_id in page]


async def test_counts_equal_a_recount(store: Any) -> None:
    random.seed(11)
    principals = ("a", "b")
    for principal in principals:
        await accepted(store, 30, principal=principal)
    for step in range(25):
        for one in await store.claim("w", random.randrange(6), T0_MS + step):
            order = one.order
            types = random.choice(
                [
                    (),
                    (EventType.ROUTED,),
                    (EventType.FAILED,),
                    (EventType.ROUTED, EventType.EXPIRED),
                ]
            )
            ends = bool(types) and types[-1] is not EventType.ROUTED
            await store.apply(change(order, *types, end=ends, release=random.random() < 0.3))
        if step % 6 == 5:
            await store.release_worker("w", T0_MS + step)
    for principal in principals:
        recount: dict[OrderStatus, int] = {}
        page = await store.orders(OrderFilter(principal), 200, None)
        for order in page.orders:
            recount[order.status] = recount.get(order.status, 0) + 1
        assert recount == (await store.counts(principal)).by_status
    assert {} == (await store.counts("nobody")).by_status


async def test_what_is_committed_is_told_in_position_order(world: World) -> None:
    store = await world.open()
    await accepted(store, 30)
    await store.claim("w", 30, T0_MS)
    told = [event for committed in world.committed for event in committed.events]
    assert list(range(1, 61)) == [event.position for event in told]
    assert tuple(told) == await store.feed(0, 100)
    assert world.committed[0].work


async def test_the_feed_continues_from_any_position(store: Any) -> None:
    await accepted(store, 12)
    everything = await store.feed(0, 100)
    assert list(range(1, 13)) == [event.position for event in everything]
    for after in range(13):
        assert everything[after : after + 5] == await store.feed(after, 5)
    assert 12 == await store.feed_head()


async def test_events_of_several_orders(store: Any) -> None:
    ids = await accepted(store, 3)
    await store.claim("w", 1, T0_MS)
    unknown = making.new_id()
    found = await store.events_of([*ids, unknown])
    assert {ids[0]: 2, ids[1]: 1, ids[2]: 1, unknown: 0} == {k: len(v) for k, v in found.items()}
    assert found[ids[0]] == await store.events(ids[0], 0, 10)
    assert {} == await store.events_of([])


async def test_the_feed_skips_nothing_while_three_processes_write(postgres: World) -> None:
    stores = [await postgres.open() for _ in range(3)]
    reader = await postgres.open()
    writing = True

    async def write(store: Any, owner: str) -> None:
        for round in range(12):
            await asyncio.gather(*(store.accept(new_order()) for _ in range(8)))
            claimed = await store.claim(owner, 10, T0_MS + round)
            await asyncio.gather(
                *(store.apply(change(one.order, EventType.ROUTED)) for one in claimed)
            )

    async def follow() -> list[StoredEvent]:
        seen: list[StoredEvent] = []
        while writing or len(seen) < await reader.feed_head():
            seen += await reader.feed(len(seen), 50)
            # At every moment: no gap that a later commit could fill.
            assert list(range(1, len(seen) + 1)) == [event.position for event in seen]
        return seen

    following = asyncio.ensure_future(follow())
    await asyncio.gather(*(write(store, f"w{i}") for i, store in enumerate(stores)))
    writing = False
    seen = await following
    by_order: dict[str, list[int]] = {}
    for event in seen:
        by_order.setdefault(event.order_id, []).append(event.sequence)
    assert 3 * 12 * 8 == len(by_order)
    assert all(list(range(1, len(s) + 1)) == s for s in by_order.values())
    told = sorted(event.position for c in postgres.committed for event in c.events)
    assert [event.position for event in seen] == told
