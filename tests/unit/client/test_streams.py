"""A stream gives every event once and in order, whatever the connection does."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from fairlead import errors
from fairlead.client import Client, Update
from tests.unit.client.serving import HurriedClock, serving

ID = "01977f2a-0000-7000-8000-000000000001"
STORY = [
    ("accepted", "pending"),
    ("claimed", "routing"),
    ("routed", "building"),
    ("submitted", "submitted"),
    ("confirmed", "confirmed"),
    ("finalized", "confirmed"),
]
CONNECTED = {"type": "connected", "timestamp": "2025-01-01T00:00:00.000Z"}

Handler = Callable[[WebSocket], Awaitable[None]]


def told(sequence: int, order_id: str = ID) -> dict[str, Any]:
    event, status = STORY[sequence - 1]
    return {
        "orderId": order_id,
        "sequence": sequence,
        "cursor": f"c{sequence}",
        "status": status,
        "event": event,
        "timestamp": "2025-01-01T00:00:00.000Z",
    }


def update(sequence: int, order_id: str = ID) -> dict[str, Any]:
    return {"type": "status_update", **told(sequence, order_id)}


def backfill(*sequences: int) -> dict[str, Any]:
    logs = [told(sequence) for sequence in sequences]
    return {"type": "backfill", "orderId": ID, "status": "?", "sequence": 0, "logs": logs}


class Visits:
    """Each connection is served by the next handler, the last one again and again."""

    def __init__(self, *handlers: Handler) -> None:
        self.handlers = list(handlers)
        self.queries: list[dict[str, str]] = []

    async def visit(self, socket: WebSocket) -> None:
        self.queries.append(dict(socket.query_params))
        await socket.accept()
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        with contextlib.suppress(RuntimeError):
            await handler(socket)

    def routes(self) -> list[WebSocketRoute]:
        return [
            WebSocketRoute("/ws", self.visit),
            WebSocketRoute("/ws/orders/{order_id}", self.visit),
        ]


def says(*frames: dict[str, Any], code: int) -> Handler:
    async def handler(socket: WebSocket) -> None:
        for frame in frames:
            await socket.send_json(frame)
        await socket.close(code)

    return handler


async def watched(visits: Visits, after: int = 0) -> list[int]:
    async with serving(visits.routes()) as url, Client(url, clock=HurriedClock()) as client:
        return [update.sequence async for update in client.watch(ID, after)]


async def test_past_and_live_events_are_one_stream_that_ends_with_the_last() -> None:
    visits = Visits(
        says(CONNECTED, backfill(1, 2), update(3), update(4), update(5), update(6), code=1000)
    )
    assert [1, 2, 3, 4, 5, 6] == await watched(visits)


async def test_a_broken_stream_goes_on_where_it_stopped_without_repeats() -> None:
    visits = Visits(
        says(CONNECTED, backfill(1), update(2), code=1013),
        says(CONNECTED, backfill(1, 2, 3), update(3), update(4), code=1012),
        says(CONNECTED, backfill(5), update(6), code=1000),
    )
    assert [1, 2, 3, 4, 5, 6] == await watched(visits)
    assert ["0", "2", "4"] == [query["after"] for query in visits.queries]


async def test_a_gap_is_asked_for_again() -> None:
    visits = Visits(
        says(CONNECTED, backfill(1), update(3), code=1000),
        says(CONNECTED, backfill(2, 3, 4, 5, 6), code=1000),
    )
    assert [1, 2, 3, 4, 5, 6] == await watched(visits)


async def test_a_gap_that_stays_is_an_error_not_a_loss() -> None:
    visits = Visits(says(CONNECTED, backfill(1), update(3), code=1000))
    with pytest.raises(errors.Unavailable, match="nothing between 1 and 3"):
        await watched(visits)


async def test_an_ended_order_with_nothing_new_ends_the_stream() -> None:
    assert [] == await watched(Visits(says(CONNECTED, backfill(), code=1000)), after=6)


async def test_an_unknown_order_is_not_found() -> None:
    error = {"type": "error", "code": "order_not_found", "message": "no such order"}
    with pytest.raises(errors.OrderNotFound):
        await watched(Visits(says(error, code=4404)))
    with pytest.raises(errors.OrderNotFound):
        await watched(Visits(says(code=4404)))


async def test_a_server_that_never_comes_back_is_unavailable() -> None:
    async with serving([]) as url:
        pass
    clock = HurriedClock()
    async with Client(url, clock=clock, reconnect_for_s=30) as client:
        with pytest.raises(errors.Unavailable):
            _ = [update async for update in client.watch(ID)]
    assert 20 < sum(clock.slept) <= 30


async def test_all_orders_resume_from_the_cursor_without_repeats() -> None:
    other = ID[:-1] + "2"
    visits = Visits(
        says({**CONNECTED, "cursor": "c0"}, code=1012),
        says(CONNECTED, update(1), update(1, other), update(2), code=1012),
        says(CONNECTED, update(2), update(2, other), code=1012),
    )
    seen: list[Update] = []
    async with (
        serving(visits.routes()) as url,
        Client(url, clock=HurriedClock()) as client,
        contextlib.aclosing(client.watch_all()) as updates,
    ):
        async for one in updates:
            seen.append(one)
            if len(seen) == 4:
                break
    assert [(ID, 1), (other, 1), (ID, 2), (other, 2)] == [(u.order_id, u.sequence) for u in seen]
    assert [None, "c0", "c2"] == [query.get("cursor") for query in visits.queries]
