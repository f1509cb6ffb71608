"""Orders with an exact output, from their accept to their fill."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.orders.model import EventType as E
from fairlead.orders.model import Order, OrderStatus
from fairlead.orders.view import order_view
from fairlead.venues.venue import Venue
from tests.workers.market import move
from tests.workers.restoring import Copy, swaps_of
from tests.workers.scenario import in_world, live
from tests.workers.test_bumps import lose_first, settings
from tests.workers.world import SETTINGS, Sent, World, faults

EXACT = tuple(venue for venue in Venue if venue is not Venue.METEORA_DAMM_V1)
SELLS = ("SOL", "USDC", "100", "0.8")
BUYS = ("USDC", "SOL", "0.5", "90")
# The pair that all these venues have a pool of.
OF_SOL = ("SOL", "USDT", "100", "0.8")
FOR_SOL = ("USDT", "SOL", "0.5", "90")
Asked = tuple[str, str, str, str]


async def ask(world: World, asked: Asked = SELLS, **given: Any) -> str:
    token_in, token_out, out, most = asked
    return await world.submit(token_in, token_out, amount_out=out, max_amount_in=most, **given)


async def shown(world: World, order: Order) -> dict[str, Any]:
    events = await world.store.events(order.order_id, 0, 1_000)
    view = order_view(order, events, await world.attempts(order.order_id))
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(view))
    return decoded


@pytest.mark.parametrize("asked", [OF_SOL, FOR_SOL], ids=["of-SOL", "for-SOL"])
@pytest.mark.parametrize("venue", EXACT, ids=lambda venue: venue.value)
def test_every_venue_that_can_brings_just_what_was_asked_for(venue: Venue, asked: Asked) -> None:
    async def body(world: World) -> None:
        world.process()
        order_id = await ask(world, asked, venues=(venue.value,))
        (order,) = await world.ends(order_id)
        assert OrderStatus.CONFIRMED is order.status, order.failure_reason
        view = await shown(world, order)
        assert (asked[2], asked[2], asked[3]) == (
            view["requestedAmountOut"],
            view["amountOut"],
            view["maxAmountIn"],
        )
        routed = await world.data(order_id, E.ROUTED)
        assert float(view["amountIn"]) <= float(routed["maximumIn"]) <= float(asked[3])
        assert routed["quote"]["amountIn"] == view["amountIn"] == view["legs"][0]["amountIn"]
        assert (asked[2], venue.value) == (view["minimumOut"], view["venue"])
        price = float(asked[2]) / float(view["amountIn"])
        assert price == pytest.approx(float(view["executedPrice"]))

    live(body)


@in_world()
async def test_the_pool_that_takes_least_wins_and_who_cannot_says_so(world: World) -> None:
    world.process()
    order_id = await ask(world, ("USDC", "JUP", "1000", "900"))
    (order,) = await world.ends(order_id)
    routed = await world.data(order_id, E.ROUTED)
    errors = {each["venue"]: each.get("error") for each in routed["quotes"]}
    assert "has no swap of an exact output" == errors["meteora_damm_v1"]
    inputs = [float(each["amountIn"]) for each in routed["quotes"] if "error" not in each]
    assert len(inputs) >= 2
    assert min(inputs) == inputs[0] == float((await shown(world, order))["amountIn"])


@in_world()
async def test_a_pair_without_SOL_is_served_too(world: World) -> None:
    world.process()
    order_id = await ask(world, ("USDC", "JUP", "1000", "900"))
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert 1_000_000_000 == order.amount_out_atoms


@in_world()
async def test_what_costs_more_than_the_client_allows_is_never_signed(world: World) -> None:
    world.process()
    order_id = await ask(world, ("SOL", "USDC", "100", "0.6"))
    (order,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "stale_price") == (order.status, order.failure_code)
    assert not await world.attempts(order_id)
    told = await world.data(order_id, E.FAILED)
    assert "the best quote takes more than the order's maximum" == told["reason"]
    assert any("amountIn" in each for each in told["quotes"])


@in_world()
async def test_the_maximum_bounds_what_slippage_would_allow(world: World) -> None:
    world.process()
    wide = await ask(world, slippage_bps=5_000)
    near = await ask(world, ("SOL", "USDC", "100", "9"), slippage_bps=100)
    await world.ends(wide, near)
    ((attempt,), (other,)) = await world.attempts(wide), await world.attempts(near)
    assert 800_000_000 == attempt.maximum_in_atoms
    quoted = (await world.data(near, E.ROUTED))["quote"]["amountIn"]
    atoms = round(float(quoted) * 10**9)
    assert -(-atoms * 101 // 100) == other.maximum_in_atoms


@in_world(profile=faults("slippage_moved"))
async def test_a_price_that_moved_above_the_maximum_lands_as_a_failure(world: World) -> None:
    world.process()
    order_id = await ask(world)
    await world.reaches(order_id, E.ROUND_FAILED)
    assert "stale_price" == (await world.data(order_id, E.ROUND_FAILED))["failureCode"]
    await world.ends(order_id)
    assert 3 == len(await world.attempts(order_id))


@pytest.mark.parametrize("venue", EXACT, ids=lambda venue: venue.value)
def test_every_program_refuses_to_take_more_and_its_words_mean_a_stale_price(venue: Venue) -> None:
    async def body(world: World) -> None:
        world.process()
        moved = False

        async def move_before_it_lands(sent: Sent) -> None:
            nonlocal moved
            if not moved:
                move(world, 1.5, "USDT", "SOL")
            moved = True

        world.on_send.append(move_before_it_lands)
        order_id = await ask(world, ("SOL", "USDT", "100", "5"), venues=(venue.value,))
        await world.reaches(order_id, E.ROUND_FAILED)
        failed = await world.data(order_id, E.ROUND_FAILED)
        assert "stale_price" == failed["failureCode"], failed
        (order,) = await world.ends(order_id)
        # The first routing's maximum holds in every round, though the client allows far more.
        assert (OrderStatus.FAILED, "stale_price") == (order.status, order.failure_code)
        assert 1 == len(await world.attempts(order_id))

    live(body)


@in_world()
async def test_no_later_round_raises_the_maximum_and_a_better_price_is_taken(world: World) -> None:
    world.process()
    moved = 0

    async def move_away_and_back(sent: Sent) -> None:
        nonlocal moved
        moved += 1
        if moved == 1:
            move(world, 0.7)

    world.on_send.append(move_away_and_back)
    order_id = await ask(world, ("SOL", "USDC", "100", "5"))
    await world.reaches(order_id, E.ROUND_FAILED)
    move(world, 1.1)
    (order,) = await world.ends(order_id)
    first, *_, last = await world.attempts(order_id)
    assert OrderStatus.CONFIRMED is order.status, order.failure_reason
    assert first.maximum_in_atoms is not None
    assert last.maximum_in_atoms is not None
    assert last.maximum_in_atoms < first.maximum_in_atoms


@in_world()
async def test_attempts_beside_each_other_keep_to_the_first_maximum(world: World) -> None:
    world.process(settings())
    lose_first(world)
    order_id = await ask(world, BUYS)
    (order,) = await world.ends(order_id)
    attempts = await world.attempts(order_id)
    assert OrderStatus.CONFIRMED is order.status
    assert len(attempts) > 1
    first = attempts[0].maximum_in_atoms
    assert all((each.maximum_in_atoms or 0) <= (first or 0) for each in attempts)


@pytest.mark.parametrize("crash_after", range(1, 7))
def test_a_crash_anywhere_takes_it_once(crash_after: int) -> None:
    async def body(world: World) -> None:
        first = world.process(SETTINGS, crash_after)
        order_id = await ask(world)
        await first.crashed.wait() if crash_after < 5 else await world.clock.sleep(5)
        world.process()
        (order,) = await world.ends(order_id)
        assert (OrderStatus.CONFIRMED, 100_000_000) == (order.status, order.amount_out_atoms)

    live(body)


@pytest.mark.parametrize("venue", EXACT, ids=lambda venue: venue.value)
@pytest.mark.parametrize("moment", [E.ACCEPTED, E.CLAIMED])
def test_a_restored_store_finds_the_swap_and_what_it_may_take(
    venue: Venue, moment: E, tmp_path: Path
) -> None:
    copy = Copy(tmp_path / "store.db")

    async def body(world: World) -> None:
        if moment is E.CLAIMED:
            world.process()
        order_id = await ask(world, OF_SOL, venues=(venue.value,))
        await world.reaches(order_id, moment)
        copy.take()
        if moment is E.ACCEPTED:
            world.process()
        (before,) = await world.ends(order_id)
        (known,) = await world.attempts(order_id)
        await copy.restore(world)
        world.process()
        (after,) = await world.ends(order_id)
        (found,) = await world.attempts(order_id)
        assert (OrderStatus.CONFIRMED, before.signature) == (after.status, after.signature)
        assert (known.maximum_in_atoms, known.minimum_out_atoms) == (
            found.maximum_in_atoms,
            found.minimum_out_atoms,
        )
        assert [before.signature] == swaps_of(world, before.terms.wallet)

    live(body, file=copy.file)


@in_world()
async def test_pair_without_a_pool_of_its_own_has_no_exact_output(world: World) -> None:
    """Its two hops would leave what they end with to the market."""
    world.process()
    (order,) = await world.ends(await ask(world, ("JUP", "USDT", "100", "200")))
    assert (OrderStatus.FAILED, "no_route") == (order.status, order.failure_code)
    assert not world.sends
