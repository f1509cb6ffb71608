"""The engine under torture: its processes, its servers, and a breakable link between any two."""

import asyncio
import contextlib
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg

from tests import servers
from tests.conftest import fill_template
from tests.engine.processes import Process
from tests.servers import Server, ServerUnavailableError
from tests.torture.disk import Disk
from tests.torture.plan import (
    APIS,
    LEASE_MS,
    NODE,
    POSTGRES,
    RECLAIM_MARGIN_BLOCKS,
    REDIS,
    WINDOW_BLOCKS,
    WORKERS,
    link_name,
    links,
)
from tests.torture.proxy import Link

UP_WITHIN_S = 60.0
POLL_S = 0.02
# What asyncpg raises of a server that goes away under it.
DATABASE_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

SETTINGS = {
    "FAIRLEAD_PAPER_PROFILE": "fast",
    "FAIRLEAD_PAPER_SLOT_MS": "100",
    "FAIRLEAD_PAPER_FINALITY_DEPTH": "8",
    # What a fork took away is proven dead in seconds.
    "FAIRLEAD_PAPER_BLOCKHASH_WINDOW": str(WINDOW_BLOCKS),
    "FAIRLEAD_MAX_BLOCKHASH_WINDOW": str(WINDOW_BLOCKS),
    "FAIRLEAD_RECLAIM_MARGIN_BLOCKS": str(RECLAIM_MARGIN_BLOCKS),
    "FAIRLEAD_PAPER_QUOTE_LATENCY_MS": "5",
    "FAIRLEAD_PAPER_LAND_MAX_MS": "400",
    "FAIRLEAD_PAPER_RAYDIUM_FAULTS": "6",
    "FAIRLEAD_PAPER_METEORA_FAULTS": "6",
    "FAIRLEAD_PAPER_OTHER_FAULTS": "4",
    "FAIRLEAD_LEASE_MS": str(LEASE_MS),
    "FAIRLEAD_HEARTBEAT_MS": "600",
    "FAIRLEAD_SETTLE_POLL_MS": "200",
    "FAIRLEAD_STATUS_POLL_MS": "200",
    "FAIRLEAD_RESEND_MS": "500",
    "FAIRLEAD_PROVE_MS": "400",
    "FAIRLEAD_OUTAGE_RETRY_MS": "200",
    "FAIRLEAD_BACKOFF_BASE_MS": "100",
    "FAIRLEAD_CONCURRENCY": "256",
    "FAIRLEAD_SHUTDOWN_MS": "3000",
    "LOG_LEVEL": "warning",
}


class Part:
    """One fairlead process that is started again whenever it is gone, however it went."""

    def __init__(self, name: str, command: str, port: int, process: Process) -> None:
        self.name = name
        self.command = command
        # Where it answers; of a worker, its metrics.
        self.port = port
        self.process = process
        self.is_up = asyncio.Event()
        # Times it ended though nobody killed it.
        self.gave_up = 0
        self._keeper: asyncio.Task[None] | None = None
        self._ending = False

    def start(self) -> None:
        self.process.start()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def _keep(self) -> None:
        while True:
            while self.process.running():
                pid = self.process.pid
                # Asked of this process: it may have been killed while it answered.
                if not self.is_up.is_set() and await answers(self.port) and pid == self.process.pid:
                    self.is_up.set()
                await asyncio.sleep(POLL_S)
            self.is_up.clear()
            self.gave_up += 1
            self.process.start()

    async def kill(self) -> bool:
        """kill -9 and start again; False if there was nothing to kill."""
        if not self.process.running():
            return False
        # Nothing is awaited between: the keeper sees it running before and after.
        self.is_up.clear()
        self.process.kill()
        self.process.start()
        return True

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """To the process that it was when it had this id."""
        if self.process.running() and self.process.pid == pid:
            os.kill(pid, number)
            return True
        return False

    async def end(self) -> None:
        """SIGTERM, and wait."""
        if self._keeper is not None:
            self._keeper.cancel()
        self.is_up.clear()
        if self.process.running():
            # A stopped one would not hear the other signal.
            os.kill(self.process.pid, signal.SIGCONT)
            await asyncio.to_thread(self.process.stop)


class Rig:
    """All parts. Every part calls every other through a link."""

    def __init__(self, folder: Path, disk: Disk, seed: int) -> None:
        self.folder = folder
        self.disk = disk
        self._ports = _Ports(random.Random(f"ports {seed} {os.getpid()}"))
        self.servers: dict[str, Server] = {}
        self.server_up = {name: asyncio.Event() for name in (POSTGRES, REDIS)}
        self.links: dict[str, Link] = {}
        self.parts: dict[str, Part] = {}

    def up(self, name: str) -> asyncio.Event:
        """Set while the part accepts connections."""
        return self.server_up[name] if name in self.server_up else self.parts[name].is_up

    @property
    def postgres_url(self) -> str:
        return self.servers[POSTGRES].url

    def urls(self, through_links: bool) -> list[str]:
        """Where the APIs are."""
        if through_links:
            ports = [self.links[link_name("clients", api)].port for api in APIS]
        else:
            ports = [self.parts[api].port for api in APIS]
        return [f"127.0.0.1:{port}" for port in ports]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        """Start everything; end everything, whatever happened."""
        async with AsyncExitStack() as ending:
            ending.push_async_callback(self._stop_servers)
            await self._start_servers()
            self._make_parts()
            for link in self.links.values():
                ending.push_async_callback(link.close)
                await link.open()
            ending.push_async_callback(self.end_parts)
            for part in self.parts.values():
                part.start()
            async with asyncio.timeout(UP_WITHIN_S):
                for part in self.parts.values():
                    await part.is_up.wait()
            yield self

    async def _stop_servers(self) -> None:
        for server in self.servers.values():
            await asyncio.to_thread(server.stop)

    async def _start_servers(self) -> None:
        self.servers[POSTGRES] = await asyncio.to_thread(self.disk.start_postgres)
        self.servers[REDIS] = await asyncio.to_thread(servers.start_redis, own=True)
        await fill_template(self.postgres_url)
        for up in self.server_up.values():
            up.set()

    def _make_parts(self) -> None:
        ports = {name: next(self._ports) for name in (NODE, *APIS, *WORKERS)}
        targets = {name: server.port for name, server in self.servers.items()} | ports
        for one, other in links():
            name = link_name(one, other)
            self.links[name] = Link(name, next(self._ports), targets[other])
        for name, port in ports.items():
            command = name.partition("-")[0]
            folder = self.folder / name
            folder.mkdir()
            process = Process(command, folder, self._variables(name, port))
            self.parts[name] = Part(name, command, port, process)

    def _variables(self, name: str, port: int) -> dict[str, str]:
        shared = {**SETTINGS, "FAIRLEAD_DATA_DIR": str(self.folder / "data")}
        if name == NODE:
            return {**shared, "FAIRLEAD_NODE_PORT": str(port)}

        def by_link(server: str) -> int:
            return self.links[link_name(name, server)].port

        postgres, redis = self.servers[POSTGRES], self.servers[REDIS]
        return {
            **shared,
            "PORT" if name in APIS else "FAIRLEAD_METRICS_PORT": str(port),
            "DATABASE_URL": postgres.url.replace(str(postgres.port), str(by_link(POSTGRES))),
            "REDIS_URL": redis.url.replace(str(redis.port), str(by_link(REDIS))),
            "FAIRLEAD_RPC_URL": f"http://127.0.0.1:{by_link(NODE)}",
        }

    async def kill(self, name: str) -> bool:
        """kill -9 of a part or server, which is started again; False if it was down already."""
        if name in self.parts:
            return await self.parts[name].kill()
        if not self.server_up[name].is_set():
            return False
        self.server_up[name].clear()
        await asyncio.to_thread(self.servers[name].kill)
        await self.start_server(name)
        return True

    async def start_server(self, name: str) -> None:
        """Start one that is gone; returns when it accepts connections."""
        async with asyncio.timeout(2 * UP_WITHIN_S):
            while True:
                try:
                    await asyncio.to_thread(self.servers[name].restart)
                    break
                except (ServerUnavailableError, *DATABASE_AWAY):
                    # Its port is somebody else's at the moment, or its disk is still full.
                    await asyncio.sleep(POLL_S)
        self.server_up[name].set()

    async def mend_server(self, name: str) -> bool:
        """Returns once it serves again; True if it had ended and had to be started."""
        server = self.servers[name]
        while True:
            # One that was killed is being started already.
            await self.server_up[name].wait()
            if not await answers(server.port):
                self.server_up[name].clear()
                await self.start_server(name)
                return True
            with contextlib.suppress(*DATABASE_AWAY):
                await asyncio.to_thread(servers.run_sql, server.url, "SELECT 1")
                return False
            await asyncio.sleep(POLL_S)

    def logs_about(self, text: str, limit: int = 40) -> list[str]:
        """Lines of all processes that have it in them, with the process: the end of each line."""
        found: list[str] = []
        for part in self.parts.values():
            with part.process.log_path.open(errors="replace") as lines:
                found += [f"{part.name}: {line.strip()[-800:]}" for line in lines if text in line]
        return found[:limit]

    async def end_parts(self, names: Sequence[str] = ()) -> None:
        """SIGTERM to these or to all, the node last: it writes what is final."""
        parts = [part for name, part in self.parts.items() if not names or name in names]
        for is_node in (False, True):
            ending = [part.end() for part in parts if (part.name == NODE) == is_node]
            ended = await asyncio.gather(*ending, return_exceptions=True)
            for error in ended:
                if isinstance(error, BaseException):
                    raise error


async def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


class _Ports:
    """Ports below those that the system gives out: one that is killed finds its own free again."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._given: set[int] = set()

    def __next__(self) -> int:
        while True:
            port = self._dice.randrange(15_000, 32_000)
            if port in self._given:
                continue
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                self._given.add(port)
                return port
