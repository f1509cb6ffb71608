"""The load client: N keep-alive connections over raw sockets, one request in flight on each.

It reads of an answer no more than its status and length, so that a machine shared with the server
is left to the server. `python -m bench.load` prints what a request costs it, against a server that
does nothing.
"""

import asyncio
import random
from array import array
from collections.abc import Iterable, Iterator
from time import perf_counter, process_time
from typing import cast

import msgspec
import uvloop
from solders.pubkey import Pubkey

from bench.engine import HOST, engine, print_figures

EXECUTE_PATH = "/api/orders/execute"
# Answers longer than this are no answers to an order.
MAX_ANSWER_BYTES = 1 << 20
# A connection that breaks with a request in flight is counted under this status.
LOST = 0


class Load(msgspec.Struct):
    """What came back."""

    # Answers by status.
    statuses: dict[int, int]
    # Seconds from the write of a request to its whole answer, in order of the answers.
    latencies_s: "array[float]"
    # perf_counter() of the first request written and of the last answer read.
    began_at: float
    ended_at: float
    # CPU time of this process.
    client_cpu_s: float
    # Bodies of the answers, if they were asked for.
    bodies: list[bytes]

    @property
    def seconds(self) -> float:
        return self.ended_at - self.began_at

    @property
    def answers(self) -> int:
        return len(self.latencies_s)

    def figures(self) -> dict[str, object]:
        return {
            "requests": self.answers,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "seconds": round(self.seconds, 3),
            "per_second": round(self.answers / self.seconds, 1) if self.seconds else None,
            "latency_ms": quantiles_ms(self.latencies_s),
            "client_us_per_request": round(self.client_cpu_s * 1e6 / max(1, self.answers), 1),
        }


def quantiles_ms(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest, in ms."""
    ordered = sorted(seconds)
    if not ordered:
        return {}

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3, 3)

    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": round(ordered[-1] * 1e3, 3)}


def post(port: int, path: str, body: bytes, headers: str = "") -> bytes:
    """A whole request, as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def wallet_addresses(count: int, seed: int = 1) -> list[str]:
    """Addresses nobody holds keys for: the paper chain maps each to a funded wallet of its own."""
    chosen = random.Random(seed)  # noqa: S311 - the same load every time
    return [str(Pubkey(chosen.randbytes(32))) for _ in range(count)]


def market_orders(port: int, count: int, wallets: int = 200, seed: int = 1) -> list[bytes]:
    """Requests for small SOL to USDC orders of varying amounts, spread over paper wallets."""
    chosen = random.Random(seed)  # noqa: S311
    addresses = wallet_addresses(wallets, seed)
    return [
        post(
            port,
            EXECUTE_PATH,
            b'{"type":"market","tokenIn":"SOL","tokenOut":"USDC","amountIn":"0.%06d",'
            b'"slippageBps":100,"wallet":"%b"}'
            % (chosen.randrange(1_000, 20_000), addresses[number % wallets].encode()),
        )
        for number in range(count)
    ]


class Requests(asyncio.Protocol):
    """One connection: writes the next request when the last is answered, until there is none."""

    def __init__(self, source: Iterator[bytes], load: Load, keep_bodies: bool) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._source = source
        self._load = load
        self._keep_bodies = keep_bodies
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclasses.
        self._transport = cast("asyncio.Transport", transport)

    def send_next(self) -> None:
        request = next(self._source, None)
        if request is None:
            self._sent_at = 0.0
            self._transport.close()
            return
        self._sent_at = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0 or len(data) < head_end + 4 + _length(data, head_end):
            self._received = data
            assert len(data) <= MAX_ANSWER_BYTES
            return
        load = self._load
        now = load.ended_at = perf_counter()
        load.latencies_s.append(now - self._sent_at)
        status = int(data[9:12])
        load.statuses[status] = load.statuses.get(status, 0) + 1
        if self._keep_bodies:
            load.bodies.append(data[head_end + 4 :])
        self._received = b""
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if self._sent_at:
            self._load.statuses[LOST] = self._load.statuses.get(LOST, 0) + 1
        if not self.done.done():
            self.done.set_result(None)


def _length(data: bytes, head_end: int) -> int:
    at = data.find(b"content-length:", 0, head_end)
    if at < 0:
        at = data[:head_end].lower().find(b"content-length:")
        assert at >= 0, "an answer without Content-Length"
    return int(data[at + 15 : data.find(b"\r", at)])


async def run(
    port: int,
    requests: Iterable[bytes],
    *,
    connections: int,
    timeout_s: float,
    keep_bodies: bool = False,
) -> Load:
    """Send the requests, each on whichever connection is free first, and return what came back.

    After the time-out (TimeoutError) the connections are cut.
    """
    loop = asyncio.get_running_loop()
    load = Load({}, array("d"), 0.0, 0.0, 0.0, [])
    source = iter(requests)
    protocols = []
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(connections):
                _, protocol = await loop.create_connection(
                    lambda: Requests(source, load, keep_bodies), HOST, port
                )
                protocols.append(protocol)
            cpu = process_time()
            load.began_at = perf_counter()
            for protocol in protocols:
                protocol.send_next()
            await asyncio.gather(*(protocol.done for protocol in protocols))
            load.client_cpu_s = process_time() - cpu
    finally:
        for protocol in protocols:
            protocol._transport.abort()
    return load


class Paced:
    """Requests at given moments, whatever became of the earlier ones: an open loop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[PacedConnection] = []

    async def open(self, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: PacedConnection(self._idle), HOST, self._port
            )
            self._idle.append(connection)

    def send(self, request: bytes) -> "asyncio.Future[tuple[float, float, int, bytes]]":
        """The answer to come: perf_counter() of write and answer, status, body."""
        assert self._idle, "more requests in flight than connections"
        return self._idle.pop().send(request)

    def close(self) -> None:
        for connection in self._idle:
            connection.transport.abort()


class PacedConnection(asyncio.Protocol):
    """One connection of the open loop."""

    def __init__(self, idle: "list[PacedConnection]") -> None:
        self._idle = idle
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> "asyncio.Future[tuple[float, float, int, bytes]]":
        self._answer: asyncio.Future[tuple[float, float, int, bytes]] = (
            asyncio.get_running_loop().create_future()
        )
        self._sent_at = perf_counter()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        data = self._received = self._received + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0 or len(data) < head_end + 4 + _length(data, head_end):
            return
        self._received = b""
        self._idle.append(self)
        self._answer.set_result(
            (self._sent_at, perf_counter(), int(data[9:12]), data[head_end + 4 :])
        )

    def connection_lost(self, error: Exception | None) -> None:
        answer = getattr(self, "_answer", None)
        if answer is not None and not answer.done():
            answer.set_exception(ConnectionError("the server closed the connection"))


async def measure_itself() -> dict[str, object]:
    with engine("", "none", {}) as running:
        port = running.port
        await run(port, market_orders(port, 2_000), connections=64, timeout_s=30)
        load = await run(port, market_orders(port, 30_000), connections=64, timeout_s=60)
    return {"what": "the load client against a server that does nothing", **load.figures()}


if __name__ == "__main__":
    print_figures(uvloop.run(measure_itself()))
