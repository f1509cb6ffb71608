"""What ended orders have lent, in the SQLite store: a few writes in the common flush, and reads."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from fairlead.orders.lent import Lent, LentLatch, Reclaim, ReclaimSettled
from fairlead.orders.model import AttemptState
from fairlead.store.batch import Batcher
from fairlead.store.rows import encode_json, latch_of, lent_of, reclaim_of, reclaim_row
from fairlead.store.writes import AbsentLatches, BeginReclaim, NoteLatches, SettleReclaim

ReclaimWrite = NoteLatches | BeginReclaim | SettleReclaim | AbsentLatches
Execute = Callable[..., sqlite3.Cursor]


def run_reclaim_write(
    execute: Execute, queries: Mapping[str, str], value: ReclaimWrite, head: int
) -> Any:
    """Do one of them inside the flush. `head`: the position of the last committed event."""
    match value:
        case NoteLatches():
            return _note(execute, queries, value, head)
        case BeginReclaim():
            return _begin(execute, queries, value.reclaim)
        case SettleReclaim():
            return _settle(execute, queries, value.settled)
        case AbsentLatches():
            addresses = encode_json(value.addresses)
            rows = execute(queries["latches_absent"], (addresses,)).fetchall()
            return _give_back(execute, queries, rows, 0)
        case _:
            assert_never(value)


def _note(execute: Execute, queries: Mapping[str, str], note: NoteLatches, head: int) -> bool:
    ((after,),) = execute(queries["noted_position"])
    if after >= head:
        return False
    to = min(after + note.events, head)
    rows = execute(queries["note_latches"], (after, to)).fetchall()
    execute(queries["noted"], (to, len(rows), sum(taken for (taken,) in rows)))
    return bool(to < head)


def _begin(execute: Execute, queries: Mapping[str, str], reclaim: Reclaim) -> bool:
    known = execute(queries["reclaim_state"], (reclaim.signature,)).fetchone()
    if known is not None:
        return bool(known[0] == AttemptState.LIVE)
    addresses = encode_json(reclaim.latches)
    ((waiting,),) = execute(queries["waiting_latches"], (addresses,))
    if waiting != len(reclaim.latches):
        return False
    execute(queries["insert_reclaim"], reclaim_row(reclaim))
    execute(queries["take_latches"], (addresses, reclaim.signature))
    return True


def _settle(execute: Execute, queries: Mapping[str, str], settled: ReclaimSettled) -> None:
    values = (settled.signature, settled.state, settled.slot, settled.error)
    rows = execute(queries["settle_reclaim"], values).fetchall()
    if not rows:
        return
    ((addresses, lamports),) = rows
    if settled.state is AttemptState.SUCCEEDED:
        back = execute(queries["latches_reclaimed"], (addresses, settled.signature)).fetchall()
        _give_back(execute, queries, back, lamports)
        return
    failures = int(settled.state is AttemptState.ERRORED)
    values_again = (addresses, settled.signature, failures, settled.due_after_height)
    execute(queries["latches_wait_again"], values_again)


def _give_back(
    execute: Execute, queries: Mapping[str, str], rows: Sequence[Any], lamports: int
) -> None:
    if rows:
        taken = sum(taken for (taken,) in rows)
        execute(queries["given_back"], (len(rows), taken, lamports))


class SqliteReclaims:
    """Methods of `ports.Store` about latches that hold rent."""

    _batcher: Batcher
    _read: Callable[..., list[Any]]

    async def note_latches(self, events: int) -> bool:
        more: bool = await self._batcher.submit(NoteLatches(events))
        return more

    async def due_latches(self, height: int, limit: int) -> tuple[LentLatch, ...]:
        return tuple(map(latch_of, self._read("due_latches", height, limit)))

    async def begin_reclaim(self, reclaim: Reclaim) -> bool:
        begun: bool = await self._batcher.submit(BeginReclaim(reclaim))
        return begun

    async def live_reclaims(self, limit: int) -> tuple[Reclaim, ...]:
        return tuple(map(reclaim_of, self._read("live_reclaims", limit)))

    async def settle_reclaim(self, settled: ReclaimSettled) -> None:
        await self._batcher.submit(SettleReclaim(settled))

    async def absent_latches(self, addresses: Sequence[str]) -> None:
        await self._batcher.submit(AbsentLatches(tuple(addresses)))

    async def lent(self) -> Lent:
        return lent_of(self._read("lent")[0])

    async def lent_by(self, wallets: Sequence[str]) -> Mapping[str, int]:
        return dict(self._read("lent_by", encode_json(tuple(wallets))))
