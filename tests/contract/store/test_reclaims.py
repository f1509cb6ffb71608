"""What ended orders lent to their latches, and the reclaims of it: noted from the feed, each latch
in one reclaim at a time, the sums kept."""

import asyncio
from typing import Any

import msgspec

from fairlead.orders.lent import Lent, LentLatch, Reclaim, ReclaimSettled
from fairlead.orders.model import Attempt, AttemptSettled, AttemptState, EventType, Order
from tests.contract.store.conftest import World
from tests.contract.store.making import (
    T0_MS,
    WALLET,
    change,
    new_attempt,
    new_order,
    new_signature,
    stored,
)

MANY = 1_000
RENT = 890_880


def attempt_at(order: Order, number: int, height: int, generation: int = 0) -> Attempt:
    return msgspec.structs.replace(
        new_attempt(order, number),
        blockhash_height=height,
        latch_address=f"latch {order.order_id} {generation}",
        latch_generation=generation,
    )


async def flying(store: Any) -> Order:
    """An order with a live attempt of blockhash height 900, under its first latch."""
    await store.register_worker("w", T0_MS + 10_000)
    await store.accept(new_order())
    (claimed,) = await store.claim("w", 1, T0_MS)
    order = claimed.order
    first = attempt_at(order, 1, 900)
    types = EventType.ROUTED, EventType.SUBMITTED
    await store.apply(change(order, *types, new_attempt=first, signature=first.signature))
    return await stored(store, order.order_id)


async def won(store: Any, order: Order | None = None) -> Order:
    """An order that was filled by its first attempt."""
    order = order or await flying(store)
    first = new_attempt(order).signature
    settled = (AttemptSettled(first, AttemptState.SUCCEEDED, 7),)
    await store.apply(change(order, EventType.CONFIRMED))
    order = await stored(store, order.order_id)
    last = change(order, EventType.FINALIZED, settled=settled, end=True, release=True)
    await store.apply(last)
    return await stored(store, order.order_id)


async def lost(store: Any) -> Order:
    """A cancelled order with two dead attempts under two latches, of which the first is younger."""
    await store.accept(new_order())
    (claimed,) = await store.claim("w", 1, T0_MS)
    order: Order = claimed.order
    for number, (height, generation) in enumerate(((950, 0), (940, 1)), 1):
        attempt = attempt_at(order, number, height, generation)
        given: dict[str, Any] = {"latch_generation": generation} if generation else {}
        dead = msgspec.structs.replace(attempt, state=AttemptState.DEAD)
        await store.apply(change(order, new_attempt=dead, **given))
        order = await stored(store, order.order_id)
    await store.apply(change(order, EventType.CANCELLED, owner=None, end=True))
    return order


async def noted(store: Any) -> tuple[LentLatch, ...]:
    while await store.note_latches(MANY):
        pass
    latches: tuple[LentLatch, ...] = await store.due_latches(10**9, MANY)
    return latches


def reclaim(*latches: LentLatch, name: str = "r", at_ms: int = T0_MS) -> Reclaim:
    return Reclaim(
        signature=new_signature(name),
        wallet=WALLET,
        raw=b"\x01raw",
        blockhash_slot=2_000,
        blockhash_height=1_900,
        latches=tuple(each.address for each in latches),
        lamports=RENT * len(latches),
        fee_lamports=5_000,
        created_at_ms=at_ms,
    )


async def lent_of(store: Any) -> Lent:
    """The sums, which are those of the only wallet too."""
    found: Lent = await store.lent()
    assert found.taken == (await store.lent_by([WALLET])).get(WALLET, 0)
    return found


async def test_only_an_order_that_ended_has_latches_to_be_taken_back(store: Any) -> None:
    order = await flying(store)
    assert () == await noted(store)
    order = await won(store, order)
    (latch,) = await noted(store)
    assert (order.order_id, 0, WALLET, WALLET) == (
        latch.order_id,
        latch.generation,
        latch.wallet,
        latch.wallet_address,
    )
    assert order.secret == latch.secret
    assert 900 == latch.due_after_height
    assert Lent(1, 1, 0) == await lent_of(store)
    assert {WALLET: 1} == await store.lent_by([WALLET, "another"])


async def test_each_generation_waits_for_the_newest_attempt_of_its_order(store: Any) -> None:
    await store.register_worker("w", T0_MS + 10_000)
    await lost(store)
    latches = await noted(store)
    assert [0, 1] == sorted(each.generation for each in latches)
    assert {950} == {each.due_after_height for each in latches}
    assert () == await store.due_latches(949, MANY)
    assert latches[:1] == await store.due_latches(950, 1)
    assert Lent(2, 0, 0) == await lent_of(store)


async def test_unlatched_and_unattempted_orders_have_none(store: Any) -> None:
    await store.register_worker("w", T0_MS + 10_000)
    await store.accept(new_order())
    (claimed,) = await store.claim("w", 1, T0_MS)
    bare = msgspec.structs.replace(
        new_attempt(claimed.order), latch_address=None, state=AttemptState.DEAD
    )
    await store.apply(change(claimed.order, new_attempt=bare))
    order = await stored(store, claimed.order.order_id)
    await store.apply(change(order, EventType.CANCELLED, owner=None, end=True))
    assert () == await noted(store)
    assert Lent() == await lent_of(store)


async def test_events_are_looked_through_some_at_a_time(store: Any) -> None:
    order = await won(store)
    looks = 1
    while await store.note_latches(1):
        looks += 1
    assert looks >= len(await store.events(order.order_id, 0, MANY))
    assert 1 == len(await noted(store))
    assert Lent(1, 1, 0) == await lent_of(store)


async def test_reclaim_is_stored_once_with_its_latches(store: Any) -> None:
    await won(store)
    (latch,) = await noted(store)
    one = reclaim(latch)
    assert await store.begin_reclaim(one)
    # Asked again when the answer was lost.
    assert await store.begin_reclaim(one)
    assert (one,) == await store.live_reclaims(MANY)
    assert () == await store.due_latches(10**9, MANY)
    assert {one.signature} == await store.known_attempts([one.signature, "nobody's"])


async def test_latch_that_another_reclaim_has_is_refused_with_its_neighbours(store: Any) -> None:
    await won(store)
    await won(store)
    first, second = await noted(store)
    assert await store.begin_reclaim(reclaim(first, name="a"))
    assert not await store.begin_reclaim(reclaim(second, first, name="b"))
    assert (second,) == await store.due_latches(10**9, MANY)
    begun = await asyncio.gather(
        *[store.begin_reclaim(reclaim(second, name=name)) for name in "cd"]
    )
    assert [False, True] == sorted(begun)
    assert 2 == len(await store.live_reclaims(MANY))


async def test_reclaim_that_succeeded_gives_back_what_was_lent(store: Any) -> None:
    await won(store)
    await won(store)
    first, second = await noted(store)
    one = reclaim(first, second)
    await store.begin_reclaim(one)
    for _ in range(2):
        await store.settle_reclaim(ReclaimSettled(one.signature, AttemptState.SUCCEEDED, 8))
        assert Lent(0, 0, 2 * RENT) == await lent_of(store)
    # A late word changes nothing.
    await store.settle_reclaim(ReclaimSettled(one.signature, AttemptState.DEAD))
    assert () == await store.due_latches(10**9, MANY) == await store.live_reclaims(MANY)
    assert not await store.begin_reclaim(one)


async def test_latches_of_a_failed_reclaim_wait_again(store: Any) -> None:
    await won(store)
    (latch,) = await noted(store)
    dead, errored = reclaim(latch, name="a"), reclaim(latch, name="b")
    await store.begin_reclaim(dead)
    await store.settle_reclaim(ReclaimSettled(dead.signature, AttemptState.DEAD))
    assert (latch,) == await store.due_latches(10**9, MANY)
    await store.begin_reclaim(errored)
    end = ReclaimSettled(errored.signature, AttemptState.ERRORED, 8, "{}", due_after_height=5_000)
    await store.settle_reclaim(end)
    assert () == await store.due_latches(4_999, MANY)
    (again,) = await store.due_latches(5_000, MANY)
    assert 1 == again.failures
    assert Lent(1, 1, 0) == await lent_of(store)


async def test_absent_latches_wait_no_more(store: Any) -> None:
    await won(store)
    await lost(store)
    latches = await noted(store)
    empty = [each.address for each in latches if each.due_after_height == 950]
    for _ in range(2):
        await store.absent_latches(empty)
        assert Lent(1, 1, 0) == await lent_of(store)
    assert 1 == len(await store.due_latches(10**9, MANY))
    (left,) = await store.due_latches(10**9, MANY)
    await store.begin_reclaim(reclaim(left))
    await store.absent_latches([left.address])
    assert Lent(1, 1, 0) == await lent_of(store), "what a reclaim has in hand is its own"


async def test_what_was_noted_and_begun_is_there_after_a_restart(world: World) -> None:
    store = await world.open()
    await won(store)
    (latch,) = await noted(store)
    one = reclaim(latch)
    await store.begin_reclaim(one)
    lent = await lent_of(store)
    await world.close(store)
    store = await world.open()
    assert (one,) == await store.live_reclaims(MANY)
    assert lent == await lent_of(store)
    assert not await store.note_latches(MANY)
