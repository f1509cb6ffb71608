"""What every measurement needs: a fairlead and a database of its own, and the machine's facts."""

import contextlib
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from tests import servers

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).parents[1]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
FSYNC_SAMPLES = 300
# One page of PostgreSQL's log.
FSYNC_BYTES = 8_192
# Of PostgreSQL, 16 MB each; a measurement fills a few.
LOG_FILES = 24

STORES = ("sqlite", "postgresql", "redis", "none")
"""`none`: no engine at all but bench/trivial, to see what the tools themselves could measure."""

# Variables of the caller that would change what is measured.
_FOREIGN = ("FAIRLEAD_", "DATABASE_", "REDIS_", "HOST", "PORT", "LOG_LEVEL")
_PACKAGES = ("asyncpg", "httptools", "msgspec", "pynacl", "redis", "solders", "starlette")


class Process:
    """A Python process of ours, ended by its own pid."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments],
            env={**inherited, **environment},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def log(self) -> str:
        """The last 4,000 bytes it wrote."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4_000))
        return self._log.read().decode(errors="replace")

    def rss_bytes(self) -> int:
        """Memory it occupies now."""
        status = Path(f"/proc/{self.pid}/status")
        if status.exists():
            lines = status.read_text().splitlines()
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))
        ps = ["/bin/ps", "-o", "rss=", "-p", str(self.pid)]
        return int(subprocess.check_output(ps)) << 10  # noqa: S603

    def cpu_s(self) -> float | None:
        """CPU time it has used, None where the system does not tell."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return None
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            sys.stderr.write(self.log())
        self.stop()


class Engine(msgspec.Struct, frozen=True):
    """A running fairlead."""

    process: Process
    port: int
    # sqlite or postgresql.
    store: str
    # What it was told by variables, without addresses and folders.
    settings: dict[str, str]
    # Cost of one fdatasync in the folder of its database.
    fsync_ms: dict[str, float]
    # Of its PostgreSQL.
    database_url: str | None = None

    def figures(self) -> dict[str, object]:
        return {
            "store": self.store,
            "settings": self.settings,
            "fdatasync_ms": self.fsync_ms,
            "machine": machine(),
        }


@contextlib.contextmanager
def engine(
    command: str, store: str, settings: Mapping[str, str], also: Sequence[str] = ()
) -> Iterator[Engine]:
    """`fairlead <command>` on the paper chain's fast profile and a database of its own, ready.

    `store` is one of STORES (redis: with PostgreSQL); `also` names commands that run beside it. All
    are gone afterwards.
    """
    told = {"FAIRLEAD_CHAIN": "paper", "FAIRLEAD_PAPER_PROFILE": "fast", "LOG_LEVEL": "warning"}
    told.update(settings)
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="fairlead-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        port = free_port()
        where = {"HOST": HOST, "PORT": str(port), "FAIRLEAD_DATA_DIR": str(folder)}
        database = folder
        if store in ("postgresql", "redis"):
            postgres = stack.enter_context(servers.start_postgres(fsync=True, own=True))
            run_in(postgres.url)
            where["DATABASE_URL"] = postgres.url
            database = postgres.socket_folder
        if store == "redis":
            where["REDIS_URL"] = stack.enter_context(servers.start_redis(own=True)).url
        fsync_ms = measure_fsync(database)
        # As the installed command does it, with this interpreter.
        if store == "none":
            process = stack.enter_context(Process(trivial_server(port), {}, REPOSITORY))
        else:
            names = [command, *also]
            if command != "serve":
                # Processes that share a chain find it at a node.
                where["FAIRLEAD_NODE_PORT"] = str(node_port := free_port())
                stack.enter_context(Process(fairlead("node"), {**told, **where}, folder))
                wait_until_open(node_port)
            process, *_ = [
                stack.enter_context(Process(fairlead(name), {**told, **where}, folder))
                for name in names
            ]
        wait_until_ready(process, port, with_workers=command == "serve" or "worker" in also)
        yield Engine(process, port, store, told, fsync_ms, where.get("DATABASE_URL"))


def run_in(url: str) -> None:
    """Bring a fresh PostgreSQL where one that has run for a while is: with log files to write anew.

    A new one of 16 MB is filled with zeros and flushed first, which takes 15 ms: under full load
    that would be every commit's wait twice a second, until the first checkpoint.
    """
    servers.run_sql(url, "ALTER SYSTEM SET min_wal_size = '1GB'", "SELECT pg_reload_conf()")
    message = "SELECT pg_logical_emit_message(false, '', repeat('x', 16000000)) FROM {}"
    files = f"generate_series(1, {LOG_FILES})"
    servers.run_sql(url, message.format(files), "CHECKPOINT", "CHECKPOINT")


def settings_in(options: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE options as variables."""
    return dict(option.split("=", 1) for option in options)


def trivial_server(port: int) -> list[str]:
    """What Python is told to run bench/trivial."""
    return ["-m", "uvicorn", "bench.trivial:app", f"--port={port}", "--log-level=warning"]


def fairlead(name: str) -> list[str]:
    """What Python is told to run a command of fairlead, as the installed script does it."""
    return ["-c", "from fairlead.cli import main; main()", name]


def wait_until_ready(process: Process, port: int, *, with_workers: bool) -> None:
    """Returns once `GET /ready` finds no fault, but for the workers where there are none."""
    deadline = time.monotonic() + START_TIMEOUT_S
    answer = b""
    while not _is_ready(answer, with_workers):
        if process.has_ended or time.monotonic() > deadline:
            raise RuntimeError(f"the engine is not ready: {answer[-2_000:]!r}\n{process.log()}")
        with contextlib.suppress(OSError):
            answer = get(port, "/ready")
        time.sleep(0.05)


def _is_ready(answer: bytes, with_workers: bool) -> bool:
    if answer.startswith(b"HTTP/1.1 200"):
        return True
    body = answer.partition(b"\r\n\r\n")[2]
    if with_workers or not body:
        return False
    checks: dict[str, str] = json.loads(body).get("checks", {})
    return bool(checks) and all(v == "ok" for name, v in checks.items() if name != "workers")


def get(port: int, path: str) -> bytes:
    """The whole answer to a GET, head included."""
    with socket.create_connection((HOST, port), timeout=10) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def counts(port: int) -> dict[str, int]:
    """The kept counts of `GET /api/orders`."""
    body = get(port, "/api/orders?limit=1").partition(b"\r\n\r\n")[2]
    answer = json.loads(body)
    return {name: value for name, value in answer.items() if isinstance(value, int)}


def wait_until_open(port: int) -> None:
    """Returns once something listens on the port."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    return servers.free_port()


def measure_fsync(folder: Path) -> dict[str, float]:
    """p50 and p99 of appending a page and fdatasync, in ms, in this folder."""
    samples = []
    sync = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        page = bytes(FSYNC_BYTES)
        for _ in range(FSYNC_SAMPLES):
            file.write(page)
            began = time.perf_counter()
            sync(file.fileno())
            samples.append(time.perf_counter() - began)
    samples.sort()
    return {
        "p50": round(samples[FSYNC_SAMPLES // 2] * 1e3, 3),
        "p99": round(samples[int(FSYNC_SAMPLES * 0.99)] * 1e3, 3),
    }


def machine() -> dict[str, object]:
    """What a figure depends on besides the code."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [ln for ln in info.read_text().splitlines() if ln.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(REPOSITORY), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or None


def allow_open_files(count: int) -> int:
    """Raise this process's limit, which children inherit, and return what is allowed now."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def print_figures(figures: Mapping[str, object]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
