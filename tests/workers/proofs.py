"""Orders of every end, lived through on the paper chain, and their proof bundles."""

import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from fairlead.orders.bundle import bundle
from fairlead.orders.model import EventType as E
from fairlead.proofcheck import digest
from tests.workers.scenario import live
from tests.workers.strangers import latch_of, pay
from tests.workers.test_bumps import lose_first, settings
from tests.workers.test_witnesses import Witness, Witnessed
from tests.workers.virtual_time import T0_MS
from tests.workers.world import EXECUTION, SETTINGS, Sent, World, faults

Json = dict[str, Any]
Life = Callable[[World], Awaitable[str]]

NO_LATCH = msgspec.structs.replace(
    SETTINGS, execution=msgspec.structs.replace(EXECUTION, latch=False)
)


async def bundle_of(world: World, order_id: str) -> bytes:
    events = await world.store.events(order_id, 0, 1_000)
    made = bundle(await world.order(order_id), await world.attempts(order_id), events)
    return msgspec.json.encode(made)


def signed_again(found: Json) -> bytes:
    """The bundle with the digest that its pieces have now: whoever changes one can do this too."""
    return json.dumps({**found, "digest": digest(found)}).encode()


async def _finalized(world: World) -> str:
    world.process()
    return await world.submit()


async def _agreed(world: World) -> str:
    Witnessed(world, [Witness, Witness])
    return await world.submit()


async def _raised(world: World) -> str:
    world.process(settings())
    lose_first(world)
    return await world.submit("USDC", "SOL", "100")


async def _exact_output(world: World) -> str:
    world.process(settings())
    lose_first(world)
    # A pool that is not the cheapest alone: its instruction names the input first.
    return await world.submit("USDC", "SOL", amount_out="0.5", max_amount_in="80")


async def _exact_output_by_flag(world: World) -> str:
    world.process()
    return await world.submit(amount_out="100", max_amount_in="0.8", venues=("meteora_damm_v2",))


async def _cancelled_in_flight(world: World) -> str:
    process = world.process()
    process.chain.send_as = lambda sent: "lost" if len(world.sends) < 3 else "pass"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(1)
    await world.cancel(order_id)
    return order_id


async def _cancelled_by_proof(world: World) -> str:
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    await world.clock.sleep(3)
    await world.cancel(order_id)
    return order_id


async def _cancelled_between_rounds(world: World) -> str:
    world.process()
    order_id = await world.submit()
    await world.reaches(order_id, E.ROUND_FAILED)
    await world.cancel(order_id)
    return order_id


async def _expired(world: World) -> str:
    process = Witnessed(world, [Witness, Witness])
    process.each(lambda endpoint: setattr(endpoint, "send_as", lambda sent: "lost"))
    return await world.submit(expires_at_ms=T0_MS + 2_500)


async def _expired_without_latch(world: World) -> str:
    process = world.process(NO_LATCH)
    process.chain.send_as = lambda sent: "lost"
    return await world.submit(expires_at_ms=T0_MS + 2_500)


async def _blockhash_died(world: World) -> str:
    process = world.process()
    process.chain.send_as = lambda sent: "lost"
    return await world.submit("USDC", "JUP", "100")


async def _failed_on_chain(world: World) -> str:
    Witnessed(world, [Witness, Witness])
    return await world.submit()


async def _stranger_in_the_latch(world: World) -> str:
    process = world.process()

    async def front_run(sent: Sent) -> None:
        if len(world.sends) == 1:
            order = await world.order(world.orders[0])
            await pay(world, latch_of(order.secret, order.terms.wallet, 0))

    world.on_send.append(front_run)
    process.chain.send_as = lambda sent: "lost" if sent.at_s < 20 else "pass"
    return await world.submit()


async def _never_signed(world: World) -> str:
    order_id = await world.submit()
    await world.cancel(order_id)
    world.process()
    return order_id


# Each with the status that it ends in, the verdict on it, and the faults of its world.
LIVES: dict[str, tuple[Life, str, str, Json]] = {
    "finalized": (_finalized, "confirmed", "proven (single-source)", {}),
    "agreed": (_agreed, "confirmed", "proven (agreed)", {}),
    "raised": (_raised, "confirmed", "proven (single-source)", {}),
    "exact output": (_exact_output, "confirmed", "proven (single-source)", {}),
    "exact output by flag": (_exact_output_by_flag, "confirmed", "proven (single-source)", {}),
    "cancelled in flight": (_cancelled_in_flight, "cancelled", "proven (single-source)", {}),
    "cancelled by proof": (_cancelled_by_proof, "cancelled", "proven (single-source)", {}),
    "cancelled between rounds": (
        _cancelled_between_rounds,
        "cancelled",
        "proven (single-source)",
        {"profile": faults("slippage_moved")},
    ),
    "expired": (_expired, "expired", "proven (agreed)", {}),
    "expired without a latch": (
        _expired_without_latch,
        "expired",
        "proven (single-source)",
        {},
    ),
    "blockhash died": (_blockhash_died, "failed", "proven (single-source)", {}),
    "failed on chain": (
        _failed_on_chain,
        "failed",
        "proven (agreed)",
        {"profile": faults("slippage_moved")},
    ),
    "stranger in the latch": (
        _stranger_in_the_latch,
        "confirmed",
        "proven (single-source)",
        {},
    ),
    "never signed": (
        _never_signed,
        "cancelled",
        "nothing was ever signed, says the store",
        {},
    ),
}


@functools.cache
def lived(name: str) -> bytes:
    """The bundle of an order that lived this life."""
    life, status, _, world = LIVES[name]
    kept: list[bytes] = []

    async def body(world: World) -> None:
        order_id = await life(world)
        (order,) = await world.ends(order_id)
        assert status == order.status
        kept.append(await bundle_of(world, order_id))

    live(body, **world)
    return kept[0]
