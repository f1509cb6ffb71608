"""Live streams over a real server: nothing lost, nothing twice, in order, and bounded."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fairlead.api.access import COOKIE
from fairlead.api.dependencies import ApiSettings
from fairlead.api.frames import cursor_at
from fairlead.orders.model import EventType, OrderStatus, StoredEvent
from fairlead.ports import Committed, Wake
from tests.api.serving import frame, served, socket
from tests.api.test_orders import finalized
from tests.api.world import World

UNKNOWN = "01a1f77f-f5f4-7000-bfde-390a38b82cb2"
WHOLE_LIFE = ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"]


async def rest(connection: Any) -> tuple[list[dict[str, Any]], int]:
    """All frames until the close, and its code."""
    frames = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            frames.append(await frame(connection))
    return frames, connection.close_code


async def live_out(here: World) -> None:
    """Bring the next waiting order to its last event."""
    await finalized(here, await here.claimed())


@pytest.mark.parametrize(
    "path",
    ["/ws/orders/{}", "/api/orders/execute?orderId={}", "/api/orders/ws?orderId={}"],
)
async def test_an_order_is_told_from_its_first_event_to_its_last(path: str):
    async with served() as (here, address):
        order_id = await here.accepted()
        async with socket(address, path.format(order_id)) as ws:
            connected, backfill = await frame(ws), await frame(ws)
            await live_out(here)
            frames, code = await rest(ws)
    assert "connected" == connected["type"]
    assert ("backfill", order_id, "pending", 1) == (
        backfill["type"],
        backfill["orderId"],
        backfill["status"],
        backfill["sequence"],
    )
    events = [*backfill["logs"], *frames]
    assert WHOLE_LIFE == [event["event"] for event in events]
    assert list(range(1, 7)) == [event["sequence"] for event in events]
    assert {"status_update"} == {update["type"] for update in frames}
    assert ("225", "150") == (frames[-1]["amountOut"], frames[-1]["executedPrice"])
    assert 1000 == code


@pytest.mark.parametrize("path", ["/ws", "/api/orders/ws"])
async def test_all_orders_are_told_in_the_order_of_commits(path: str):
    async with served() as (here, address):
        async with socket(address, path) as ws:
            assert "connected" == (await frame(ws))["type"]
            ids = [await here.accepted() for _ in range(3)]
            for _ in ids:
                await live_out(here)
            seen = [await frame(ws) for _ in range(18)]
        feed = await here.store.feed(0, 100)
    assert [(e.order_id, e.sequence) for e in feed] == [(f["orderId"], f["sequence"]) for f in seen]


async def test_a_stream_of_all_orders_resumes_from_any_cursor():
    async with served() as (here, address):
        async with socket(address, "/ws") as ws:
            await frame(ws)
            for _ in range(3):
                await here.accepted()
                await live_out(here)
            seen = [await frame(ws) for _ in range(18)]
        for at in (0, 7, 17):
            async with socket(address, f"/ws?cursor={seen[at]['cursor']}") as ws:
                await frame(ws)
                await here.accepted()
                again = [await frame(ws) for _ in range(18 - at)]
            assert seen[at + 1 :] == again[: 17 - at]
            assert "accepted" == again[-1]["event"]
            await here.client.delete(f"/api/orders/{again[-1]['orderId']}")
            seen = seen[:18]
            async with socket(address, "/ws") as ws:
                await frame(ws)


async def test_a_stream_that_broke_before_its_first_update_resumes_from_its_first_frame():
    async with served() as (here, address):
        await here.accepted()
        await live_out(here)
        async with socket(address, "/ws") as ws:
            connected = await frame(ws)
        order_id = await here.accepted()
        async with socket(address, f"/ws?cursor={connected['cursor']}") as ws:
            await frame(ws)
            update = await frame(ws)
    assert (order_id, "accepted") == (update["orderId"], update["event"])


async def test_an_order_stream_resumes_after_a_sequence_and_closes_after_the_last():
    async with served() as (here, address):
        order_id = await here.accepted()
        await live_out(here)
        for after in (0, 4, 6, 99):
            async with socket(address, f"/ws/orders/{order_id}?after={after}") as ws:
                await frame(ws)
                frames, code = await rest(ws)
            (backfill,) = frames
            # Nobody was told 99 by this store: it must have been restored. All is told again.
            told = WHOLE_LIFE[after:] if after <= 6 else WHOLE_LIFE
            assert told == [log["event"] for log in backfill["logs"]]
            assert ("confirmed", 6, 1000) == (backfill["status"], backfill["sequence"], code)


async def test_the_cancelled_order_is_told_and_the_stream_closed():
    async with served() as (here, address):
        order_id = await here.accepted()
        async with socket(address, f"/ws/orders/{order_id}") as ws:
            await frame(ws), await frame(ws)
            await here.client.delete(f"/api/orders/{order_id}")
            frames, code = await rest(ws)
    assert (["cancelled"], 1000) == ([f["status"] for f in frames], code)


@pytest.mark.parametrize(
    ("path", "code", "close"),
    [
        (f"/ws/orders/{UNKNOWN}", "order_not_found", 4404),
        (f"/api/orders/execute?orderId={UNKNOWN}", "order_not_found", 4404),
        ("/ws/orders/xyz", "invalid_request", 4422),
        ("/api/orders/execute", "invalid_request", 4422),
        ("/ws?cursor=nonsense", "invalid_request", 4422),
        (f"/ws?cursor={cursor_at(1_000)}", "invalid_request", 4422),
        ("/ws?colour=red", "invalid_request", 4422),
        (f"/ws/orders/{UNKNOWN}?after=-1", "invalid_request", 4422),
    ],
)
async def test_a_stream_that_cannot_be_says_why(path: str, code: str, close: int):
    async with served() as (_, address), socket(address, path) as ws:
        frames, closed = await rest(ws)
    assert [("error", code)] == [(f["type"], f["code"]) for f in frames]
    assert close == closed


async def test_numbers_are_told_in_the_form_asked_for():
    async with served() as (here, address):
        body = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": 1.5, "orderType": "market"}
        order_id = (await here.post(body)).json()["orderId"]
        async with (
            socket(address, f"/ws/orders/{order_id}") as own,
            socket(address, f"/ws/orders/{order_id}?numbers=string") as text,
        ):
            for ws in (own, text):
                await frame(ws), await frame(ws)
            await live_out(here)
            assert 225 == (await rest(own))[0][-1]["amountOut"]
            assert "225" == (await rest(text))[0][-1]["amountOut"]


TOKENS = ApiSettings(tokens=(("alice", "alice-token-0123"), ("bob", "bob-token-01234")))
ALICE = {"authorization": "Bearer alice-token-0123"}


async def test_handshakes_without_right_are_refused():
    async with served(TOKENS) as (here, address):
        order_id = (
            await here.post({"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1"}, **ALICE)
        ).json()["orderId"]
        path = f"/ws/orders/{order_id}"
        refusals: list[tuple[dict[str, Any], int]] = [
            ({}, 401),
            ({"additional_headers": {"authorization": "Bearer nobody"}}, 401),
            ({"additional_headers": ALICE, "origin": "http://evil.example"}, 403),
        ]
        for options, status in refusals:
            with pytest.raises(InvalidStatus) as refused:
                await socket(address, path, **options)
            assert status == refused.value.response.status_code
            assert "application/problem+json" == refused.value.response.headers["content-type"]
        host, _, port = address.partition(":")
        with pytest.raises(InvalidStatus) as refused:
            await socket("evil.example", path, additional_headers=ALICE, host=host, port=int(port))
        assert 403 == refused.value.response.status_code
        cookie = {"cookie": f"{COOKIE}=alice-token-0123"}
        async with socket(address, path, additional_headers=cookie) as ws:
            assert "connected" == (await frame(ws))["type"]
        bob = {"authorization": "Bearer bob-token-01234"}
        async with socket(address, path, additional_headers=bob) as ws:
            assert 4404 == (await rest(ws))[1]


async def test_principals_hear_of_their_own_orders_only():
    async with served(TOKENS) as (here, address):
        bob = {"authorization": "Bearer bob-token-01234"}
        async with socket(address, "/ws", additional_headers=bob) as ws:
            await frame(ws)
            body = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1"}
            await here.post(body, **ALICE)
            mine = (await here.post(body, **bob)).json()["orderId"]
            assert mine == (await frame(ws))["orderId"]


async def test_more_sockets_than_allowed_are_refused_and_places_come_back():
    async with served(ApiSettings(max_sockets=1)) as (_, address):
        async with socket(address, "/ws"):
            with pytest.raises(InvalidStatus) as refused:
                await socket(address, "/ws")
            assert 503 == refused.value.response.status_code
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(InvalidStatus):
                    async with socket(address, "/ws") as ws:
                        assert "connected" == (await frame(ws))["type"]
                        break


def large_event(position: int) -> StoredEvent:
    return StoredEvent(
        position=position,
        order_id=UNKNOWN,
        sequence=position,
        principal="local",
        at_ms=0,
        type=EventType.STILL_PROVING,
        status=OrderStatus.SUBMITTED,
        data=b'{"reason":"%b"}' % (b"x" * 50_000),
    )


async def test_a_slow_reader_is_closed_and_slows_nobody():
    async with (
        served(ApiSettings(max_socket_frames=16)) as (here, address),
        socket(address, "/ws", max_queue=1) as slow,
        socket(address, "/ws", max_queue=None) as quick,
    ):
        await frame(slow), await frame(quick)
        slow.transport.pause_reading()
        closed, count = here.deps.metrics.slow_readers, 0
        while closed.value == 0:
            count += 1
            here.bus.publish(Committed((large_event(count),), work=False))
            assert count == (await frame(quick))["sequence"]
        slow.transport.resume_reading()
        frames, code = await rest(slow)
        assert list(range(1, len(frames) + 1)) == [f["sequence"] for f in frames]
        assert code in (1013, 1006)


async def test_a_lost_signal_and_another_process_are_made_good_from_the_store():
    async with served(ApiSettings(poll_s=0.05)) as (here, address):
        deaf = Muffled(here)
        async with socket(address, "/ws") as ws:
            await frame(ws)
            with deaf:
                await here.accepted()
                await live_out(here)
            assert WHOLE_LIFE == [(await frame(ws))["event"] for _ in range(6)]


async def test_a_wake_up_is_followed_at_once():
    async with served(ApiSettings(poll_s=60)) as (here, address), socket(address, "/ws") as ws:
        await frame(ws)
        with Muffled(here):
            await here.accepted()
        here.bus.deliver(Wake(position=1))
        assert "accepted" == (await frame(ws))["event"]


class Muffled(contextlib.AbstractContextManager[None]):
    """No signal of the store is heard meanwhile."""

    def __init__(self, here: World) -> None:
        self._bus: Any = here.bus

    def __enter__(self) -> None:
        self._publish, self._deliver = self._bus.publish, self._bus.deliver
        self._bus.deliver = lambda signal: None

    def __exit__(self, *_: object) -> None:
        self._bus.deliver = self._deliver


async def test_the_end_of_the_server_closes_streams_at_once():
    async with contextlib.AsyncExitStack() as stack:
        here, address = await stack.enter_async_context(served())
        order_id = await here.accepted()
        ws = await socket(address, f"/ws/orders/{order_id}")
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            path = f"/api/orders/{order_id}/events"
            asked = client.build_request("GET", path, headers={"accept": "text/event-stream"})
            sse = await client.send(asked, stream=True)
            lines = sse.aiter_lines()
            while "accepted" not in await anext(lines):
                pass
            async with asyncio.timeout(5):
                await stack.aclose()
                assert [] == [line async for line in lines if line]
        _, code = await rest(ws)
        assert code in (1001, 1012)


async def sse_events(response: httpx.Response) -> list[str]:
    return [line.removeprefix("id: ") async for line in response.aiter_lines() if "id: " in line]


async def test_event_streams_resume_and_end_with_204():
    async with served() as (here, address):
        order_id = await here.accepted()
        path = f"/api/orders/{order_id}/events"
        accepts = {"accept": "text/event-stream"}
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            asked = client.build_request("GET", path, headers=accepts)
            response = await client.send(asked, stream=True)
            assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
            await live_out(here)
            async with asyncio.timeout(5):
                assert [str(n) for n in range(1, 7)] == await sse_events(response)
            resumed = await client.get(path, headers={**accepts, "last-event-id": "4"})
            assert ["5", "6"] == [
                line[4:] for line in resumed.text.splitlines() if line.startswith("id: ")
            ]
            again = await client.get(path, headers={**accepts, "last-event-id": "99"})
            assert [f"id: {n}" for n in range(1, 7)] == [
                line for line in again.text.splitlines() if line.startswith("id: ")
            ]
            page = (await client.get(path, params={"after": 99})).json()
            assert (6, 6) == (len(page["events"]), page["next"])
            done = await client.get(path, headers={**accepts, "last-event-id": "6"})
            assert (204, "") == (done.status_code, done.text)


async def test_many_readers_of_many_orders_see_each_life_whole():
    async with served() as (here, address):
        ids = [await here.accepted() for _ in range(40)]
        streams = [await socket(address, f"/ws/orders/{i}") for i in ids for _ in range(2)]
        watching = [asyncio.create_task(rest(stream)) for stream in streams]
        for _ in ids:
            await live_out(here)
        for frames, code in await asyncio.gather(*watching):
            told = [e["sequence"] for f in frames[1:] for e in f.get("logs", [f])]
            assert (list(range(1, 7)), 1000) == (told, code)


async def test_other_asgi_servers_serve_sockets_too():
    """Without our connections frames go through a queue and `send`."""
    async with served() as (here, _):
        order_id = await here.accepted()
        scope = {
            "type": "websocket",
            "path": f"/ws/orders/{order_id}",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        sent: list[Any] = []
        received: asyncio.Queue[Any] = asyncio.Queue()
        received.put_nowait({"type": "websocket.connect"})

        async def send(message: Any) -> None:
            sent.append(message)
            if message["type"] == "websocket.close":
                received.put_nowait({"type": "websocket.disconnect"})

        running = asyncio.create_task(here.api(scope, received.get, send))
        await live_out(here)
        async with asyncio.timeout(5):
            await running
    assert ("websocket.accept", {"type": "websocket.close", "code": 1000}) == (
        sent[0]["type"],
        sent[-1],
    )
    assert "finalized" in sent[-2]["text"]
    assert OrderStatus.CONFIRMED.value in sent[-2]["text"]
