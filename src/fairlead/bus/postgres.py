"""Wake-ups between processes by PostgreSQL's NOTIFY: the store sends one inside every flush."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec

from fairlead.bus.connection import EXCHANGE_TIMEOUT_S, SILENCE_S, Connection
from fairlead.bus.local import LocalBus
from fairlead.errors import Unavailable
from fairlead.ports import Clock, Committed, Signal, Wake


class Notification(msgspec.Struct, frozen=True, gc=False):
    """The payload: the flush's last position, and whether it made an order claimable."""

    position: int
    work: bool


_decoder = msgspec.json.Decoder(Notification)


class PostgresBus:
    """Listens on a connection of its own, which must reach the server itself: a pooler that hands
    out a connection per transaction loses LISTEN.

    A process hears its own flushes as `Committed`. What the server tells it of them besides is left
    out where `wrote(server_pid)` knows the session: it may come first, and would then make all
    listeners read from the store what they are told a moment later.
    """

    def __init__(
        self, dsn: str, channel: str, clock: Clock, wrote: Callable[[int], bool] = lambda _: False
    ) -> None:
        self._dsn = dsn
        self._channel = channel
        self._wrote = wrote
        self._local = LocalBus()
        self._postgres: asyncpg.Connection[Any] | None = None
        # A connection runs one operation at a time.
        self._one_at_a_time = asyncio.Lock()
        self._connection = Connection("postgresql", clock, self._session)

    async def start(self) -> None:
        self._connection.start()

    async def stop(self) -> None:
        await self._connection.stop()

    def publish(self, committed: Committed) -> None:
        """Local listeners only: the commit itself told the other processes."""
        self._local.deliver(committed)

    def subscribe(self, listener: Callable[[Signal], None]) -> Callable[[], None]:
        return self._local.subscribe(listener)

    async def ping(self) -> None:
        """Ask on the connection that listens; `Unavailable` when there is none or it is silent."""
        self._connection.check()
        try:
            await self._ask()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable("bus", f"postgresql: {error!r}") from error

    async def _session(self, serving: Callable[[], None]) -> None:
        lost = asyncio.Event()
        async with asyncio.timeout(EXCHANGE_TIMEOUT_S):
            postgres = await asyncpg.connect(
                self._dsn,
                timeout=EXCHANGE_TIMEOUT_S,
                server_settings={"application_name": "fairlead bus"},
            )
        self._postgres = postgres
        try:
            postgres.add_termination_listener(lambda _connection: lost.set())
            async with asyncio.timeout(EXCHANGE_TIMEOUT_S):
                await postgres.add_listener(self._channel, self._on_notification)
            serving()
            # What was committed before LISTEN told nobody here.
            self._local.deliver(Wake())
            while not lost.is_set() and not postgres.is_closed():
                try:
                    async with asyncio.timeout(SILENCE_S):
                        await lost.wait()
                except TimeoutError:
                    await self._ask()
        finally:
            self._postgres = None
            # Nothing is in flight that matters, and a polite close may wait for a dead peer.
            postgres.terminate()

    async def _ask(self) -> None:
        postgres = self._postgres
        if postgres is None:
            raise ConnectionError("the connection was lost")
        async with asyncio.timeout(EXCHANGE_TIMEOUT_S), self._one_at_a_time:
            await postgres.execute("SELECT 1")

    def _on_notification(
        self, _connection: object, server_pid: int, _channel: str, payload: object
    ) -> None:
        if self._wrote(server_pid):
            return
        try:
            notification = _decoder.decode(str(payload))
        except msgspec.DecodeError:
            # Somebody else's message, or a newer version's: it still says "look".
            self._local.deliver(Wake())
        else:
            self._local.deliver(Wake(notification.position, notification.work))
