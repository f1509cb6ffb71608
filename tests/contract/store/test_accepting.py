import asyncio
from typing import Any

import pytest

from fairlead.errors import IdempotencyConflict, InsufficientFunds
from fairlead.orders.model import EventType, OrderStatus, Reservation
from fairlead.ports import Accepted
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
