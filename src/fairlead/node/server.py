"""A node: Solana JSON-RPC over HTTP and WebSocket, at one address, in front of any Chain.

It keeps no state of its own and checks nobody: it belongs on a loopback address.
"""

import asyncio
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from fairlead.node.connections import ANSWER_EXTENSION, Answer, NodeConnection
from fairlead.node.failures import INVALID_REQUEST, PARSE_ERROR, RpcFailure
from fairlead.node.methods import Methods
from fairlead.node.subscriptions import Subscriptions
from fairlead.ports import Chain, Clock, Faucet

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8899
MAX_BODY_BYTES = 50 * 1024
"""As on the cluster. Requests only: answers may be long."""

MAX_BATCH = 100
SLOT_POLL_S = 0.1
"""How often slotSubscribe looks for a new slot: a quarter of one."""

STOP_S = 3
"""Seconds that open connections have at the end."""

KEEP_ALIVE_S = 75
"""Idle connections are kept: clients come back with every slot."""


class _Call(msgspec.Struct, gc=False):
    method: str
    jsonrpc: str = "2.0"
    id: int | str | None = None
    params: msgspec.Raw = msgspec.Raw(b"[]")


class _Result(msgspec.Struct, gc=False):
    jsonrpc: str
    result: Any
    id: int | str | None


_encode = msgspec.json.Encoder().encode
_decode_call = msgspec.json.Decoder(_Call).decode
_decode_calls = msgspec.json.Decoder(list[msgspec.Raw]).decode


def node_app(chain: Chain, clock: Clock, faucet: Faucet | None = None) -> ASGIApp:
    """The ASGI application of a node. With a faucet it also gives paper money."""
    methods = Methods(chain, faucet)

    async def post(request: Request) -> ASGIApp:
        if not request.headers.get("content-type", "").startswith("application/json"):
            # A page of another origin cannot send this type without asking first.
            return PlainTextResponse("Content-Type: application/json is required", 415)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return PlainTextResponse("request too large", 413)
        content = await _answer(methods, bytes(body))
        answer: Answer | None = request.scope.get("extensions", {}).get(ANSWER_EXTENSION)
        if answer is not None and answer(content):
            return _already_answered
        return Response(content, media_type="application/json")

    async def health(_: Request) -> Response:
        try:
            await methods.call("getHealth", msgspec.Raw(b"[]"))
        except RpcFailure:
            return PlainTextResponse("unknown")
        return PlainTextResponse("ok")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await _serve_socket(websocket, chain, clock, methods)

    others = Starlette(routes=[Route("/health", health), WebSocketRoute("/", socket)])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # What nearly all requests are is told apart by hand: a router and its middleware cost as
        # much as the call.
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/":
            await (await post(Request(scope, receive)))(scope, receive, send)
        else:
            await others(scope, receive, send)

    return app


def node_server(app: ASGIApp, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> uvicorn.Server:
    """A server for the application; `await server.serve()` runs it."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=NodeConnection,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            access_log=False,
            log_level="warning",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
        )
    )


async def _already_answered(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI response that has been written."""


async def _answer(methods: Methods, body: bytes) -> bytes:
    """The answer to a call or to a batch of them."""
    if body[:1] != b"[" and not body.lstrip().startswith(b"["):
        return await _answer_one(methods, body)
    try:
        calls = _decode_calls(body)
    except msgspec.MsgspecError:
        return _failed(None, RpcFailure(PARSE_ERROR, "Parse error"))
    if not 0 < len(calls) <= MAX_BATCH:
        return _failed(None, RpcFailure(INVALID_REQUEST, "Invalid request"))
    # At the same time: one that waits for the disk must not hold up those behind it.
    answers = await asyncio.gather(*[_answer_one(methods, one) for one in calls])
    return b"[" + b",".join(answers) + b"]"


async def _answer_one(methods: Methods, raw: bytes | msgspec.Raw) -> bytes:
    try:
        call = _parsed(raw)
    except RpcFailure as failure:
        return _failed(None, failure)
    try:
        return _succeeded(call.id, await methods.call(call.method, call.params))
    except RpcFailure as failure:
        return _failed(call.id, failure)


def _parsed(raw: bytes | msgspec.Raw) -> _Call:
    try:
        call = _decode_call(raw)
    except msgspec.ValidationError:
        raise RpcFailure(INVALID_REQUEST, "Invalid request") from None
    except msgspec.MsgspecError:
        raise RpcFailure(PARSE_ERROR, "Parse error") from None
    if call.jsonrpc != "2.0":
        raise RpcFailure(INVALID_REQUEST, "Invalid request")
    return call


def _succeeded(number: int | str | None, result: Any) -> bytes:
    return _encode(_Result("2.0", result, number))


def _failed(number: int | str | None, failure: RpcFailure) -> bytes:
    return _encode({"jsonrpc": "2.0", "error": failure.answer(), "id": number})


async def _serve_socket(websocket: WebSocket, chain: Chain, clock: Clock, methods: Methods) -> None:
    """Subscriptions and ordinary calls of one socket, answered in turn."""
    writing = asyncio.Lock()

    async def send(frame: bytes) -> None:
        async with writing:
            await websocket.send_text(frame.decode())

    subscriptions = Subscriptions(chain, clock, send, SLOT_POLL_S)
    try:
        while True:
            raw = (await websocket.receive_text()).encode()
            answered = asyncio.Event()
            await send(await _answer_on_socket(raw, subscriptions, methods, answered))
            answered.set()
    except (WebSocketDisconnect, RuntimeError):
        pass  # gone; starlette says RuntimeError when it went while we wrote
    finally:
        await subscriptions.close()


async def _answer_on_socket(
    raw: bytes, subscriptions: Subscriptions, methods: Methods, answered: asyncio.Event
) -> bytes:
    try:
        call = _parsed(raw)
    except RpcFailure as failure:
        return _failed(None, failure)
    try:
        result = subscriptions.call(call.method, call.params, answered)
        if result is None:
            result = await methods.call(call.method, call.params)
        return _succeeded(call.id, result)
    except RpcFailure as failure:
        return _failed(call.id, failure)
