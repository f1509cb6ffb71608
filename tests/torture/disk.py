"""A disk for PostgreSQL that can be made full: a small tmpfs where root can mount one, else a limit
on the size of files."""

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import servers
from tests.servers import Server

_CHUNK_BYTES = 16 << 20
_BALLAST = "ballast"
# A file-size limit below any file that PostgreSQL extends while it works.
_LIMIT_BYTES = 8_192
# Else PostgreSQL keeps a gigabyte of it.
_SETTINGS = ("max_wal_size = '96MB'", "min_wal_size = '32MB'")


class Disk:
    """Where PostgreSQL keeps its data. `fill` and `free` may be called in any order."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._server: Server | None = None

    @property
    def kind(self) -> str:
        return "tmpfs" if self._folder is not None else "file-size limit"

    def start_postgres(self) -> Server:
        """A server on it, of its own."""
        before = tempfile.tempdir
        tempfile.tempdir = str(self._folder) if self._folder is not None else None
        try:
            self._server = servers.start_postgres(own=True)
        finally:
            tempfile.tempdir = before
        statements = [f"ALTER SYSTEM SET {setting}" for setting in _SETTINGS]
        servers.run_sql(self._server.url, *statements, "SELECT pg_reload_conf()")
        return self._server

    def fill(self) -> None:
        """From now on there is no room for anything more."""
        if self._folder is None:
            self._limit(_LIMIT_BYTES)
            return
        with (self._folder / _BALLAST).open("ab") as ballast:
            size = _CHUNK_BYTES
            while size >= 4_096:
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.tell(), size)
                    ballast.seek(0, os.SEEK_END)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        """There is room again."""
        if self._folder is None:
            self._limit(None)
        else:
            (self._folder / _BALLAST).unlink(missing_ok=True)

    def used_bytes(self) -> int:
        return shutil.disk_usage(self._folder).used if self._folder is not None else 0

    def _limit(self, bytes_each: int | None) -> None:
        assert self._server is not None
        postmaster = self._server.pid
        soft = "unlimited" if bytes_each is None else str(bytes_each)
        for pid in (postmaster, *_children(postmaster)):
            # Even root may change its own processes only, and as root the server is another's.
            with contextlib.suppress(OSError):
                owner = Path(f"/proc/{pid}").stat()
                command = ["prlimit", f"--pid={pid}", f"--fsize={soft}:unlimited"]
                # It may have ended meanwhile.
                subprocess.run(command, user=owner.st_uid, group=owner.st_gid, capture_output=True)


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything but ends with the last bracket: state, parent.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@contextlib.contextmanager
def small_disk(size_mb: int) -> Iterator[Disk]:
    """A tmpfs of this size, gone with all that is on it; without one, a disk by limits."""
    folder = Path(tempfile.mkdtemp(prefix="fl-disk-", dir="/tmp"))
    mounted = os.geteuid() == 0 and _run(
        "mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(folder)
    )
    try:
        yield Disk(folder if mounted else None)
    finally:
        if mounted and not _run("umount", str(folder)):
            # Something still looks at it: it goes when that ends.
            _run("umount", "--lazy", str(folder))
        folder.rmdir()


def _run(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True).returncode == 0
