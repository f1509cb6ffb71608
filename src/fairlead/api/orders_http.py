"""Reading orders and cancelling them."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fairlead.api import frames
from fairlead.api.access import Access, headers_of
from fairlead.api.answers import encode, json_answer
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.problems import Refusal, invalid
from fairlead.api.queries import Query, choice, integer, number_form, order_id_of, query_of
from fairlead.api.schemas import CancelAnswer
from fairlead.api.stream import MAX_SEQUENCE, LiveStreams
from fairlead.api.subscriptions import Streams, resumed_at
from fairlead.errors import Fenced, NotEnded, Rejected
from fairlead.orders import lifecycle
from fairlead.orders.bundle import bundle, has_ended
from fairlead.orders.cancellation import cancel
from fairlead.orders.model import Counts, NumberForm, OrderFilter, OrderStatus, OrderType
from fairlead.orders.view import order_view

MAX_PAGE = 200
DEFAULT_PAGE = 50
CANCEL_TRIES = 8
"""Reads and decisions before a cancel that is overtaken each time gives up (503)."""

_NUMBERS = frozenset({"numbers"})
_LIST = frozenset(
    {"userId", "wallet", "walletAddress", "status", "type", "limit", "cursor", "numbers"}
)
_EVENTS = frozenset({"after", "limit", "numbers"})
_NONE: frozenset[str] = frozenset()


class OrdersHttp:
    """The addresses below /api/orders, the execute address apart."""

    def __init__(
        self, deps: ApiDependencies, access: Access, streams: Streams, live: LiveStreams
    ) -> None:
        self._store = deps.store
        self._clock = deps.clock
        self._access = access
        self._streams = streams
        self._live = live

    async def listed(self, request: Request) -> Response:
        """GET /api/orders."""
        query = query_of(request.scope, _LIST)
        principal = self._access.principal(headers_of(request.scope))
        limit = integer(query, "limit", DEFAULT_PAGE, 1, MAX_PAGE)
        filter = _filter(query, principal)
        try:
            page = await self._store.orders(filter, limit, query.get("cursor"))
        except Rejected:
            raise invalid("cursor", "invalid_cursor", "was not made by this engine") from None
        events = await self._store.events_of([order.order_id for order in page.orders])
        form = number_form(query)
        shown = [order_view(o, events.get(o.order_id, ()), (), form) for o in page.orders]
        counts = _shown(await self._store.counts(principal))
        return json_answer({**counts, "orders": shown, "nextCursor": page.next_cursor})

    async def one(self, request: Request) -> Response:
        """GET and DELETE /api/orders/{orderId}."""
        if request.method == "DELETE":
            return await self.cancel(request)
        order_id = order_id_of(request.path_params["order_id"])
        form = number_form(query_of(request.scope, _NUMBERS))
        principal = self._access.principal(headers_of(request.scope))
        order = await self._streams.owned_order(order_id, principal)
        attempts = await self._store.attempts(order_id)
        events = (await self._store.events_of([order_id])).get(order_id, ())
        return json_answer(order_view(order, events, attempts, form))

    async def proof(self, request: Request) -> Response:
        """GET /api/orders/{orderId}/proof."""
        order_id = order_id_of(request.path_params["order_id"])
        query_of(request.scope, _NONE)
        principal = self._access.principal(headers_of(request.scope))
        order = await self._streams.owned_order(order_id, principal)
        if not has_ended(order):
            raise NotEnded(order_id, order.status.value)
        # Nothing is written to them any more: the reads fit together.
        attempts = await self._store.attempts(order_id)
        events = (await self._store.events_of([order_id])).get(order_id, ())
        return json_answer(bundle(order, attempts, events))

    async def cancel(self, request: Request) -> Response:
        """DELETE /api/orders/{orderId}, POST /api/orders/{orderId}/cancel."""
        order_id = order_id_of(request.path_params["order_id"])
        query_of(request.scope, _NONE)
        principal = self._access.principal(headers_of(request.scope))
        for _ in range(CANCEL_TRIES):
            order = await self._streams.owned_order(order_id, principal)
            attempts = await self._store.attempts(order_id)
            again = await self._store.order(order_id)
            if again is None or again.sequence != order.sequence:
                continue  # the attempts may be those of a later row
            change = cancel(order, attempts, self._clock.now_ms())
            try:
                if change is not None:
                    await self._store.apply(change)
            except Fenced:
                continue  # it moved on while we decided: decide on what it is now
            return _cancelled(order_id, change.status if change is not None else order.status)
        raise Fenced(order_id)

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET /api/orders/{orderId}/events: a page, or a live stream for who accepts one."""
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise Refusal("method_not_allowed", headers={"allow": "GET, HEAD"})
        order_id = order_id_of(request.path_params["order_id"])
        query = query_of(scope, _EVENTS)
        headers = headers_of(scope)
        live = b"text/event-stream" in headers.get(b"accept", b"") and request.method == "GET"
        if live:
            principal = self._access.stream_principal(headers)
            after, form = _resume_from(query, headers.get(b"last-event-id")), number_form(query)
            await self._event_stream(order_id, principal, after, form, scope, receive, send)
            return
        principal = self._access.principal(headers)
        response = await self._event_page(order_id, principal, query)
        await response(scope, receive, send)

    async def _event_page(self, order_id: str, principal: str, query: Query) -> Response:
        after = integer(query, "after", 0, 0, MAX_SEQUENCE)
        limit = integer(query, "limit", MAX_PAGE, 1, MAX_PAGE)
        form = number_form(query)
        after = resumed_at(await self._streams.owned_order(order_id, principal), after)
        events = await self._store.events(order_id, after, limit)
        shown = b",".join([frames.event_object(event, form) for event in events])
        following = events[-1].sequence if events else after
        return json_answer(b'{"events":[%b],"next":%d}' % (shown, following))

    async def _event_stream(
        self,
        order_id: str,
        principal: str,
        after: int,
        form: NumberForm | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        order = await self._streams.owned_order(order_id, principal)
        ended = order.status in lifecycle.ENDED or order.finalized_at_ms is not None
        if ended and after == order.sequence:
            # EventSource comes back after every end; 204 is how it is told to stop.
            await Response(status_code=204)(scope, receive, send)
            return
        await self._live.events(order, after, form, receive, send)


def _filter(query: Query, principal: str) -> OrderFilter:
    wallet, other = query.get("wallet"), query.get("walletAddress")
    if wallet is not None and other is not None and wallet != other:
        raise invalid("walletAddress", "conflicting", "differs from wallet")
    return OrderFilter(
        principal=principal,
        user_id=query.get("userId"),
        wallet=wallet if wallet is not None else other,
        status=choice(query, "status", OrderStatus),
        type=choice(query, "type", OrderType),
    )


def _shown(counts: Counts) -> dict[str, int]:
    return {
        "waiting": counts.of(*lifecycle.WAITING),
        "active": counts.of(*lifecycle.ACTIVE),
        "open": counts.of(OrderStatus.OPEN),
        "completed": counts.of(*lifecycle.COMPLETED),
        "failed": counts.of(OrderStatus.FAILED),
        "cancelled": counts.of(OrderStatus.CANCELLED),
        "expired": counts.of(OrderStatus.EXPIRED),
        "total": counts.total,
    }


def _cancelled(order_id: str, status: OrderStatus) -> Response:
    if status is OrderStatus.CANCELLED:
        answer = CancelAnswer(True, order_id, status.value, "Order cancelled")
        return json_answer(answer)
    message = "Cancel asked; the chain decides which of swap and cancel wins"
    return json_answer(encode(CancelAnswer(True, order_id, status.value, message)), 202)


def _resume_from(query: Query, last_event_id: bytes | None) -> int:
    """The sequence after which to go on; the header is newer than the address it came with."""
    if last_event_id is None or last_event_id == b"":
        return integer(query, "after", 0, 0, MAX_SEQUENCE)
    told = {"Last-Event-ID": last_event_id.decode("latin-1")}
    return integer(told, "Last-Event-ID", 0, 0, MAX_SEQUENCE)
