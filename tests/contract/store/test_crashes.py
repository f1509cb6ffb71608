"""PostgreSQL dies in the middle of writes, restarts, or does not answer; the store outlives it."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from fairlead.errors import Fenced, Unavailable, WriteOutcomeUnknown
from fairlead.orders.model import NEVER_MS, EventType, NewOrder, OrderStatus
from fairlead.ports import Accepted, RateLimit
from fairlead.store.batch import Lost
from tests.contract.store.conftest import World
from tests.contract.store.making import T0_MS, change, firing, new_order, stored, submitted
from tests.servers import Server, run_sql

REFUSED = (Unavailable, WriteOutcomeUnknown)


@pytest.mark.parametrize("seed", range(3))
async def test_kill_9_loses_no_answered_accept(own_postgres: Server, seed: int) -> None:
    world = World("postgres", own_postgres.url)
    store = await world.open()
    answered: list[str] = []
    refused: list[tuple[NewOrder, Exception]] = []
    stop = False
    killing_at = random.Random(seed).randrange(50, 400)
    reached = asyncio.Event()

    async def client() -> None:
        while not stop:
            order = new_order(rests=len(answered) % 2 == 0)
            try:
                answered.append((await store.accept(order)).order_id)
            except REFUSED as error:
                refused.append((order, error))
            if len(answered) >= killing_at:
                reached.set()

    clients = [asyncio.ensure_future(client()) for _ in range(24)]
    await reached.wait()
    await asyncio.to_thread(own_postgres.kill)
    await asyncio.to_thread(own_postgres.start)
    killed_at = len(answered)
    while len(answered) < killed_at + 50:
        await asyncio.sleep(0)
    stop = True
    await asyncio.gather(*clients)

    events = await store.feed(0, 100_000)
    assert list(range(1, len(events) + 1)) == [event.position for event in events]
    there = {event.order_id for event in events}
    assert set(answered) <= there
    assert len(answered) == len(set(answered))
    for order, error in refused:
        # A definite refusal is one: nothing was written.
        assert order.order_id not in there or isinstance(error, WriteOutcomeUnknown)
    assert len(there) == (await store.counts("local")).total
    triggers = await store.triggers(0, 100_000, resting_only=True)
    rested = [event.position for event in events if event.type is EventType.RESTED]
    assert rested == [state.position for state in triggers]
    await world.close_all()


async def test_the_store_outlives_a_restart_of_the_server(own_postgres: Server) -> None:
    world = World("postgres", own_postgres.url)
    store, other = await world.open(), await world.open()
    await store.register_worker("w", T0_MS + 10_000)
    await store.accept(new_order())
    (claimed,) = await store.claim("w", 1, T0_MS)
    await asyncio.to_thread(own_postgres.restart)
    # The session went with the server: that says nothing of the worker.
    assert () == await other.release_dead_workers(T0_MS)
    await store.ping()
    order = await submitted(store, claimed)
    assert 4 == order.sequence
    assert await store.renew_lease("w", T0_MS + 20_000)
    assert () == await other.release_dead_workers(T0_MS)
    await world.close(store)
    for _ in range(2_000):
        gone = await other.release_dead_workers(T0_MS)
        if gone:
            break
    assert ("w",) == gone
    await world.close_all()


async def accept_until_refused(store: Any) -> None:
    """A server process may outlive its postmaster for a moment."""
    while True:
        await store.accept(new_order())


async def test_a_server_that_stays_away_is_unavailable_not_a_hang(own_postgres: Server) -> None:
    world = World("postgres", own_postgres.url)
    store = await world.open()
    await store.accept(new_order())
    await asyncio.to_thread(own_postgres.kill)
    async with asyncio.timeout(20):
        with pytest.raises(REFUSED):
            await accept_until_refused(store)
        results = await asyncio.gather(
            *(store.accept(new_order()) for _ in range(1_000)), return_exceptions=True
        )
        assert all(isinstance(result, Unavailable) for result in results)
        with pytest.raises(Unavailable):
            await store.order(new_order().order_id)
        with pytest.raises(Unavailable):
            await store.ping()
    await asyncio.to_thread(own_postgres.start)
    await store.accept(new_order())
    await world.close_all()


class LosingAnswers:
    """Stands before the writing connection and drops it after the commit, before the answer."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.lose = 0
        # What others do before it is done again.
        self.then: Any = None
        self._write = store._connections.write
        store._connections.write = self.write

    async def write(self, statement: str, *values: Any) -> Any:
        answer = await self._write(statement, *values)
        if self.lose:
            self.lose -= 1
            connection = await self.store._connections.writer()
            connection.terminate()
            then, self.then = self.then, None
            if then is not None:
                await then()
            raise Lost("dropped")
        return answer


async def test_a_write_whose_answer_was_lost_is_answered_as_if_it_was_not(postgres: World) -> None:
    store = await postgres.open(RateLimit(100, 1_000))
    network = LosingAnswers(store)

    network.lose = 1
    order = new_order(key="k")
    assert Accepted(order.order_id, False) == await store.accept(order)
    others = [new_order() for _ in range(3)]
    await asyncio.gather(*map(store.accept, others))

    network.lose = 1
    claimed = await store.claim("w", 2, T0_MS)
    assert [order.order_id, others[0].order_id] == [one.order.order_id for one in claimed]
    for one in claimed:
        assert one.order == await stored(store, one.order.order_id)

    network.lose = 1
    assert 3 == await store.apply(change(claimed[0].order, EventType.ROUTED))
    network.lose = 1
    with pytest.raises(Fenced):
        await store.apply(change(claimed[0].order, EventType.ROUTED, at_ms=T0_MS + 1))
    network.lose = 1
    with pytest.raises(WriteOutcomeUnknown):
        await store.apply(change(claimed[1].order, release=True))
    network.lose = 99
    with pytest.raises(WriteOutcomeUnknown):
        await store.accept(new_order())

    network.lose = 0
    events = await store.feed(0, 100)
    assert list(range(1, 9)) == [event.position for event in events]
    assert 5 == (await store.counts("local")).total


async def test_an_accept_whose_answer_was_lost_is_claimed_unless_it_was_taken_since(
    postgres: World,
) -> None:
    store = await postgres.open()
    await store.register_worker("w", T0_MS + 10_000)
    network = LosingAnswers(store)
    network.lose = 1
    order = new_order(key="k")
    accepted = await store.accept(order, "w")
    assert (order.order_id, False) == (accepted.order_id, accepted.replayed)
    assert await stored(store, order.order_id) == accepted.claimed.order

    network.lose = 1
    network.then = lambda: store._connections.write(
        "UPDATE fairlead.orders SET owner = NULL, sequence = 3 WHERE sequence = 2"
    )
    freed = new_order()
    assert Accepted(freed.order_id, False) == await store.accept(freed, "w")
    assert 4 == len(await store.feed(0, 10))
    counts = await store.counts("local")
    assert (2, 0) == (counts.of(OrderStatus.ROUTING), counts.of(OrderStatus.PENDING))


async def test_a_resting_orders_write_whose_answer_was_lost_is_answered_as_if_it_was_not(
    postgres: World,
) -> None:
    store = await postgres.open()
    network = LosingAnswers(store)
    network.lose = 1
    order, other = new_order(rests=True, key="k"), new_order(rests=True)
    answers = await asyncio.gather(store.accept(order), store.accept(other))
    assert [order.order_id, other.order_id] == [answer.order_id for answer in answers]
    triggers = await store.triggers(0, 10, resting_only=True)
    assert [2, 4] == [state.position for state in triggers]

    network.lose = 1
    assert 2 == await store.apply(firing(await stored(store, order.order_id)))
    network.lose = 1
    (claimed,) = await store.claim("w", 5, T0_MS)
    assert claimed.order == await stored(store, order.order_id)
    network.lose = 1
    row = await stored(store, other.order_id)
    assert 3 == await store.apply(change(row, EventType.CANCELLED, owner=None, end=True))

    network.lose = 1
    back = change(claimed.order, EventType.REOPENED, due_at_ms=NEVER_MS, release=True)
    assert 4 == await store.apply(back)
    triggers = await store.triggers(0, 10, resting_only=False)
    assert [(6, 3, False), (7, 4, True)] == [(t.position, t.sequence, t.resting) for t in triggers]
    assert [7] == [t.position for t in await store.triggers(0, 10, resting_only=True)]
    assert 7 == await store.feed_head()
    counts = await store.counts("local")
    assert (1, 1, 2) == (
        counts.of(OrderStatus.OPEN),
        counts.of(OrderStatus.CANCELLED),
        counts.total,
    )


async def test_a_session_cut_by_the_server_is_made_again(postgres: World) -> None:
    store = await postgres.open()
    await store.register_worker("w", T0_MS + 10_000)
    other = await asyncpg.connect(postgres.place)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await other.execute(f"{cut} AND datname = current_database()")
    await other.close()
    await store.accept(new_order())
    assert await store.renew_lease("w", T0_MS + 20_000)
    assert () == await store.release_dead_workers(T0_MS)


async def test_a_lock_that_is_not_let_go_ends_in_a_time_out(
    postgres: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.store.postgres_connections.STATEMENT_TIMEOUT_S", 0.2)
    store = await postgres.open()
    order = new_order()
    await store.accept(order)
    row = await stored(store, order.order_id)
    hung = await asyncpg.connect(postgres.place)
    await hung.execute("BEGIN; UPDATE fairlead.orders SET round = round")
    async with asyncio.timeout(10):
        with pytest.raises(WriteOutcomeUnknown):
            await store.apply(change(row, EventType.CANCELLED, owner=None, end=True))
    await hung.execute("ROLLBACK")
    await hung.close()


async def test_deadlocks_between_processes_are_done_again(postgres: World) -> None:
    run_sql(postgres.place, "ALTER SYSTEM RESET deadlock_timeout")
    stores = [await postgres.open() for _ in range(2)]
    orders = [new_order() for _ in range(40)]
    await asyncio.gather(*(stores[0].accept(order) for order in orders))
    for round in range(6):
        rows = [await stored(stores[0], order.order_id) for order in orders]
        results = await asyncio.gather(
            *(
                store.apply(change(row, due_at_ms=T0_MS + round, owner=None))
                for row in rows
                for store in random.Random(round).sample(stores, 2)
            ),
            return_exceptions=True,
        )
        assert all(result == 1 for result in results)
