"""The ASGI app: the hot route first, then streams, then everything else by Starlette."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from fairlead.api.access import Access, headers_of
from fairlead.api.answers import on_error, on_http_exception, problem_response
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.execute import Execute
from fairlead.api.gate import Gate
from fairlead.api.hub import StreamHub
from fairlead.api.known_heads import KnownHeads
from fairlead.api.market_http import MarketHttp
from fairlead.api.orders_http import OrdersHttp
from fairlead.api.outlets import GOING_AWAY
from fairlead.api.pages import Pages
from fairlead.api.problems import Refusal
from fairlead.api.stream import EXECUTE_PATH, LiveStreams
from fairlead.api.subscriptions import Streams
from fairlead.errors import FairleadError


class Api:
    """The API of one process. `start` before the first request, `drain` and `stop` at the end."""

    def __init__(self, deps: ApiDependencies) -> None:
        settings = deps.settings
        self._access = Access(settings)
        self.gate = Gate(deps, settings)
        self.hub = StreamHub(deps.store, deps.bus, settings.poll_s)
        streams = Streams(deps.store, self.hub)
        self._live = LiveStreams(streams, self._access, self.gate, deps)
        self._execute = Execute(deps, self._access, self.gate)
        self.known_heads = KnownHeads(self._execute, settings.max_body_bytes)
        self._rest = _rest(
            OrdersHttp(deps, self._access, streams, self._live),
            MarketHttp(deps, self._access),
            Pages(deps, self._access),
        )

    async def start(self) -> None:
        await self.gate.start()
        await self.hub.start()

    def drain(self) -> None:
        """Take no new orders and end the streams; what is being answered is answered."""
        self.gate.draining = True
        self._live.end_all(GOING_AWAY)

    async def stop(self) -> None:
        self.drain()
        await self.hub.stop()
        await self.gate.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            if scope["path"] == EXECUTE_PATH and scope["method"] == "POST":
                await self._execute(scope, receive, send)
            elif _is_foreign(scope):
                await self._for_foreign_page(scope, receive, send)
            else:
                await self._rest(scope, receive, send)
        elif kind == "websocket":
            await self._live.websocket(scope, receive, send)

    async def _for_foreign_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an allowed origin read the answer; answer its browser's question first."""
        try:
            headers = headers_of(scope)
            self._access.check_source(headers)
        except FairleadError as error:
            await problem_response(error)(scope, receive, send)
            return
        origin = self._access.allowed_origin(headers)

        async def with_origin(message: Message) -> None:
            if message["type"] == "http.response.start" and origin is not None:
                told = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight()(scope, receive, with_origin)
        else:
            await self._rest(scope, receive, with_origin)


def create_app(deps: ApiDependencies) -> Api:
    """The API over these ports. `ConfigError` when its settings would let strangers in."""
    return Api(deps)


def _is_foreign(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": "GET, POST, DELETE",
            "access-control-allow-headers": "authorization, content-type, idempotency-key",
            "access-control-max-age": "600",
        },
    )


async def _speaks_websocket(request: Request) -> Response:
    headers = {"upgrade": "websocket", "connection": "Upgrade"}
    return problem_response(Refusal("upgrade_required", headers=headers))


async def _execute_otherwise(request: Request) -> Response:
    if request.method in ("GET", "HEAD"):
        return await _speaks_websocket(request)
    return problem_response(Refusal("method_not_allowed", headers={"allow": "GET, HEAD, POST"}))


def _rest(orders: OrdersHttp, market: MarketHttp, pages: Pages) -> Starlette:
    """Everything but the hot route and the sockets."""
    order = "/api/orders/{order_id}"
    app = Starlette(
        routes=[
            Route("/api/orders", orders.listed),
            Route(EXECUTE_PATH, _execute_otherwise, methods=_ALL),
            Route("/api/orders/ws", _speaks_websocket),
            Route(order, orders.one, methods=["GET", "DELETE"]),
            Route(f"{order}/cancel", orders.cancel, methods=["POST"]),
            Route(f"{order}/events", _EventsRoute(orders)),
            Route(f"{order}/proof", orders.proof),
            Route("/api/quotes", market.quotes),
            Route("/api/tokens", market.tokens),
            Route("/api/pools", market.pools),
            Route("/api/wallets", market.wallets),
            Route("/ws", _speaks_websocket),
            Route("/ws/orders/{order_id}", _speaks_websocket),
            Route("/health", pages.health),
            Route("/ready", pages.ready),
            Route("/metrics", pages.metrics),
            Route("/openapi.json", pages.openapi),
            Route("/docs", pages.docs),
            Route("/docs/{name}", pages.docs_file),
            Route("/", pages.page),
            Mount("/web", pages.static),
        ],
        exception_handlers={
            HTTPException: on_http_exception,
            FairleadError: on_error,
            Exception: on_error,
        },
    )
    app.router.redirect_slashes = False
    return app


_ALL = ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class _EventsRoute:
    """An endpoint that is an ASGI app, since it may answer with a stream."""

    def __init__(self, orders: OrdersHttp) -> None:
        self._orders = orders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._orders.events(scope, receive, send)
