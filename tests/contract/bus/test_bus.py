"""What every bus does, and what the shared ones do when their server goes and comes back."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from fairlead.bus.postgres import PostgresBus
from fairlead.errors import Unavailable
from fairlead.orders.model import EventType
from fairlead.ports import Bus, Committed, Signal, Wake
from fairlead.store.postgres import PostgresStore
from fairlead.store.url import parse_url
from tests.contract.bus.world import (
    LOOK,
    HurriedClock,
    Listener,
    PostgresWorld,
    RedisWorld,
    Story,
    World,
    flush,
)
from tests.contract.store.making import new_order
from tests.servers import Server

Start = Callable[[Bus], Awaitable[Listener]]


def accepted() -> Committed:
    return flush(Story().goes_on(EventType.ACCEPTED), work=True)


def wake_of(committed: Committed) -> Wake:
    return Wake(committed.events[-1].position, committed.work)


# --- every bus ------------------------------------------------------------------------------------


async def test_publish_calls_every_listener_before_it_returns(world: World, started: Start):
    bus = world.bus()
    first = await started(bus)
    second = Listener(bus)
    committed = accepted()
    bus.publish(committed)
    assert committed in first.signals
    assert committed in second.signals


async def test_a_listener_that_raises_harms_nobody(world: World, started: Start):
    bus = world.bus()

    def fails(signal: Signal) -> None:
        raise RuntimeError("planted")

    bus.subscribe(fails)
    listener = await started(bus)
    bus.publish(accepted())
    committed = accepted()
    bus.publish(committed)
    assert committed in listener.signals


async def test_an_unsubscribed_listener_hears_nothing_more(world: World, started: Start):
    bus = world.bus()
    listener = await started(bus)
    listener.unsubscribe()
    listener.unsubscribe()
    listener.signals.clear()
    bus.publish(accepted())
    assert [] == listener.signals


async def test_a_listener_may_unsubscribe_while_it_is_called(world: World, started: Start):
    bus = world.bus()
    heard: list[Signal] = []

    def once(signal: Signal) -> None:
        heard.append(signal)
        unsubscribe()

    unsubscribe = bus.subscribe(once)
    listener = await started(bus)
    first, second = accepted(), accepted()
    bus.publish(first)
    bus.publish(second)
    assert [first] == [signal for signal in heard if isinstance(signal, Committed)]
    assert [first, second] == [s for s in listener.signals if isinstance(s, Committed)]


async def test_publish_before_start_and_after_stop_still_reaches_this_process(world: World):
    bus = world.bus()
    listener = Listener(bus)
    before, after = accepted(), accepted()
    bus.publish(before)
    await bus.start()
    await bus.stop()
    bus.publish(after)
    assert before in listener.signals
    assert after in listener.signals


# --- between processes ----------------------------------------------------------------------------


async def test_a_flush_wakes_the_other_process(shared_world: World, connected: Start):
    here, there = shared_world.bus(), shared_world.bus()
    listener_here, listener_there = await connected(here), await connected(there)
    for committed in (accepted(), flush(Story().goes_on(EventType.ACCEPTED), work=False)):
        await shared_world.commit(here, committed)
        await listener_there.hears(wake_of(committed))
        await listener_here.hears(committed)
    answer = accepted()
    await shared_world.commit(there, answer)
    await listener_here.hears(wake_of(answer))


async def test_a_process_hears_its_own_flushes_once(postgres_url: str, connected: Start):
    channel, clock = "its own", HurriedClock()
    buses: list[PostgresBus] = []
    stores = [
        PostgresStore(parse_url(postgres_url), clock, publish, notify_channel=channel)
        for publish in (lambda one: buses[0].publish(one), lambda one: buses[1].publish(one))
    ]
    buses += [PostgresBus(postgres_url, channel, clock, store.wrote) for store in stores]
    here, there = stores
    for store in stores:
        await store.open(migrate=True)
    listener_here, listener_there = await connected(buses[0]), await connected(buses[1])

    def is_wake(signal: Signal) -> bool:
        return isinstance(signal, Wake)

    def is_commit(signal: Signal) -> bool:
        return isinstance(signal, Committed)

    for _ in range(2):
        await here.accept(new_order())
        told = await listener_here.hears_one(is_commit)
        assert isinstance(told, Committed)
        assert wake_of(told) == await listener_there.hears_one(is_wake)
        # Notifications come in the order of the commits: one of the first flush would come first.
        await there.accept(new_order())
        told = await listener_there.hears_one(is_commit)
        assert isinstance(told, Committed)
        assert wake_of(told) == await listener_here.hears_one(is_wake)
        # A new connection is known as well.
        (await here._connections.writer()).terminate()
    for store in stores:
        await store.close()


async def test_ping_answers_while_the_server_does(shared_world: World, connected: Start):
    bus = shared_world.bus()
    with pytest.raises(Unavailable):
        await bus.ping()
    await connected(bus)
    await asyncio.gather(*(bus.ping() for _ in range(4)))
    await bus.stop()
    with pytest.raises(Unavailable):
        await bus.ping()


@pytest.fixture(params=["postgres", "redis"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server that the test may restart."""
    server: Server = request.getfixturevalue(f"own_{request.param}")
    return server


def world_on(url: str) -> World:
    return RedisWorld(url) if url.startswith("redis") else PostgresWorld(url)


@pytest.mark.parametrize("end", ["restart", "kill"])
async def test_after_an_outage_everybody_looks_and_wakes_again(
    server: Server, end: str, connected: Start
):
    world = world_on(server.url)
    here, there = world.bus(), world.bus()
    listener_here, listener_there = await connected(here), await connected(there)
    # What the other said when it connected comes before this.
    greeting = accepted()
    await world.commit(there, greeting)
    await listener_here.hears(wake_of(greeting))
    await world.commit(here, greeting)
    await listener_there.hears(wake_of(greeting))
    if end == "kill":
        await asyncio.to_thread(server.kill)
        missed = accepted()
        here.publish(missed)
        await listener_here.hears(missed)
    await asyncio.to_thread(server.restart)
    await listener_here.hears(LOOK)
    await listener_there.hears(LOOK)
    await here.ping()
    committed = accepted()
    await world.commit(here, committed)
    await listener_there.hears(wake_of(committed))


async def test_start_returns_while_the_server_is_down_and_connects_when_it_is_up(
    server: Server, started: Start
):
    world = world_on(server.url)
    await asyncio.to_thread(server.kill)
    bus = world.bus()
    async with asyncio.timeout(1):
        listener = await started(bus)
    with pytest.raises(Unavailable):
        await bus.ping()
    committed = accepted()
    bus.publish(committed)
    await listener.hears(committed)
    await asyncio.to_thread(server.start)
    await listener.hears(LOOK)
    await bus.ping()


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
async def test_a_server_that_never_answers_hangs_nothing(scheme: str, started: Start):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world = world_on(f"{scheme}://somebody@127.0.0.1:{silent.getsockname()[1]}/0")
        async with asyncio.timeout(1):
            bus = world.bus()
            listener = await started(bus)
            bus.publish(accepted())
            with pytest.raises(Unavailable):
                await bus.ping()
            await bus.stop()
    assert 1 == len(listener.signals)


@pytest.mark.parametrize("payload", ["", "nonsense", "{}", '{"position":"1"}', "[]"])
async def test_a_foreign_notification_is_only_a_reason_to_look(
    payload: str, postgres_url: str, connected: Start
):
    world = PostgresWorld(postgres_url)
    listener = await connected(world.bus())
    await world.notify(payload)
    await listener.hears(LOOK)
