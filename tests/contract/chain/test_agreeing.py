"""Several endpoints as one chain, over HTTP: two nodes in front of one ledger, and a third that is
down."""

from collections.abc import AsyncIterator

import pytest

from fairlead.chain.agreeing import AgreeingChain
from fairlead.chain.rpc import RpcChain
from fairlead.clock import SystemClock
from fairlead.errors import Unavailable
from tests.contract.chain.worlds import PARAMS, World, paper_world, served, signature_of

DOWN = "http://127.0.0.1:1"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with paper_world() as made, served(made) as one, served(made) as two:
        made.tick(PARAMS.finality_depth + 1)
        await made.faucet.fund(made.payer)
        clock = SystemClock()
        urls = {"down": DOWN, "one": one, "two": two}
        endpoints = [RpcChain(name, url, clock, max_age_s=0) for name, url in urls.items()]
        chain = AgreeingChain(endpoints, clock, max_age_s=0)
        made.chain = chain
        yield made
        await chain.stop()


async def test_two_of_three_endpoints_land_a_transaction(world: World) -> None:
    latest = await world.chain.latest_blockhash()
    assert (await world.paper.epoch_info("processed")).block_height == latest.block_height
    raw = await world.swap(1)
    assert (await world.chain.simulate(raw)).error is None
    assert (await world.chain.send(raw)).accepted
    world.tick(PARAMS.finality_depth)
    signature = signature_of(raw)
    (status,) = await world.chain.signature_statuses((signature,))
    assert status is not None
    assert ("finalized", None) == (status.commitment, status.error)
    landed = await world.paper.transaction(signature, "finalized")
    assert landed == await world.chain.transaction(signature, "finalized")
    assert ["down", "one", "two"] == [each.name for each in world.chain.witnesses]


async def test_one_endpoint_alone_gives_no_height_to_sign_on() -> None:
    async with paper_world() as made, served(made) as one:
        clock = SystemClock()
        endpoints = [RpcChain(name, url, clock) for name, url in (("one", one), ("down", DOWN))]
        chain = AgreeingChain(endpoints, clock)
        with pytest.raises(Unavailable, match="too far apart"):
            await chain.latest_blockhash()
        with pytest.raises(Unavailable, match="two are needed"):
            await chain.ping()
        assert not (await chain.send(b"\x01" + bytes(64))).accepted
        await chain.stop()
