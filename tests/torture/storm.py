"""Carries out a plan of strikes, and measures after each kill how soon orders move again."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tests.torture.ledger import Journals
from tests.torture.plan import APIS, NODE, POSTGRES, SERVE, SERVERS, WORKERS, Kind, Strike
from tests.torture.recovery import Probe, Recoveries
from tests.torture.rig import Rig

ALL = (*SERVERS, *APIS, *WORKERS)
KEEP_JOURNAL_EVERY_S = 240.0
"""The chain forgets after 20,000 transactions: many times longer at any rate we send."""

QUIET_PROBE_EVERY_S = 20.0
MEASURED_WITHIN_S = 5.0
"""For so long an orderly kill waits until the last one has been recovered from: were it to come in
between, slow recoveries were never among those that count."""

TAKEN_OVER_WITHIN_MS = 2_000
"""What is taken over so soon after an orderly kill of a worker was that worker's: the next kill
comes later."""


class Storm:
    """What was done, when, and how long it took to recover."""

    def __init__(self, rig: Rig, probe: Probe, journals: Journals) -> None:
        self.recoveries = Recoveries()
        # Kills by part, others by kind.
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        # From the first strike's time to the last one's end.
        self.lasted_s = 0.0
        # By the wall clock, for stories.
        self.struck: list[tuple[float, str]] = []
        self._rig = rig
        self._probe = probe
        self._journals = journals
        self._journal_kept_at = time.monotonic()
        # When workers were killed and nothing else was broken.
        self.workers_killed_at: list[float] = []
        # Strikes that break something at the moment; how many there were of all kinds.
        self._breaking = 0
        self._begun = 0
        self._measuring = 0
        self._measured = asyncio.Event()

    async def run(self, plan: Sequence[Strike], is_over: Callable[[], bool]) -> None:
        """All of the plan; ends when what was broken is whole again."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for strike in plan:
                await asyncio.sleep(max(0.0, began + strike.at_s - time.monotonic()))
                if strike.is_alone:
                    await self._until_measured()
                if is_over():
                    break
                group.create_task(self._strike(strike))
            self.lasted_s = time.monotonic() - began

    async def _until_measured(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MEASURED_WITHIN_S):
                while self._measuring:
                    self._measured.clear()
                    await self._measured.wait()

    async def _strike(self, strike: Strike) -> None:
        self._begun += 1
        self.struck.append((time.time(), strike.told()))
        if strike.kind is Kind.KILL:
            await self._kill(strike.target)
            return
        self._breaking += 1
        try:
            await self._doing(strike)
        finally:
            self._breaking -= 1

    def _doing(self, strike: Strike) -> Coroutine[Any, Any, None]:
        match strike.kind:
            case Kind.STOP:
                return self._stop(strike.target, strike.lasts_s)
            case Kind.FULL:
                return self._fill(strike.lasts_s)
            case Kind.CUT:
                assert strike.cut is not None
                self.others[f"cut {strike.cut}"] += 1
                return self._rig.links[strike.target].suffer(strike.cut, strike.lasts_s)
            case Kind.KILL:
                raise AssertionError("a kill is measured")

    async def _kill(self, target: str) -> None:
        was_quiet = self._is_quiet_but_for(target)
        begun, killed_at = self._begun, time.time()
        if not await self._rig.kill(target):
            return
        self.kills[target] += 1
        if target == NODE:
            self._keep_journal()
        self._measuring += 1
        try:
            # From the kill on where others can go on, else from when it accepts connections again.
            if target not in (*WORKERS, *APIS):
                await self._rig.up(target).wait()
            seconds = await self._probe.seconds_to_move()
        finally:
            self._measuring -= 1
            self._measured.set()
        was_alone = was_quiet and begun == self._begun
        if was_alone and target in (*WORKERS, SERVE):
            self.workers_killed_at.append(killed_at)
        kind = "worker" if target in WORKERS else target.partition("-")[0]
        self.recoveries.add(kind, seconds, was_alone)

    def _is_quiet_but_for(self, target: str) -> bool:
        """Whether the rest works: each server, an API, a worker. Another may be starting."""
        is_up = {name: self._rig.up(name).is_set() for name in ALL if name != target}
        return (
            not self._breaking
            and not self._measuring
            and all(is_up.get(server, True) for server in SERVERS)
            and any(is_up.get(api) for api in APIS)
            and any(is_up.get(worker) for worker in WORKERS)
        )

    def _keep_journal(self) -> None:
        now = time.monotonic()
        if now - self._journal_kept_at > KEEP_JOURNAL_EVERY_S:
            self._journals.keep_newest()
            self._journal_kept_at = now

    async def _stop(self, target: str, lasts_s: float) -> None:
        part = self._rig.parts[target]
        pid = part.process.pid
        if part.signal(pid, signal.SIGSTOP):
            self.others["stop"] += 1
            await asyncio.sleep(lasts_s)
            part.signal(pid, signal.SIGCONT)

    async def _fill(self, lasts_s: float) -> None:
        self.others["disk full"] += 1
        disk = self._rig.disk
        await asyncio.to_thread(disk.fill)
        try:
            await asyncio.sleep(lasts_s)
        finally:
            await asyncio.to_thread(disk.free)
        # It may have given up when it could not write its log.
        if await self._rig.mend_server(POSTGRES):
            self.others["PostgreSQL ended by a full disk"] += 1

    async def probe_in_quiet(self) -> None:
        """Now and then, with nothing broken: what there is to compare recoveries with."""
        while True:
            await asyncio.sleep(QUIET_PROBE_EVERY_S)
            while not self._is_quiet_but_for(""):
                await asyncio.sleep(0.05)
            begun = self._begun
            seconds = await self._probe.seconds_to_move()
            self.recoveries.add("nothing", seconds, begun == self._begun)

    def takeovers_ms(self, taken_over_at_ms: Sequence[int]) -> list[int]:
        """After each orderly kill of a worker that had orders: until the last of them had another
        owner."""
        found: list[int] = []
        for killed_at in self.workers_killed_at:
            after = [at_ms - int(killed_at * 1000) for at_ms in taken_over_at_ms]
            if own := [each for each in after if 0 <= each <= TAKEN_OVER_WITHIN_MS]:
                found.append(max(own))
        return found
