import asyncio
from typing import Any

import msgspec
import pytest

from fairlead.errors import Fenced
from fairlead.orders.model import (
    AttemptSettled,
    AttemptState,
    EventType,
    NewEvent,
    Order,
    OrderStatus,
    Reservation,
)
from tests.contract.store.making import (
    SOL,
    T0_MS,
    WALLET,
    change,
    new_attempt,
    new_order,
    stored,
    submitted,
)


async def claimed(store: Any, **terms: Any) -> Order:
    """A new order in the hands of worker w."""
    await store.accept(new_order(**terms))
    (one,) = await store.claim("w", 1, T0_MS)
    order: Order = one.order
    return order


async def test_a_change_moves_sequence_and_status_together(store: Any) -> None:
    order = await claimed(store)
    assert 4 == await store.apply(
        change(order, EventType.ROUTED, EventType.SUBMITTED, at_ms=T0_MS + 5, data=b'{"a":1}')
    )
    row = await stored(store, order.order_id)
    assert (4, OrderStatus.SUBMITTED, T0_MS + 5) == (row.sequence, row.status, row.updated_at_ms)
    events = await store.events(order.order_id, 0, 10)
    assert [1, 2, 3, 4] == [event.sequence for event in events]
    assert ["accepted", "claimed", "routed", "submitted"] == [event.type for event in events]
    assert ["pending", "routing", "building", "submitted"] == [event.status for event in events]
    assert b'{"a":1}' == events[-1].data
    assert events[2:] == await store.events(order.order_id, 2, 10)
    assert events[2:3] == await store.events(order.order_id, 2, 1)


async def test_another_sequence_or_owner_is_fenced_off(store: Any) -> None:
    order = await claimed(store)
    with pytest.raises(Fenced):
        await store.apply(change(order, EventType.ROUTED, sequence=1))
    with pytest.raises(Fenced):
        await store.apply(change(order, EventType.ROUTED, owner="other"))
    with pytest.raises(Fenced):
        await store.apply(msgspec.structs.replace(change(order), order_id=new_order().order_id))
    assert order == await stored(store, order.order_id)
    assert 2 == await store.feed_head()


async def test_without_owner_only_the_sequence_is_compared(store: Any) -> None:
    order = await claimed(store)
    cancel = change(order, EventType.CANCEL_REQUESTED, owner=None, cancel_requested=True)
    assert 3 == await store.apply(cancel)
    row = await stored(store, order.order_id)
    assert ("w", OrderStatus.CANCELLING, True) == (row.owner, row.status, row.cancel_requested)
    assert (order.order_id,) == await store.cancelling("w")
    assert () == await store.cancelling("other")
    with pytest.raises(Fenced):
        await store.apply(change(order, EventType.ROUTED))


async def test_two_changes_of_one_version_in_one_flush_let_one_through(store: Any) -> None:
    order = await claimed(store)
    results = await asyncio.gather(
        *(store.apply(change(order, EventType.ROUTED)) for _ in range(10)), return_exceptions=True
    )
    assert 1 == results.count(3)
    assert 9 == sum(isinstance(result, Fenced) for result in results)
    assert 3 == await store.feed_head()


async def test_a_fenced_change_fails_alone(store: Any) -> None:
    orders = [await claimed(store) for _ in range(6)]
    results = await asyncio.gather(
        *(
            store.apply(change(o, EventType.ROUTED, sequence=2 if i != 3 else 1))
            for i, o in enumerate(orders)
        ),
        return_exceptions=True,
    )
    assert [3, 3, 3, Fenced, 3, 3] == [r if isinstance(r, int) else type(r) for r in results]


async def test_a_known_value_is_never_overwritten_by_an_unknown_one(store: Any) -> None:
    order = await claimed(store)
    known: dict[str, Any] = {
        "round": 2,
        "due_at_ms": T0_MS + 7,
        "minimum_out_atoms": 2**64 - 1,
        "latch_generation": 1,
        "cancel_requested": True,
        "signature": "sig",
        "dex": "raydium",
        "amount_out_atoms": 2**63,
        "failure_code": "code",
        "failure_reason": "reason",
        "finalized_at_ms": T0_MS + 9,
    }
    await store.apply(change(order, EventType.ROUTED, **known))
    row = await stored(store, order.order_id)
    assert known == {name: getattr(row, name) for name in known}
    await store.apply(change(row, EventType.SUBMITTED))
    after = await stored(store, order.order_id)
    assert known == {name: getattr(after, name) for name in known}


async def test_a_fork_clears_the_fill_and_a_new_one_replaces_it(store: Any) -> None:
    order = await submitted(store, await claimed(store))
    await store.apply(change(order, EventType.CONFIRMED, amount_out_atoms=5))
    order = await stored(store, order.order_id)
    await store.apply(change(order, EventType.DROPPED, clear_fill=True))
    order = await stored(store, order.order_id)
    assert order.amount_out_atoms is None
    await store.apply(change(order, EventType.CONFIRMED, amount_out_atoms=6))
    assert 6 == (await stored(store, order.order_id)).amount_out_atoms


async def test_a_change_without_events_keeps_the_sequence(store: Any) -> None:
    order = await claimed(store)
    assert 2 == await store.apply(change(order, due_at_ms=T0_MS + 50, release=True))
    row = await stored(store, order.order_id)
    assert (2, None, T0_MS + 50) == (row.sequence, row.owner, row.due_at_ms)
    assert () == await store.claim("w", 1, T0_MS + 49)
    assert T0_MS + 50 == await store.next_due_ms()
    assert 1 == len(await store.claim("w", 1, T0_MS + 50))


async def test_an_end_gives_back_and_lets_go_once(store: Any) -> None:
    order = await claimed(store, reservations=(Reservation(WALLET, SOL, 10, 100),))
    order = await submitted(store, order)
    await store.apply(change(order, EventType.CONFIRMED))
    order = await stored(store, order.order_id)
    assert {SOL: 10} == await store.reserved(WALLET)
    await store.apply(change(order, EventType.FINALIZED, end=True))
    assert {} == await store.reserved(WALLET)
    row = await stored(store, order.order_id)
    assert row.owner is None
    assert () == await store.adopt("w", 10, T0_MS + 10**9)
    assert () == await store.claim("w", 10, T0_MS + 10**9)


async def test_an_attempt_is_stored_with_its_change(store: Any) -> None:
    order = await claimed(store)
    attempt = new_attempt(order)
    await submitted(store, order)
    assert (attempt,) == await store.attempts(order.order_id)


async def test_a_fenced_change_stores_no_attempt(store: Any) -> None:
    order = await claimed(store)
    with pytest.raises(Fenced):
        await store.apply(
            change(order, EventType.ROUTED, sequence=9, new_attempt=new_attempt(order))
        )
    assert () == await store.attempts(order.order_id)


async def test_settling_makes_room_for_the_next_attempt(store: Any) -> None:
    order = await submitted(store, await claimed(store))
    first, second = new_attempt(order), new_attempt(order, 2)
    dead = AttemptSettled(first.signature, AttemptState.DEAD, evidence=b'{"proof":"agreed"}')
    await store.apply(
        change(order, EventType.ATTEMPT_REPLACED, settled=(dead,), new_attempt=second)
    )
    assert (
        msgspec.structs.replace(first, state=AttemptState.DEAD, evidence=dead.evidence),
        second,
    ) == await store.attempts(order.order_id)
    order = await stored(store, order.order_id)
    landed = AttemptSettled(second.signature, AttemptState.ERRORED, 77, '{"Err":1}')
    await store.apply(change(order, EventType.ROUND_FAILED, settled=(landed,)))
    order = await stored(store, order.order_id)
    # Neither slot nor error is known now: both stay.
    again = AttemptSettled(second.signature, AttemptState.ERRORED)
    await store.apply(change(order, settled=(again,)))
    last = (await store.attempts(order.order_id))[1]
    assert (AttemptState.ERRORED, 77, '{"Err":1}') == (last.state, last.slot, last.error)


async def test_an_attempt_that_was_found_settled_keeps_its_evidence(store: Any) -> None:
    order = await submitted(store, await claimed(store))
    found = msgspec.structs.replace(
        new_attempt(order, 2),
        state=AttemptState.ERRORED,
        slot=77,
        error='{"Err":1}',
        evidence=b'{"proof":"agreed"}',
    )
    await store.apply(change(order, new_attempt=found))
    assert found == (await store.attempts(order.order_id))[1]


async def test_a_signature_is_stored_once(store: Any) -> None:
    order = await submitted(store, await claimed(store))
    other = await claimed(store)
    stolen = msgspec.structs.replace(
        new_attempt(order), order_id=other.order_id, state=AttemptState.DEAD
    )
    with pytest.raises(AssertionError):
        await store.apply(change(other, EventType.ROUTED, new_attempt=stolen))
    assert () == await store.attempts(other.order_id)


async def test_cancelled_waiters_do_not_break_the_flush(store: Any) -> None:
    orders = [new_order() for _ in range(8)]
    tasks = [asyncio.ensure_future(store.accept(order)) for order in orders]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert [o.order_id for o in orders[1::2]] == [r.order_id for r in results[1::2]]
    assert await store.feed_head() == (await store.counts("local")).total


async def test_data_keeps_its_exact_digits(store: Any) -> None:
    data = b'{"amountOut":0.10000000000000000000001,"fee":"1.50","note":"\\u00e9 \xc3\xa9"}'
    order = await claimed(store)
    event = NewEvent(EventType.ROUTED, OrderStatus.BUILDING, data)
    await store.apply(msgspec.structs.replace(change(order, EventType.ROUTED), events=(event,)))
    assert data == (await store.events(order.order_id, 2, 1))[0].data


async def test_active_are_the_orders_that_wait_or_are_in_hand(store: Any) -> None:
    waiting = new_order()
    await store.accept(waiting)
    in_hand = await claimed(store, priority=9)
    over = await claimed(store, priority=8)
    await store.apply(change(over, EventType.CANCELLED, release=True, end=True))
    expected = {waiting.order_id: "pending", in_hand.order_id: "routing"}
    assert expected == dict(await store.active_orders())
