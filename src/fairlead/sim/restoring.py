"""Those who run the engine: they take backups of its store, and bring it back from one.

All processes end and the store is as it was; the chain and the clients have gone on. As the
instructions say, the engine is begun once what was sent is decided, and the API once the orders
that were filled meanwhile are found. With a latch some are hastier about the first.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from fairlead.sim.memory import Past
from fairlead.sim.truth import DECIDED, OVER
from fairlead.sim.world import World

HASTY_SHARE = 0.4
LONGEST_HASTE_S = 3.0
LOOK_EVERY_S = 0.5
FOUND_WITHIN_S = 900.0
"""After a restore every order that was filled meanwhile is found in this time."""


class Backup(msgspec.Struct, frozen=True):
    """The store's file, and what the auditor knew when it was copied."""

    image: bytes
    past: Past


class Operators:
    """Of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.dice.random
        self._backup: Backup | None = None
        self._at_work = False
        self._opening: asyncio.Task[None] | None = None

    def back_up(self) -> bool:
        """Copy the store as it is; the earlier copy is not needed any more. Not in the first moment
        of its life, when no process was ready yet: what came before cannot be told from such a one.
        """
        if not self._world.store.rows("SELECT slot FROM chain_known"):
            return False
        memory = self._world.auditor.memory
        self._backup = Backup(self._world.store.image(), memory.past())
        return True

    def restore(self) -> Coroutine[Any, Any, None] | None:
        """Go back to the copy; None while there is none, or one restore is not over yet."""
        if self._backup is None or self._at_work:
            return None
        self._at_work = True
        return self._restore(self._backup)

    async def _restore(self, backup: Backup) -> None:
        world = self._world
        world.tell("world", "is restored from a backup")
        await world.shut_down()
        memory = world.auditor.memory
        if world.settings.execution.latch and self._random.random() < HASTY_SHARE:
            await asyncio.sleep(self._random.uniform(0.0, LONGEST_HASTE_S))
            memory.go_back(backup.past)
            memory.excused.update(self._undecided())
        else:
            await self._decided(backup.past)
            memory.go_back(backup.past)
        await world.begin_again(backup.image)
        self._opening = asyncio.ensure_future(self._open_doors())

    async def over(self) -> None:
        """Until all is as usual again."""
        if self._opening is not None:
            await self._opening

    async def _open_doors(self) -> None:
        await self._found()
        self._world.doors.set()
        self._at_work = False

    def _undecided(self) -> set[str]:
        """Orders of which something lost may still land."""
        memory, truth = self._world.auditor.memory, self._world.truth
        return {
            order_id
            for order_id in memory.lost
            if any(truth.where(each) not in DECIDED for each in memory.lost_of(order_id))
        }

    async def _decided(self, past: Past) -> None:
        """Until all that was sent has landed for good, or never will."""
        memory, truth = self._world.auditor.memory, self._world.truth
        lost = memory.after(past)
        while lost:
            lost = [each for each in lost if truth.where(each) not in DECIDED]
            await asyncio.sleep(LOOK_EVERY_S)

    async def _found(self) -> None:
        """Until no order that was filled meanwhile could be cancelled by its client."""
        world = self._world
        calm_s = 0.0
        while (missing := self._missing()) and not world.auditor.violations:
            if calm_s > FOUND_WITHIN_S:
                text = f"not found within {FOUND_WITHIN_S:g} s without a fault"
                world.fail("what was filled is found (rule 23)", text, missing[0])
                return
            await asyncio.sleep(LOOK_EVERY_S)
            calm_s += LOOK_EVERY_S if world.dice.is_over else 0.0

    def _missing(self) -> list[str]:
        memory, truth = self._world.auditor.memory, self._world.truth
        return [
            order_id
            for order_id in memory.open
            if order_id not in memory.excused
            and any(
                each.legs and truth.where(each) not in OVER for each in memory.lost_of(order_id)
            )
        ]
