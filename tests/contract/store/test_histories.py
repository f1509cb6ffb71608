"""What a wallet's history on the chain is held against after a start (EXACTLY-ONCE 23)."""

from typing import Any

from fairlead.orders.model import AttemptSettled, AttemptState, EventType, Order
from tests.contract.store.conftest import World
from tests.contract.store.making import (
    T0_MS,
    WALLET,
    change,
    firing,
    new_attempt,
    new_order,
    stored,
    submitted,
)

OTHER = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"


async def accepted(store: Any, **terms: Any) -> Order:
    order = new_order(**terms)
    await store.accept(order)
    return await stored(store, order.order_id)


async def landed(store: Any, slot: int, state: AttemptState, **terms: Any) -> str:
    """An order whose only attempt is finalized in this slot; its signature."""
    await store.accept(new_order(**terms))
    (claimed,) = await store.claim("w", 1, T0_MS)
    order = await submitted(store, claimed)
    signature = new_attempt(order).signature
    known = (AttemptSettled(signature, state, slot),)
    await store.apply(change(order, EventType.CANCEL_REQUESTED, settled=known, end=True))
    return signature


async def test_only_attempts_are_known(world: World) -> None:
    store = await world.open()
    assert frozenset() == await store.known_attempts(["nobody's"])
    first = await landed(store, 7, AttemptState.SUCCEEDED)
    await landed(store, 8, AttemptState.SUCCEEDED)
    assert {first} == await store.known_attempts([first, "nobody's"])
    assert frozenset() == await store.known_attempts([])


async def test_up_to_which_slot_all_is_known_only_rises_and_is_known_to_all(world: World) -> None:
    store = await world.open()
    assert await store.known_to_slot() is None
    await store.know_to_slot(7)
    await store.know_to_slot(5)
    assert 7 == await store.known_to_slot()
    await store.know_to_slot(2**40)
    assert 2**40 == await store.known_to_slot()


async def test_wallets_and_orders_that_have_not_ended(world: World) -> None:
    store = await world.open()
    ended = await accepted(store, wallet="an ended one's")
    await store.apply(change(ended, EventType.CANCELLED, owner=None, end=True))
    pending = await accepted(store)
    resting = await accepted(store, wallet=OTHER, rests=True)
    fired = await accepted(store, wallet=OTHER, rests=True)
    await store.apply(firing(fired, T0_MS + 1))
    assert {WALLET, OTHER} == await store.active_wallets()
    (claimed,) = await store.claim("w", 5, T0_MS)
    assert pending.order_id == claimed.order.order_id
    assert {WALLET, OTHER} == await store.active_wallets()
    assert [pending.order_id] == [each.order_id for each in await store.unfinished(WALLET)]
    assert [resting.order_id, fired.order_id] == [
        each.order_id for each in await store.unfinished(OTHER)
    ]
    assert () == await store.unfinished("an ended one's")
    await store.apply(change(claimed.order, EventType.FAILED, end=True))
    assert () == await store.unfinished(WALLET)
    assert {OTHER} == await store.active_wallets()


async def test_wallets_of_resting_orders_come_page_by_page(world: World) -> None:
    store = await world.open()
    wallets = []
    for number in range(5):
        order = await accepted(store, wallet=f"wallet {number}", rests=True)
        wallets.append((order.terms.wallet, order))
    await store.apply(change(wallets[1][1], EventType.EXPIRED, owner=None, end=True))
    found: list[str] = []
    position = 0
    while page := await store.resting_wallets(position, 2):
        found += [wallet for _, wallet in page]
        position = page[-1][0]
    assert [f"wallet {number}" for number in (0, 2, 3, 4)] == found
