"""Rule 4: attempts that could both succeed cannot be stored, on either store. Several may live at
once only under one latch of the order's present generation."""

import asyncio
from typing import Any

import msgspec
import pytest

from fairlead.orders.model import Attempt, AttemptSettled, AttemptState, EventType, Order
from tests.contract.store.making import T0_MS, change, new_attempt, new_order, stored, submitted

REPLACED, RAISED = EventType.ATTEMPT_REPLACED, EventType.FEE_RAISED
LATCHES = ("Latch" + "1" * 39, "Latch" + "2" * 39)


async def claimed(store: Any) -> Order:
    """A new order in the hands of worker w."""
    await store.accept(new_order())
    (one,) = await store.claim("w", 1, T0_MS)
    order: Order = one.order
    return order


def latched(order: Order, number: int, generation: int = 0) -> Attempt:
    plain = new_attempt(order, number)
    return msgspec.structs.replace(
        plain, latch_address=LATCHES[generation], latch_generation=generation
    )


def unlatched(order: Order, number: int) -> Attempt:
    return msgspec.structs.replace(new_attempt(order, number), latch_address=None)


async def flying(store: Any, first: Any = latched) -> Order:
    """An order with one live attempt."""
    order = await claimed(store)
    events = (EventType.ROUTED, EventType.SUBMITTED)
    await store.apply(change(order, *events, new_attempt=first(order, 1)))
    return await stored(store, order.order_id)


async def add(store: Any, order: Order, attempt: Attempt, **known: Any) -> Order:
    await store.apply(change(order, RAISED, new_attempt=attempt, **known))
    return await stored(store, order.order_id)


async def refuses(store: Any, order: Order, attempt: Attempt | None = None, **known: Any) -> None:
    """The write fails, as a bug does, and leaves nothing behind; others beside it do not."""
    before = await store.attempts(order.order_id)
    others = [await claimed(store) for _ in range(2)]
    results = await asyncio.gather(
        store.apply(change(order, RAISED, new_attempt=attempt, **known)),
        *(store.apply(change(other, EventType.ROUTED)) for other in others),
        return_exceptions=True,
    )
    assert isinstance(results[0], AssertionError)
    assert [3, 3] == results[1:]
    assert before == await store.attempts(order.order_id)
    assert order == await stored(store, order.order_id)


async def test_attempts_of_one_latch_live_beside_each_other(store: Any) -> None:
    order = await flying(store)
    for number in (2, 3):
        order = await add(store, order, latched(order, number))
    attempts = await store.attempts(order.order_id)
    assert [AttemptState.LIVE] * 3 == [attempt.state for attempt in attempts]


async def test_unlatched_attempts_live_alone(store: Any) -> None:
    order = await flying(store, unlatched)
    await refuses(store, order, unlatched(order, 2))
    dead = AttemptSettled(new_attempt(order).signature, AttemptState.DEAD)
    order = await add(store, order, unlatched(order, 2), settled=(dead,))
    await refuses(store, order, unlatched(order, 3))


async def test_a_latch_does_not_exclude_what_has_none(store: Any) -> None:
    bare = await flying(store, unlatched)
    await refuses(store, bare, latched(bare, 2))
    held = await flying(store)
    await refuses(store, held, unlatched(held, 2))


async def test_attempts_of_two_latches_do_not_live_beside_each_other(store: Any) -> None:
    order = await flying(store)
    await refuses(store, order, latched(order, 2, generation=1))
    # Neither with the change that says that the order has another now …
    await refuses(store, order, latched(order, 2, generation=1), latch_generation=1)
    # … nor under the same generation at another address.
    elsewhere = msgspec.structs.replace(latched(order, 2), latch_address=LATCHES[1])
    await refuses(store, order, elsewhere)


async def test_no_latch_is_opened_while_an_attempt_of_the_old_one_lives(store: Any) -> None:
    order = await flying(store)
    order = await add(store, order, latched(order, 2))
    dead = [
        AttemptSettled(new_attempt(order, number).signature, AttemptState.DEAD) for number in (1, 2)
    ]
    await refuses(store, order, latch_generation=1)
    await refuses(store, order, latch_generation=1, settled=(dead[0],))
    await store.apply(change(order, RAISED, latch_generation=1, settled=tuple(dead)))
    order = await stored(store, order.order_id)
    assert 1 == order.latch_generation
    await refuses(store, order, latched(order, 3))
    order = await add(store, order, latched(order, 3, generation=1))
    assert AttemptState.LIVE is (await store.attempts(order.order_id))[-1].state


async def test_an_attempt_of_a_latch_that_the_order_does_not_have_is_not_stored(store: Any) -> None:
    order = await claimed(store)
    events = (EventType.ROUTED, EventType.SUBMITTED)
    wrong = latched(order, 1, generation=1)
    with pytest.raises(AssertionError):
        await store.apply(change(order, *events, new_attempt=wrong))
    assert () == await store.attempts(order.order_id)
    await store.apply(change(order, *events, new_attempt=wrong, latch_generation=1))
    assert (wrong,) == await store.attempts(order.order_id)


async def test_the_same_latch_again_is_no_new_one(store: Any) -> None:
    order = await flying(store)
    order = await add(store, order, latched(order, 2), latch_generation=0)
    assert 2 == len(await store.attempts(order.order_id))


async def test_what_a_winner_excluded_is_kept_as_that(store: Any) -> None:
    order = await submitted(store, await claimed(store))
    lost = AttemptSettled(new_attempt(order).signature, AttemptState.EXCLUDED, 9, '{"Err":1}')
    await store.apply(change(order, REPLACED, settled=(lost,)))
    (attempt,) = await store.attempts(order.order_id)
    assert (AttemptState.EXCLUDED, 9, '{"Err":1}') == (attempt.state, attempt.slot, attempt.error)


async def test_an_attempt_without_swaps_comes_back_as_the_cancel_it_is(store: Any) -> None:
    order = await flying(store)
    cancel = msgspec.structs.replace(latched(order, 2), legs=(), minimum_out_atoms=0)
    order = await add(store, order, cancel)
    swap, read = await store.attempts(order.order_id)
    assert ("swap", "cancel") == (swap.kind.value, read.kind.value)
    assert cancel == read
