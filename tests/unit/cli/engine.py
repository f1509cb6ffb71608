"""An engine that executes nothing: its orders live in a moment."""

import contextlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

QUOTES = [
    {
        "dex": "meteora",
        "venue": "dlmm",
        "pool": "PoolM",
        "amountOut": "213.5",
        "netAmountOut": "213.4",
        "priceImpact": "0.02",
        "fee": "0.001",
        "route": ["SOL", "USDC"],
    },
    {"dex": "raydium", "venue": "cpmm", "pool": "PoolR", "error": "no liquidity"},
]
FILL = {"executedPrice": "142.33", "amountOut": "213.495", "txSignature": "5igSig"}
FAILURE = {"reason": "no route left", "failureCode": "no_route"}


REST = {"reason": "waits until 1.5 SOL give at least 243.75 USDC", "minimumOut": "243.75"}


def story(end: str, *, rests: bool = False) -> list[dict[str, Any]]:
    """The updates of an order that ends this way."""
    chosen = {"quotes": QUOTES, "quote": QUOTES[0], "selectedDex": "meteora", "venue": "dlmm"}
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("accepted", "pending", {}),
        *([("rested", "open", REST)] if rests else []),
        ("claimed", "routing", {}),
    ]
    if end == "failed":
        told.append(("failed", "failed", FAILURE))
    else:
        told += [
            ("routed", "building", chosen),
            ("submitted", "submitted", {"txSignature": "5igSig"}),
            ("confirmed", "confirmed", {**FILL, "provisional": True}),
            ("finalized", "confirmed", FILL),
        ]
    return [
        {
            "sequence": n,
            "status": status,
            "event": event,
            "cursor": f"c{n}",
            "timestamp": f"2025-01-01T00:00:0{n}.250Z",
            **more,
        }
        for n, (event, status, more) in enumerate(told, 1)
    ]


class Engine:
    """Orders to token BAD fail; a wallet named `refused` is refused."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.sockets: list[WebSocket] = []
        self.ready = True
        self.chain = "paper"
        # The query of the last list.
        self.asked: dict[str, str] = {}

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/ready", self.is_ready),
            Route("/metrics", self.metrics),
            Route("/api/orders/execute", self.execute, methods=["POST"]),
            Route("/api/orders", self.list),
            Route("/api/orders/{order_id}", self.show, methods=["GET"]),
            Route("/api/orders/{order_id}", self.cancel, methods=["DELETE"]),
            Route("/api/quotes", self.quotes),
            WebSocketRoute("/ws", self.all),
            WebSocketRoute("/ws/orders/{order_id}", self.one),
        ]

    async def is_ready(self, request: Request) -> Response:
        states = {"store": "ok", "workers": "ok" if self.ready else "no worker is alive"}
        return JSONResponse({"checks": states}, 200 if self.ready else 503)

    async def metrics(self, request: Request) -> Response:
        return PlainTextResponse(f'fairlead_build{{version="1",chain="{self.chain}"}} 1.0\n')

    async def execute(self, request: Request) -> Response:
        body = await request.json()
        if body.get("wallet") == "refused":
            error = {"field": "wallet", "code": "wallet_not_held", "message": "is not held"}
            problem = {"code": "wallet_not_held", "detail": "no", "errors": [error]}
            return JSONResponse(problem, 422)
        key = request.headers["idempotency-key"]
        if key in self.keys:
            known = {"orderId": self.keys[key], "status": "pending"}
            return JSONResponse(known, 202, {"Idempotent-Replayed": "true"})
        order_id = f"01977f2a-0000-7000-8000-{len(self.orders):012d}"
        self.keys[key] = order_id
        end = "failed" if body["tokenOut"] == "BAD" else "confirmed"
        self.orders[order_id] = {**body, "orderId": order_id, "status": end}
        last = story(end)[-1]
        for socket in self.sockets:
            await socket.send_json({"type": "status_update", "orderId": order_id, **last})
        return JSONResponse({"success": True, "orderId": order_id, "status": "pending"}, 202)

    async def show(self, request: Request) -> Response:
        order = self.orders.get(request.path_params["order_id"])
        if order is None:
            return JSONResponse({"code": "order_not_found", "detail": "no such order"}, 404)
        more = {**FILL, "quotes": QUOTES, "quote": QUOTES[0]} if order["status"] != "failed" else {}
        return JSONResponse({**order, **more})

    async def list(self, request: Request) -> Response:
        self.asked = dict(request.query_params)
        orders = list(self.orders.values())[::-1]
        return JSONResponse({"orders": orders, "total": len(orders), "nextCursor": "more"})

    async def cancel(self, request: Request) -> Response:
        order_id = request.path_params["order_id"]
        if order_id in self.orders:
            return JSONResponse({"code": "already_confirmed", "detail": "too late"}, 409)
        return JSONResponse({"orderId": order_id, "status": "cancelling"}, 202)

    async def quotes(self, request: Request) -> Response:
        return JSONResponse({"quotes": QUOTES, "best": QUOTES[0], "reason": "pays most"})

    async def all(self, socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"type": "connected", "timestamp": ""})
        self.sockets.append(socket)
        with contextlib.suppress(WebSocketDisconnect):
            await socket.receive()
        self.sockets.remove(socket)

    async def one(self, socket: WebSocket) -> None:
        await socket.accept()
        order = self.orders[socket.path_params["order_id"]]
        await socket.send_json({"type": "connected", "timestamp": ""})
        logs = story(order["status"], rests="limitPrice" in order)
        await socket.send_json(
            {"type": "backfill", "orderId": order["orderId"], "logs": logs[:2], "sequence": 2}
        )
        for update in logs[2:]:
            await socket.send_json({"type": "status_update", "orderId": order["orderId"], **update})
        await socket.close(1000)
