"""The paper chain's data on disk: one process at a time, one file, appended and synced as blocks
root.

A file starts with a snapshot and goes on with what became final after it (`ledger/journal.py`).
Each start, and a file that has grown too long, begins the next one: written whole and synced under
another name first, so that a crash at any point leaves a file that is good.
"""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from fairlead.errors import ConfigError, Unavailable
from fairlead.ledger import journal
from fairlead.ledger.journal import Record
from fairlead.ledger.records import Snapshot

FOLDER_VARIABLE = "FAIRLEAD_DATA_DIR"
MAX_FILE_BYTES = 256 * 1024 * 1024
"""A longer journal is compacted to a snapshot and begun anew."""


class PaperFiles:
    """The folder of one paper chain. Not for the event loop: its methods wait for the disk."""

    def __init__(self, folder: Path) -> None:
        """Lock the folder; `ConfigError` if another process has it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = 0
        self._file: BinaryIO | None = None
        self._lock = (folder / "lock").open("a+b")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConfigError(
                FOLDER_VARIABLE,
                f"the paper chain in {folder} is open in another process, and it lives in one at a"
                " time: stop the other, or give this one a folder of its own",
            ) from None

    @property
    def size(self) -> int:
        """Bytes in the current file."""
        return 0 if self._file is None else self._file.tell()

    def load(self) -> list[Record]:
        """Everything that was synced; empty for a new folder."""
        files = self._folder.glob("paper-*.journal")
        numbers = sorted(int(file.stem.rpartition("-")[2]) for file in files)
        if not numbers:
            return []
        self._number = numbers[-1]
        path = self._path(self._number)
        try:
            records, _ = journal.decode(path.read_bytes())
        except journal.CorruptJournal as error:
            raise ConfigError(
                FOLDER_VARIABLE,
                f"{path} is damaged ({error}): restore it, or move it away to start anew",
            ) from error
        return records

    def append(self, records: Sequence[Record]) -> None:
        """Write and sync. A snapshot begins the next file."""
        pending: list[bytes] = []
        for record in records:
            if isinstance(record, Snapshot):
                self._write(pending)
                pending = []
                self._begin(record)
            else:
                pending.append(journal.encode(record))
        self._write(pending)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.close()

    def _write(self, frames: Sequence[bytes]) -> None:
        if frames:
            assert self._file is not None, "a snapshot comes first"
            self._file.write(b"".join(frames))
            self._file.flush()
            os.fdatasync(self._file.fileno())

    def _begin(self, snapshot: Snapshot) -> None:
        if self._file is not None:
            self._file.close()
        self._number += 1
        path = self._path(self._number)
        partial = path.with_suffix(".partial")
        self._file = partial.open("wb")
        self._write([journal.encode(snapshot)])
        partial.rename(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        for file in self._folder.glob("paper-*.journal"):
            if file != path:
                file.unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"paper-{number}.journal"


class JournalWriter:
    """Syncs in a thread, in order, whatever came while the last sync ran together."""

    def __init__(self, files: PaperFiles) -> None:
        self._files = files
        self._waiting: list[Record] = []
        self._added = 0
        self._synced = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._failure: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether a snapshot should be added, to begin the next file."""
        return self._files.size > MAX_FILE_BYTES

    def add(self, records: Sequence[Record]) -> None:
        """Take over what became final."""
        if records and self._failure is None:
            self._waiting.extend(records)
            self._added += len(records)
            if self._task is None:
                self._task = asyncio.ensure_future(self._run())

    async def synced(self) -> None:
        """Return when all that was added is on disk; `Unavailable` if it cannot be written."""
        if self._failure is not None:
            raise Unavailable("chain", self._failure)
        if self._synced < self._added:
            future = asyncio.get_running_loop().create_future()
            self._waiters.append((self._added, future))
            await future

    async def close(self) -> None:
        """Write the rest and let go of the folder."""
        while self._task is not None:
            await asyncio.wait([self._task])
        self._files.close()

    async def _run(self) -> None:
        try:
            while self._waiting:
                records, self._waiting = self._waiting, []
                await asyncio.to_thread(self._files.append, records)
                self._synced += len(records)
                self._wake(None)
        except OSError as error:
            # Nothing after this may be reported final: the file may end in the middle of a record.
            self._failure = f"the paper chain's journal cannot be written: {error.strerror}"
            self._wake(Unavailable("chain", self._failure))
        finally:
            self._task = None

    def _wake(self, error: Unavailable | None) -> None:
        while self._waiters and (error is not None or self._waiters[0][0] <= self._synced):
            _, future = self._waiters.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
