"""The client of fairlead's HTTP API. Every request may be repeated without risk, and is."""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from fairlead.client import streams
from fairlead.client.answers import (
    Cancellation,
    Order,
    OrderList,
    Pool,
    Pools,
    Quotes,
    Submitted,
    Token,
    Update,
    decode,
)
from fairlead.client.failures import SubmitOutcomeUnknown, error_from
from fairlead.client.retry import Patience
from fairlead.clock import SystemClock
from fairlead.errors import Overloaded, Transient, Unavailable, WriteOutcomeUnknown

if TYPE_CHECKING:
    from fairlead.ports import Clock

DEFAULT_URL = "http://127.0.0.1:3000"
MAX_CONNECTIONS = 100

_CHAIN = re.compile(r'^fairlead_build\{[^}]*chain="(\w+)"', re.MULTILINE)

A = TypeVar("A")


class Client:
    """`async with Client(…) as client`. One per base URL; it keeps connections open.

    Requests are repeated on broken connections and 5xx for `retry_for_s`, streams reconnect for
    `reconnect_for_s` without an answer; then `Unavailable`. Refusals (`Rejected`) are not repeated.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        timeout_s: float = 10,
        retry_for_s: float = 20,
        reconnect_for_s: float = 60,
        clock: "Clock | None" = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._clock = clock if clock is not None else SystemClock()
        self._retry_for_s = retry_for_s
        self._reconnect_for_s = reconnect_for_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A proxy from the environment is for the world outside, not for this machine.
        host = urlsplit(self.base_url).hostname or ""
        self._local = host in ("127.0.0.1", "::1", "localhost")
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers=self._headers,
            timeout=httpx.Timeout(timeout_s, pool=None),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
            trust_env=not self._local,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # --- Orders ------------------------------------------------------------------------------

    async def submit(
        self,
        token_in: str,
        token_out: str,
        amount_in: str | int | Decimal | None = None,
        *,
        amount_in_atoms: int | None = None,
        amount_out: str | int | Decimal | None = None,
        amount_out_atoms: int | None = None,
        max_amount_in: str | int | Decimal | None = None,
        max_amount_in_atoms: int | None = None,
        type: str | None = None,
        slippage_bps: int | None = None,
        wallet: str | None = None,
        limit_price: str | Decimal | None = None,
        user_id: str | None = None,
        client_order_id: str | None = None,
        priority: int | None = None,
        expires_at: str | None = None,
        venues: Sequence[str] | None = None,
        max_price_impact_bps: int | None = None,
        max_priority_fee_lamports: int | None = None,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Store an order. Made once, however often the connection breaks while it is sent.

        Tokens are symbols or mints, `amount_in` in token units, `expires_at` ISO 8601. With a
        `limit_price` (net token_out per token_in) it is a limit order: it rests until the price can
        be had, and never gives less. With an `amount_out` instead of the amount in, that is what
        is exact: it costs at most `max_amount_in`, which must be given.
        `SubmitOutcomeUnknown` when no answer came and it may have been stored.
        """
        key = idempotency_key if idempotency_key is not None else self._clock.new_id()
        fields: dict[str, Any] = {
            "type": type or ("market" if limit_price is None else "limit"),
            "tokenIn": token_in,
            "tokenOut": token_out,
            "amountIn": _decimal(amount_in),
            "amountInAtoms": _digits(amount_in_atoms),
            "amountOut": _decimal(amount_out),
            "amountOutAtoms": _digits(amount_out_atoms),
            "maxAmountIn": _decimal(max_amount_in),
            "maxAmountInAtoms": _digits(max_amount_in_atoms),
            "slippageBps": slippage_bps,
            "wallet": wallet,
            "limitPrice": _decimal(limit_price),
            "userId": user_id,
            "clientOrderId": client_order_id,
            "priority": priority,
            "expiresAt": expires_at,
            "venues": venues,
            "maxPriceImpactBps": max_price_impact_bps,
            "maxPriorityFeeLamports": max_priority_fee_lamports,
        }
        body = {name: value for name, value in fields.items() if value is not None}
        response = await self._request("POST", "/api/orders/execute", body=body, key=key)
        replayed = response.headers.get("Idempotent-Replayed") == "true"
        answer = _answer(response, Submitted)
        return msgspec.structs.replace(answer, replayed=replayed, idempotency_key=key)

    async def get(self, order_id: str) -> Order:
        query: dict[str, str | None] = {"numbers": "string"}
        response = await self._request("GET", _path(order_id), query=query, order_id=order_id)
        return _answer(response, Order)

    async def list(
        self,
        *,
        status: str | None = None,
        wallet: str | None = None,
        user_id: str | None = None,
        type: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> OrderList:
        """A page, newest first; `cursor` is the last page's `next_cursor`."""
        query = {
            "status": status,
            "wallet": wallet,
            "userId": user_id,
            "type": type,
            "limit": str(limit),
            "cursor": cursor,
            "numbers": "string",
        }
        return _answer(await self._request("GET", "/api/orders", query=query), OrderList)

    async def cancel(self, order_id: str) -> Cancellation:
        """Ask for the order's end; `CannotCancel` once it is confirmed or has ended."""
        response = await self._request("DELETE", _path(order_id), order_id=order_id)
        return _answer(response, Cancellation)

    async def proof(self, order_id: str) -> bytes:
        """What proves the order's end, as sent (docs/proof.md); `NotEnded` before the end."""
        response = await self._request("GET", f"{_path(order_id)}/proof", order_id=order_id)
        return response.content

    def watch(self, order_id: str, after: int = 0) -> AsyncGenerator[Update, None]:
        """Every event of an order once and in order, those of the past first, until its last.

        Reconnects where it stopped. `after` skips what was seen before.
        """
        return streams.watch(self._line(f"/ws/orders/{quote(order_id, safe='')}"), order_id, after)

    def watch_all(
        self, cursor: str | None = None, on_connect: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[Update, None]:
        """Events of all orders as they happen, without end; `update.cursor` resumes it.

        `on_connect` is called when the stream begins (again): what happens from then on is in it.
        """
        return streams.watch_all(self._line("/ws"), cursor, on_connect)

    # --- Markets -----------------------------------------------------------------------------

    async def quotes(
        self,
        token_in: str,
        token_out: str,
        amount_in: str | int | Decimal | None = None,
        *,
        amount_out: str | int | Decimal | None = None,
    ) -> Quotes:
        """Every venue's quote and the best; no order is made. With `amount_out` instead of the
        amount in: what each takes for just that."""
        query: dict[str, str | None] = {"tokenIn": token_in, "tokenOut": token_out}
        query |= {"amountIn": _decimal(amount_in), "amountOut": _decimal(amount_out)}
        query["numbers"] = "string"
        return _answer(await self._request("GET", "/api/quotes", query=query), Quotes)

    async def tokens(self) -> tuple[Token, ...]:
        response = await self._request("GET", "/api/tokens")
        return _answer(response, _TokenList).tokens

    async def token(self, mint: str) -> Token:
        """What the chain says of a token, by its mint or symbol."""
        response = await self._request("GET", "/api/tokens", query={"mint": mint})
        return _answer(response, _TokenList).tokens[0]

    async def pools(self, token_in: str | None = None, token_out: str | None = None) -> Pools:
        """The pools of a pair, read now; without one all that the engine has read so far."""
        query = {"tokenIn": token_in, "tokenOut": token_out}
        return _answer(await self._request("GET", "/api/pools", query=query), Pools)

    async def pool(self, address: str) -> Pool:
        """The pool at an address, whether the engine uses it or not."""
        response = await self._request("GET", "/api/pools", query={"address": address})
        return _answer(response, Pools).pools[0]

    async def ready(self) -> bool:
        """Whether store, chain and workers answer. Not repeated: the caller asks again."""
        return (await self._asked_ready()).status_code == 200

    async def readiness(self) -> Mapping[str, str]:
        """What each part of the server says, "ok" where it is well. Not repeated."""
        response = await self._asked_ready()
        if response.status_code not in (200, 503):
            raise error_from(response.status_code, response.content, None, "")
        return _answer(response, _Readiness).checks

    async def chain(self) -> str:
        """The chain on which the engine's orders execute: paper, or a real one; "" if it does not
        say."""
        response = await self._request("GET", "/metrics")
        found = _CHAIN.search(response.text)
        return found[1] if found is not None else ""

    async def _asked_ready(self) -> httpx.Response:
        try:
            return await self._http.get("/ready")
        except httpx.HTTPError as error:
            raise Unavailable("api", f"{self.base_url}: {_told(error)}") from None

    # --- How ---------------------------------------------------------------------------------

    def _line(self, path: str) -> streams.Line:
        return streams.Line(
            url="ws" + self.base_url.removeprefix("http") + path,
            headers=self._headers,
            proxy=None if self._local else True,
            clock=self._clock,
            reconnect_for_s=self._reconnect_for_s,
        )

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str | None] | None = None,
        body: dict[str, Any] | None = None,
        key: str | None = None,
        order_id: str = "",
    ) -> httpx.Response:
        """The answer below 400, or the error. Repeated while `Patience` lasts."""
        clock = self._clock
        patience = Patience(self._retry_for_s)
        params = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {"Idempotency-Key": key} if key is not None else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        # A request left this machine and no answer told what became of it.
        doubt = ""
        while True:
            at_least_s = 0.0
            try:
                response = await self._http.request(
                    method,
                    path,
                    params=params,
                    headers=headers,
                    content=None if body is None else msgspec.json.encode(body),
                )
            except httpx.TransportError as broken:
                told = _told(broken)
                if not isinstance(broken, httpx.ConnectError | httpx.ConnectTimeout):
                    doubt = told
                failure: Transient = Unavailable("api", f"{self.base_url}: {told}")
            else:
                if response.status_code < 400:
                    return response
                retry_after = response.headers.get("Retry-After")
                error = error_from(response.status_code, response.content, retry_after, order_id)
                if isinstance(error, WriteOutcomeUnknown):
                    doubt = str(error)
                    error = Unavailable("api", doubt)
                if not isinstance(error, Transient):
                    raise error
                failure = error
                if isinstance(error, Overloaded):
                    at_least_s = error.retry_after_s
            jitter = clock.random_bytes(1)[0]
            wait = patience.next_wait(clock.monotonic(), jitter, at_least_s)
            if wait is None:
                if doubt and key is not None:
                    raise SubmitOutcomeUnknown(key, doubt) from None
                raise failure
            await clock.sleep(wait)


class _Readiness(msgspec.Struct, frozen=True):
    checks: dict[str, str]


class _TokenList(msgspec.Struct, frozen=True):
    tokens: tuple[Token, ...]


def _path(order_id: str) -> str:
    return f"/api/orders/{quote(order_id, safe='')}"


def _answer(response: httpx.Response, type: type[A]) -> A:
    try:
        return decode(response.content, type)
    except msgspec.MsgspecError as error:
        raise Unavailable("api", f"{response.url} is not a fairlead API: {error}") from None


def _decimal(value: str | int | Decimal | None) -> str | None:
    """As the API takes it: plain digits, never by way of a float."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError(f"an amount is a string, an int or a Decimal, not {type(value).__name__}")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _digits(atoms: int | None) -> str | None:
    return None if atoms is None else str(atoms)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
