"""One torture from beginning to end: start, storm, calm, books."""

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.torture import books, facts, outside, proofs, report
from tests.torture.disk import small_disk
from tests.torture.facts import Facts, Violation
from tests.torture.ledger import Journals
from tests.torture.load import Load
from tests.torture.plan import APIS, SERVE, WORKERS, make_plan
from tests.torture.recovery import Probe
from tests.torture.rig import DATABASE_AWAY, Rig
from tests.torture.storm import Storm
from tests.torture.story import story_of

PROGRESS_EVERY_S = 5.0
MAX_STORIES = 5
_POLL_S = 0.25
# What is broken from outside is a warning at the most.
_BUG = '"level": "error"'
_REPORT_BYTES = 1 << 26


@dataclass(frozen=True)
class Wanted:
    """How much of it."""

    minutes: float
    seed: int
    orders_per_second: float = 20.0
    sockets: int = 12
    # One order in so many has a socket of its own.
    followed: int = 10
    # From the end of the storm until every order has ended.
    ends_within_s: float = 180.0


@dataclass
class Outcome:
    summary: dict[str, Any]
    violations: list[Violation]
    stories: list[str]


async def torture(wanted: Wanted, say: Callable[[str], None]) -> Outcome:
    """All of it; what it made on disk is gone afterwards, unless something was violated."""
    folder = Path(tempfile.mkdtemp(prefix="fairlead-torture-"))
    is_clean = False
    try:
        with small_disk(512 + int(40 * wanted.minutes)) as disk:
            rig = Rig(folder, disk, wanted.seed)
            async with rig.running():
                outcome = await _Torture(wanted, rig, say).run()
        is_clean = not outcome.violations
        return outcome
    finally:
        if is_clean:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"logs and the chain's journal are kept in {folder}")


class _Torture:
    def __init__(self, wanted: Wanted, rig: Rig, say: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._rig = rig
        self._say = say
        self._probe = Probe(wanted.seed, self._apis_up)
        self._journals = Journals(rig.folder / "data", rig.folder / "journals")
        self._storm = Storm(rig, self._probe, self._journals)
        self._load = Load(wanted.seed, rig.urls(through_links=True), wanted.orders_per_second)
        self._progress = report.Progress(rig, self._storm, self._load)
        self._phase = "storm"
        self._not_ended: list[str] = []

    def _apis_up(self) -> list[str]:
        urls = self._rig.urls(through_links=False)
        parts = [self._rig.parts[name] for name in APIS]
        return [url for url, part in zip(urls, parts, strict=True) if part.is_up.is_set()]

    async def run(self) -> Outcome:
        async with _herd(self._wanted, self._rig.urls(through_links=True)) as herd:
            await self._run_storm_and_calm()
            # Whatever has not ended by now is not going on behind the back of the books.
            await self._rig.end_parts((*WORKERS, SERVE))
            found = await facts.read_store(self._rig.postgres_url)
            sockets = await _finish(herd, found.head())
            answers = await outside.ask(found, self._apis_up())
            verdicts = await proofs.ask(found, self._apis_up())
        # Then whatever the chain has made final is on its disk.
        await self._rig.end_parts()
        found.ledger = await asyncio.to_thread(self._journals.read)
        found.sent, found.probes = self._load.by_id, set(self._probe.accepted)
        found.refused = self._load.refused
        violations = [
            *(Violation(*each) for each in self._load.violations),
            *(Violation("every order ends in time", text) for text in self._not_ended),
            *_stood_still(self._storm),
            *(Violation("no part has a bug", line) for line in self._rig.logs_about(_BUG)),
            *_heard(found, sockets),
            *outside.check(found, answers),
            *proofs.check(found, verdicts),
            *await asyncio.to_thread(books.check, found),
        ]
        summary = {
            "seed": self._wanted.seed,
            "minutes": self._wanted.minutes,
            **report.summary(self._rig, self._storm, self._load, found, violations, self._progress),
            "proofs": proofs.figures(verdicts),
            "sockets": _socket_figures(sockets),
        }
        return Outcome(summary, violations, await self._stories(found, violations))

    async def _run_storm_and_calm(self) -> None:
        seconds = self._wanted.minutes * 60
        ends_at = time.monotonic() + seconds
        background = [
            asyncio.create_task(self._tell_progress()),
            asyncio.create_task(self._storm.probe_in_quiet()),
        ]
        clients = asyncio.create_task(self._load.run())
        try:
            plan = make_plan(self._wanted.seed, seconds)
            await self._storm.run(plan, lambda: time.monotonic() > ends_at)
            self._phase = "calm"
            background.pop().cancel()
            self._load.stop()
            async with asyncio.timeout(self._wanted.ends_within_s):
                await clients
                await self._until_none_is_open()
                await self._until_reclaims_end()
        except TimeoutError:
            text = f"{await self._open_orders()} are open, or reclaims of before are"
            self._not_ended.append(f"{text}, {self._wanted.ends_within_s:g} s on")
        finally:
            for task in (*background, clients):
                task.cancel()

    async def _until_none_is_open(self) -> None:
        while await self._open_orders() != 0:
            await asyncio.sleep(_POLL_S)

    async def _open_orders(self) -> int | None:
        """Orders that have not ended, by the store itself; None where it does not answer."""
        found = await self._of_store("SELECT count(*) FROM fairlead.orders WHERE NOT ended")
        return None if found is None else int(found[0][0])

    async def _until_reclaims_end(self) -> None:
        """Those that are on their way now; others begin as latches fall due."""
        live = "SELECT signature FROM fairlead.reclaims WHERE state = 'live'"
        waiting: set[str] | None = None
        while waiting is None or waiting:
            rows = await self._of_store(live)
            if rows is not None:
                now = {str(row[0]) for row in rows}
                waiting = now if waiting is None else waiting & now
            await asyncio.sleep(_POLL_S)

    async def _of_store(self, query: str) -> list[Any] | None:
        """Rows; None where it does not answer."""
        try:
            async with asyncio.timeout(2):
                connection = await asyncpg.connect(self._rig.postgres_url)
                try:
                    return list(await connection.fetch(query))
                finally:
                    # A proper end would wait for a server that may be gone.
                    connection.terminate()
        except DATABASE_AWAY:
            return None

    async def _tell_progress(self) -> None:
        while True:
            self._say(self._progress.line(self._phase, await self._open_orders()))
            await asyncio.sleep(PROGRESS_EVERY_S)

    async def _stories(self, found: Facts, violations: Sequence[Violation]) -> list[str]:
        orders = dict.fromkeys(each.order_id for each in violations if each.order_id)
        url, struck = self._rig.postgres_url, self._storm.struck
        return [
            await story_of(order, url, found, struck, self._rig.logs_about(order))
            for order in [*orders][:MAX_STORIES]
            if order in found.orders
        ]


def _stood_still(storm: Storm) -> list[Violation]:
    return [
        Violation("orders move again", f"not at all after {kind} was killed")
        for kind in storm.recoveries.stood_still
    ]


# --- socket clients


@asynccontextmanager
async def _herd(wanted: Wanted, apis: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Listeners in a process of their own, all connected."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.torture.listeners", str(wanted.sockets), str(wanted.followed),
        *apis, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_REPORT_BYTES,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert {"connected": wanted.sockets} == json.loads(await process.stdout.readline())
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _finish(herd: asyncio.subprocess.Process, head: str) -> dict[str, Any]:
    """What they saw up to this cursor."""
    assert herd.stdin is not None
    assert herd.stdout is not None
    herd.stdin.write(f"{head}\n".encode())
    await herd.stdin.drain()
    found: dict[str, Any] = json.loads(await herd.stdout.readline())
    return found


def _heard(found: Facts, sockets: dict[str, Any]) -> list[Violation]:
    """Every client has had every frame once, in the order of the log."""
    rule = "every socket gets every frame once, in order"
    violations = [
        Violation(rule, problem, each["name"] if each in sockets["ones"] else "")
        for each in (*sockets["all"], *sockets["ones"])
        for problem in each["problems"]
    ]
    digest, head = found.digest(), found.head()
    for each in sockets["all"]:
        if each["cursor"] != head:
            text = f"{each['name']} is at {each['cursor']}, not at {head}: {each['frames']} frames"
            violations.append(Violation(rule, text))
        elif each["digest"] != digest:
            text = f"{each['name']} saw other frames: {each['frames']} of {len(found.events)}"
            violations.append(Violation(rule, text))
    return violations


def _socket_figures(sockets: dict[str, Any]) -> dict[str, int]:
    everyone = [*sockets["all"], *sockets["ones"]]
    return {
        "of_all_orders": len(sockets["all"]),
        "of_one_order": len(sockets["ones"]),
        "frames": sum(each["frames"] for each in everyone),
        "reconnects": sum(max(0, each["connections"] - 1) for each in everyone),
    }
