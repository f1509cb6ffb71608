"""Carries out a plan of strikes, and measures after each kill how soon orders move again."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tests.torture.ledger import Journals
from tests.torture.plan import NODE, POSTGRES, WORKERS, Kind, Strike
from tests.torture.recovery import Probe, Recoveries
from tests.torture.rig import Rig

KEEP_JOURNAL_EVERY_S = 240.0
"""The chain forgets after 20,000 transactions: many times longer at any rate we send."""

QUIET_PROBE_EVERY_S = 20.0


class Storm:
    """What was done, when, and how long it took to recover."""

    def __init__(self, rig: Rig, probe: Probe, journals: Journals) -> None:
        self.recoveries = Recoveries()
        # Kills by part, others by kind.
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        # By the wall clock, for stories.
        self.struck: list[tuple[float, str]] = []
        self._rig = rig
        self._probe = probe
        self._journals = journals
        self._journal_kept_at = time.monotonic()
        # Strikes under way, of any kind; and how many there were in all.
        self._under_way = 0
        self._begun = 0

    async def run(self, plan: Sequence[Strike], is_over: Callable[[], bool]) -> None:
        """All of the plan; ends when what was broken is whole again."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for strike in plan:
                await asyncio.sleep(max(0.0, began + strike.at_s - time.monotonic()))
                if is_over():
                    return
                group.create_task(self._strike(strike))

    async def _strike(self, strike: Strike) -> None:
        self._begun += 1
        self._under_way += 1
        self.struck.append((time.time(), strike.told()))
        try:
            await self._doing(strike)
        finally:
            self._under_way -= 1

    def _doing(self, strike: Strike) -> Coroutine[Any, Any, None]:
        match strike.kind:
            case Kind.KILL:
                return self._kill(strike.target)
            case Kind.STOP:
                return self._stop(strike.target, strike.lasts_s)
            case Kind.FULL:
                return self._fill(strike.lasts_s)
            case Kind.CUT:
                assert strike.cut is not None
                self.others[f"cut {strike.cut}"] += 1
                return self._rig.links[strike.target].suffer(strike.cut, strike.lasts_s)

    async def _kill(self, target: str) -> None:
        was_quiet = self._under_way == 1 and self._all_up()
        begun = self._begun
        # From the kill on where others can go on, else from when it accepts connections again.
        others_go_on = target in self._rig.parts and target != NODE
        if not await self._rig.kill(target):
            return
        self.kills[target] += 1
        if target == NODE:
            self._keep_journal()
        if not others_go_on:
            await self._rig.up(target).wait()
        seconds = await self._probe.seconds_to_move()
        was_alone = was_quiet and begun == self._begun
        kind = "worker" if target in WORKERS else target.partition("-")[0]
        self.recoveries.add(kind, seconds, was_alone)
        await self._rig.up(target).wait()

    def _all_up(self) -> bool:
        names = (*self._rig.parts, *self._rig.server_up)
        return all(self._rig.up(name).is_set() for name in names)

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
            while self._under_way or not self._all_up():
                await asyncio.sleep(0.05)
            begun = self._begun
            seconds = await self._probe.seconds_to_move()
            self.recoveries.add("nothing", seconds, begun == self._begun)
