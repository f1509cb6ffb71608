"""What remains of an engine without the engine: every order is confirmed at once and forgotten.

It speaks as much of the wire contract as the tools need, and shows what they cost themselves:
`python -m bench.load`, or `--store none` with the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_ids = count(1)
_confirmed = 0
_readers: set[asyncio.Queue[str]] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await _stream(receive, send)
    elif scope["type"] == "http":
        if scope["method"] == "POST":
            status, body = 202, await _accept(receive)
        else:
            counts = f'"completed":{_confirmed},"failed":0,"cancelled":0,"expired":0'
            status, body = 200, f"{{{counts}}}".encode()
        length = (b"content-length", b"%d" % len(body))
        headers = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _accept(receive: Receive) -> bytes:
    global _confirmed
    while (await receive()).get("more_body"):
        pass
    _confirmed += 1
    order = f'"orderId":"01890000-0000-7000-8000-{next(_ids):012}"'
    if _readers:
        frame = f'{{"type":"status_update",{order},"status":"confirmed","event":"confirmed"}}'
        for reader in _readers:
            reader.put_nowait(frame)
    return f'{{"success":true,{order},"status":"pending","message":"Order accepted"}}'.encode()


async def _stream(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": '{"type":"connected"}'})
    frames: asyncio.Queue[str] = asyncio.Queue()
    _readers.add(frames)
    left = asyncio.create_task(_until_left(receive))
    try:
        while not left.done():
            frame = asyncio.create_task(frames.get())
            await asyncio.wait({frame, left}, return_when=asyncio.FIRST_COMPLETED)
            if not frame.done():
                frame.cancel()
            else:
                await send({"type": "websocket.send", "text": frame.result()})
    finally:
        _readers.discard(frames)
        left.cancel()


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
