"""An order's first change in the flush that accepts it: stored together, and as if one came after
the other (docs/decisions/0006-direct-hand-over.md)."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from fairlead.errors import Fenced
from fairlead.orders.acceptance import begun
from fairlead.orders.model import Change, EventType, NewOrder, Order, OrderStatus, Reservation
from fairlead.ports import Accepted
from tests.contract.store.conftest import World
from tests.contract.store.making import SOL, T0_MS, WALLET, change, new_attempt, new_order, stored
from tests.contract.store.test_crashes import LosingAnswers

DATA = b'{"quotes":[{"dex":"raydium"}]}'
TYPES = (
    (EventType.ROUTED,),
    (EventType.ROUTED, EventType.SUBMITTED),
    (EventType.ROUTED, EventType.SUBMITTED, EventType.CONFIRMED),
    (),
)


def first_change(order: NewOrder, types: tuple[EventType, ...], **values: Any) -> Change:
    """What the worker "w" writes of an order that is accepted for it."""
    row = begun(order, "w").order
    return change(row, *types, at_ms=T0_MS + 7, data=DATA, **values)


def some_values(order: NewOrder, chance: random.Random) -> dict[str, Any]:
    """About half of what a change may know."""
    attempt = new_attempt(begun(order, "w").order)
    known: dict[str, Any] = {
        "new_attempt": attempt,
        "round": 2,
        "due_at_ms": T0_MS + 5,
        "minimum_out_atoms": 2**64 - 1,
        "cancel_requested": True,
        "signature": "s",
        "dex": "raydium",
        "amount_out_atoms": 2**63,
        "failure_code": "c",
        "failure_reason": "why",
        "finalized_at_ms": T0_MS + 9,
        "earlier_rounds": 3,
        "clear_fill": True,
        "release": True,
        "end": True,
    }
    return {name: value for name, value in known.items() if chance.random() < 0.5}


async def told(store: Any, order: NewOrder) -> tuple[Any, ...]:
    """Everything that is stored of an order but whose it is, its id and what derives from it."""
    row: Order = await stored(store, order.order_id)
    assert (order.principal, order.secret) == (row.principal, row.secret)
    events = await store.events(order.order_id, 0, 100)
    attempts = await store.attempts(order.order_id)
    return (
        msgspec.structs.replace(row, order_id="", principal="", secret=b""),
        [(e.sequence, e.at_ms, e.type, e.status, e.data) for e in events],
        [msgspec.structs.replace(a, order_id="", signature="", raw=b"") for a in attempts],
    )


@pytest.mark.parametrize("seed", range(6))
async def test_together_leaves_what_one_after_the_other_leaves(world: World, seed: int) -> None:
    chance = random.Random(seed)
    store = await world.open()
    await store.register_worker("w", T0_MS + 10_000)
    flushes: list[int] = []
    store.observe_flushes(lambda writes, _: flushes.append(writes))
    for _ in range(6):
        one, other = (
            new_order(principal=name, reservations=(Reservation(name, SOL, 5, 100),))
            for name in ("one", "other")
        )
        types, state = chance.choice(TYPES), chance.getstate()
        changes = []
        for order in (one, other):
            chance.setstate(state)
            changes.append(first_change(order, types, **some_values(order, chance)))
        flushes.clear()
        accepted, sequence = await asyncio.gather(store.accept(one, "w"), store.apply(changes[0]))
        assert (begun(one, "w"), 2 + len(types)) == (accepted.claimed, sequence)
        await store.accept(other, "w")
        assert sequence == await store.apply(changes[1])
        assert [2, 1, 1] == flushes
        assert await told(store, other) == await told(store, one)
    assert await store.reserved("one") == await store.reserved("other")
    assert (await store.counts("one")).by_status == (await store.counts("other")).by_status
    feed = await store.feed(0, 1_000)
    assert list(range(1, len(feed) + 1)) == [event.position for event in feed]
    assert feed == tuple(event for one in world.committed for event in one.events)


async def test_a_change_goes_the_way_of_the_accept_that_is_refused(store: Any) -> None:
    def order(atoms: int, key: str | None = None) -> NewOrder:
        return new_order(reservations=(Reservation(WALLET, SOL, atoms, 100),), key=key)

    await store.accept(order(1, "k"))
    new = [order(60), order(60), order(1, "k"), order(30)]
    changes = [first_change(one, TYPES[1]) for one in new]
    # Of an order that is not accepted at all.
    changes.append(first_change(order(1), TYPES[0]))
    results: Sequence[Any] = await asyncio.gather(
        *(store.accept(one, "w") for one in new),
        *map(store.apply, changes),
        return_exceptions=True,
    )
    assert [True, False, True, True] == [isinstance(one, Accepted) for one in results[:4]]
    assert results[2].replayed
    assert [4, Fenced, Fenced, 4, Fenced] == [
        one if isinstance(one, int) else type(one) for one in results[4:]
    ]
    assert {SOL: 91} == await store.reserved(WALLET)
    counts = await store.counts("local")
    assert {OrderStatus.PENDING: 1, OrderStatus.SUBMITTED: 2} == counts.by_status
    assert list(range(1, 10)) == [event.position for event in await store.feed(0, 100)]


async def test_of_two_first_changes_one_is_stored(store: Any) -> None:
    order = new_order()
    results = await asyncio.gather(
        store.accept(order, "w"),
        store.apply(first_change(order, TYPES[1])),
        store.apply(first_change(order, TYPES[0])),
        return_exceptions=True,
    )
    assert {4, 3} >= {one for one in results[1:] if isinstance(one, int)}
    assert [Fenced] == [type(one) for one in results[1:] if not isinstance(one, int)]
    row = await stored(store, order.order_id)
    assert row.sequence == len(await store.events(order.order_id, 0, 10))


async def test_an_attempt_of_another_generation_is_not_stored_with_its_order(store: Any) -> None:
    order = new_order()
    attempt = msgspec.structs.replace(new_attempt(begun(order, "w").order), latch_generation=1)
    wrong = first_change(order, TYPES[1], new_attempt=attempt)
    results: Sequence[Any] = await asyncio.gather(
        store.accept(order, "w"), store.apply(wrong), return_exceptions=True
    )
    assert isinstance(results[1], AssertionError)
    assert results[0].claimed.order == await stored(store, order.order_id)
    assert () == await store.attempts(order.order_id)


async def test_both_are_answered_when_the_answer_of_their_flush_was_lost(postgres: World) -> None:
    store = await postgres.open()
    network = LosingAnswers(store)
    network.lose = 1
    order = new_order(key="k")
    accepted, sequence = await asyncio.gather(
        store.accept(order, "w"), store.apply(first_change(order, TYPES[1]))
    )
    assert (Accepted(order.order_id, False), 4) == (accepted, sequence)
    assert 4 == await store.feed_head()


async def test_a_change_that_joins_an_accept_done_again_is_stored(postgres: World) -> None:
    store = await postgres.open()
    network = LosingAnswers(store)
    network.lose = 1
    order = new_order()
    attempt = new_attempt(begun(order, "w").order)
    change = first_change(order, TYPES[1], new_attempt=attempt)
    applied: list[asyncio.Future[int]] = []

    async def join() -> None:
        applied.append(asyncio.ensure_future(store.apply(change)))
        await asyncio.sleep(0)

    network.then = join
    assert order.order_id == (await store.accept(order, "w")).order_id
    assert 4 == await applied[0]
    assert (attempt,) == await store.attempts(order.order_id)
    events = await store.events(order.order_id, 0, 10)
    assert [1, 2, 3, 4] == [event.sequence for event in events] == [e.position for e in events]
    assert {OrderStatus.SUBMITTED: 1} == (await store.counts("local")).by_status
