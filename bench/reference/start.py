"""The reference engine, started on servers of its own, so that bench's tools can measure it."""

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from bench.engine import HOST, Engine, Process, free_port, measure_fsync, run_in, wait_until_ready
from tests import servers

FOLDER = Path(__file__).parent
INSTALL_TIMEOUT_S = 240.0
# Room for what one burst leaves behind: the young are collected less often.
NODE_OPTIONS = ("--max-semi-space-size=64",)

# Python becomes Node: one process and one id, for `Process` to measure and to end.
_BECOME = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


class ReferenceUnavailableError(Exception):
    """The reference engine cannot run here; the message says what is missing."""


def node() -> str:
    """The file of Node."""
    found = shutil.which("node")
    if found is None:
        raise ReferenceUnavailableError("no Node: install Node 20 or later (node, npm)")
    return found


def install() -> None:
    """The locked packages, unless they are there."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules/.package-lock.json"
    npm = shutil.which("npm")
    with lock.open() as held:
        # Tests may run in several processes, and npm starts by removing what is there.
        fcntl.flock(held, fcntl.LOCK_EX)
        # npm writes this one last: half an installation has none.
        if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
            return
        if npm is None:
            raise ReferenceUnavailableError("no npm: install it beside Node")
        try:
            subprocess.run(  # noqa: S603
                [npm, "ci"],
                cwd=FOLDER,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=INSTALL_TIMEOUT_S,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = (error.stderr or b"").decode(errors="replace")
            raise ReferenceUnavailableError(f"npm ci: {error}\n{said[-2_000:]}") from error


@contextlib.contextmanager
def reference(settings: Mapping[str, str]) -> Iterator[Engine]:
    """It, ready, with a PostgreSQL (fsync on) and a Redis of its own. All are gone afterwards."""
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(servers.start_postgres(fsync=True, own=True))
        run_in(postgres.url)
        redis = stack.enter_context(servers.start_redis(own=True))
        fsync_ms = measure_fsync(postgres.socket_folder)
        running = stack.enter_context(running_on(postgres.url, redis.url, settings))
        yield msgspec.structs.replace(running, fsync_ms=fsync_ms)


@contextlib.contextmanager
def running_on(
    database_url: str, redis_url: str, settings: Mapping[str, str] | None = None
) -> Iterator[Engine]:
    """It, ready, on servers that are there. It makes its table."""
    told = dict(settings or {})
    program = node()
    install()
    where = {
        "HOST": HOST,
        "PORT": str(port := free_port()),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "NODE_ENV": "production",
        # Not the caller's.
        "NODE_OPTIONS": "",
    }
    arguments = ["-c", _BECOME, program, *NODE_OPTIONS, str(FOLDER / "main.js")]
    with Process(arguments, {**where, **told}, FOLDER) as process:
        wait_until_ready(process, port, with_workers=True)
        yield Engine(process, port, "redis", told, {})
