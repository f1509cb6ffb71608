"""Solana JSON-RPC over HTTP: one call or a batch, one attempt, and every failure in our own words.

Nothing here repeats a request: who asks decides whether asking again is right.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from fairlead.errors import Unavailable

TIMEOUT_S = 10.0
"""From request to whole answer; connecting has a third of it."""

MAX_CONNECTIONS = 64
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A getMultipleAccounts of 100 accounts of 100 KB in base64 stays well below."""

MAX_DETAIL = 300
"""Characters of an endpoint's own words that are passed on."""


class RpcError(Unavailable):
    """The endpoint answered with an error object. `code` is JSON-RPC's or Solana's."""

    def __init__(self, method: str, code: int, message: str, data: bytes) -> None:
        super().__init__("chain", f"{method} answered {code}: {message[:MAX_DETAIL]}")
        self.rpc_code = code
        # JSON of what came with it.
        self.data = data


class _Error(msgspec.Struct):
    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


_decode_one = msgspec.json.Decoder(_Answer).decode
_decode_many = msgspec.json.Decoder(list[_Answer]).decode
_encode = msgspec.json.Encoder().encode


class RpcHttp:
    """One endpoint. Its address may carry a token and is never part of a message."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._ids = itertools.count(1)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=timeout_s / 3),
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS
            ),
            headers={"content-type": "application/json"},
            # A proxy of the environment is not where keys' transactions should go unasked.
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self, method: str, *params: Any) -> msgspec.Raw:
        """The result, as JSON. `RpcError` for an error answer, `Unavailable` for none."""
        number = next(self._ids)
        content = await self._post(_encode(_request(number, method, params)))
        try:
            answer = _decode_one(content)
        except msgspec.MsgspecError:
            raise Unavailable("chain", f"{method}: the answer is not JSON-RPC") from None
        return _result(method, answer)

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[msgspec.Raw]:
        """The results of several calls in one request; one error fails all."""
        numbers = [next(self._ids) for _ in calls]
        requests = [
            _request(number, method, params)
            for number, (method, params) in zip(numbers, calls, strict=True)
        ]
        content = await self._post(_encode(requests))
        try:
            answers = {answer.id: answer for answer in _decode_many(content)}
        except msgspec.MsgspecError:
            raise Unavailable("chain", "the answer to a batch is not JSON-RPC") from None
        if not answers.keys() >= set(numbers):
            raise Unavailable("chain", "the answer to a batch lacks some of it")
        return [
            _result(method, answers[number])
            for number, (method, _) in zip(numbers, calls, strict=True)
        ]

    async def _post(self, body: bytes) -> bytes:
        try:
            response = await self._client.post(self._url, content=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable("chain", type(error).__name__) from None
        # Endpoints also send JSON-RPC errors with a 4xx; those say more than the status.
        if response.status_code != 200 and not response.content.startswith(b'{"jsonrpc"'):
            raise Unavailable("chain", f"HTTP {response.status_code}")
        if len(response.content) > MAX_ANSWER_BYTES:
            raise Unavailable("chain", f"an answer of {len(response.content)} bytes")
        return response.content


def _request(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _result(method: str, answer: _Answer) -> msgspec.Raw:
    if answer.error is not None:
        error = answer.error
        raise RpcError(method, error.code, error.message, bytes(error.data))
    return answer.result
