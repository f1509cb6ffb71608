"""A store restored to an earlier moment beside a chain that went on: no order is executed again,
and each ends with what the chain says (EXACTLY-ONCE 23)."""

import sqlite3
from pathlib import Path

import pytest

from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus
from fairlead.store.sqlite import SqliteStore
from tests.workers.scenario import live
from tests.workers.world import World

MOMENTS = (E.ACCEPTED, E.CLAIMED, E.SUBMITTED, E.CONFIRMED, E.FINALIZED)


class Copy:
    """A backup of the store's file, and its restore under a chain that has gone on."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._copy = file.with_suffix(".copy")

    def take(self) -> None:
        source, copy = sqlite3.connect(self.file), sqlite3.connect(self._copy)
        source.backup(copy)
        source.close()
        copy.close()

    async def restore(self, world: World) -> None:
        """What was written since is gone, for streams too."""
        for process in world.processes:
            if not process.crashed.is_set():
                await process.crash()
        await world.store.close()
        for path in self.file.parent.glob(f"{self.file.name}*"):
            path.unlink()
        self._copy.rename(self.file)
        world.store = SqliteStore(self.file, world.clock, world._committed, inline=True)
        await world.store.open()
        world.events = list(await world.store.feed(0, 10_000))


async def _copy_at(world: World, copy: Copy, order_id: str, moment: E) -> None:
    await world.reaches(order_id, moment)
    copy.take()


@pytest.mark.parametrize("moment", MOMENTS)
def test_restored_order_is_not_executed_again(tmp_path: Path, moment: E):
    copy = Copy(tmp_path / "store.db")

    async def body(world: World) -> None:
        if moment is E.ACCEPTED:
            order_id = await world.submit()
            copy.take()
            world.process()
        else:
            world.process()
            order_id = await world.submit()
            await _copy_at(world, copy, order_id, moment)
        (before,) = await world.ends(order_id)
        sends = {sent.signature for sent in world.sends}
        await copy.restore(world)
        world.process()
        (after,) = await world.ends(order_id)
        assert OrderStatus.CONFIRMED is after.status
        assert (before.signature, before.amount_out_atoms) == (
            after.signature, after.amount_out_atoms
        )  # fmt: skip
        assert sends == {sent.signature for sent in world.sends}

    live(body, file=copy.file)
