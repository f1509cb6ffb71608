import asyncio
from typing import Any

import msgspec
import pytest

from fairlead.errors import Fenced, IdempotencyConflict, InsufficientFunds
from fairlead.orders.acceptance import begun
from fairlead.orders.model import Claimed, EventType, OrderStatus, Reservation
from fairlead.ports import Accepted, RateLimit
from tests.contract.store import making
from tests.contract.store.conftest import World
from tests.contract.store.making import SOL, WALLET, change, new_order, stored


async def test_an_accepted_order_is_read_back_as_it_was(store: Any) -> None:
    order = new_order(
        user_id="alice",
        client_order_id="c-1",
        limit_price="0.000000000000000001",
        amount_in_atoms=2**64 - 1,
        priority=9,
        venues=("raydium-cpmm",),
    )
    assert Accepted(order.order_id, False) == await store.accept(order)
    row = await stored(store, order.order_id)
    assert order.terms == row.terms
    assert order.secret == row.secret
    assert (OrderStatus.PENDING, 1, 0, None) == (row.status, row.sequence, row.round, row.owner)
    assert (order.created_at_ms,) * 3 == (row.created_at_ms, row.updated_at_ms, row.due_at_ms)
    (event,) = await store.events(order.order_id, 0, 10)
    assert (1, 1, EventType.ACCEPTED) == (event.position, event.sequence, event.type)
    assert OrderStatus.PENDING is event.status


async def test_an_unknown_order_is_none(store: Any) -> None:
    assert await store.order(making.new_id()) is None
    assert await store.order("not-an-id") is None
    assert () == await store.events("not-an-id", 0, 10)
    assert () == await store.attempts("not-an-id")


async def test_a_repeated_key_answers_the_same_order(store: Any) -> None:
    first = new_order(key="k")
    await store.accept(first)
    again = new_order(key="k")
    assert Accepted(first.order_id, True) == await store.accept(again)
    assert Accepted(first.order_id, True) == await store.replay("local", "k", first.request_hash)
    assert await store.replay("local", "unused", first.request_hash) is None
    assert 1 == (await store.counts("local")).total


async def test_a_key_with_other_terms_is_a_conflict(store: Any) -> None:
    first = new_order(key="k")
    await store.accept(first)
    other = new_order(key="k", body="other")
    with pytest.raises(IdempotencyConflict) as conflict:
        await store.accept(other)
    assert first.order_id == conflict.value.order_id
    with pytest.raises(IdempotencyConflict):
        await store.replay("local", "k", other.request_hash)


async def test_a_key_belongs_to_its_principal(store: Any) -> None:
    assert not (await store.accept(new_order(key="k", principal="a"))).replayed
    assert not (await store.accept(new_order(key="k", principal="b", body="other"))).replayed


async def test_twenty_concurrent_orders_of_one_key_make_one(store: Any) -> None:
    orders = [new_order(key="k") for _ in range(20)]
    answers = await asyncio.gather(*(store.accept(order) for order in orders))
    assert 1 == len({answer.order_id for answer in answers})
    assert 19 == sum(answer.replayed for answer in answers)
    assert 1 == (await store.counts("local")).total
    assert 1 == await store.feed_head()


async def test_twenty_concurrent_orders_of_one_key_over_two_processes_make_one(
    postgres: World,
) -> None:
    stores = [await postgres.open(), await postgres.open()]
    orders = [new_order(key="k") for _ in range(20)]
    answers = await asyncio.gather(*(stores[i % 2].accept(o) for i, o in enumerate(orders)))
    assert 1 == len({answer.order_id for answer in answers})
    assert 19 == sum(answer.replayed for answer in answers)


async def test_a_conflict_fails_alone(store: Any) -> None:
    await store.accept(new_order(key="taken"))
    batch = [new_order(key="taken", body="other"), *(new_order() for _ in range(5))]
    answers = await asyncio.gather(*map(store.accept, batch), return_exceptions=True)
    assert isinstance(answers[0], IdempotencyConflict)
    assert [Accepted(order.order_id, False) for order in batch[1:]] == answers[1:]


def reserve(atoms: int, balance: int = 100, asset: str = SOL) -> tuple[Reservation, ...]:
    return (Reservation(WALLET, asset, atoms, balance),)


async def test_orders_reserve_until_they_end(store: Any) -> None:
    order = new_order(reservations=reserve(60))
    await store.accept(order)
    assert {SOL: 60} == await store.reserved(WALLET)
    with pytest.raises(InsufficientFunds) as short:
        await store.accept(new_order(reservations=reserve(41)))
    error = short.value
    assert (SOL, 41, 100, 60) == (
        error.asset,
        error.needed_atoms,
        error.balance_atoms,
        error.reserved_atoms,
    )
    await store.accept(new_order(reservations=reserve(40)))
    row = await stored(store, order.order_id)
    await store.apply(change(row, EventType.CANCELLED, owner=None, end=True))
    assert {SOL: 40} == await store.reserved(WALLET)
    assert {} == await store.reserved("another wallet")


async def test_what_is_refused_reserves_nothing(store: Any) -> None:
    both = (*reserve(50), *reserve(101, asset="lamports"))
    with pytest.raises(InsufficientFunds) as short:
        await store.accept(new_order(reservations=both))
    assert "lamports" == short.value.asset
    assert {} == await store.reserved(WALLET)
    assert 0 == (await store.counts("local")).total
    assert 0 == await store.feed_head()


async def test_orders_of_one_flush_share_the_balance(store: Any) -> None:
    orders = [new_order(reservations=reserve(30)) for _ in range(5)]
    answers = await asyncio.gather(*map(store.accept, orders), return_exceptions=True)
    assert 3 == sum(isinstance(answer, Accepted) for answer in answers)
    assert 2 == sum(isinstance(answer, InsufficientFunds) for answer in answers)
    assert {SOL: 90} == await store.reserved(WALLET)
    assert 3 == (await store.counts("local")).total == await store.feed_head()


async def test_a_smaller_order_still_fits_beside_one_that_does_not(store: Any) -> None:
    sizes = [60, 60, 40]
    orders = [new_order(reservations=reserve(size)) for size in sizes]
    answers = await asyncio.gather(*map(store.accept, orders), return_exceptions=True)
    assert [Accepted, InsufficientFunds, Accepted] == [type(answer) for answer in answers]


async def test_processes_do_not_give_out_one_balance_twice(postgres: World) -> None:
    stores = [await postgres.open() for _ in range(3)]
    orders = [new_order(reservations=reserve(10)) for _ in range(45)]
    answers = await asyncio.gather(
        *(stores[i % 3].accept(order) for i, order in enumerate(orders)), return_exceptions=True
    )
    assert 10 == sum(isinstance(answer, Accepted) for answer in answers)
    assert {SOL: 100} == await stores[0].reserved(WALLET)


async def test_a_replay_is_answered_though_nothing_is_left(store: Any) -> None:
    first = new_order(key="k", reservations=reserve(100))
    await store.accept(first)
    again = new_order(key="k", reservations=reserve(100))
    assert Accepted(first.order_id, True) == await store.accept(again)


async def test_sums_of_reservations_exceed_u64(store: Any) -> None:
    huge = reserve(2**64 - 1, balance=2**70)
    await asyncio.gather(*(store.accept(new_order(reservations=huge)) for _ in range(3)))
    assert {SOL: 3 * (2**64 - 1)} == await store.reserved(WALLET)


LEASE_MS = making.T0_MS + 10_000


async def life_of(store: Any, order_id: str) -> list[Any]:
    """Everything a reader sees of an order, its id and positions left out."""
    row = msgspec.structs.replace(await stored(store, order_id), order_id="", secret=b"")
    events = [
        (e.sequence, e.principal, e.at_ms, e.type, e.status, e.data)
        for e in await store.events(order_id, 0, 10)
    ]
    return [row, *events]


async def test_an_accept_with_an_owner_leaves_what_accept_and_claim_leave(world: World) -> None:
    store = await world.open()
    first, second = (new_order(priority=3, reservations=reserve(10)) for _ in range(2))
    await store.accept(first)
    (claimed,) = await store.claim("w", 1, first.created_at_ms)
    world.committed.clear()
    accepted = await store.accept(second, "w")
    assert Accepted(second.order_id, False, accepted.claimed) == accepted
    assert Claimed(await stored(store, second.order_id)) == accepted.claimed
    assert await life_of(store, first.order_id) == await life_of(store, second.order_id)
    assert claimed.order.owner == accepted.claimed.order.owner
    (committed,) = world.committed
    assert not committed.work
    assert [3, 4] == [event.position for event in committed.events]
    assert await store.feed(2, 10) == committed.events
    counts = await store.counts("local")
    assert {OrderStatus.ROUTING: 2} == {k: v for k, v in counts.by_status.items() if v}
    assert {SOL: 20} == await store.reserved(WALLET)
    assert () == await store.claim("other", 5, LEASE_MS)
    assert 0 == (await store.queue(LEASE_MS)).waiting
    assert 3 == await store.apply(change(accepted.claimed.order, EventType.ROUTED))


async def test_a_replay_or_a_refusal_claims_nothing(store: Any) -> None:
    first = new_order(key="k")
    await store.accept(first)
    again = Accepted(first.order_id, True)
    assert again == await store.accept(new_order(key="k"), "w")
    with pytest.raises(IdempotencyConflict):
        await store.accept(new_order(key="k", body="other"), "w")
    with pytest.raises(InsufficientFunds):
        await store.accept(new_order(reservations=reserve(10**9)), "w")
    taken = new_order(key="taken")
    await store.accept(taken, "w")
    assert Accepted(taken.order_id, True) == await store.accept(new_order(key="taken"), "w")
    row = await stored(store, first.order_id)
    assert (None, OrderStatus.PENDING) == (row.owner, row.status)
    assert 2 == (await store.counts("local")).total


async def test_accepts_with_and_without_an_owner_share_a_flush(world: World) -> None:
    store = await world.open()
    orders = [new_order() for _ in range(20)]
    owners = ["w" if number % 3 else None for number in range(20)]
    answers = await asyncio.gather(*map(store.accept, orders, owners))
    for order, owner, answer in zip(orders, owners, answers, strict=True):
        row = await stored(store, order.order_id)
        assert owner == row.owner
        assert (None if owner is None else Claimed(row)) == answer.claimed
    events = [event for committed in world.committed for event in committed.events]
    assert await store.feed(0, 100) == tuple(events)
    assert any(committed.work for committed in world.committed)
    waiting = await store.claim("v", 20, LEASE_MS)
    assert owners.count(None) == len(waiting)


async def test_an_order_claimed_by_its_accept_is_freed_with_its_owner(store: Any) -> None:
    await store.register_worker("w", LEASE_MS)
    order, nameless = new_order(), new_order()
    await store.accept(order, "w")
    await store.accept(nameless, "declared dead before")
    assert ("declared dead before",) == await store.release_dead_workers(LEASE_MS - 1)
    assert ("w",) == await store.release_dead_workers(LEASE_MS)
    taken = await store.claim("v", 5, LEASE_MS)
    assert {order.order_id, nameless.order_id} == {one.order.order_id for one in taken}
    assert [(OrderStatus.ROUTING, 3, 1)] * 2 == [
        (one.order.status, one.order.sequence, one.order.round) for one in taken
    ]


async def test_a_rate_limit_and_a_resting_order_leave_the_claim_to_claims(world: World) -> None:
    store = await world.open(RateLimit(1, 1_000))
    order = new_order()
    assert Accepted(order.order_id, False) == await store.accept(order, "w")
    assert world.committed[0].work
    await world.close(store)
    resting = new_order(rests=True)
    store = await world.open()
    assert Accepted(resting.order_id, False) == await store.accept(resting, "w")
    assert (await stored(store, resting.order_id)).owner is None


async def test_an_accept_and_its_first_change_share_a_commit(world: World) -> None:
    store = await world.open()
    kept = new_order(key="k")
    await store.accept(kept)
    world.committed.clear()
    one, replay, poor = (
        new_order(reservations=reserve(10)),
        new_order(key="k"),
        new_order(reservations=reserve(10**9)),
    )
    before = [begun(order, "w").order for order in (one, replay, poor)]
    writes = [
        write
        for order, row in zip((one, replay, poor), before, strict=True)
        for write in (
            store.accept(order, "w"),
            store.apply(change(row, EventType.ROUTED, EventType.SUBMITTED)),
        )
    ]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert [Accepted(one.order_id, False, Claimed(before[0])), 4] == answers[:2]
    assert Accepted(kept.order_id, True) == answers[2]
    assert isinstance(answers[4], InsufficientFunds)
    # What hangs on an order that was not stored is refused with it.
    assert [True, True] == [isinstance(answers[n], Fenced) for n in (3, 5)]
    (committed,) = world.committed
    assert [one.order_id] * 4 == [event.order_id for event in committed.events]
    assert [1, 2, 3, 4] == [event.sequence for event in committed.events]
    assert await store.feed(1, 10) == committed.events
    counts = await store.counts("local")
    assert {OrderStatus.PENDING: 1, OrderStatus.SUBMITTED: 1} == {
        status: count for status, count in counts.by_status.items() if count
    }
    assert {SOL: 10} == await store.reserved(WALLET)
    assert OrderStatus.SUBMITTED is (await stored(store, one.order_id)).status
